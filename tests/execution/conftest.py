"""Shared ground of the kernels' tests: small states of a book by keyword, and kernels stepped as the engine does.

What is left out of a state is free, whole-share, unlimited and without orders.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import pytest

from quantlab.core import kernel
from quantlab.core._kernel import Kernel
from quantlab.execution import _kernel_types as kt
from quantlab.execution._exit_kernels import exits_at_close, run_exits
from quantlab.execution._kernel_types import (
    bar_reference,
    book_reference,
    impact_reference,
    log_reference,
    terms_reference,
    tickets_reference,
    working_reference,
)
from quantlab.execution._ticket_kernels import (
    cancel_tickets,
    compact,
    drop_ticket,
    expire_tickets,
    fill_tickets_at_close,
    fill_tickets_at_open,
    fill_tickets_inside,
    note_no_next_bar,
    place_tickets,
    split_tickets,
)

FREE = [[0.0, 0.0, 0.0, 0.0, 0.0, np.inf, np.inf]]


def row(value: Any, n: int, dtype: type = np.float64) -> np.ndarray:
    """A scalar or a list as a row of n."""
    return np.array(np.broadcast_to(np.array(value, dtype=dtype), (n,)))


def make_terms(n: int = 1, **given: Any) -> kt.Terms:
    """Terms of an account that pays nothing and has no policy switched on."""
    values: dict[str, Any] = {
        "currency": np.zeros(n, dtype=np.int64),
        "unit": 1.0,
        "step": 1.0,
        "commission": np.array(given.pop("commission", FREE), dtype=np.float64),
        "power": 1.0,
        "power2": 0.5,
        "participation": 0.0,
        "carry": 0,
        "dealer": 0,
        "recall": 0,
        "borrow_days": 360.0,
        "interest_days": 360.0,
        "thresholds": np.zeros((1, 3, 1)),
        "margin_model": kt.NO_MARGIN,
        "margin_long": np.ones(n),
        "margin_short": np.ones(n),
        "buying_power": kt.SCALE,
        "at": kt.AT_OPEN,
        "size_at_fill": 0,
        "convert": 0,
        "conversion_cost": 0.0,
        "stop_loss": np.inf,
        "take_profit": np.inf,
        "trailing": np.inf,
        "time_stop": 0,
        "entry_bar": 1,
        "reentry": 0,
        "band": 0.0,
        "relative_band": 0.0,
        "to_edge": 0,
        "part": 1.0,
        "turnover": np.inf,
        "smallest": 0.0,
        "every_bar": 0,
        "make_room": 0,
        "mode": kt.WEIGHTS,
    }
    return kt.Terms(**(values | given))


def make_impact(n: int = 1, spread: Any = 0.0, impact: Any = 0.0, impact2: Any = 0.0, adv: Any = np.nan) -> kt.Impact:
    """One row of impact, free by default."""
    return kt.Impact(*(row(value, n) for value in (spread, impact, impact2, adv)))


def make_bar(n: int = 1, t: int = 1, **given: Any) -> kt.Bar:
    """Bar t; prices and volumes as scalars or lists, NaN where left out; the reference is the open, else the close."""
    prices = ("open", "high", "low", "close", "volume")
    values: dict[str, Any] = {name: row(given.pop(name, np.nan), n) for name in prices}
    reference = np.where(np.isnan(values["open"]), values["close"], values["open"])
    values["reference"] = row(given.pop("reference", reference), n)
    values["available"] = row(given.pop("available", np.inf), n)
    values |= {"t": t, "fx": np.ones(1), "fx_known": np.ones(1), "fees": np.zeros(4)}
    values |= {"known": make_impact(n), "coming": make_impact(n)}
    values |= {"margin": np.zeros(kt.MARGIN_COLUMNS), "month": 0, "session": t, "last": 0, "session_ends": 1}
    return kt.Bar(**(values | given))


def make_book(n: int = 1, **given: Any) -> kt.Book:
    """A book; positions with ``units`` were opened at ``entry`` (else the mark) at the open of bar 0."""
    units = row(given.pop("units", 0.0), n)
    mark = row(given.pop("mark", np.nan), n)
    held = units != 0.0
    entry = np.where(held, row(given.pop("entry", mark), n), np.nan)
    whole = np.int64
    values: dict[str, Any] = {
        "cash": np.array([given.pop("cash", 1_000_000.0)]),
        "receivable": np.zeros(1),
        "units": units,
        "mark": mark,
        "entry": entry,
        "peak": np.where(held, row(given.pop("peak", entry), n), np.nan),
        "trough": np.where(held, row(given.pop("trough", entry), n), np.nan),
        "entered": np.where(
            held,
            row(
                given.pop(
                    "entered",
                    0,
                ),
                n,
                whole,
            ),
            -1,
        ),
        "opened": np.where(held, row(given.pop("opened", 1), n, whole), 0),
        "due": row(given.pop("due", 0.0), n),
        "due_row": row(given.pop("due_row", -1), n, whole),
        "done": np.zeros((2, n)),
        "target": np.full(n, np.nan),
        "room": row(given.pop("room", np.inf), n),
        "claims": np.zeros(0),
        "month_volume": np.zeros(1),
        "flags": np.array([0, -1, 0, 0], dtype=whole),
        "scratch": np.zeros((16, n)),
    }
    for name in ("dead", "barred", "due_kind", "due_age"):
        values[name] = row(given.pop(name, 0), n, whole)
    return kt.Book(**(values | given))


def make_log(n: int = 1, bars: int = 16, rows: int = 64, keep: int = 1) -> kt.Log:
    """An empty log with room for ``rows`` of each kind."""
    return kt.Log(
        tape=np.zeros((bars, kt.COLUMNS)),
        counts=np.zeros((kt.COUNTS, n + 1), dtype=np.int64),
        firsts=np.full((kt.COUNTS, n + 1), -1, dtype=np.int64),
        keep=np.array([keep]),
        orders=np.full((rows, 4), -1, dtype=np.int32),
        asked=np.full((rows, 2), np.nan),
        fills=np.full((rows, 3), -1, dtype=np.int32),
        paid=np.full((rows, 6), np.nan),
        events=np.full((rows, 3), -1, dtype=np.int32),
        moved=np.full((rows, 3), np.nan),
        used=np.zeros(3, dtype=np.int64),
        units=np.zeros((bars, n)),
        marks=np.full((bars, n), np.nan),
        borrow=np.zeros((bars, n)),
    )


def make_tickets(*orders: dict[str, Any]) -> kt.Tickets:
    """Explicit orders, a dictionary each; by default market orders of asset 0, placed on bar 0, good till cancelled."""
    default: dict[str, Any] = dict.fromkeys(kt.Tickets._fields, 0)
    default |= {"type": kt.MARKET, "tif": kt.GOOD_TILL_CANCELLED, "group": -1}
    default |= dict.fromkeys(("limit", "stop", "trail", "trail_fraction"), np.nan)
    columns = {}
    for k, name in enumerate(kt.Tickets._fields):
        dtype = np.int64 if k < 7 else np.float64
        columns[name] = np.array([(default | order)[name] for order in orders], dtype=dtype)
    return kt.Tickets(**columns)


def make_working(tickets: kt.Tickets) -> kt.Working:
    """The state of explicit orders of which none has been placed yet."""
    k, whole = tickets.placed.shape[0], np.int64
    return kt.Working(
        status=np.full(k, kt.NO_NEXT_BAR, dtype=whole),
        left=np.zeros(k),
        limit=np.full(k, np.nan),
        stop=np.full(k, np.nan),
        trail=np.full(k, np.nan),
        trail_fraction=np.full(k, np.nan),
        water=np.full(k, np.nan),
        triggered=np.zeros(k, dtype=whole),
        met=np.zeros(k, dtype=whole),
        first_session=np.full(k, -1, dtype=whole),
        done=np.zeros((2, k)),
        rank=np.zeros(k, dtype=whole),
        price=np.full(k, np.nan),
        row=np.full(k, -1, dtype=whole),
        live=np.zeros(k, dtype=whole),
        count=np.zeros(2, dtype=whole),
    )


# What ``step`` calls.
STEPS = PLACE, AT_OPEN, INSIDE, AT_CLOSE, EXPIRE, RUN_EXITS, EXITS_AT_CLOSE, DROP, COMPACT, SPLIT, CANCEL, LAST = range(
    12
)


@kernel(plain=True)
def step(what, a, b, x, tickets, book, bar, impact, terms, working, log):
    """Call one kernel on references, as the engine does, so that the tests run the code that the engine runs."""
    tickets, terms = tickets_reference(*tickets), terms_reference(*terms)
    book, working, log = book_reference(*book), working_reference(*working), log_reference(*log)
    impact = impact_reference(*impact)
    bar = bar_reference(
        bar.t,
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.volume,
        bar.reference,
        bar.fx,
        bar.fx_known,
        bar.available,
        impact_reference(*bar.known),
        impact_reference(*bar.coming),
        bar.fees,
        bar.margin,
        bar.month,
        bar.session,
        bar.last,
        bar.session_ends,
    )
    first, last = 0, 0
    if what == PLACE:
        first, last = place_tickets(tickets, book, bar, terms, working, log)
    elif what == AT_OPEN:
        fill_tickets_at_open(tickets, book, bar, impact, terms, working, log)
    elif what == INSIDE:
        fill_tickets_inside(tickets, book, bar, impact, terms, working, log)
    elif what == AT_CLOSE:
        fill_tickets_at_close(tickets, book, bar, impact, terms, working, log)
    elif what == EXPIRE:
        expire_tickets(tickets, book, bar, working, log)
    elif what == RUN_EXITS:
        run_exits(book, bar, impact, terms, log)
    elif what == EXITS_AT_CLOSE:
        first = exits_at_close(book, bar, terms, log)
    elif what == DROP:
        drop_ticket(a, b, working, log)
    elif what == COMPACT:
        compact(working)
    elif what == SPLIT:
        first = split_tickets(a, x, bar.t, tickets, terms, working, log)
    elif what == CANCEL:
        first = cancel_tickets(a, b, bar.t, tickets, working, log)
    else:
        note_no_next_bar(tickets, bar, working, log)
    return first, last


@contextmanager
def plain_python() -> Iterator[None]:
    """Run every kernel as the Python that it was written in."""
    with mock.patch.object(Kernel, "__call__", lambda self, *arguments: self.py_func(*arguments)):
        yield


@pytest.fixture(params=["compiled", "python"])
def either_way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run a test twice: with compiled kernels and as plain Python."""
    if request.param == "compiled":
        yield
    else:
        with plain_python():
            yield
