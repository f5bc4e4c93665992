"""The tables of what was ordered, filled and booked, in the words of people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quantlab.backtest._run import Inputs, Records
from quantlab.backtest._trades import ACTIONS, KINDS
from quantlab.core._door import date_series
from quantlab.core._lazy import lazy
from quantlab.execution import _kernel_types as k

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazy("polars")

# By the codes of _kernel_types: the word, and the reason in a part of a sentence.
FATES = (
    ("filled", "filled in full"),
    ("missing_price", "there was no price on the bar of the fill"),
    ("no_next_bar", "decided on the last bar, which no bar follows"),
    ("liquidated", "closed by the ruin of the book"),
    ("skipped", "there was no price on the decision bar"),
    ("unaffordable", "the costs exceed the equity at every size"),
    ("margin_rejected", "the buying power did not reach"),
    ("cancelled", "taken back by the strategy"),
    ("expired", "its time in force ended"),
    ("capped", "the bar's volume allowed no more"),
    ("unborrowable", "no more shares could be borrowed"),
    ("delisted", "the symbol was delisted or converted away"),
    ("working", "still working when the data ended"),
    ("cancelled", "replaced by a later decision"),
    ("cancelled", "another order of its group was filled"),
    ("cancelled", "a margin call or a buy-in came first"),
    ("cancelled", "an exit closes the position"),
    ("cancelled", "nothing was left to close"),
    ("cancelled", "a split left less than one unit of it"),
    ("cancelled", "the book was ruined"),
    ("skipped", "it asks for less than one lot"),
    ("skipped", "an exit closes the position"),
)

# What made an order smaller than asked, before the reason.
CUTS = {k.MARGIN_REJECTED: "cut to the buying power; ", k.UNBORROWABLE: "cut to the shares that could be borrowed; "}


def orders_table(inputs: Inputs, records: Records, dates: np.ndarray, symbols: tuple[str, ...]) -> pl.DataFrame:
    """Return one row per order, in the order in which they were made; columns as in ``Result.orders``."""
    unit, asked = inputs.terms.unit, records.orders
    row, paid, count = records.fills[:, 0], records.paid, asked.shape[0]
    shares = np.abs(paid[:, 0]) * unit

    def total(amounts: np.ndarray) -> np.ndarray:
        # NumPy counts nothing in whole numbers.
        return np.bincount(row, amounts, count).astype(np.float64, copy=False)

    size, filled = total(shares), total(paid[:, 0]) * unit
    last = np.zeros(count, dtype=np.int64)
    last[row] = records.fills[:, 1]
    none = pl.Series(size == 0.0)
    days = date_series(dates)
    with np.errstate(invalid="ignore"):
        reference, price = (total(shares * paid[:, column]) / size for column in (1, 2))
    commission, fees, slippage = (total(paid[:, column]) for column in (3, 4, 5))
    words = pl.Series("status", [word for word, _ in FATES], dtype=pl.String)
    # Every cut with every fate: the reasons, one block of fates per cut.
    cuts = {0: "", **CUTS}
    texts = [cut + reason for cut in cuts.values() for _, reason in FATES]
    reasons = pl.Series("reason", texts, dtype=pl.String)
    block = np.searchsorted(list(cuts), asked[:, 4]) * len(FATES)
    return pl.DataFrame(
        [
            days.gather(asked[:, 0]).alias("decided"),
            days.gather(last).alias("filled").set(none, None),
            pl.Series("symbol", list(symbols), dtype=pl.String).gather(asked[:, 1]),
            pl.Series("kind", KINDS, dtype=pl.String).gather(asked[:, 2]),
            pl.Series("shares", records.asked[:, 0] * unit, nan_to_null=True),
            pl.Series("filled_shares", filled),
            pl.Series("decision_price", records.asked[:, 1], nan_to_null=True),
            pl.Series("reference_price", reference, nan_to_null=True),
            pl.Series("fill_price", price, nan_to_null=True),
            pl.Series("commission", commission),
            pl.Series("fees", fees),
            pl.Series("slippage", slippage),
            words.gather(asked[:, 3]),
            reasons.gather(asked[:, 3] + block),
        ]
    )


def fills_table(inputs: Inputs, records: Records, dates: np.ndarray, symbols: tuple[str, ...]) -> pl.DataFrame:
    """Return one row per fill, by bar; columns as in ``Result.fills``."""
    row, bar, asset = records.fills.T
    paid = records.paid
    return pl.DataFrame(
        [
            date_series(dates).gather(bar),
            pl.Series("symbol", list(symbols), dtype=pl.String).gather(asset),
            pl.Series("kind", KINDS, dtype=pl.String).gather(records.orders[:, 2][row]),
            pl.Series("order", row, dtype=pl.Int64),
            pl.Series("shares", paid[:, 0] * inputs.terms.unit),
            *(
                pl.Series(name, paid[:, column].copy())
                for column, name in enumerate(("reference_price", "price", "commission", "fees", "slippage"), 1)
            ),
        ]
    )


def events_table(inputs: Inputs, records: Records, dates: np.ndarray, symbols: tuple[str, ...]) -> pl.DataFrame:
    """Return one row per booked corporate action, by bar; columns as in ``Result.events``."""
    bar, asset, kind = records.events.T
    moved = records.moved
    return pl.DataFrame(
        [
            date_series(dates).gather(bar),
            pl.Series("symbol", list(symbols), dtype=pl.String).gather(asset),
            pl.Series("kind", ACTIONS, dtype=pl.String).gather(kind),
            pl.Series("shares", moved[:, 0] * inputs.terms.unit),
            pl.Series("price", moved[:, 1].copy()),
            pl.Series("cash", moved[:, 2].copy()),
        ]
    )
