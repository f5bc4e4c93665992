"""Rolling statistics of every column, without ever subtracting what left the window.

Rows are cut into blocks of ``window`` rows, counted from row 0. A window that ends in one block is the tail of the
block before plus the head of this one. Tails are accumulated backwards once per block, heads forwards row by row, so
each element is touched three times whatever the window is. Nothing is ever taken out of a running value: a spike or an
infinity is forgotten exactly when it leaves the window. A row's result depends on the rows of its window and on its row
number alone, hence equal bits for data that end earlier, and for any number or order of columns.

Blocks after M. van Herk (1992), Pattern Recognition Letters 13(7), DOI 10.1016/0167-8655(92)90069-C, there for minima.

``x`` is (T, N) float64; a value that is not NaN counts as present, an infinite one included; ``least`` is the smallest
number of present values that gives a result. Columns go in strips of 64, so that the tails of a strip stay in the
processor's cache.
"""

# mypy: allow-untyped-defs
from __future__ import annotations

import numpy as np

from quantlab.core._kernel import kernel
from quantlab.core._sum_kernels import split_mean, two_sum

_STRIP = 64  # on 2520 x 3000, window 252: 32 to 128 within 10 % of each other, 512 half as fast


@kernel(plain=True)
def rolling_sums(x, window, least, mean):
    """Sum of each window, or its mean, from compensated sums."""
    rows, columns = x.shape
    out = np.empty((rows, columns))
    depth = min(window, rows) + 1
    tail_high, tail_low, tail_n = np.empty((depth, _STRIP)), np.empty((depth, _STRIP)), np.empty((depth, _STRIP))
    high, low, n = np.empty(_STRIP), np.empty(_STRIP), np.empty(_STRIP)
    for left in range(0, columns, _STRIP):
        width = min(_STRIP, columns - left)
        tail_high[:], tail_low[:], tail_n[:] = 0.0, 0.0, 0.0
        for start in range(0, rows, window):
            stop = min(start + window, rows)
            high[:], low[:], n[:] = 0.0, 0.0, 0.0
            for t in range(start, stop):
                now, result = x[t, left : left + width], out[t, left : left + width]
                old_high, old_low, old_n = tail_high[t - start + 1], tail_low[t - start + 1], tail_n[t - start + 1]
                for j in range(width):
                    present = now[j] == now[j]
                    high[j], error = two_sum(high[j], now[j] if present else 0.0)
                    low[j] += error
                    n[j] += 1.0 if present else 0.0
                    count = n[j] + old_n[j]
                    total, error = two_sum(high[j], old_high[j])
                    rest = low[j] + old_low[j] + error
                    if mean:
                        value, _ = split_mean(total, rest, count)
                    else:
                        value = total + rest if rest - rest == 0.0 else total
                    result[j] = value if count >= least else np.nan
            if stop < rows:
                high[:], low[:], n[:] = 0.0, 0.0, 0.0
                for t in range(stop - 1, start, -1):
                    now = x[t, left : left + width]
                    new_high, new_low, new_n = tail_high[t - start], tail_low[t - start], tail_n[t - start]
                    for j in range(width):
                        present = now[j] == now[j]
                        high[j], error = two_sum(high[j], now[j] if present else 0.0)
                        low[j] += error
                        n[j] += 1.0 if present else 0.0
                        new_high[j], new_low[j], new_n[j] = high[j], low[j], n[j]
    return out


