"""Which securities can be traded: price, trading and history as they were, on prices that are not adjusted.

A price that was adjusted for later splits and dividends holds the future: a share that later split 100 to 1 looks like
a penny stock in its past, and a filter on it knows who was to grow. Row t uses bars up to t, and except for the close
that must be there on t, up to t minus ``lag``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import numpy as np
import polars as pl

from quantlab.core import Bars, DataError, InputError, LabelError, Panel, PanelLike, as_panel, ts
from quantlab.core._arguments import demand_labels, integer, real
from quantlab.core._labels import show
from quantlab.core.periods import period_ends
from quantlab.data.universe._frames import more


def screen(
    close: PanelLike | Bars,
    volume: PanelLike | None = None,
    *,
    minimum_price: float | None = None,
    minimum_dollar_volume: float | None = None,
    minimum_history: int | None = None,
    minimum_coverage: float = 0.8,
    window: int = 63,
    lag: int = 1,
    statistic: Literal["median", "mean"] = "median",
) -> Panel:
    """Return where a security passed every filter that was asked for.

    Parameters
    ----------
    close : PanelLike (T, N) or Bars, currency per share, not adjusted
        Bars must be declared as such (``adjusted="none"``); a Panel's owner answers for it.
    volume : PanelLike (T, N), shares, not adjusted, optional
        Needed for dollar volume; of Bars their own.
    minimum_price : float > 0, currency per share, optional
        The close of row t - lag is at least this; a missing close fails.
    minimum_dollar_volume : float > 0, currency per bar, optional
        The statistic of close times volume over the window is at least this. A volume of 0 counts as 0.
    minimum_history : int >= 1, bars, optional
        At least so many closes up to row t - lag, counted from the first row of the data.
    minimum_coverage : float from 0 to 1
        At least this part of the window has a close (with dollar volume: a close and a volume). Rows before the first
        of the data count as missing. 0 asks for nothing.
    window : int >= 1, bars
        It ends at row t - lag.
    lag : int >= 0, bars
        0 lets the close and volume of row t itself take part, which are known at its close.
    statistic : "median" | "mean"
        The median does not follow single days of heavy trading, such as an index change.

    Returns
    -------
    Panel (T, N), bool
        False where there is no close on row t.

    Raises
    ------
    InputError
        When Bars are adjusted, or not known to be not; when a limit is out of its range, or a volume is needed and
        absent.
    LabelError
        When ``volume`` has other labels than ``close``.
    DataError
        When a close is zero or negative, or a volume negative: the first is named.

    Examples
    --------
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> close = Panel([[9.0, 4.0], [11.0, 6.0], [12.0, 7.0]], days, ["A", "B"])
    >>> screen(close, minimum_price=5.0, window=1).values
    array([[False, False],
           [ True, False],
           [ True,  True]])
    """
    prices, shares = _unadjusted(close, volume, needs_volume=minimum_dollar_volume is not None)
    bars, behind = integer(window, name="window", low=1), integer(lag, name="lag", low=0)
    least = _share(minimum_coverage, "minimum_coverage")
    traded = prices if shares is None or minimum_dollar_volume is None else prices * shares
    passed = _covered(traded, bars, least).shift(behind)
    if minimum_price is not None:
        passed = passed & (prices >= _positive(minimum_price, "minimum_price")).shift(behind)
    if minimum_dollar_volume is not None:
        limit = _positive(minimum_dollar_volume, "minimum_dollar_volume")
        passed = passed & (_typical(traded, bars, statistic) >= limit).shift(behind)
    if minimum_history is not None:
        closes = prices.map(lambda x: np.cumsum(~np.isnan(x), axis=0).astype(np.float64))
        passed = passed & (closes >= integer(minimum_history, name="minimum_history", low=1)).shift(behind)
    return passed & prices._like(~np.isnan(prices.values))


def top_by_dollar_volume(
    close: PanelLike | Bars,
    volume: PanelLike | None = None,
    *,
    n: int,
    rebalance: str | int = "month_end",
    band: float = 0.2,
    member: PanelLike | None = None,
    minimum_coverage: float = 0.8,
    window: int = 63,
    lag: int = 1,
    statistic: Literal["median", "mean"] = "median",
) -> Panel:
    """Return the n most traded securities, chosen at the ends of periods and held in between.

    At a rebalance candidates are ranked by the statistic of close times volume. In this order until there are n: all
    that rank up to n (1 - band); those that were in, up to rank n (1 + band), by rank; the others by rank. So a
    security enters well above rank n or into an empty place, and leaves well below it.

    Parameters
    ----------
    close : PanelLike (T, N) or Bars, currency per share, not adjusted
        As in :func:`screen`.
    volume : PanelLike (T, N), shares, not adjusted, optional
        Of Bars their own.
    n : int >= 1, securities
    rebalance : "month_end" | "week_end" | "every n" | int >= 1
        The named rules follow the trading calendar; a number chooses on rows 0, n, 2n, ...
    band : float from 0 to 1
        0: always the first n.
    member : PanelLike (T, N), bool, optional
        Candidates are members on the row of the rebalance. By default all; of Bars, their ``member``.
    minimum_coverage, window, lag, statistic
        As in :func:`screen`: a candidate has enough bars in the window, and a close on the row of the rebalance.

    Returns
    -------
    Panel (T, N), bool
        False before the first rebalance; fewer than n where there are fewer candidates. Between two rebalances nothing
        changes, also where a security stops trading.

    Raises
    ------
    InputError, LabelError, DataError
        As :func:`screen`, and for a rule that is unknown or needs a calendar.

    Notes
    -----
    Equal dollar volumes are ranked by the name of the symbol, so that the order of columns changes nothing.

    Examples
    --------
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> close = Panel([[10.0, 20.0, 30.0]] * 3, days, ["A", "B", "C"])
    >>> volume = Panel([[9.0, 1.0, 1.0]] * 3, days, ["A", "B", "C"])
    >>> top_by_dollar_volume(close, volume, n=2, rebalance=1, window=1).values
    array([[False, False, False],
           [ True, False,  True],
           [ True, False,  True]])
    """
    prices, shares = _unadjusted(close, volume, needs_volume=True)
    if member is None and isinstance(close, Bars):
        member = close.member
    eligible = prices._like(~np.isnan(prices.values))
    if member is not None:
        inside = as_panel(member, name="member")
        demand_labels(prices, inside, name="member")
        if inside.values.dtype != bool:
            raise DataError("`member` must be a bool Panel.", hint="compare first: `weight > 0`.")
        eligible = eligible & inside
    wanted, spread = integer(n, name="n", low=1), _share(band, "band")
    bars, behind = integer(window, name="window", low=1), integer(lag, name="lag", low=0)
    traded = prices * shares
    enough = _covered(traded, bars, _share(minimum_coverage, "minimum_coverage"))
    size = _typical(traded, bars, statistic).where(enough).shift(behind).where(eligible).values
    rows = np.flatnonzero(period_ends(prices.dates, _rule(rebalance), prices.frequency))
    by_name = np.argsort(np.array(prices.symbols, dtype=str), kind="stable")
    out = np.zeros(prices.shape, dtype=bool)
    held = np.zeros(len(prices.symbols), dtype=bool)
    for row, until in pairwise([*rows, len(prices)]):
        held = _chosen(size[row], held, wanted, spread, by_name)
        out[row:until] = held
    return prices._like(out)


def _chosen(size: np.ndarray, held: np.ndarray, n: int, band: float, by_name: np.ndarray) -> np.ndarray:
    """The n that are in after a rebalance: shape (N,) of dollar volumes, NaN for no candidate."""
    order = by_name[np.argsort(-size[by_name], kind="stable")]
    order = order[~np.isnan(size[order])]
    rank = np.arange(1, order.size + 1)
    # Ranks are whole numbers and the limits are not: 100 x 1.15 is 114.99999999999999.
    first = rank <= n * (1.0 - band) + 1e-9
    stays = held[order] & (rank <= n * (1.0 + band) + 1e-9)
    # Lowest class first, then rank: a stable sort keeps the ranks in order.
    turn = np.argsort(np.where(first, 0, np.where(stays, 1, 2)), kind="stable")
    chosen = np.zeros(size.size, dtype=bool)
    chosen[order[turn[:n]]] = True
    return chosen


def _typical(traded: Panel, window: int, statistic: str) -> Panel:
    """The median or mean of what is present in the trailing window."""
    if statistic == "mean":
        return ts.rolling_mean(traded, window=window, min_periods=1)
    if statistic != "median":
        raise InputError(f'`statistic` must be "median" or "mean", received {statistic!r}.')
    if traded.values.size == 0:
        return traded
    frame = pl.DataFrame(traded.values, schema=[str(column) for column in range(traded.shape[1])], orient="row")
    rolled = frame.select(pl.all().fill_nan(None).rolling_median(window, min_samples=1).fill_null(np.nan))
    return traded._like(np.ascontiguousarray(rolled.to_numpy()))


def _covered(traded: Panel, window: int, share: float) -> Panel:
    """Where enough of the trailing window is present; rows before the data are missing."""
    present = ts.rolling_sum(traded._like((~np.isnan(traded.values)).astype(np.float64)), window=window, min_periods=1)
    # A count is compared with a share of the window: 0.8 x 5 is 4.000000000000001 in some products.
    return present >= share * window - 1e-9


def _unadjusted(close: PanelLike | Bars, volume: PanelLike | None, *, needs_volume: bool) -> tuple[Panel, Panel | None]:
    if isinstance(close, Bars):
        if close.adjusted != "none":
            known = "are not known to be unadjusted" if close.adjusted == "unknown" else "are adjusted for later events"
            raise InputError(
                f"The prices of {close.name} {known} (adjusted: {close.adjusted!r}), and a filter on them could know "
                "the future.",
                hint='load them with `store.bars(name, adjust="none")`, or declare it: `ql.as_bars(..., '
                'adjusted="none")`.',
            )
        volume = close.volume if volume is None else volume
    prices = close.close if isinstance(close, Bars) else as_panel(close, name="close")
    _demand(prices, prices.values > 0, "close", "positive")
    if volume is None:
        if needs_volume:
            raise InputError("Dollar volume needs `volume`.", hint="`screen(close, volume, ...)`.")
        return prices, None
    shares = as_panel(volume, name="volume")
    try:
        demand_labels(prices, shares, name="volume")
    except LabelError as error:
        raise LabelError(error.message.replace("`data`", "`close`"), hint=error.hint) from error
    _demand(shares, shares.values >= 0, "volume", "zero or more")
    return prices, shares


def _demand(panel: Panel, good: np.ndarray, name: str, rule: str) -> None:
    bad = ~good & ~np.isnan(panel.values)
    if bad.any():
        row, column = (int(place[0]) for place in np.nonzero(bad))
        raise DataError(
            f"The {name} of {panel.symbols[column]} {show(panel.dates[row])}{more(int(bad.sum()))} must be {rule}, "
            f"received {panel.values[row, column]:g}.",
            hint="a missing value is NaN.",
        )


def _rule(rebalance: str | int) -> str | int:
    if isinstance(rebalance, str) and rebalance.startswith("every "):
        number = rebalance.removeprefix("every ")
        if not number.isdecimal():
            raise InputError(f'`rebalance` must read "every n" with a whole number, received {rebalance!r}.')
        return int(number)
    return rebalance


def _share(value: Any, name: str) -> float:
    found = real(value, name=name)
    if not 0.0 <= found <= 1.0:
        raise InputError(f"`{name}` must be between 0 and 1, received {found:g}.")
    return found


def _positive(value: Any, name: str) -> float:
    found = real(value, name=name)
    if found <= 0:
        raise InputError(f"`{name}` must be positive, received {found:g}.")
    return found
