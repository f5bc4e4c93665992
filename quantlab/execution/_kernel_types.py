"""The plain types that every engine works on: what the market gives, the terms of the account, the state of a book.

They are tuples of arrays and numbers, so that compiled kernels, the plain reference and Python read the same names.
``T`` is bars, ``N`` assets in canonical order (symbols sorted by name), ``C`` currencies (the first is the account's),
``A`` corporate actions, ``K`` bands of a schedule. A first axis of ``1|T`` holds one row for all bars, or one per bar.

Positions are counted in *units* of ``Terms.unit`` shares: whole numbers in a whole-share account, so that they add up
exactly. Prices are in the asset's currency, money in the account's unless it says otherwise.

The numbers below are compiled into kernels; this file's name puts it under the stamp of the kernel cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from quantlab.core._kernel_structure import Structure

# Actions, in the order in which those of one bar and asset are booked.
SPLIT, SPINOFF, DIVIDEND, CONVERSION, DELISTING = 0, 1, 2, 3, 4

# Kinds of orders.
REBALANCE, ORDER, STOP_LOSS, TAKE_PROFIT, TRAILING, TIME_STOP, MARGIN_CALL, BUY_IN, RUIN = range(9)

# What became of an order.
FILLED, MISSING_PRICE, NO_NEXT_BAR, LIQUIDATED, SKIPPED, UNAFFORDABLE = 0, 1, 2, 3, 4, 5
MARGIN_REJECTED, TAKEN_BACK, EXPIRED, CAPPED, UNBORROWABLE, DELISTED, WORKING = 6, 7, 8, 9, 10, 11, 12

# An order is CANCELLED by whoever sent it (TAKEN_BACK), a later decision, a fill in its group, a margin call or a
# buy-in, an exit, because nothing is left to close, by a split, by the ruin of the book.
REPLACED, GROUPED, CALLED, EXITED, CLOSED, SPLIT_AWAY, ENDED = 13, 14, 15, 16, 17, 18, 19

# Beside SKIPPED: less than a lot; on a position that an exit closes.
TOO_SMALL, LEAVING = 20, 21

# Types of explicit orders. MARKET is filled at the reference price of the next bar.
MARKET, LIMIT, STOP, STOP_LIMIT, TRAIL, MARKET_OPEN, LIMIT_OPEN, MARKET_CLOSE, LIMIT_CLOSE = range(9)

# Time in force.
DAY, GOOD_TILL_CANCELLED, GOOD_TILL_DATE, IMMEDIATE_OR_CANCEL, FILL_OR_KILL = range(5)

# Where orders meet their price, what may not be afforded, what weights mean, and what re-entry waits for.
AT_OPEN, AT_CLOSE, SAME_CLOSE = 0, 1, 2
SCALE, REJECT, STRICT = 0, 1, 2
WEIGHTS, TARGET_SHARES, TARGET_VALUE, SHARES, VALUE = 0, 1, 2, 3, 4
NO_MARGIN, REG_T, PORTFOLIO = 0, 1, 2

# Columns of the tape: money of one bar, in the account's currency.
(
    EQUITY,  # at the close: cash + receivable + long - short
    CASH,  # all currencies, at the bar's rates
    RECEIVABLE,  # dividends that are due and not paid yet; owed ones negative
    LONG,  # value of long positions
    SHORT,  # value of short positions, positive
    REQUIREMENT,  # maintenance margin of the book
    BORROW,  # charged
    DEBIT_INTEREST,  # charged
    CREDIT_INTEREST,  # earned
    SHORT_INTEREST,  # earned on short proceeds
    COMMISSION,  # charged
    FEES,  # exchange and regulatory fees, charged
    SLIPPAGE,  # shares times the distance of price and reference, part of the fill prices
    DIVIDENDS,  # booked on ex-dates; paid by shorts negative
    TRADED,  # absolute value of fills at their prices
    CONVERSION_COST,  # charged for changing currencies
) = range(16)
COLUMNS = 16

# What is counted per asset (and in the last column for the book): the diagnostics.
(
    COUNT_SKIPPED,
    COUNT_MISSING_PRICE,
    COUNT_UNAFFORDABLE,
    COUNT_NO_NEXT_BAR,
    COUNT_BELOW_ONE_LOT,
    COUNT_STALE_MARK,
    COUNT_MARGIN_SCALED,  # book: decisions scaled to the buying power
    COUNT_MARGIN_REJECTED,
    COUNT_MARGIN_CALL,
    COUNT_UNBORROWABLE,
    COUNT_BUY_IN,
    COUNT_CAPPED,
    COUNT_AMBIGUOUS,
    COUNT_DELISTED,
    COUNT_DEBIT,  # book: bars with cash, less short proceeds, below zero
    COUNT_RUIN,
    COUNT_NO_BORROW_RATE,
    COUNT_CANCELLED,
    COUNT_EXPIRED,
) = range(19)
COUNTS = 19

# Columns of Terms.margin.
(
    INITIAL_LONG,
    INITIAL_SHORT,
    MAINTENANCE_LONG,
    MAINTENANCE_SHORT,
    LOW_PRICE,  # currency per share, below which the next two hold for shorts
    LOW_PER_SHARE,
    LOW_FRACTION,
    HIGH_PER_SHARE,  # from LOW_PRICE on, the least per share
    CONCENTRATED,  # portfolio margin: rate on the largest positions
    CONCENTRATED_REST,  # and on all others in that scenario
    LARGEST,  # how many are the largest
    MINIMUM_EQUITY,  # below it nothing may be borrowed or sold short
    BUFFER,  # liquidation goes to requirement * (1 + buffer)
) = range(13)
MARGIN_COLUMNS = 13


class World(NamedTuple):
    """What the market gives: known beforehand to a backtest, but stepped row by row.

    open, high, low, volume : (1|T, N) prices and shares; NaN throughout when the bars lack them
    close : (T, N), NaN where there was no trade
    reference : (T, N), where rebalancing and market orders are filled: the open, the close or the bar's average price
    days : (T,) int64, calendar days since the previous bar's session (0 within a session); the first is 0
    month, session : (T,) int64, numbers that change with the month and with the session
    fx : (1|T, C), the account's currency per unit of each; the first column is 1
    rate : (1|T, N), borrow rate, fraction per year; NaN unknown
    available : (1|T, N), shares that can be borrowed; inf any
    spread : (1|T, N), fraction of the price: the part of slippage that does not depend on size
    impact, impact2 : (1|T, N), fraction of the price at a trade of one day's volume
    adv : (1|T, N), shares a day, known at that row's close
    fees : (1|T, 4): on sales fraction of value; on sales currency per share; its maximum per order; on all per share
    interest : (1|T, C, 3, K), fraction per year in each band: debit, credit, short proceeds
    margin : (1|T, 13), the columns named above
    action_bar, action_kind, action_asset, action_other, action_pay : (A,) int64
        Sorted by bar and, within it, as they are booked. ``action_other`` is the asset that a conversion turns into,
        else -1; ``action_pay`` is the bar of the payment, T when it lies behind the last.
    action_value : (A,) float64
    pay_order : (A,) int64, actions sorted by ``action_pay``
    """

    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    reference: np.ndarray
    days: np.ndarray
    month: np.ndarray
    session: np.ndarray
    fx: np.ndarray
    rate: np.ndarray
    available: np.ndarray
    spread: np.ndarray
    impact: np.ndarray
    impact2: np.ndarray
    adv: np.ndarray
    fees: np.ndarray
    interest: np.ndarray
    margin: np.ndarray
    action_bar: np.ndarray
    action_kind: np.ndarray
    action_asset: np.ndarray
    action_other: np.ndarray
    action_value: np.ndarray
    action_pay: np.ndarray
    pay_order: np.ndarray


class Terms(NamedTuple):
    """The account, its costs and every policy, as numbers.

    currency : (N,) int64, column of ``World.fx``
    unit : float, shares per unit: the lot if it is no whole number of shares, else 1
    step : float, units per lot; 0 trades fractions
    commission : (K, 7): from this many shares a month on; fixed; per share; rate; minimum; maximum fraction; maximum
        cash. All currency per order, except where named
    power, power2 : float, exponents of the impact terms
    participation : float, fraction of a bar's volume that one account may trade; 0 no limit
    carry : int, bars that the rest of a rebalancing order lives on after its first
    dealer : int, 1 charges borrow on 102 % of the mark, rounded up to a whole unit of currency
    recall : int, 1 buys in what can no longer be borrowed
    borrow_days, interest_days : float, days of a year
    thresholds : (C, 3, K), lower ends of the interest bands, currency
    margin_model : int, NO_MARGIN, REG_T, PORTFOLIO
    margin_long, margin_short : (N,), factors on the requirement, 1 for most, 3 for a threefold leveraged fund
    buying_power : int, SCALE, REJECT, STRICT
    at : int, AT_OPEN, AT_CLOSE, SAME_CLOSE
    size_at_fill : int, 1 sizes weights at the reference prices and the equity of the fill
    convert : int, 1 changes every foreign balance into the account's currency at each close
    conversion_cost : float, fraction
    stop_loss, take_profit, trailing : float, fraction of the entry price (trailing: of the best price); inf none
    time_stop : int, bars; 0 none
    entry_bar : int, 1 tests exits on the bar of an entry at the open
    reentry : int, 0 at the next decision, 1 not before the target was zero or of the other sign
    band, relative_band : float, fractions of equity and of the target within which a name is left alone
    to_edge : int, 1 trades to the edge of the band, 0 to the target
    part : float, fraction of the way to the target that one decision goes
    turnover : float, most that one decision trades, fraction of equity; inf no limit
    smallest : float, currency below which an order is not worth sending
    every_bar : int, 1 tests the bands at every close, against the last target
    make_room : int, 1 shrinks the weights beside a holding that cannot trade
    mode : int, WEIGHTS, TARGET_SHARES, TARGET_VALUE, SHARES, VALUE: what the decision rows hold
    """

    currency: np.ndarray
    unit: float
    step: float
    commission: np.ndarray
    power: float
    power2: float
    participation: float
    carry: int
    dealer: int
    recall: int
    borrow_days: float
    interest_days: float
    thresholds: np.ndarray
    margin_model: int
    margin_long: np.ndarray
    margin_short: np.ndarray
    buying_power: int
    at: int
    size_at_fill: int
    convert: int
    conversion_cost: float
    stop_loss: float
    take_profit: float
    trailing: float
    time_stop: int
    entry_bar: int
    reentry: int
    band: float
    relative_band: float
    to_edge: int
    part: float
    turnover: float
    smallest: float
    every_bar: int
    make_room: int
    mode: int


class Tickets(NamedTuple):
    """Explicit orders, one row each (K,), sorted by the bar at whose close they are placed.

    placed : int64, bar. asset, type, tif : int64. until : int64, last bar of GOOD_TILL_DATE. group : int64, orders of
    one group above -1 cancel one another when one is filled. reduce_only : int64, 1 never opens or turns a position.
    units : float64, signed. limit, stop : float64, price, NaN where not used. trail : float64, currency; trail_fraction
    : float64, fraction of the price; NaN where not used.
    """

    placed: np.ndarray
    asset: np.ndarray
    type: np.ndarray
    tif: np.ndarray
    until: np.ndarray
    group: np.ndarray
    reduce_only: np.ndarray
    units: np.ndarray
    limit: np.ndarray
    stop: np.ndarray
    trail: np.ndarray
    trail_fraction: np.ndarray


class Impact(NamedTuple):
    """One row of what a fill moves the price by: spread, impact, impact2, adv, each (N,)."""

    spread: np.ndarray
    impact: np.ndarray
    impact2: np.ndarray
    adv: np.ndarray


class Bar(NamedTuple):
    """What a book sees of one bar: rows (N,) of the World, and nothing of a later one.

    t : int. fx_known : (C,), the rates of the bar before. known : Impact of the bar before, for fills; coming : Impact
    of this bar, for sizing. fees : (4,). margin : (13,). days, month, session : int. last : int, 1 on the last bar.
    session_ends : int, 1 when the next bar is of another session or there is none.
    """

    t: int
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    reference: np.ndarray
    fx: np.ndarray
    fx_known: np.ndarray
    available: np.ndarray
    known: Impact
    coming: Impact
    fees: np.ndarray
    margin: np.ndarray
    month: int
    session: int
    last: int
    session_ends: int


class Book(NamedTuple):
    """The state of a book between two steps; every array is changed in place.

    cash, receivable : (C,), currency of each. units, mark : (N,). entry, peak, trough : (N,), price, NaN when flat.
    entered : (N,) int64, bar of the entry, -1 when flat; opened : (N,) int64, 1 when that entry was at the open.
    dead : (N,) int64, 1 after delisting or conversion. barred : (N,) int64, sign that may not be entered again.
    due : (N,), units of the waiting book order; due_kind, due_age, due_row : (N,) int64, its kind, how many bars it has
    met, its row in the log (-1 not logged). done : (2, N), shares and value that it has filled.
    target : (N,), last decided weights; NaN before. room : (N,), units that the bar's volume still allows; inf none.
    claims : (A,), currency, booked on the ex-date and not paid. month_volume : (1,), shares. flags : (5,) int64, month
    of that volume, bar of the ruin (-1), whether a target was ever decided, 1 when a run has to stop for an error (2:
    for buying power), the decision row that waits to be sized at its fill (-1).
    scratch : (19, N).
    """

    cash: np.ndarray
    receivable: np.ndarray
    units: np.ndarray
    mark: np.ndarray
    entry: np.ndarray
    peak: np.ndarray
    trough: np.ndarray
    entered: np.ndarray
    opened: np.ndarray
    dead: np.ndarray
    barred: np.ndarray
    due: np.ndarray
    due_kind: np.ndarray
    due_age: np.ndarray
    due_row: np.ndarray
    done: np.ndarray
    target: np.ndarray
    room: np.ndarray
    claims: np.ndarray
    month_volume: np.ndarray
    flags: np.ndarray
    scratch: np.ndarray


# Book.flags.
MONTH, RUINED, DECIDED, STOPPED, PENDING = 0, 1, 2, 3, 4


class Working(NamedTuple):
    """The state of explicit orders: one row per ticket (K,), and the list of those that are alive.

    status : int64. left : units still to fill. limit, stop, trail, trail_fraction, water : prices, rescaled by splits.
    triggered, met : int64, a stop-limit that has become a limit; bars met so far. first_session : int64. done : (2, K).
    rank, price : int64 and float64, when and at what price this bar meets the order; the lowest rank of a group goes
    first. row : int64, in the log. live : (K,) int64 tickets in order of placement; count : (2,) int64: how many of
    ``live``, and how many tickets were placed.
    """

    status: np.ndarray
    left: np.ndarray
    limit: np.ndarray
    stop: np.ndarray
    trail: np.ndarray
    trail_fraction: np.ndarray
    water: np.ndarray
    triggered: np.ndarray
    met: np.ndarray
    first_session: np.ndarray
    done: np.ndarray
    rank: np.ndarray
    price: np.ndarray
    row: np.ndarray
    live: np.ndarray
    count: np.ndarray  # type: ignore[assignment]  # hides tuple.count, which nobody needs here


class Log(NamedTuple):
    """Where a run writes.

    tape : (T, 16). counts, firsts : (19, N + 1) int64: how often, and the first bar (-1). keep : (1,) int64, 1
    writes what follows too. orders : (M, 5) int32: bar decided, asset, kind, status, and the status of what made it
    smaller than asked (0: nothing); asked : (M, 2): units, decision price. fills : (F, 3) int32: order row, bar, asset;
    paid : (F, 6): units, reference, price, commission, fees, slippage. events : (E, 3) int32: bar, asset, kind of
    action; moved : (E, 3): change of units, price, cash
    in the asset's currency. used : (3,) int64, rows of the three. units, marks, borrow : (T, N) at each close;
    borrow in the account's currency.
    """

    tape: np.ndarray
    counts: np.ndarray
    firsts: np.ndarray
    keep: np.ndarray
    orders: np.ndarray
    asked: np.ndarray
    fills: np.ndarray
    paid: np.ndarray
    events: np.ndarray
    moved: np.ndarray
    used: np.ndarray
    units: np.ndarray
    marks: np.ndarray
    borrow: np.ndarray


def no_tickets() -> Tickets:
    """Return a table of explicit orders without rows."""
    whole, number = np.empty(0, dtype=np.int64), np.empty(0)
    return Tickets(*([whole] * 7), *([number] * 5))


# The same, as kernels pass them to one another.
world_reference, terms_reference, tickets_reference = Structure(World), Structure(Terms), Structure(Tickets)
bar_reference, impact_reference = Structure(Bar), Structure(Impact)
book_reference, working_reference, log_reference = Structure(Book), Structure(Working), Structure(Log)
