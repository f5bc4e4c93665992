"""The bootstrap: how far a statistic of returns could have come out otherwise, by resampling blocks of the returns
themselves.

Replicate r is drawn by counter from (seed, r): the same bytes for any number of threads and any chunk size.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from quantlab.core import InputError, KindError, Panel
from quantlab.core._arguments import integer
from quantlab.core.periods import bars_per_year
from quantlab.core.rng import resolve_seed
from quantlab.metrics import Estimate
from quantlab.metrics._estimate import normal_quantile
from quantlab.metrics._sample import RESIDUE, Returns, sample
from quantlab.study._strategy import demand_function, name_of
from quantlab.validation import _resample_kernels as kernels
from quantlab.validation._block_length import optimal_block_length

METHODS = ("stationary", "circular", "iid")
INTERVALS = ("percentile", "basic")
# Replicates are made and measured in pieces of this many bytes, which stay in the processor's cache.
_CHUNK_BYTES = 1 << 19
# A statistic that is undefined on more of its replicates than this has no interval: what is left is a selection.
_FAILURES = 0.05
_EXTREME = (
    "an extreme of the path: the interval holds the middle of resampled histories of equal length, and need not be "
    "centered on the value"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How replicates are drawn.

    Parameters
    ----------
    method : "stationary" | "circular" | "iid"
    block : float >= 1, bars
        Mean length of geometric blocks, or the length of fixed ones.
    seed : int in [0, 2**63)
    """

    method: str
    block: float
    seed: int

    def draw(self, values: np.ndarray, first: int, out: np.ndarray) -> None:
        """Fill the rows of ``out`` (B, T) with the replicates ``first``, ``first + 1``, ... of ``values`` (n,)."""
        length = 0 if self.method == "stationary" else max(1, round(self.block))
        steps, guide = _geometric(self.block, out.shape[1])
        kernels.resample(values, np.uint64(self.seed), first, length, steps, guide, out)


