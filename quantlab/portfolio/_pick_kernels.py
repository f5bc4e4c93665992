# mypy: allow-untyped-defs
"""The first and the last of a ranking, equally weighted."""

from __future__ import annotations

from quantlab.core import kernel


@kernel(plain=True)
def equal_legs(order, n, k_long, k_short, long_gross, short_gross, out):
    """Write the weights of the first ``k_long`` and the last ``k_short`` of ``n`` ranked columns into a row of zeros.

    ``order`` (R, N) int64; ``n``, ``k_long``, ``k_short`` (R,) int64.
    """
    for r in range(order.shape[0]):
        row, columns = out[r], order[r]
        if k_long[r] > 0:
            weight = long_gross / k_long[r]
            for j in range(k_long[r]):
                row[columns[j]] = weight
        if k_short[r] > 0:
            weight = -(short_gross / k_short[r])
            for j in range(n[r] - k_short[r], n[r]):
                row[columns[j]] = weight
