"""``quality``: what looks wrong in Bars, as a table; nothing is changed.

A finding is a place to look at, not a verdict. Some rules need hindsight (a spike is one because the next bar takes it
back), so this table judges data and must never become a signal. The rules stand in ``_rules_*``, their list with
severities in ``_findings``; docs/quality.md says how often each finds what it looks for.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from quantlab.core import Bars, KindError, LabelError, Panel, _tables
from quantlab.core._door import PanelLike, as_panel
from quantlab.core._labels import date_difference, difference, same_dates
from quantlab.data import schemas
from quantlab.data.checks import _rules_actions, _rules_calendar, _rules_identity, _rules_moves, _rules_shape
from quantlab.data.checks._findings import Finding, table
from quantlab.data.checks._rules_trail import trails


def quality(bars: Bars, *, actions: pl.DataFrame | None = None, adj_close: PanelLike | None = None) -> pl.DataFrame:
    """Return the findings on ``bars``, one row each.

    ================= ======== =========================================================================================
    rule              severity what it says
    ================= ======== =========================================================================================
    missing_session   warning  the calendar has a session between the first and last bar, and the data do not
    no_session        warning  the data have a date on which the calendar has no session
    gap               warning  a run of missing closes between the first and last close of a symbol
    starts_late       info     the first close of a symbol comes after the first bar
    ends_early        warning  the last close of a symbol comes before the last bar
    back_filled       warning  the first value is repeated over a long run at the start: it was not known then
    price_order       error    the high is below, or the low above, another price of the bar
    stale             warning  five or more equal closes in a row
    repeat            warning  open, high, low, close and volume all equal those of the bar before
    carried           warning  open, high, low and close all stand at the close before, although shares traded as usual
    zero_volume       info     a run of bars with a close and no volume
    unknown_volume    warning  no volume, and yet the prices moved: the zero means unknown
    coarse            info     prices rounded so that one step is 0.5 % of the price or more
    spike             warning  a close far from both neighbors, of which the next takes back three quarters or more
    bad_tick          warning  an open, high or low far outside the other prices of the bar
    scale             warning  prices jump by a factor of 10, 100 or 1,000
    level_run         warning  prices jump to another level and, some bars later, back
    unrecorded_split  warning  the price jumps by a simple ratio on ordinary turnover, stays, and no action says why
    unrecorded_action warning  the price jumps overnight on ordinary turnover, stays, and no action says why
    ticker_reuse      warning  the symbol looks like another security from this bar on
    extreme_move      info     a move of +50 % or -33 % or more that stays and has no action
    split_no_move     error    a split is booked and the price did not move
    split_mismatch    warning  a split is booked and the price moved otherwise
    dividend_no_move  warning  a large dividend is booked and the price did not fall
    spinoff_dividend  warning  a dividend so large, or one beside a split, that it is a spin-off or a special dividend
    action_no_bar     warning  an action on a date on which the symbol has no bar
    trades_on         error    a symbol has closes on or after the day of its delisting or conversion
    conversion_lost   warning  a symbol turns into one that has no close from that day on
    adjusted_step     warning  the vendor's adjusted close makes a step that the actions do not explain
    identical         error    two symbols have the same returns
    ================= ======== =========================================================================================

    ``error``: the data are wrong for certain. ``warning``: probably wrong, or a person must decide. ``info``: know it;
    a genuine extreme is one. Nothing is dropped or quarantined by a finding; see ``decide``.

    Parameters
    ----------
    bars : Bars (T, N)
        The two session rules need daily bars with a calendar, and are left out without one. Rules on volume, opens,
        highs and lows are left out where the bars have none; without them, news cannot be told from a split.
    actions : polars.DataFrame, optional
        Table ``actions``; by default ``bars.actions``. Moves that an action explains are no findings, nor is the end of
        a series before a delisting or conversion.
    adj_close : PanelLike (T, N), currency per share, optional
        The vendor's own adjusted close, for rule ``adjusted_step``.

    Returns
    -------
    polars.DataFrame
        ``rule``, ``symbol`` (null for a whole date), ``date`` (of a run: its first), ``severity``, ``detail`` (the
        evidence), ``action`` (what to do next), ``end`` (of a run: its last date, else null), ``status`` ("open");
        sorted by rule, symbol and date. Empty when nothing was found; a symbol without any close has no findings.

    Raises
    ------
    KindError
        When ``bars`` are not Bars, or ``actions`` are no Polars frame.
    InputError
        When ``actions`` lack a column.
    LabelError
        When ``adj_close`` has other dates or symbols than ``bars``.

    Examples
    --------
    >>> from quantlab.core import Panel, as_bars
    >>> close = Panel([[10.0], [30.0], [10.1]], ["2024-01-02", "2024-01-03", "2024-01-04"], ["A"])
    >>> quality(as_bars(close)).row(0)[:5]
    ('spike', 'A', datetime.date(2024, 1, 3), 'warning', 'close 10, then 30, then 10.1')
    """
    if not isinstance(bars, Bars):
        raise KindError(
            f"`bars` must be Bars, received {type(bars).__name__}.", hint='`store.bars("name")` or `ql.as_bars(close)`.'
        )
    booked = _actions(bars, actions)
    adjusted = None if adj_close is None else _same_labels(as_panel(adj_close, name="adj_close"), bars)
    with np.errstate(divide="ignore", invalid="ignore"):
        return table(_found(bars, booked, adjusted))


def _found(bars: Bars, actions: pl.DataFrame, adjusted: Panel | None) -> Iterator[Finding]:
    yield from _rules_calendar.dates(bars)
    yield from _rules_calendar.spans(bars)
    yield from _rules_calendar.common_endings(bars)
    _, crowded = _rules_calendar.last_rows(bars)
    yield from _rules_shape.price_order(bars)
    yield from _rules_shape.zero_volume(bars)
    yield from _rules_identity.identical(bars)
    yield from _rules_actions.without_bar(bars, actions)
    yield from _rules_actions.leavings(bars, actions)
    gone = _rules_actions.last_leaving(bars, actions)
    for trail in trails(bars, actions):
        yield from _rules_calendar.endings(trail, crowded, gone)
        yield from _rules_shape.equal_bars(trail)
        yield from _rules_shape.carried(trail)
        yield from _rules_shape.bad_ticks(trail)
        yield from _rules_shape.rounding(trail, bars.adjusted)
        yield from _rules_moves.jumps(trail)
        yield from _rules_actions.effects(trail)
        if adjusted is not None:
            yield from _rules_actions.adjusted_steps(trail, adjusted.values[trail.row, trail.column])


def _actions(bars: Bars, actions: pl.DataFrame | None) -> pl.DataFrame:
    if actions is not None:
        return _tables.cut(actions, "actions", bars.dates, bars.symbols)
    return schemas.empty("actions") if bars.actions is None else bars.actions


def _same_labels(panel: Panel, bars: Bars) -> Panel:
    if not same_dates(panel.dates, bars.dates):
        raise LabelError(f"`adj_close` and the bars differ in dates: {date_difference(panel.dates, bars.dates)}.")
    if panel.symbols != bars.symbols:
        raise LabelError(f"`adj_close` and the bars differ in symbols: {difference(panel.symbols, bars.symbols)}.")
    return panel
