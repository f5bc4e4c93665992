"""Where the money came from: the change in equity by symbol, side, sector and kind, and bar by bar.

Money is in the account's currency at the rates of its bar. The profit of a symbol on a bar is

    value now - value before - what was bought + what was sold, at reference prices (``price``: cash in lieu, spin-offs
    and delistings count as sold, a conversion as an exchange at the old symbol's mark)
    + dividends - commission - fees - slippage - borrow,

and of the account itself: interest earned less interest paid, less the cost of converting currencies, plus what cash
and dues in foreign currency gained by exchange rates (``currency``). Nothing else changes equity, so that every table
adds up to equity less initial cash.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from quantlab.backtest import _trade_kernels as kernels
from quantlab.backtest._run import Inputs, Records, Run
from quantlab.backtest._trades import walked
from quantlab.core import Bars, InputError, KindError
from quantlab.core._lazy import lazy
from quantlab.execution import _kernel_types as k

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazy("polars")

BY = ("symbol", "side", "sector", "cost")
# Of symbols, and of the account.
OWN = ("price", "dividends", "commission", "fees", "slippage", "borrow")
CASH = ("interest", "conversion_cost", "currency")
UNKNOWN = "unknown"


class Flows(NamedTuple):
    """What was bought, sold and paid, one row per fill and booked action (K,): where, and cash by kind, signed."""

    bar: np.ndarray
    asset: np.ndarray
    price: np.ndarray
    dividends: np.ndarray
    commission: np.ndarray
    fees: np.ndarray
    slippage: np.ndarray


def flows(inputs: Inputs, records: Records) -> Flows:
    """Return what every fill and booked action moved, fills first."""
    unit, paid, moved = inputs.terms.unit, records.paid, records.moved
    kind = records.events[:, 2]
    bar = np.concatenate([records.fills[:, 1], records.events[:, 0]])
    asset = np.concatenate([records.fills[:, 2], records.events[:, 1]])
    exchanged = np.where(kind == k.CONVERSION, -moved[:, 0] * unit * moved[:, 1], moved[:, 2])
    none = np.zeros(kind.size)
    columns = [
        np.concatenate([-paid[:, 0] * unit * paid[:, 1], np.where(kind == k.DIVIDEND, 0.0, exchanged)]),
        np.concatenate([np.zeros(paid.shape[0]), np.where(kind == k.DIVIDEND, moved[:, 2], 0.0)]),
        *(np.concatenate([-paid[:, column], none]) for column in (3, 4, 5)),
    ]
    fx = inputs.world.fx
    if fx.shape[1] > 1:
        rate = fx[bar if fx.shape[0] > 1 else 0, inputs.terms.currency[asset]]
        columns = [column * rate for column in columns]
    return Flows(bar, asset, *columns)


def values(inputs: Inputs, records: Records) -> np.ndarray:
    """Return what every position is worth at each close (T, N), the account's currency."""
    out = np.where(records.units == 0.0, 0.0, records.units * inputs.terms.unit * records.marks)
    fx = inputs.world.fx
    return out if fx.shape[1] == 1 else out * fx[:, inputs.terms.currency]


def account_profits(inputs: Inputs, run: Run, records: Records) -> np.ndarray:
    """Return (T, 3) what the account itself earned on each bar: interest, conversion cost, currency.

    What currencies did is what is left, since the balance of each is not recorded; with one currency it is nothing, and
    is not taken for a remainder.
    """
    tape = run.tape
    out = np.zeros((tape.shape[0], 3))
    out[:, 0] = tape[:, k.CREDIT_INTEREST] + tape[:, k.SHORT_INTEREST] - tape[:, k.DEBIT_INTEREST]
    out[:, 1] = -tape[:, k.CONVERSION_COST]
    if inputs.world.fx.shape[1] > 1:
        change = np.diff(tape[:, k.EQUITY], prepend=inputs.cash)
        out[:, 2] = change - profits(inputs, records).sum(axis=1) - out[:, 0] - out[:, 1]
    return out


def profits(inputs: Inputs, records: Records) -> np.ndarray:
    """Return (T, N) the profit of every symbol on each bar."""
    moved = flows(inputs, records)
    worth = values(inputs, records)
    cell = moved.bar.astype(np.int64) * worth.shape[1] + moved.asset
    total = moved.price + moved.dividends + moved.commission + moved.fees + moved.slippage
    out = worth - records.borrow
    out[1:] -= worth[:-1]
    out += np.bincount(cell, total, worth.size).reshape(worth.shape)
    return out


def attribution(
    inputs: Inputs, run: Run, records: Records, bars: Bars, symbols: tuple[str, ...], by: str, sectors: Any
) -> pl.DataFrame:
    """Return the change in equity by one of ``BY``; see ``Result.attribution``."""
    if by not in BY:
        raise InputError(f"`by` must be one of {', '.join(BY)}, received {by!r}.")
    if (by == "sector") != (sectors is not None):
        raise InputError(
            '`sectors` goes with `by="sector"`, and with nothing else.',
            hint='`attribution(by="sector", sectors={"AAPL": "Technology", ...})`.',
        )
    own = account_profits(inputs, run, records).sum(axis=0)
    if by == "side":
        return _table("side", ["short", "long"], _by_side(inputs, records, run.tape.shape[0]), own, reverse=True)
    if by == "sector":
        names, codes = _codes(sectors, bars, symbols)
        return _table("sector", names, _by_code(inputs, records, codes, len(names)), own)
    each = _by_code(inputs, records, np.arange(len(symbols))[None, :], len(symbols))
    if by == "symbol":
        return _table("symbol", list(symbols), each, own)
    return _by_cost(inputs, run, each.sum(axis=1), own)


