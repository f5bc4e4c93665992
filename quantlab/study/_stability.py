"""How stable an optimum is: what its neighbors in the space of parameters have to show.

A variant that is good because of what it is has good neighbors; one that is good by luck stands alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab.core._arguments import integer
from quantlab.core._lazy import lazy
from quantlab.study._levels import Levels, demand_table, levels_of, numbers_of
from quantlab.study._measures import measure
from quantlab.study._reading import demand_free

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazy("polars")

# Points whose distances differ by rounding alone are equally near.
_AS_NEAR = 1 + 1e-9


def stability(
    table: pl.DataFrame,
    parameters: Sequence[str],
    metric: str = "sharpe",
    *,
    nearest: int | None = None,
    descending: bool | None = None,
) -> pl.DataFrame:
    """Return every variant with what its neighbors have of a metric, the most stable optimum first.

    Neighbors in a grid are the variants that differ in one parameter alone: by one step up or down where it is ordered
    (numbers, dates), by any other value where it is not. A step leads to the next value that was tried with the same
    other parameters. Where fewer than half of all combinations of values were tried, as in a random grid, neighbors
    are the nearest variants instead: parameters by their ranks scaled to [0, 1], a category apart counts 1, Euclidean
    distance.

    Parameters
    ----------
    table : polars.DataFrame, one row per variant
    parameters : names of the parameters
    metric : str
        Greater is better, but of volatility, max_drawdown_duration and turnover less is.
    nearest : int >= 1, optional
        Take that many nearest variants in any grid, and whatever is as near as the last of them. By default two for
        each parameter that varies, in grids without steps.
    descending : bool, optional
        Whether the greatest are best, against what is said of ``metric``.

    Returns
    -------
    polars.DataFrame, one row per variant, best ``neighborhood_mean`` first, those without a value last
        - ``variant``, the parameters, and the metric;
        - ``neighbors``, how many have a value; ``neighbors_missing``, how many have none, because they failed or it is
          undefined;
        - ``neighbors_mean``, ``neighbors_worst``: of the metric of the neighbors;
        - ``neighborhood_mean``: of the variant and its neighbors together, which ranks;
        - ``plateau``: (neighbors_mean - median) / (value - median), the median of all variants. 1 on a plateau, 0 for
          a peak that stands alone, below 0 when the neighbors are on the other side of the median, above 1 when they
          are better; not clipped, and large for values near the median;
        - ``stability_rank``, from 1; ``method``, "steps" or "nearest".

        Null where undefined: without neighbors, at the median itself, for variants without a value.

    Raises
    ------
    KindError
        When the table is no Polars frame.
    InputError
        When a column is missing, or the table has no such metric.

    Examples
    --------
    A peak that stands alone at a = 1, and a lower one on a plateau around a = 5:

    >>> sharpe = [0.0, 1.3, 0.0, 0.1, 0.8, 1.0, 0.9, 0.1, 0.0]
    >>> table = pl.DataFrame({"variant": range(9), "a": range(9), "status": ["done"] * 9, "sharpe": sharpe})
    >>> found = stability(table, ["a"]).select("a", "sharpe", pl.col("neighborhood_mean", "plateau").round(2))
    >>> found.row(0), found.row(by_predicate=pl.col("a") == 1)
    ((5, 1.0, 0.9, 0.83), (1, 1.3, 0.43, -0.08))
    """
    demand_table(table, parameters)
    values = numbers_of(table, parameters, metric)
    levels = [each for name in parameters if len(each := levels_of(table, name)) > 1]
    if nearest is not None:
        nearest = integer(nearest, name="nearest", low=1)
    # Python's integers, because the product of many levels has no bounds.
    elif 2 * values.size < math.prod(len(each) for each in levels):
        nearest = 2 * len(levels)
    near = _steps(levels, values.size) if nearest is None else _nearest(levels, values.size, nearest)
    greatest = not measure(metric).less_is_better if descending is None else bool(descending)
    found = _neighborhoods(near, values, 1.0 if greatest else -1.0)
    smooth = found["neighborhood_mean"]
    order = np.lexsort((np.arange(values.size), -smooth if greatest else smooth, np.isnan(values)))
    added: dict[str, Any] = {name: column[order] for name, column in found.items()}
    known = int(np.isfinite(values).sum())
    added["stability_rank"] = [*range(1, known + 1), *[None] * (values.size - known)]
    added["method"] = ["steps" if nearest is None else "nearest"] * values.size
    leading = ["variant", *parameters, metric]
    demand_free(leading, list(added))
    schema = {"neighbors": pl.Int64, "neighbors_missing": pl.Int64, "stability_rank": pl.Int64, "method": pl.String}
    answer = pl.DataFrame(added, schema_overrides=schema).fill_nan(None)
    chosen = table[order.tolist()].select(leading)
    return pl.concat([chosen, answer], how="horizontal")


def _neighborhoods(near: tuple[np.ndarray, np.ndarray], values: np.ndarray, sign: float) -> dict[str, np.ndarray]:
    """What the neighbors of every variant have, (rows,) each; ``sign`` is 1 where greater is better, else -1."""
    one, other = near
    n, known = values.size, np.isfinite(values)
    seen = known[other]
    count = np.bincount(one[seen], minlength=n)
    missing = np.bincount(one[~seen], minlength=n)
    total = np.bincount(one[seen], weights=values[other[seen]], minlength=n)
    worst = np.full(n, np.inf)
    np.minimum.at(worst, one[seen], sign * values[other[seen]])
    alone = ~known | (count == 0)
    median = np.median(values[known]) if known.any() else np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(alone, np.nan, total / count)
        plateau = np.where(values == median, np.nan, (mean - median) / (values - median))
        return {
            "neighbors": count,
            "neighbors_missing": missing,
            "neighbors_mean": mean,
            "neighbors_worst": np.where(alone, np.nan, sign * worst),
            "neighborhood_mean": (values + total) / (1 + count),
            "plateau": plateau,
        }


def _steps(levels: Sequence[Levels], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of rows that differ in one parameter alone, by one step where it is ordered: (one, other), both ways."""
    pairs = [(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))]
    for at, own in enumerate(levels):
        others = np.zeros((n, 1), dtype=np.int64)
        if len(levels) > 1:
            others = np.column_stack([each.codes for place, each in enumerate(levels) if place != at])
        group = np.unique(others, axis=0, return_inverse=True)[1].ravel()
        order = np.lexsort((own.codes, group))
        ordered = group[order]
        # In a category everybody is next to everybody: one pair for each distance within the sorted group.
        reach = 1 if own.ordered else len(own) - 1
        for distance in range(1, reach + 1):
            same = np.flatnonzero(ordered[distance:] == ordered[:-distance])
            low, high = order[same], order[same + distance]
            pairs += [(low, high), (high, low)]
    return np.concatenate([pair[0] for pair in pairs]), np.concatenate([pair[1] for pair in pairs])


def _nearest(levels: Sequence[Levels], n: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of rows and their nearest others, and whatever is as near as the last of these."""
    count = min(count, n - 1)
    if count < 1 or not levels:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    from scipy.spatial import cKDTree

    tree = cKDTree(points := np.column_stack([_scaled(each) for each in levels]))
    reach = tree.query(points, k=[count + 1])[0][:, 0] * _AS_NEAR
    found = [
        (np.full(len(around) - 1, row), np.array([each for each in around if each != row], dtype=np.int64))
        for row, around in enumerate(tree.query_ball_point(points, reach, return_sorted=True))
    ]
    return np.concatenate([pair[0] for pair in found]), np.concatenate([pair[1] for pair in found])


def _scaled(levels: Levels) -> np.ndarray:
    """One column of average ranks on [0, 1] for what is ordered; for a category columns in which two are 1 apart."""
    if not levels.ordered:
        return np.eye(len(levels))[levels.codes] / math.sqrt(2)
    tried = np.bincount(levels.codes, minlength=len(levels))
    middle = np.cumsum(tried) - (tried + 1) / 2
    return (middle[levels.codes] / (levels.codes.size - 1))[:, np.newaxis]
