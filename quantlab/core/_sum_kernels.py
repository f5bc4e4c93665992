"""Sums that keep what rounding drops: a sum is a pair (high, low) whose exact total is the true sum to about 32 digits.

So a mean does not lose digits to a large offset, the mean of equal values is that value, and, except for an accident of
about one in 10**13, the order of the terms does not change a bit of the result.

Source: T. Ogita, S. M. Rump, S. Oishi (2005), "Accurate sum and dot product", SIAM Journal on Scientific Computing
26(6), DOI 10.1137/030601818 (their TwoSum and Split). Needs a compiler that does not reorder additions: no fastmath.
"""

# mypy: allow-untyped-defs
from __future__ import annotations

from quantlab.core._kernel import kernel

_SPLIT = 134217729.0  # 2**27 + 1 cuts a float64 into two halves of 26 bits


@kernel(plain=True)
def two_sum(a, b):
    """Rounded sum of ``a`` and ``b``, and the exact error of that rounding."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@kernel(plain=True)
def split_mean(high, low, n):
    """(high + low) / n as a pair: the mean to the nearest float64, and what is left; (high / n, 0) when not finite."""
    quotient = high / n
    cut = _SPLIT * quotient
    top = cut - (cut - quotient)
    # n is a whole number below 2**26, so both products are exact, and so is the remainder of the division.
    rest = (((high - top * n) - (quotient - top) * n) + low) / n
    rest = rest if rest - rest == 0.0 else 0.0
    mean = quotient + rest
    left = (quotient - mean) + rest
    return mean, left if left - left == 0.0 else 0.0
