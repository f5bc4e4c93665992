# mypy: allow-untyped-defs
"""Philox 4x64-10 in the kernel dialect: random numbers by counter, so that replicate r is the same in any order or
thread.

Source: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3",
SC '11, DOI 10.1145/2063384.2063405. The stream of ``(key0, key1)`` equals ``numpy.random.Philox(key=[key0, key1])``.
"""

from __future__ import annotations

import numpy as np

from quantlab.core._kernel import kernel

_M0 = np.uint64(0xD2E7470EE14C6C93)
_M1 = np.uint64(0xCA5A826395121157)
_W0 = np.uint64(0x9E3779B97F4A7C15)
_W1 = np.uint64(0xBB67AE8584CAA73B)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_11 = np.uint64(11)
_ONE = np.uint64(1)
_UNIT = 1.0 / 9007199254740992.0  # 2**-53


@kernel
def multiply_high(a, b):
    """High 64 bits of the 128-bit product, from four 32-bit products."""
    a0, a1 = a & _LOW, a >> _32
    b0, b1 = b & _LOW, b >> _32
    low = a0 * b0
    middle = a1 * b0 + (low >> _32)
    carry = a0 * b1 + (middle & _LOW)
    return a1 * b1 + (middle >> _32) + (carry >> _32)


@kernel
def philox(counter, key0, key1, out):
    """Write the four 64-bit words of block ``counter`` (uint64) of stream (key0, key1) into ``out``."""
    # NumPy increments the counter before it makes the first block; we do the same, so that streams are equal.
    c0, c1, c2, c3 = counter + _ONE, np.uint64(0), np.uint64(0), np.uint64(0)
    k0, k1 = key0, key1
    for _ in range(10):
        high0, low0 = multiply_high(_M0, c0), _M0 * c0
        high1, low1 = multiply_high(_M1, c2), _M1 * c2
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0 = k0 + _W0
        k1 = k1 + _W1
    out[0], out[1], out[2], out[3] = c0, c1, c2, c3


@kernel
def uniforms(key0, key1, start, out):
    """Fill ``out`` (n,) float64 with uniforms on [0, 1): words start, start + 1, ... of stream (key0, key1)."""
    block = np.empty(4, dtype=np.uint64)
    n = out.shape[0]
    loaded = np.int64(-1)
    for i in range(n):
        word = start + i
        if word // 4 != loaded:
            loaded = word // 4
            philox(np.uint64(loaded), key0, key1, block)
        out[i] = np.float64(block[word % 4] >> _11) * _UNIT
