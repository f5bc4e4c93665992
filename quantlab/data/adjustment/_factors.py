"""The arithmetic of adjustment: from corporate actions and closes to a factor per action, and from there to every bar.

Two steps, so that conventions, gaps and inverses have one home:

1. Splits and spin-offs need no price. An action multiplies the prices before it by ``(1 - spinoff) / split``.
2. Dividends are measured in prices and cash that step 1 has brought to one unit. A price before a dividend D is
   multiplied by ``close / (close + D)``, close being the next one known from the ex-date on, or by
   ``1 - D / close``, close being the last one known before it.

So the actions of one date act in this order: split, then spin-off, then dividends, each measured against the price that
the others leave; dividends that share one close (of one date, or of several in a gap) add up as cash. That order makes
the adjustment for splits followed by one for dividends the same as both at once.

Times: an action stands in the row of its ex-date, or of the next date the data have. It acts only between two closes of
its symbol: before the first there is nothing to adjust, after the last no bar that could keep its price.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from quantlab.core import DataError, InputError, KindError

KINDS = ("total_return", "split")
CONVENTIONS = ("close_plus_dividend", "previous_close")
DIRECTIONS = ("backward", "forward")


@dataclass(frozen=True, slots=True)
class Rule:
    """Which adjustment: the arguments that ``adjust`` shares with this file."""

    kind: str
    convention: str
    direction: str
    inverse: bool = False

    def __post_init__(self) -> None:
        choices = (("kind", KINDS), ("convention", CONVENTIONS), ("direction", DIRECTIONS))
        for name, known in choices:
            value = getattr(self, name)
            if value not in known:
                words = " or ".join(f'"{word}"' for word in known)
                raise InputError(f"`{name}` must be {words}, received {value!r}.")
        if not isinstance(self.inverse, bool):
            raise KindError(f"`inverse` must be True or False, received {self.inverse!r}.")

    @property
    def backward(self) -> bool:
        """Whether the last bar keeps its price."""
        return self.direction == "backward"


@dataclass(frozen=True, slots=True)
class Closes:
    """The closes of G symbols in one flat array: row r of symbol g lies at ``first[g] + r * stride``.

    A matrix (dates x symbols) has stride N, a long table sorted by symbol and date has stride 1: one code serves both.
    """

    values: np.ndarray
    first: np.ndarray
    length: np.ndarray
    stride: int

    def known(self, group: np.ndarray, row: np.ndarray, *, step: int) -> np.ndarray:
        """The first row with a close, from ``row`` on upwards (step 1) or downwards (step -1); -1 where none is."""
        found, length = row.copy(), self.length[group]
        open_ = np.arange(row.size)
        while open_.size:
            at = found[open_]
            inside = (at >= 0) & (at < length[open_])
            found[open_[~inside]] = -1
            open_, at = open_[inside], at[inside]
            missing = np.isnan(self.values[self.first[group[open_]] + at * self.stride])
            open_ = open_[missing]
            found[open_] += step
        return found

    def at(self, group: np.ndarray, row: np.ndarray) -> np.ndarray:
        """The closes in these rows."""
        return self.values[self.first[group] + row * self.stride]


def steps(closes: Closes, events: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """Return the events with the factor of each.

    Parameters
    ----------
    closes : Closes
        Raw, or adjusted by ``rule`` when it is an inverse one; NaN where unknown.
    events : polars.DataFrame
        ``group``, ``row`` (first row on or after the ex-date; the number of rows when there is none), ``symbol``,
        ``date``, ``split``, ``spinoff``, ``cash``; one row per group and date, sorted by both.
    rule : Rule

    Returns
    -------
    polars.DataFrame
        ``events`` with ``acts``; ``price`` and ``volume``, by which the bars before an event are multiplied (backward;
        forward the bars from it on are divided), 1 where it does not act; ``unit``, by which its cash is multiplied to
        be in the units of prices adjusted for splits in this direction.

    Raises
    ------
    DataError
        When a dividend is measured against a close that is not positive, is no less than the close before it, or can
        not have been part of the adjusted prices.
    """
    group, row = events["group"].to_numpy(), events["row"].to_numpy()
    after, before = closes.known(group, row, step=1), closes.known(group, row - 1, step=-1)
    acts = (after >= 0) & (before >= 0)
    split = np.where(acts, events["split"].to_numpy(), 1.0)
    ratio = np.where(acts, (1.0 - events["spinoff"].to_numpy()) / split, 1.0)
    unit = _running(group, ratio, rule)
    table = events.with_columns(
        acts=pl.Series(acts), price=pl.Series(ratio), volume=pl.Series(split), unit=pl.Series(unit)
    )
    if rule.kind == "split":
        return table
    cash = np.where(acts, events["cash"].to_numpy(), 0.0)
    paid = np.flatnonzero(cash > 0)
    reference = (after if rule.convention == "close_plus_dividend" else before)[paid]
    close = closes.at(group[paid], reference)
    _demand_positive(close, table[paid])
    part = np.ones(cash.size)
    if rule.inverse:
        part = _undone(group, paid, cash[paid] * unit[paid] / close, rule, table)
    else:
        # To the units in which `cash * unit` is, of the bar that `reference` names.
        close = close * _unit_at(group, row, ratio, group[paid], reference, rule)
        part[paid] = _measured(group[paid], reference, close, cash[paid] * unit[paid], rule, table[paid])
    return table.with_columns(price=pl.Series(ratio * part))


def _running(group: np.ndarray, ratio: np.ndarray, rule: Rule) -> np.ndarray:
    """What brings the cash of an event to split-adjusted units: the splits after it, or forward those up to it."""
    table = pl.DataFrame({"group": group, "ratio": ratio})
    if rule.backward:
        later = pl.col("ratio").shift(-1, fill_value=1.0).cum_prod(reverse=True)
        return table.select(later.over("group"))["ratio"].to_numpy()
    return 1.0 / table.select(pl.col("ratio").cum_prod().over("group"))["ratio"].to_numpy()


def _unit_at(
    group: np.ndarray, row: np.ndarray, ratio: np.ndarray, groups: np.ndarray, rows: np.ndarray, rule: Rule
) -> np.ndarray:
    """The same for the price of any row: the splits after it, or forward those up to it."""
    table = pl.DataFrame({"group": group, "ratio": ratio})
    product = pl.col("ratio").cum_prod(reverse=rule.backward).over("group")
    running = table.select(product)["ratio"].to_numpy()
    span = int(max(row.max(), rows.max())) + 1 if rows.size else 1
    place = np.searchsorted(group * span + row, groups * span + rows, side="right")
    if not rule.backward:
        place = place - 1
    inside = np.clip(place, 0, max(group.size - 1, 0))
    own = (place == inside) & (group[inside] == groups)
    factor = np.where(own, running[inside], 1.0)
    return factor if rule.backward else 1.0 / factor


def _measured(
    group: np.ndarray, reference: np.ndarray, close: np.ndarray, cash: np.ndarray, rule: Rule, table: pl.DataFrame
) -> np.ndarray:
    """The factors of dividends; those that share a close are paid from it one after the other."""
    shared = pl.DataFrame({"group": group, "reference": reference, "cash": cash})
    beside = pl.col("cash").cum_sum(reverse=rule.convention == "close_plus_dividend").over("group", "reference")
    others = shared.select(beside - pl.col("cash"))["cash"].to_numpy()
    if rule.convention == "close_plus_dividend":
        price = close + others  # what the share was worth when the later ones were still to come
        return price / (price + cash)
    left = close - others
    _demand_below(cash, left, table)
    return (left - cash) / left


def _undone(group: np.ndarray, paid: np.ndarray, share: np.ndarray, rule: Rule, table: pl.DataFrame) -> np.ndarray:
    """The factors of dividends where only adjusted closes are known; ``share`` is cash over adjusted close.

    The factor of a dividend needs raw closes, and these the factors of later dividends. But the reciprocal E of the
    cumulative factor obeys E(before) = E(after) + share, with either convention: an event has factor E(after) /
    E(before), and a raw close times its E is the adjusted one. So E is one sum: 1 + all later shares (backward), or
    1 - all shares up to here (forward).
    """
    all_ = np.zeros(group.size)
    all_[paid] = share
    series = pl.DataFrame({"group": group, "share": all_})
    total = series.select(pl.col("share").cum_sum(reverse=rule.backward).over("group"))["share"].to_numpy()
    after = 1.0 + (total - all_) if rule.backward else 1.0 - total
    bad = np.flatnonzero(after <= 0)
    if bad.size:
        raise DataError(
            f"The dividends of {_named(table, bad)} add up to more than the adjusted prices.",
            hint="give the actions, convention and direction with which these prices were adjusted.",
        )
    return after / (after + all_)


def _demand_positive(close: np.ndarray, table: pl.DataFrame) -> None:
    bad = np.flatnonzero(~((close > 0) & (close != np.inf)))
    if bad.size:
        raise DataError(
            f"The dividend of {_named(table, bad)} is measured against a close of {close[bad[0]]:g}; "
            "it must be positive.",
            hint="set a close that is not known to null.",
        )


def _demand_below(cash: np.ndarray, left: np.ndarray, table: pl.DataFrame) -> None:
    bad = np.flatnonzero(~(cash < left))
    if bad.size:
        raise DataError(
            f"The dividend of {_named(table, bad)} is {cash[bad[0]] / left[bad[0]]:.3g} times the close before it, "
            'and "previous_close" has no factor for that.',
            hint='it may be a spin-off or a payment in other shares; "close_plus_dividend" can take any amount.',
        )


def _named(table: pl.DataFrame, bad: np.ndarray) -> str:
    more = f" and {bad.size - 1} more" if bad.size > 1 else ""
    return f"{table['symbol'][int(bad[0])]} {table['date'][int(bad[0])]}{more}"


def spread(shape: tuple[int, int], events: pl.DataFrame, column: str, rule: Rule) -> np.ndarray:
    """Return the factor of every bar of a matrix (dates x symbols): the product of the factors of later events
    (backward), or the reciprocal of that of the events up to it (forward).
    """
    rows, columns = shape
    out = np.ones(shape)
    found = events.filter("acts", pl.col(column) != 1.0)
    group, row, value = (found[name].to_numpy() for name in ("group", "row", column))
    flat = out.reshape(-1)
    # One row at a time: 8 times as fast as np.cumprod along the first axis (5,400 x 504), 30 times (5,040 x 5,000).
    if rule.backward:
        np.multiply.at(flat, (row - 1) * columns + group, value)
        for t in range(rows - 2, -1, -1):
            out[t] *= out[t + 1]
    else:
        np.multiply.at(flat, row * columns + group, 1.0 / value)
        for t in range(1, rows):
            out[t] *= out[t - 1]
    return out


def spread_flat(closes: Closes, events: pl.DataFrame, column: str, rule: Rule) -> np.ndarray:
    """Return the same for a long table sorted by symbol and date."""
    found = events.filter("acts", pl.col(column) != 1.0)
    running = pl.col(column).cum_prod(reverse=rule.backward).over("group")
    group, row, value = (found.select("group", "row", running)[name].to_numpy() for name in ("group", "row", column))
    place = closes.first[group] + row
    ends = closes.first + closes.length
    if rule.backward:
        # Runs by their ends: one before each event, and one of factor 1 up to the end of each symbol.
        bound, factor = np.concatenate([place, ends]), np.concatenate([value, np.ones(ends.size)])
        order = np.argsort(bound, kind="stable")
        return np.repeat(factor[order], np.diff(bound[order], prepend=0))
    bound, factor = np.concatenate([closes.first, place]), np.concatenate([np.ones(ends.size), 1.0 / value])
    order = np.argsort(bound, kind="stable")
    return np.repeat(factor[order], np.diff(bound[order], append=closes.values.size))
