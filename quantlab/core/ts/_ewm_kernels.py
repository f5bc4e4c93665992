"""Exponentially weighted mean and standard deviation of every column, in one walk forward.

Each update adds to what is there; no term is ever taken out again, and sums of squares are sums of terms >= 0 (after D.
H. D. West (1979), "Updating mean and variance estimates", Communications of the ACM 22(9), DOI 10.1145/359146.359153,
with decaying weights).
"""

# mypy: allow-untyped-defs
from __future__ import annotations

import numpy as np

from quantlab.core._kernel import kernel
from quantlab.core._sum_kernels import two_sum

_LARGEST = 1e150  # beyond this a square is no float64


@kernel(plain=True)
def ewm(x, decay, least, deviation):
    """Exponentially weighted mean of each column up to each row, or its unbiased standard deviation.

    A value k rows old weighs decay**k. State per column: the mean as an unevaluated sum ``high + low``, the sum of
    weights ``w``, the weighted sum of squares about the mean ``squares``, twice the sum of the products of all pairs of
    weights ``pairs`` (so that variance = squares * w / pairs, without the cancellation of w**2 - sum of squared
    weights), the decay ``fade`` since the last present value, and the number ``n`` of present values.
    """
    rows, columns = x.shape
    out = np.empty((rows, columns))
    high, low, w, n = np.zeros(columns), np.zeros(columns), np.zeros(columns), np.zeros(columns)
    squares, pairs, fade = np.zeros(columns), np.zeros(columns), np.ones(columns)
    for t in range(rows):
        now, result = x[t], out[t]
        for j in range(columns):
            present = abs(now[j]) < _LARGEST
            shrink = decay * fade[j]
            old_w = shrink * w[j]
            new_w = old_w + 1.0
            # Without a past (or one that has faded to nothing) the mean is the value itself, to the last digit.
            old_high, old_low = high[j] if old_w > 0.0 else 0.0, low[j] if old_w > 0.0 else 0.0
            delta = (now[j] - old_high) - old_low
            new_high, error = two_sum(old_high, delta / new_w)
            error += old_low
            mean = new_high + error
            high[j], low[j] = (mean, (new_high - mean) + error) if present else (high[j], low[j])
            squares[j] = shrink * squares[j] + delta * delta * (old_w / new_w) if present else squares[j]
            pairs[j] = shrink * shrink * pairs[j] + 2.0 * old_w if present else pairs[j]
            w[j] = new_w if present else w[j]
            n[j] += 1.0 if present else 0.0
            fade[j] = 1.0 if present else shrink
            value = np.sqrt(squares[j] / pairs[j] * w[j]) if deviation else high[j]
            known = n[j] >= least and (not deviation or pairs[j] > 0.0)
            result[j] = value if known and (present or now[j] != now[j]) else np.nan
    return out