@functools.lru_cache(maxsize=8)
def _geometric(block: float, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """The distribution function of geometric lengths of mean ``block``, in units of 2**-32, and where to search it."""
    # Beyond 23 means lies less than one unit; a block longer than the sample fills it, like one of its length.
    known = max(1, min(longest, math.ceil(23 * block)))
    below = -np.expm1(np.arange(known) * math.log1p(-1.0 / block)) if block > 1.0 else np.zeros(1)
    steps = np.append(np.rint(below * 2.0**32), 2.0**32).astype(np.uint64)
    starts = np.arange(256, dtype=np.uint64) << np.uint64(24)
    return steps, np.searchsorted(steps, starts, side="right").astype(np.int64)


def bootstrap(
    returns: Returns,
    statistic: Callable[..., Any],
    *,
    method: str = "stationary",
    reps: int = 10_000,
    block: float | None = None,
    level: float = 0.95,
    interval: str = "percentile",
    seed: int | np.random.Generator | None = None,
    periods: float | None = None,
    threads: int | None = None,
) -> Estimate:
    """Return a statistic of returns with a bootstrap interval.

    Parameters
    ----------
    returns : PanelLike (T, 1) or array (T,), simple per bar
        Rows with NaN are dropped before resampling.
    statistic : metric function, or function of an array (n,) that returns a number
        Metrics of :mod:`quantlab.metrics` are computed for whole chunks of replicates at once; options are bound by
        ``functools.partial(metrics.value_at_risk, tail=0.01)``. Any other function is called once per replicate.
    method : "stationary" | "circular" | "iid"
        Blocks of geometric length (Politis and Romano), blocks of fixed length, or single observations. The first two
        keep autocorrelation and volatility clustering within a block; "iid" keeps neither.
    reps : int, replicates
        At least 2 / (1 - level).
    block : float in [1, T], bars, optional
        Mean or fixed block length; by default that of :func:`optimal_block_length`.
    level : float in (0, 1)
    interval : "percentile" | "basic"
        Quantiles of the draws, or those quantiles mirrored at the value. An extreme of the path (maximum drawdown and
        its duration) always gets the percentile interval, and ``details["note"]`` says what that means.
    seed : int | numpy.random.Generator | None
        None draws a fresh one; it is kept in ``details``.
    periods : float > 0, bars per year, optional
        By default the Panel's frequency; needed by annualized metrics alone.
    threads : int >= 1, optional
        By default all cores. The result has the same bytes for any number; other functions than metrics run in one
        thread.

    Returns
    -------
    Estimate
        The value of the statistic on the data, ``se`` (standard deviation of the draws), the interval, all ``draws``,
        and ``details``: method, interval, block, reps, seed, and ``failed``, the replicates on which the statistic was
        NaN, infinite, or raised an arithmetic or value error. More than 5 % of them: no interval, with the reason.

    Raises
    ------
    InputError
        For an unknown method or interval, too few ``reps``, or a ``block`` out of range.
    KindError
        When ``statistic`` is no function, or a result is passed instead of its returns.

    Notes
    -----
    Memory: about half a megabyte per thread, times the temporary arrays of the metric, and 8 bytes per replicate. It
    does not grow with reps · T.

    References
    ----------
    D. N. Politis, J. P. Romano (1994), "The stationary bootstrap", Journal of the American Statistical Association
    89(428), DOI 10.1080/01621459.1994.10476870.

    Examples
    --------
    >>> from quantlab.metrics import sharpe
    >>> returns = np.sin(np.arange(500.0) ** 2) / 100 + 0.0005
    >>> bootstrap(returns, sharpe, reps=1000, seed=7, periods=252)
    sharpe 1.11 [-0.23, 2.38] (95 %, stationary percentile, n=500)
    """
    if isinstance(getattr(returns, "returns", None), Panel):
        raise KindError(
            f"`returns` must be a Panel or an array of returns, received {type(returns).__name__}.",
            hint="pass its returns: `result.returns`.",
        )
    reps = _checked(method, interval, level, reps)
    x = sample(returns)
    point, measure = _measures(returns, x.values, statistic, periods, level)
    if point.reason:
        return point
    if x.values.size < 2:
        why = "resampling needs 2 observations"
        return replace(point, method="none", details={**point.details, "no_interval": why})
    plan = Plan(method, _block(block, method, x.values), resolve_seed(seed))
    draws = _draws(plan, x.values, reps, measure, 1 if measure.one_by_one else _threads(threads))
    return _judge(point, plan, draws, interval, extreme=measure.extreme)


@dataclass(frozen=True, slots=True)
class _Measure:
    """A statistic in array form: (B, n) replicates to (B,) values, NaN where undefined."""

    points: Callable[[np.ndarray], np.ndarray]
    one_by_one: bool
    extreme: bool


def _checked(method: str, interval: str, level: float, reps: int) -> int:
    for name, value, known in (("method", method, METHODS), ("interval", interval, INTERVALS)):
        if value not in known:
            raise InputError(f"`{name}` must be one of {', '.join(known)}, received {value!r}.")
    normal_quantile(level)
    least = math.ceil(2 / (1 - level) - 1e-9)
    if integer(reps, name="reps", low=1) < least:
        raise InputError(f"`reps` must be at least {least} for a {100 * level:g} % interval, received {reps}.")
    return int(reps)


def _measures(
    returns: Returns, values: np.ndarray, statistic: Callable[..., Any], periods: float | None, level: float
) -> tuple[Estimate, _Measure]:
    """The statistic on the data, and in array form."""
    function: Any = statistic
    options: dict[str, Any] = {}
    if isinstance(statistic, functools.partial) and not statistic.args and hasattr(statistic.func, "points"):
        function, options = statistic.func, dict(statistic.keywords)
    demand_function(function, "statistic")
    if not hasattr(function, "points"):
        return _plain_point(function, values, level), _Measure(functools.partial(_each, function), True, False)
    declared = options.pop("periods", periods)
    point = function(returns, periods=declared, **{**options, "level": level})
    frequency = sample(returns).frequency
    scale = bars_per_year(frequency, declared) if function.annual else math.nan
    passed = {name: value for name, value in options.items() if name != "level"}
    return point, _Measure(lambda matrix: function.points(matrix, scale, **passed), False, function.extreme)


def _plain_point(function: Callable[..., Any], values: np.ndarray, level: float) -> Estimate:
    name = name_of(function, unknown="statistic")
    name = "statistic" if name == "<lambda>" else name
    if values.size == 0:
        return Estimate(name, math.nan, level=level, reason="there are no observations")
    value = float(function(values.copy()))
    reason = "" if math.isfinite(value) else f"the statistic is {value} on the data"
    return Estimate(name, math.nan if reason else value, level=level, n=values.size, reason=reason)


def _each(function: Callable[..., Any], matrix: np.ndarray) -> np.ndarray:
    """A user's function on every row; a row on which it fails is NaN."""
    out = np.empty(matrix.shape[0])
    for i, row in enumerate(matrix):
        try:
            out[i] = float(function(row.copy()))
        except (ArithmeticError, ValueError):
            out[i] = np.nan
    return out


def _block(block: float | None, method: str, values: np.ndarray) -> float:
    if method == "iid":
        if block not in (None, 1):
            raise InputError(f'`block` must be left out for method "iid", received {block}.')
        return 1.0
    if block is None:
        best = optimal_block_length(values)
        return best.stationary if method == "stationary" else float(round(best.circular))
    if isinstance(block, bool) or not isinstance(block, (int, float, np.integer, np.floating)):
        raise KindError(f"`block` must be a number of bars, received {type(block).__name__}.")
    if not 1 <= block <= values.size:
        raise InputError(f"`block` must lie in [1, {values.size}], the number of observations, received {block}.")
    if method == "circular" and float(block) != round(block):
        raise InputError(f"`block` must be whole for fixed blocks, received {block}.", hint='use method "stationary".')
    return float(block)


def _threads(threads: int | None) -> int:
    if threads is not None:
        return integer(threads, name="threads", low=1)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _draws(plan: Plan, values: np.ndarray, reps: int, measure: _Measure, threads: int) -> np.ndarray:
    """The statistic of every replicate (reps,), chunk by chunk."""
    rows = max(1, _CHUNK_BYTES // (8 * values.size))
    out = np.empty(reps)

    def work(starts: range) -> None:
        matrix = np.empty((min(rows, reps), values.size))
        for first in starts:
            part = matrix[: min(rows, reps - first)]
            plan.draw(values, first, part)
            out[first : first + part.shape[0]] = measure.points(part)

    starts = range(0, reps, rows)
    threads = min(threads, len(starts))
    if threads == 1:
        work(starts)
    else:
        with ThreadPoolExecutor(threads) as pool:
            # Every thread takes each so-many-th chunk; which thread took a replicate leaves no trace in it.
            list(pool.map(work, [starts[k::threads] for k in range(threads)]))
    return out


def _judge(point: Estimate, plan: Plan, draws: np.ndarray, interval: str, *, extreme: bool) -> Estimate:
    """The Estimate from the value and its draws."""
    good = draws[np.isfinite(draws)]
    failed = draws.size - good.size
    kind = "percentile" if extreme else interval
    details = {name: value for name, value in point.details.items() if name != "no_interval"}
    details |= {"method": plan.method, "interval": kind, "block": plan.block, "reps": draws.size, "seed": plan.seed}
    details["failed"] = failed
    if extreme:
        details["note"] = _EXTREME
    draws = np.where(np.isfinite(draws), draws, np.nan)
    spread = float(good.std(ddof=1)) if good.size > 1 else 0.0
    why = ""
    if failed > _FAILURES * draws.size:
        why = f"the statistic is undefined on {failed} of {draws.size} replicates"
    elif spread <= RESIDUE * max(1.0, abs(point.value)):
        why = "every replicate gives the same value"
    if why:
        details["no_interval"] = why
        nothing = math.nan
        return replace(point, se=nothing, low=nothing, high=nothing, method="none", details=details, draws=draws)
    low, high = (float(bound) for bound in np.quantile(good, [(1 - point.level) / 2, (1 + point.level) / 2]))
    if kind == "basic":
        low, high = 2 * point.value - high, 2 * point.value - low
    label = f"{plan.method} {kind}"
    return replace(point, se=spread, low=low, high=high, method=label, details=details, draws=draws)
