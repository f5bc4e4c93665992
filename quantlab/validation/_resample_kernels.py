# mypy: allow-untyped-defs
"""Resampling in blocks, drawn by counter: replicate r is fixed by (seed, r), whatever the chunk or thread.

A replicate is a row of blocks of consecutive observations, wrapped around at the end, so that every observation is
equally likely at every place. Lengths are fixed, or geometric (D. N. Politis, J. P. Romano (1994), "The stationary
bootstrap", Journal of the American Statistical Association 89(428), DOI 10.1080/01621459.1994.10476870).
"""

from __future__ import annotations

import numpy as np

from quantlab.core import kernel
from quantlab.core._rng_kernels import philox

_LOW = np.uint64(0xFFFFFFFF)
_24 = np.uint64(24)
_32 = np.uint64(32)


@kernel
def resample(values, seed, first, length, steps, guide, out):
    """Fill row i of ``out`` (B, T) with replicate ``first + i`` of ``values`` (n,), n < 2**32, under ``seed`` (uint64).

    Blocks have ``length`` observations; with ``length`` 0 it is the least k for which a 32-bit number lies below
    ``steps[k]`` (uint64), which is searched from ``guide`` [the number's upper 8 bits] (int64) on. Of each 64-bit word
    of the stream, a fixed block takes one half and a geometric block both. A table and whole numbers, because a
    logarithm per block takes as long as the rest together, and has other last bits on other machines.
    """
    n = values.shape[0]
    range_ = np.uint64(n)
    replicates, total = out.shape
    words = np.empty(4, dtype=np.uint64)
    for i in range(replicates):
        key = np.uint64(first + i)
        half = 0
        place = 0
        while place < total:
            if half % 8 == 0:
                philox(np.uint64(half // 8), seed, key, words)
            word = words[(half // 2) % 4]
            if length > 0:
                bits = word & _LOW if half % 2 == 0 else word >> _32
                size = length
                half += 1
            else:
                bits = word & _LOW
                rest = word >> _32
                size = guide[rest >> _24]
                while rest >= steps[size]:
                    size += 1
                half += 2
            start = np.int64((bits * range_) >> _32)
            stop = min(place + size, total)
            while place < stop:
                run = min(stop - place, n - start)
                for j in range(run):
                    out[i, place + j] = values[start + j]
                place += run
                start = np.int64(0)
