"""Reading a sweep: its best variants with what their search took from them, and what each parameter does.

A sweep's table has one row per variant: ``variant`` (its number), a column for each parameter, ``status`` ("done" or
"failed"), ``reason``, and its metrics, null where a variant failed or a metric is undefined. What is missing is left
out of every number and counted. How stable an optimum is stands in ``_stability``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab import metrics
from quantlab.core import InputError
from quantlab.core._arguments import integer, real
from quantlab.core._lazy import lazy
from quantlab.core.periods import bars_per_year
from quantlab.study._levels import Levels, coarse, demand_table, levels_of, numbers_of
from quantlab.study._measures import measure

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazy("polars")

# Two-sided 95 %, as ``metrics.sharpe`` has it.
_QUANTILE = 1.959963984540054


def top(
    table: pl.DataFrame,
    parameters: Sequence[str],
    k: int = 10,
    *,
    by: str = "sharpe",
    trials: int,
    periods: float,
    variance: float | None = None,
    descending: bool | None = None,
) -> pl.DataFrame:
    """Return the best variants, and beside each what its Sharpe ratio is worth after so many trials.

    Parameters
    ----------
    table : polars.DataFrame, one row per variant
        With ``sharpe``, ``skew``, ``kurtosis`` and ``bars``, the number of returns.
    parameters : names of the parameters
    k : int >= 1
    by : the metric that ranks
        Greater is better, but of volatility, max_drawdown_duration and turnover less is.
    trials : int
        All that were tried in the study, these and others before.
    periods : float > 0, bars per year
    variance : float >= 0, of the Sharpe ratios per bar across all trials, optional
        By default that of the Sharpe ratios in ``table``; when it has only one, 1 / (bars - 1), which is the variance
        when no trial has any skill.
    descending : bool, optional
        Whether the greatest stand first, against what is said of ``by``.

    Returns
    -------
    polars.DataFrame (at most k rows), best first; of equals the first in the table
        ``variant``, the parameters, the metric ``by``, and then, of the Sharpe ratio whatever ranks:

        - ``sharpe``, annualized; ``sharpe_se``, its standard error; ``sharpe_low``, ``sharpe_high``, its interval at
          95 %, of a variant that was not selected;
        - ``psr``, the probability that the true ratio exceeds 0, as if nothing had been selected;
        - ``dsr``, the probability that it exceeds ``expected_max``, the annualized ratio to expect of the best of as
          many trials without skill;
        - ``p_value``, one-sided against 0, 1 - psr; ``p_holm`` and ``p_sidak``, corrected for all trials;

        and after them the other metrics. Null where undefined. Variants that failed, or have no metric ``by``, are not
        among them.

    Raises
    ------
    KindError
        When the table is no Polars frame, or a number is none.
    InputError
        When a column is missing, or there are fewer trials than Sharpe ratios in the table.

    Notes
    -----
    The statistics take returns as independent, and trials too: variants of one grid are alike, so that p-values are on
    the careful side. The search is corrected for the number of its trials, not for the choice of ``by``.

    References
    ----------
    See ``ql.metrics.probabilistic_sharpe``, ``deflated_sharpe`` and ``adjusted_p_values``.

    Examples
    --------
    >>> table = pl.DataFrame(
    ...     {"variant": [0, 1, 2], "lookback": [63, 126, 252], "status": ["done"] * 3, "reason": [None] * 3}
    ...     | {"sharpe": [0.4, 1.1, 0.7], "skew": [-0.5] * 3, "kurtosis": [5.0] * 3, "bars": [1260] * 3}
    ... )
    >>> best = top(table, ["lookback"], 1, trials=3, periods=252)
    >>> best.select("lookback", "sharpe", pl.col("psr", "dsr", "p_sidak").round(3)).row(0)
    (126, 1.1, 0.992, 0.96, 0.024)
    """
    demand_table(table, parameters)
    k, periods = integer(k, name="k", low=1), bars_per_year(None, periods)
    values = numbers_of(table, parameters, by, argument="by")
    greatest = not measure(by).less_is_better if descending is None else bool(descending)
    ranked = np.lexsort((np.arange(values.size), -values if greatest else values))
    rows = ranked[np.isfinite(values[ranked])][:k]
    found = _statistics(_Sharpes.of(table, parameters, periods), rows, trials, variance)
    leading = ["variant", *parameters, *([by] if by != "sharpe" else [])]
    demand_free(leading, [*found, "sharpe"])
    rest = [name for name in table.columns if name not in {*leading, *found, "status", "reason"}]
    statistics = pl.DataFrame(found).fill_nan(None)
    chosen = table[rows.tolist()]
    return pl.concat([chosen.select(leading), statistics, chosen.select(rest)], how="horizontal")


def marginal(table: pl.DataFrame, parameters: Sequence[str], metric: str = "sharpe") -> pl.DataFrame:
    """Return how a metric goes with each parameter alone: its mean and spread over all others, value by value.

    Parameters
    ----------
    table : polars.DataFrame, one row per variant
    parameters : names of the parameters
    metric : str

    Returns
    -------
    polars.DataFrame, one row for each parameter and value, in the order of the parameters and of their values
        - ``parameter``; ``value``, as text; ``low``, ``high``, the value as a number, null for what is none;
        - ``binned``: whether the row is a range of numbers, from ``low`` to ``high``, and not one value. A number with
          more than 8 values that are tried fewer than 5 times each, or with more than 30, has at most 8 bins by its
          quantiles;
        - ``mean``, ``median``, ``std`` (divisor n - 1), ``min``, ``max`` of the metric; ``count``, of how many
          variants; ``missing``, how many have none, because they failed or it is undefined;
        - ``explained``, the same in all rows of a parameter: the share of the metric's variance that goes with this
          parameter alone, one-way η² = Σ n_v (mean_v - mean)² / Σ (x - mean)², over its values v; ``chance``, what to
          expect of it when the parameter has no influence, (values - 1) / (n - 1).

        Null where undefined, as ``explained`` is when the metric does not vary.

    Raises
    ------
    KindError
        When the table is no Polars frame.
    InputError
        When a column is missing, or the table has no such metric.

    Notes
    -----
    In a full grid the shares of all parameters add up to 1 less what they do together (interactions). In other grids
    parameters go along with each other, and each is given what the other does.

    Examples
    --------
    >>> table = pl.DataFrame(
    ...     {"variant": range(4), "a": [1, 1, 2, 2], "b": ["x", "y"] * 2, "status": ["done"] * 4}
    ...     | {"sharpe": [0.1, 0.3, 0.5, 0.7]}
    ... )
    >>> marginal(table, ["a", "b"]).select("parameter", "value", pl.col("mean", "explained").round(3)).rows()
    [('a', '1', 0.2, 0.8), ('a', '2', 0.6, 0.8), ('b', 'x', 0.3, 0.2), ('b', 'y', 0.5, 0.2)]
    """
    demand_table(table, parameters)
    values = numbers_of(table, parameters, metric)
    schema: dict[str, Any] = {"parameter": pl.String, "value": pl.String, "low": pl.Float64, "high": pl.Float64}
    schema |= {"binned": pl.Boolean, **dict.fromkeys(("mean", "median", "std", "min", "max"), pl.Float64)}
    schema |= {"count": pl.Int64, "missing": pl.Int64, "explained": pl.Float64, "chance": pl.Float64}
    rows = [row for name in parameters for row in _by_level(coarse(levels_of(table, name)), values)]
    return pl.DataFrame(rows, schema=schema, orient="row").fill_nan(None)


def demand_free(taken: Sequence[str], added: Sequence[str]) -> None:
    """Raise when a column of a table has the name of one that is added to it."""
    for name in taken:
        if name in added:
            raise InputError(
                f"{name} is a parameter and a column of the answer.", hint="rename the column: `table.rename(...)`."
            )


@dataclass(frozen=True, slots=True)
class _Sharpes:
    """The annualized Sharpe ratio of every variant, and what its error depends on; NaN where undefined."""

    sharpe: np.ndarray
    n: np.ndarray
    skew: np.ndarray
    kurtosis: np.ndarray
    root: float

    @property
    def ratio(self) -> np.ndarray:
        """Per bar."""
        return self.sharpe / self.root

    @classmethod
    def of(cls, table: pl.DataFrame, parameters: Sequence[str], periods: float) -> _Sharpes:
        """Return them of a table."""
        names = ("sharpe", "bars", "skew", "kurtosis")
        sharpe, bars, skew, kurtosis = (numbers_of(table, parameters, name, argument="table") for name in names)
        return cls(sharpe, np.where(bars >= 2, bars, np.nan), skew, kurtosis, math.sqrt(periods))

    def at(self, rows: np.ndarray) -> _Sharpes:
        """Return those of some rows."""
        return _Sharpes(self.sharpe[rows], self.n[rows], self.skew[rows], self.kurtosis[rows], self.root)


def _statistics(every: _Sharpes, rows: np.ndarray, trials: int, variance: float | None) -> dict[str, np.ndarray]:
    """What the Sharpe ratios of some rows are worth among all."""
    trials = integer(trials, name="trials", low=1)
    tried = int(np.isfinite(every.ratio).sum())
    if trials < tried:
        raise InputError(f"`trials` is {trials:,}, and the table holds {tried:,} Sharpe ratios: each was a trial.")
    # The upper tail itself, because 1 - psr has no digits left where it is small.
    p = np.asarray(metrics.probabilistic_sharpe(-every.ratio, every.n, skew=-every.skew, kurtosis=every.kurtosis))
    x = every.at(rows)
    if variance is not None:
        spread = np.full(rows.size, real(variance, name="variance"))
    else:
        spread = np.full(rows.size, np.nanvar(every.ratio, ddof=1)) if tried > 1 else 1 / (x.n - 1)
    error = np.array([_error(*each) for each in zip(x.ratio, x.n, x.skew, x.kurtosis, strict=True)]) * x.root
    shape = {"skew": x.skew, "kurtosis": x.kurtosis}
    found: dict[str, Any] = {
        "sharpe": x.sharpe,
        "sharpe_se": error,
        "sharpe_low": x.sharpe - _QUANTILE * error,
        "sharpe_high": x.sharpe + _QUANTILE * error,
        "psr": metrics.probabilistic_sharpe(x.ratio, x.n, **shape),
        "dsr": metrics.deflated_sharpe(x.ratio, x.n, trials=trials, variance=spread, **shape),
        "expected_max": metrics.expected_maximum_sharpe(trials, spread) * x.root,
        "p_value": p[rows],
    }
    for method in ("holm", "sidak"):
        found[f"p_{method}"] = np.asarray(metrics.adjusted_p_values(p, method=method, trials=trials))[rows]
    return found


def _error(ratio: float, n: float, skew: float, kurtosis: float) -> float:
    if math.isnan(ratio + n + skew + kurtosis):
        return math.nan
    return metrics.sharpe_error(ratio, int(n), skew=skew, kurtosis=kurtosis)


def _by_level(levels: Levels, values: np.ndarray) -> list[tuple[Any, ...]]:
    """The rows of one parameter in the table of ``marginal``."""
    known = np.isfinite(values)
    groups = [values[known & (levels.codes == code)] for code in range(len(levels))]
    present = [group for group in groups if group.size]
    rows = []
    mean = float(values[known].mean()) if known.any() else math.nan
    total = float(((values[known] - mean) ** 2).sum()) if known.any() else 0.0
    between = sum(group.size * (float(group.mean()) - mean) ** 2 for group in present)
    # What is left of equal values after rounding is no variance.
    flat = total <= 1e-24 * max(1.0, mean * mean) * known.sum()
    explained = math.nan if flat else between / total
    chance = (len(present) - 1) / (int(known.sum()) - 1) if known.sum() > 1 else math.nan
    for code, group in enumerate(groups):
        missing = int((levels.codes == code).sum()) - group.size
        numbers = [group.mean(), np.median(group), np.nan, group.min(), group.max()] if group.size else [np.nan] * 5
        if group.size > 1:
            numbers[2] = group.std(ddof=1)
        label = (levels.name, levels.labels[code], levels.low[code], levels.high[code], levels.binned)
        rows.append((*label, *map(float, numbers), group.size, missing, explained, chance))
    return rows
