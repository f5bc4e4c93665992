# mypy: allow-untyped-defs
"""What an event strategy asks of its account between the two halves of a bar's close."""

from __future__ import annotations

import numpy as np

from quantlab.backtest._engine_kernels import bar_of
from quantlab.core import kernel
from quantlab.execution._kernel_types import (
    CONCENTRATED,
    INITIAL_LONG,
    MAINTENANCE_LONG,
    MINIMUM_EQUITY,
    NO_MARGIN,
    PORTFOLIO,
    book_reference,
    terms_reference,
    world_reference,
)
from quantlab.execution._margin_kernels import requirement, start_rates


@kernel(plain=True)
def buying_power(t, equity, world, terms, book):
    """What more can be bought at the close of bar t, the account's currency, before costs; inf without margin.

    It reads the worth and the maintenance rates that the mark of bar t left in the scratch.
    """
    world, terms, book = world_reference(*world), terms_reference(*terms), book_reference(*book)
    if terms.margin_model == NO_MARGIN:
        return np.inf
    bar = bar_of(world, t)
    m = bar.margin
    start_rates(equity, bar, book, terms)
    free = max(equity - requirement(book.units, 1, bar, book, terms), 0.0)
    rate = 1.0 if equity < m[MINIMUM_EQUITY] else max(min(m[INITIAL_LONG], 1.0), min(m[MAINTENANCE_LONG], 1.0))
    if terms.margin_model == PORTFOLIO:
        rate = max(rate, m[CONCENTRATED])
    return free / rate if rate > 0.0 else np.inf