@kernel(plain=True)
def rolling_deviations(x, window, least):
    """Sample standard deviation (n - 1) of each window; NaN where it is not a finite number.

    Head and tail each hold sums of d = x - anchor and of d**2, where the anchor is the head's first or the tail's last
    present value: it lies in the window, so a large offset cancels exactly and an outlier in another window cannot
    spoil the digits. The two halves join by Chan, Golub, LeVeque (1983), DOI 10.1080/00031305.1983.10483115: a sum of
    terms >= 0.
    """
    rows, columns = x.shape
    out = np.empty((rows, columns))
    depth = min(window, rows) + 1
    tail_1, tail_2, tail_n = np.empty((depth, _STRIP)), np.empty((depth, _STRIP)), np.empty((depth, _STRIP))
    tail_anchor = np.empty(_STRIP)
    anchor, sum_1, sum_2, n = np.empty(_STRIP), np.empty(_STRIP), np.empty(_STRIP), np.empty(_STRIP)
    for left in range(0, columns, _STRIP):
        width = min(_STRIP, columns - left)
        tail_1[:], tail_2[:], tail_n[:], tail_anchor[:] = 0.0, 0.0, 0.0, 0.0
        for start in range(0, rows, window):
            stop = min(start + window, rows)
            anchor[:], sum_1[:], sum_2[:], n[:] = 0.0, 0.0, 0.0, 0.0
            for t in range(start, stop):
                now, result = x[t, left : left + width], out[t, left : left + width]
                old_1, old_2, old_n = tail_1[t - start + 1], tail_2[t - start + 1], tail_n[t - start + 1]
                for j in range(width):
                    present = now[j] == now[j]
                    anchor[j] = now[j] if n[j] == 0.0 and present else anchor[j]
                    d = now[j] - anchor[j] if present else 0.0
                    sum_1[j] += d
                    sum_2[j] += d * d
                    n[j] += 1.0 if present else 0.0
                    count = n[j] + old_n[j]
                    head_n, back_n = max(n[j], 1.0), max(old_n[j], 1.0)
                    head_mean, back_mean = sum_1[j] / head_n, old_1[j] / back_n
                    head = sum_2[j] - sum_1[j] * head_mean
                    back = old_2[j] - old_1[j] * back_mean
                    both = n[j] > 0.0 and old_n[j] > 0.0
                    gap = (tail_anchor[j] - anchor[j]) + (back_mean - head_mean) if both else 0.0
                    squares = head + back + gap * gap * (n[j] * old_n[j] / max(count, 1.0))
                    deviation = np.sqrt(max(squares, 0.0) / (count - 1.0))
                    finite = squares - squares == 0.0
                    result[j] = deviation if finite and count >= least and count > 1.0 else np.nan
            if stop < rows:
                tail_anchor[:], sum_1[:], sum_2[:], n[:] = 0.0, 0.0, 0.0, 0.0
                for t in range(stop - 1, start, -1):
                    now = x[t, left : left + width]
                    new_1, new_2, new_n = tail_1[t - start], tail_2[t - start], tail_n[t - start]
                    for j in range(width):
                        present = now[j] == now[j]
                        tail_anchor[j] = now[j] if n[j] == 0.0 and present else tail_anchor[j]
                        d = now[j] - tail_anchor[j] if present else 0.0
                        sum_1[j] += d
                        sum_2[j] += d * d
                        n[j] += 1.0 if present else 0.0
                        new_1[j], new_2[j], new_n[j] = sum_1[j], sum_2[j], n[j]
    return out


@kernel(plain=True)
def rolling_extremes(x, window, least, sign):
    """Minimum of each window (``sign`` 1.0) or its maximum (``sign`` -1.0)."""
    rows, columns = x.shape
    out = np.empty((rows, columns))
    depth = min(window, rows) + 1
    tail, tail_n = np.empty((depth, _STRIP)), np.empty((depth, _STRIP))
    best, n = np.empty(_STRIP), np.empty(_STRIP)
    for left in range(0, columns, _STRIP):
        width = min(_STRIP, columns - left)
        tail[:], tail_n[:] = np.inf, 0.0
        for start in range(0, rows, window):
            stop = min(start + window, rows)
            best[:], n[:] = np.inf, 0.0
            for t in range(start, stop):
                now, result = x[t, left : left + width], out[t, left : left + width]
                old, old_n = tail[t - start + 1], tail_n[t - start + 1]
                for j in range(width):
                    value = sign * now[j]
                    n[j] += 1.0 if value == value else 0.0
                    best[j] = value if value < best[j] else best[j]
                    least_value = old[j] if old[j] < best[j] else best[j]
                    result[j] = sign * least_value if n[j] + old_n[j] >= least else np.nan
            if stop < rows:
                best[:], n[:] = np.inf, 0.0
                for t in range(stop - 1, start, -1):
                    now = x[t, left : left + width]
                    new, new_n = tail[t - start], tail_n[t - start]
                    for j in range(width):
                        value = sign * now[j]
                        n[j] += 1.0 if value == value else 0.0
                        best[j] = value if value < best[j] else best[j]
                        new[j], new_n[j] = best[j], n[j]
    return out


