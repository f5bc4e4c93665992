"""Round trips: fills of one symbol from flat to flat, a reversal split in two.

The identity that a test holds at every bar: the sum of ``pnl`` over all trades, less borrow fees, equals equity less
initial cash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from quantlab.backtest._run import Inputs, Run, Status
from quantlab.core._door import date_series
from quantlab.core._lazy import lazy

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazy("polars")


def round_trips(inputs: Inputs, run: Run, dates: np.ndarray, symbols: tuple[str, ...]) -> pl.DataFrame:
    """Return one row per round trip, ordered by symbol and entry.

    Columns: symbol; side ("long", "short"); entry and exit dates (exit null while open); bars held; shares (largest
    position); entry_price and exit_price (average fill price of the legs that build and that reduce; an open trade
    exits at its last mark); pnl in currency after commission and slippage; costs in currency (commission and
    slippage); status ("closed", "open", "liquidated").
    """
    legs = _legs(inputs, run)
    if legs is None:
        return pl.DataFrame(schema=_schema(dates))
    starts = np.flatnonzero(np.r_[True, legs.trip[1:] != legs.trip[:-1]])
    last = np.r_[starts[1:], legs.trip.size] - 1
    # Positions add up in lots: ten times 0.1 shares less one share is not 0.
    unit = inputs.lot or 1.0
    position, shares = _running(legs.lots, starts) * unit, legs.lots * unit
    side = np.sign(shares[starts])
    builds = np.sign(shares) == side[legs.trip]
    left = position[last]
    closed = left == 0.0
    rows = np.where(np.isnan(inputs.close), 0, np.arange(dates.size)[:, None])
    mark = inputs.close[rows.max(axis=0), np.arange(len(symbols))][legs.asset[starts]]
    size, value = np.abs(shares), np.abs(shares) * legs.price
    built, paid = (np.add.reduceat(np.where(builds, x, 0.0), starts) for x in (size, value))
    reduced, received = (np.add.reduceat(np.where(builds, 0.0, x), starts) for x in (size, value))
    open_value = np.where(closed, 0.0, np.abs(left) * mark)
    pnl = np.add.reduceat(-shares * legs.price - legs.commission, starts) + np.sign(left) * open_value
    ends = np.where(closed, legs.bar[last], dates.size - 1)
    status = np.where(legs.liquidated[last], "liquidated", np.where(closed, "closed", "open"))
    days = date_series(dates)
    return pl.DataFrame(
        [
            pl.Series("symbol", list(symbols), dtype=pl.String).gather(legs.asset[starts]),
            pl.Series("side", np.where(side > 0, "long", "short"), dtype=pl.String),
            days.gather(legs.bar[starts]).alias("entry"),
            days.gather(ends).alias("exit").set(pl.Series(~closed), None),
            pl.Series("bars", (ends - legs.bar[starts]).astype(np.int64)),
            pl.Series("shares", np.maximum.reduceat(np.abs(position), starts)),
            pl.Series("entry_price", paid / built),
            pl.Series("exit_price", (received + open_value) / (reduced + np.abs(left))),
            pl.Series("pnl", pnl),
            pl.Series("costs", np.add.reduceat(legs.commission + legs.slippage, starts)),
            pl.Series("status", status, dtype=pl.String),
        ]
    )


class _Legs(NamedTuple):
    """Fills by asset and time, reversals split in two; ``trip`` numbers the round trip that a leg belongs to."""

    asset: np.ndarray
    bar: np.ndarray
    lots: np.ndarray
    price: np.ndarray
    commission: np.ndarray
    slippage: np.ndarray
    liquidated: np.ndarray
    trip: np.ndarray


def _legs(inputs: Inputs, run: Run) -> _Legs | None:
    orders = run.orders
    done = np.flatnonzero(orders.filled >= 0)
    if done.size == 0:
        return None
    done = done[np.argsort(orders.asset[done], kind="stable")]
    unit = inputs.lot or 1.0
    asset = orders.asset[done]
    lots = orders.shares[done] / unit
    lots = np.round(lots) if inputs.lot else lots
    new_asset = np.r_[True, asset[1:] != asset[:-1]]
    after = _running(lots, np.flatnonzero(new_asset))
    before = np.where(new_asset, 0.0, np.r_[0.0, after[:-1]])
    flips = before * after < 0.0
    # A reversal becomes two legs: the first closes what was held, the second opens the rest; its costs go by shares.
    source = np.repeat(np.arange(lots.size), 1 + flips)
    second = np.r_[False, source[1:] == source[:-1]]
    leg = np.where(flips[source], np.where(second, after[source], -before[source]), lots[source])
    part = np.abs(leg) / np.abs(lots[source])
    opens = np.where(second, True, before[source] == 0.0)
    return _Legs(
        asset[source],
        orders.filled[done][source],
        leg,
        orders.price[done][source],
        orders.commission[done][source] * part,
        orders.slippage[done][source] * part,
        orders.status[done][source] == Status.LIQUIDATED,
        np.cumsum(opens) - 1,
    )


def _running(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Running sum that restarts at each index of ``starts``, added in the engine's order so that a closed position is
    0.
    """
    out = np.empty_like(values)
    for begin, end in zip(starts, np.r_[starts[1:], values.size], strict=True):
        out[begin:end] = np.cumsum(values[begin:end])
    return out


def _schema(dates: np.ndarray) -> dict[str, Any]:
    day = date_series(dates).dtype
    text = dict.fromkeys(("symbol", "side"), pl.String)
    numbers = dict.fromkeys(("shares", "entry_price", "exit_price", "pnl", "costs"), pl.Float64)
    return {**text, "entry": day, "exit": day, "bars": pl.Int64, **numbers, "status": pl.String}
