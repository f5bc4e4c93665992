# mypy: allow-untyped-defs
"""All metrics of one series of returns in a few passes over it, for whoever has thousands of them.

The definitions are those of the metric functions beside this file; a test holds every number against them.
"""

from __future__ import annotations

import numpy as np

from quantlab.core import kernel

# Columns of a row of metrics.
(
    TOTAL_RETURN,
    CAGR,
    VOLATILITY,
    SHARPE,
    SORTINO,
    CALMAR,
    MAX_DRAWDOWN,
    MAX_DRAWDOWN_DURATION,
    VALUE_AT_RISK,
    CONDITIONAL_VALUE_AT_RISK,
    SKEW,
    KURTOSIS,
    HIT_RATE,
    PROFIT_FACTOR,
    TURNOVER,
    EXPOSURE,
) = range(16)

_RESIDUE = 1e-14  # as in _sample
_SHALLOW = 1e-12  # as in _drawdown
_TAIL = 0.05


@kernel(plain=True)
def finite(x):
    """The number, or NaN where it is infinite."""
    return x if x - x == 0.0 else np.nan


@kernel(plain=True)
def sort_first(x, n):
    """Sort the first n values in place: the greater part is split around a middle value, short rests are inserted."""
    stack = np.empty(128, dtype=np.int64)
    stack[0], stack[1], depth = 0, n, 1
    while depth > 0:
        depth -= 1
        low, high = stack[2 * depth], stack[2 * depth + 1]
        while high - low > 16:
            a, b, c = x[low], x[(low + high) // 2], x[high - 1]
            pivot = max(min(a, b), min(max(a, b), c))
            i, j = low, high - 1
            while i <= j:
                while x[i] < pivot:
                    i += 1
                while x[j] > pivot:
                    j -= 1
                if i <= j:
                    x[i], x[j] = x[j], x[i]
                    i += 1
                    j -= 1
            if j + 1 - low < high - i:
                stack[2 * depth], stack[2 * depth + 1] = i, high
                high = j + 1
            else:
                stack[2 * depth], stack[2 * depth + 1] = low, j + 1
                low = i
            depth += 1
        for i in range(low + 1, high):
            value, j = x[i], i
            while j > low and x[j - 1] > value:
                x[j] = x[j - 1]
                j -= 1
            x[j] = value


@kernel(plain=True)
def below(r, n, limit, out):
    """Write the values up to a limit; return how many."""
    found = 0
    for i in range(n):
        out[found] = r[i]
        found += 1 if r[i] <= limit else 0
    return found


@kernel(plain=True)
def tail_of(r, n, mean, deviation, space, out):
    """Value at risk and conditional value at risk."""
    place, mass = (n - 1) * _TAIL, n * _TAIL
    low, whole = int(np.floor(place)), min(int(np.floor(mass)), n - 1)
    need = max(low + 2, whole + 1)
    # Most returns lie above the tail: only what can belong to it is sorted.
    found = below(r, n, mean - 1.25 * deviation, space)
    if found < need:
        found = below(r, n, mean, space)
    if found < need:
        found = below(r, n, np.inf, space)
    sort_first(space, found)
    first, second = space[low], space[min(low + 1, n - 1)]
    out[VALUE_AT_RISK] = first + (place - low) * (second - first)
    if whole == 0:
        out[CONDITIONAL_VALUE_AT_RISK] = space[0]
        return
    worst = 0.0
    for i in range(whole):
        worst += space[i]
    out[CONDITIONAL_VALUE_AT_RISK] = (worst + (mass - whole) * space[whole]) / mass


@kernel(plain=True)
def growth_of(r, n, periods, out):
    """What becomes of one unit of wealth: total return, growth rate, drawdowns."""
    wealth, peak, deepest, longest, last = 1.0, 1.0, 0.0, 0, 0
    for i in range(n):
        wealth *= 1.0 + r[i]
        peak = max(peak, wealth)
        depth = wealth / peak - 1.0
        deepest = min(deepest, depth)
        if not depth < -_SHALLOW:
            last = i + 1
        longest = max(longest, i + 1 - last)
    out[TOTAL_RETURN] = finite(wealth - 1.0)
    out[CAGR] = finite(wealth ** (periods / n) - 1.0)
    out[MAX_DRAWDOWN] = finite(deepest)
    out[MAX_DRAWDOWN_DURATION] = longest
    out[CALMAR] = finite(out[CAGR] / -deepest) if deepest < -_SHALLOW else np.nan


@kernel(plain=True)
def shape_of(r, n, periods, out):
    """Spread, shape and odds; return mean and standard deviation."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    x1, x2, x3, q = r[n // 4 :], r[2 * (n // 4) :], r[3 * (n // 4) :], n // 4
    for i in range(q):
        a += r[i]
        b += x1[i]
        c += x2[i]
        d += x3[i]
    for i in range(4 * q, n):
        a += r[i]
    mean = ((a + b) + (c + d)) / n
    second, third, fourth, down, gain, loss = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    wins, losses = 0, 0
    for i in range(n):
        x = r[i]
        apart = x - mean
        square = apart * apart
        second += square
        third += square * apart
        fourth += square * square
        worse, better = min(x, 0.0), max(x, 0.0)
        down += worse * worse
        loss -= worse
        gain += better
        wins += 1 if x > _RESIDUE else 0
        losses += 1 if x < -_RESIDUE else 0
    root, variance = np.sqrt(periods), second / n
    flat = np.sqrt(variance) <= _RESIDUE * max(1.0, np.abs(mean))
    if n >= 2:
        deviation, downside = np.sqrt(second / (n - 1)), np.sqrt(down / n)
        if not flat:
            out[VOLATILITY] = finite(deviation * root)
            out[SHARPE] = finite(mean / deviation * root)
        if not downside <= _RESIDUE:
            out[SORTINO] = finite(mean / downside * root)
    if n >= 3 and not flat:
        out[SKEW] = finite(third / n / variance**1.5)
        out[KURTOSIS] = finite(fourth / n / variance**2)
    if not loss <= _RESIDUE * n:
        out[PROFIT_FACTOR] = finite(gain / loss)
    if wins + losses > 0:
        out[HIT_RATE] = wins / (wins + losses)
    return mean, np.sqrt(variance)


@kernel(plain=True)
def measure(equity, long, short, traded, before, start, ruined, periods, r, space, out):
    """Write the metrics of a book into ``out`` (16,), NaN where undefined, and its returns into ``r``.

    ``equity``, ``long``, ``short``, ``traded`` (T,) are money at each close; ``before`` is the equity before bar
    ``start``, the first with a return; ``ruined`` the bar of its ruin, -1 none. Return how many returns there are.
    """
    T = equity.shape[0]
    last = ruined + 1 if ruined >= 0 else T
    n = max(last - start, 0)
    for k in range(out.shape[0]):
        out[k] = np.nan
    if n == 0:
        return 0
    path = equity[start:]
    r[0] = path[0] / before - 1.0
    ahead = path[1:]
    later = r[1:]
    for i in range(n - 1):
        later[i] = ahead[i] / path[i] - 1.0
    alive, gross, spent = n - 1 if ruined >= 0 else n, 0.0, traded[start] / before
    longs, shorts, fills = long[start:], short[start:], traded[start + 1 :]
    for i in range(alive):
        gross += longs[i] / path[i] + shorts[i] / path[i]
    for i in range(n - 1):
        spent += fills[i] / path[i]
    if alive > 0:
        out[EXPOSURE] = gross / alive
    lowest = r[0]
    for i in range(n):
        lowest = min(lowest, r[i])
    # A ruin on the last bar leaves every equity before a bar above zero.
    if ruined < 0 or ruined == T - 1:
        out[TURNOVER] = spent / n * periods / 2
    if lowest <= -1.0:
        return n
    growth_of(r, n, periods, out)
    mean, deviation = shape_of(r, n, periods, out)
    if n >= 2:
        tail_of(r, n, mean, deviation, space, out)
    return n