def _by_code(inputs: Inputs, records: Records, codes: np.ndarray, count: int) -> np.ndarray:
    """Sums (6, count) of what symbols earned by kind; ``codes`` (1|T, N) says which of the groups each belongs to."""
    moved = flows(inputs, records)
    code = codes[moved.bar if codes.shape[0] > 1 else 0, moved.asset]
    out = np.zeros((len(OWN), count))
    for row, name in enumerate(OWN[:-1]):
        out[row] = np.bincount(code, getattr(moved, name), count)
    worth = values(inputs, records)
    if codes.shape[0] == 1:
        out[0] += np.bincount(codes[0], worth[-1], count)
        out[-1] = -np.bincount(codes[0], records.borrow.sum(axis=0), count)
    else:
        change = np.diff(worth, axis=0, prepend=0.0)
        out[0] += np.bincount(codes.ravel(), change.ravel(), count)
        out[-1] = -np.bincount(codes.ravel(), records.borrow.ravel(), count)
    return out


def _by_side(inputs: Inputs, records: Records, bars: int) -> np.ndarray:
    """Sums (6, 2) of what shorts and longs earned by kind."""
    labels, sums = walked(inputs, records, bars - 1)
    side = (labels[:, kernels.SIDE] > 0).astype(np.int64)
    column = {
        # Trades know fill prices: what slippage took is added again, to be shown by itself.
        "price": sums[:, kernels.FLOW] + sums[:, kernels.SLIPPAGE],
        "dividends": sums[:, kernels.DIVIDENDS],
        "commission": -sums[:, kernels.COMMISSION],
        "fees": -sums[:, kernels.FEES],
        "slippage": -sums[:, kernels.SLIPPAGE],
        "borrow": -sums[:, kernels.BORROW],
    }
    return np.stack([np.bincount(side, column[name], 2) for name in OWN])


def _by_cost(inputs: Inputs, run: Run, total: np.ndarray, own: np.ndarray) -> pl.DataFrame:
    tape = run.tape
    rows = {
        **dict(zip(OWN, total.tolist(), strict=True)),
        "debit_interest": -float(tape[:, k.DEBIT_INTEREST].sum()),
        "credit_interest": float(tape[:, k.CREDIT_INTEREST].sum()),
        "short_interest": float(tape[:, k.SHORT_INTEREST].sum()),
        "conversion_cost": float(own[1]),
        "currency": float(own[2]),
    }
    profit = np.array(list(rows.values())) + 0.0
    return pl.DataFrame(
        [
            pl.Series("kind", list(rows), dtype=pl.String),
            pl.Series("profit", profit),
            pl.Series("of_initial", profit / inputs.cash),
        ]
    )


def _table(label: str, names: list[str], sums: np.ndarray, own: np.ndarray, *, reverse: bool = False) -> pl.DataFrame:
    """One row per group, the last for the account itself; the first number is the sum of the others."""
    groups, order = len(names), np.arange(len(names))
    order = order[::-1] if reverse else order
    body = np.zeros((len(OWN) + len(CASH), groups + 1))
    body[: len(OWN), :-1] = sums[:, order]
    body[len(OWN) :, -1] = own
    # Adding zero turns -0.0, a cost that nobody paid, into 0.0.
    return pl.DataFrame(
        [
            pl.Series(label, [*(names[i] for i in order), cash_name(names)], dtype=pl.String),
            pl.Series("profit", body.sum(axis=0) + 0.0),
            *(pl.Series(name, row + 0.0) for name, row in zip((*OWN, *CASH), body, strict=True)),
        ]
    )


def cash_name(names: Any) -> str:
    """Return what the account's own row is called: "cash", with stars as long as a symbol has that name."""
    name = "cash"
    while name in names:
        name += "*"
    return name


def _codes(sectors: Any, bars: Bars, symbols: tuple[str, ...]) -> tuple[list[str], np.ndarray]:
    """Names of sectors, the last "unknown", and codes (1|T, N) of the symbols in canonical order."""
    if isinstance(sectors, Mapping):
        known = {symbol: sectors.get(symbol) for symbol in symbols}
        names = sorted({str(sector) for sector in known.values() if sector is not None} - {UNKNOWN})
        place = {name: code for code, name in enumerate(names)}
        codes = [place.get(str(known[symbol]), len(names)) for symbol in symbols]
        return [*names, UNKNOWN], np.array(codes, dtype=np.int64)[None, :]
    if not isinstance(sectors, pl.DataFrame):
        raise KindError(
            f"`sectors` must be a mapping of symbols or a Polars DataFrame, received {type(sectors).__name__}.",
            hint="the table is that of `ql.data.universe.sectors`: symbol, field, value, start, end.",
        )
    if {"symbol", "sector"} <= set(sectors.columns):
        return _codes(dict(sectors.select("symbol", "sector").iter_rows()), bars, symbols)
    from quantlab.data import universe

    names = [*universe.sector_names(sectors), UNKNOWN]
    panel = universe.sectors(sectors, bars)
    place = {symbol: column for column, symbol in enumerate(bars.symbols)}
    found = panel.values[:, [place[symbol] for symbol in symbols]]
    return names, np.where(np.isnan(found), len(names) - 1, found).astype(np.int64)