@kernel(plain=True)
def rolling_slopes(x, window, least):
    """Least-squares slope per row of each window on its row numbers, over the present values; NaN where not finite.

    Rows are numbered from the start of the current block (tails get negative numbers), so their sums are exact whole
    numbers; values are taken relative to an anchor in the window, as in ``rolling_deviations``.
    """
    rows, columns = x.shape
    out = np.empty((rows, columns))
    depth = min(window, rows) + 1
    tail_p, tail_pp, tail_n = np.empty((depth, _STRIP)), np.empty((depth, _STRIP)), np.empty((depth, _STRIP))
    tail_d, tail_pd, tail_anchor = np.empty((depth, _STRIP)), np.empty((depth, _STRIP)), np.empty(_STRIP)
    sum_p, sum_pp, n = np.empty(_STRIP), np.empty(_STRIP), np.empty(_STRIP)
    sum_d, sum_pd, anchor = np.empty(_STRIP), np.empty(_STRIP), np.empty(_STRIP)
    for left in range(0, columns, _STRIP):
        width = min(_STRIP, columns - left)
        tail_p[:], tail_pp[:], tail_n[:], tail_d[:], tail_pd[:], tail_anchor[:] = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for start in range(0, rows, window):
            stop = min(start + window, rows)
            sum_p[:], sum_pp[:], n[:], sum_d[:], sum_pd[:], anchor[:] = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for t in range(start, stop):
                now, result = x[t, left : left + width], out[t, left : left + width]
                old_p, old_pp, old_n = tail_p[t - start + 1], tail_pp[t - start + 1], tail_n[t - start + 1]
                old_d, old_pd = tail_d[t - start + 1], tail_pd[t - start + 1]
                place = float(t - start)
                for j in range(width):
                    present = now[j] == now[j]
                    anchor[j] = now[j] if n[j] == 0.0 and present else anchor[j]
                    d = now[j] - anchor[j] if present else 0.0
                    p = place if present else 0.0
                    n[j] += 1.0 if present else 0.0
                    sum_p[j] += p
                    sum_pp[j] += p * p
                    sum_d[j] += d
                    sum_pd[j] += p * d
                    count = n[j] + old_n[j]
                    both = n[j] > 0.0 and old_n[j] > 0.0
                    gap = tail_anchor[j] - anchor[j] if both else 0.0
                    all_p, all_pp = sum_p[j] + old_p[j], sum_pp[j] + old_pp[j]
                    all_d = sum_d[j] + (old_d[j] + gap * old_n[j])
                    all_pd = sum_pd[j] + (old_pd[j] + gap * old_p[j])
                    slope = (count * all_pd - all_p * all_d) / (count * all_pp - all_p * all_p)
                    finite = (slope - slope) + (all_d - all_d) == 0.0
                    result[j] = slope if finite and count >= least and count > 1.0 else np.nan
            if stop < rows:
                sum_p[:], sum_pp[:], n[:], sum_d[:], sum_pd[:], tail_anchor[:] = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
                for t in range(stop - 1, start, -1):
                    now = x[t, left : left + width]
                    new_p, new_pp, new_n = tail_p[t - start], tail_pp[t - start], tail_n[t - start]
                    new_d, new_pd = tail_d[t - start], tail_pd[t - start]
                    place = float(t - stop)
                    for j in range(width):
                        present = now[j] == now[j]
                        tail_anchor[j] = now[j] if n[j] == 0.0 and present else tail_anchor[j]
                        d = now[j] - tail_anchor[j] if present else 0.0
                        p = place if present else 0.0
                        n[j] += 1.0 if present else 0.0
                        sum_p[j] += p
                        sum_pp[j] += p * p
                        sum_d[j] += d
                        sum_pd[j] += p * d
                        new_p[j], new_pp[j], new_n[j] = sum_p[j], sum_pp[j], n[j]
                        new_d[j], new_pd[j] = sum_d[j], sum_pd[j]
    return out


@kernel(plain=True)
def rolling_ranks(x, window, least):
    """Rank of the newest value among the present values of its window, ties averaged, divided by their number."""
    rows, columns = x.shape
    out = np.empty((rows, columns))
    n, score = np.empty(_STRIP), np.empty(_STRIP)
    for left in range(0, columns, _STRIP):
        width = min(_STRIP, columns - left)
        n[:] = 0.0
        for t in range(rows):
            now, result = x[t, left : left + width], out[t, left : left + width]
            gone = x[max(t - window, 0), left : left + width]
            drop = 1.0 if t >= window else 0.0
            for j in range(width):
                n[j] += (1.0 if now[j] == now[j] else 0.0) - (drop if gone[j] == gone[j] else 0.0)
                score[j] = 0.0
            for s in range(max(t - window + 1, 0), t + 1):
                past = x[s, left : left + width]
                for j in range(width):
                    score[j] += 2.0 if past[j] < now[j] else (1.0 if past[j] == now[j] else 0.0)
            for j in range(width):
                # score = 2 * (number below) + (number equal, the newest included).
                rank = 0.5 * (score[j] + 1.0) / n[j]
                result[j] = rank if n[j] >= least and now[j] == now[j] else np.nan
    return out
