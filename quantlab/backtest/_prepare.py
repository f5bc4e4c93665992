"""From what a user passes to the plain arrays of a run: every check comes before anything is computed.

``_prepare_terms`` knows the account, its costs and policies; ``_prepare_world`` the prices and sessions of the bars,
``_prepare_bars`` what is wrong with them; ``_prepare_actions`` their corporate actions; ``_prepare_weights`` and
``_prepare_orders`` what was decided. Here they meet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from quantlab.backtest._diagnostics import Finding
from quantlab.backtest._prepare_actions import (
    Actions,
    Restatement,
    Rows,
    actions_of,
    dead_from,
    in_order,
    priced,
    restatements,
    rows_of,
)
from quantlab.backtest._prepare_bars import inconsistent_bars, unknown_symbols
from quantlab.backtest._prepare_orders import is_long, is_table, rounded_amounts, tickets_of
from quantlab.backtest._prepare_terms import Plan, make_room, terms_of
from quantlab.backtest._prepare_weights import Decisions, amounts_of, weights_of
from quantlab.backtest._prepare_world import (
    Alive,
    Axes,
    axes_of,
    calendar_rows,
    field,
    frozen,
    reference_prices,
    slippage_rows,
)
from quantlab.backtest._run import Inputs
from quantlab.core import Bars, InputError, Panel, PanelLike, as_panel
from quantlab.core._door import reindex
from quantlab.core._labels import show
from quantlab.execution._kernel_types import (
    SHARES,
    TARGET_SHARES,
    TARGET_VALUE,
    VALUE,
    WEIGHTS,
    Tickets,
    World,
    no_tickets,
)

MODES = {"shares": SHARES, "value": VALUE, "target_shares": TARGET_SHARES, "target_value": TARGET_VALUE}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checked run: the inputs of the engine, and how its columns stand to the caller's.

    Parameters
    ----------
    inputs : Inputs, columns in canonical order
    order : (N,) int64, caller's column of each canonical column
    decisions : Panel (R, N), the decision rows that were used, in the caller's column order
    findings : tuple of Finding, what had to be replaced or left out on the way in
    """

    inputs: Inputs
    order: np.ndarray
    decisions: Panel
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Decided:
    """What a run trades, canonical: decision rows, tickets, and what the values of the rows mean."""

    panel: Panel
    rows: np.ndarray
    values: np.ndarray
    tickets: Tickets
    mode: int
    make_room: int

    def since(self, bars: int) -> np.ndarray:
        """The first bar on which a row or a ticket names each asset, (N,) int64; ``bars`` when none does."""
        wanted = self.values != 0
        if self.mode != WEIGHTS:
            wanted &= ~np.isnan(self.values)
        some = wanted.any(axis=0)
        since = np.full(wanted.shape[1], bars, dtype=np.int64)
        if some.any():
            since[some] = self.rows[wanted[:, some].argmax(axis=0)]
        np.minimum.at(since, self.tickets.asset, self.tickets.placed)
        return since

    @property
    def sells_short(self) -> bool:
        """Whether anything could open a short."""
        low = np.fmin.reduce(self.values, axis=None, initial=0.0)
        return bool(low < 0) or bool((self.tickets.units < 0).any())


def prepare_weights(weights: PanelLike, bars: Bars, plan: Plan, unlisted: str, untradable: str) -> Prepared:
    """Return the checked run of target weights; raises before anything is computed, naming the first offender."""
    room = make_room(untradable)
    axes = axes_of(bars)
    first, _ = priced(bars.close.values)
    panel = as_panel(weights, name="weights")
    found, findings = weights_of(panel, bars, first, unlisted, frame=panel is not weights)
    found, late = _delayed(found, plan.fill.delay, axes)
    decided = _Decided(found.panel, found.rows, axes.pick(found.panel.values), no_tickets(), WEIGHTS, room)
    return _assemble(bars, axes, plan, decided, [*findings, *late])


def prepare_orders(orders: Any, bars: Bars, plan: Plan, kind: str) -> Prepared:
    """Return the checked run of explicit orders: a table with one row per order, or a Panel of shares or values."""
    if not isinstance(kind, str) or kind not in MODES:
        words = ", ".join(f'"{word}"' for word in MODES)
        raise InputError(f"`kind` must be one of {words}, received {kind!r}.")
    axes = axes_of(bars)
    rows, _ = rows_of(bars, axes)
    first, _ = priced(axes.pick(bars.close.values))
    alive = Alive(first, dead_from(rows, axes))
    if is_table(orders):
        if kind != "shares":
            raise InputError(
                f'A table of orders holds shares, received `kind` "{kind}".',
                hint="pass values and targets as a Panel or a wide frame.",
            )
        tickets, findings = tickets_of(orders, bars, axes, alive, plan.lot, plan.fill.delay, _changes(rows))
        nothing = Panel._trusted(np.empty((0, len(bars.symbols))), bars.dates[:0], bars.symbols, bars.frequency)
        decided = _Decided(nothing, frozen(np.empty(0, dtype=np.int64)), nothing.values, tickets, SHARES, 0)
        return _assemble(bars, axes, plan, decided, findings)
    panel = as_panel(orders, name="orders")
    if is_long(orders) and set(panel.symbols) <= set(bars.symbols):
        # A long frame names the symbols that it orders, and those alone.
        panel = reindex(panel, panel.dates, bars.symbols)
    back = np.argsort(axes.order)
    found, findings = amounts_of(panel, bars, alive.first[back], alive.dead[back], frame=panel is not orders)
    if kind in ("shares", "target_shares"):
        findings += rounded_amounts(found.panel, plan.lot)
    found, late = _delayed(found, plan.fill.delay, axes)
    values = axes.pick(found.panel.values)
    if kind in ("shares", "target_shares") and plan.fill.delay > 1:
        values = _restated(values, found.rows, plan.fill.delay, _changes(rows))
    decided = _Decided(found.panel, found.rows, values, no_tickets(), MODES[kind], 0)
    return _assemble(bars, axes, plan, decided, [*findings, *late])


def prepare_events(bars: Bars, plan: Plan) -> Prepared:
    """Return the inputs of a run whose orders come from a strategy, bar by bar: every asset may be traded, shorts
    included.
    """
    axes = axes_of(bars)
    nothing = Panel._trusted(np.empty((0, len(bars.symbols))), bars.dates[:0], bars.symbols, bars.frequency)
    decided = _Decided(nothing, frozen(np.empty(0, dtype=np.int64)), nothing.values, no_tickets(), SHARES, 0)
    first, _ = priced(axes.pick(bars.close.values))
    return _assemble(bars, axes, plan, decided, [], since=first)


def _delayed(found: Decisions, delay: int, axes: Axes) -> tuple[Decisions, list[Finding]]:
    """Rows move ``delay - 1`` bars later; what moves behind the last bar is never acted upon."""
    if delay == 1:
        return found, []
    rows = found.rows + (delay - 1)
    keep = rows < axes.dates.size
    panel = found.panel
    if keep.all():
        return Decisions(panel, rows), []
    detail = "decisions that the delay moves behind the last bar"
    finding = Finding("no_next_bar", "info", show(panel.dates[~keep][0]), "", int((~keep).sum()), detail)
    kept = Panel._trusted(panel.values[keep], panel.dates[keep], panel.symbols, panel.frequency)
    return Decisions(kept, rows[keep]), [finding]


def _changes(rows: Rows) -> list[Restatement]:
    rows = in_order(rows)
    return restatements(rows.bar, rows.kind, rows.asset, rows.value)


def _restated(values: np.ndarray, placed: np.ndarray, delay: int, changes: list[Restatement]) -> np.ndarray:
    """Shares as they are when the delay is over: a split after the bar of a row, up to the one at whose close it is
    acted upon, multiplies them.
    """
    out = values.copy()
    for change in changes:
        # Placed at the split's bar or up to ``delay - 2`` bars later, decided before it.
        low, high = np.searchsorted(placed, (change.bar, change.bar + delay - 1))
        out[low:high, change.asset] *= change.shares
    return frozen(out)


def _assemble(
    bars: Bars, axes: Axes, plan: Plan, decided: _Decided, findings: list[Finding], *, since: np.ndarray | None = None
) -> Prepared:
    """Bring the parts together."""
    close = axes.pick(bars.close.values)
    since = decided.since(close.shape[0]) if since is None else since
    actions, since, said = actions_of(bars, axes, close, plan.delisting, since, _currencies(plan, axes))
    thresholds, interest, interest_days = plan.account.interest_bands(axes.sessions)
    slippage = plan.costs.slippage_terms(bars)
    known = {"thresholds": thresholds, "interest_days": interest_days}
    powers, policy = (slippage.power, slippage.power2), (decided.make_room, decided.mode)
    inputs = Inputs(
        _world(bars, axes, plan, close, actions, frozen(interest), slippage_rows(slippage, axes, close, since)),
        terms_of(plan, axes.symbols, powers, known, policy),
        float(plan.account.cash),
        frozen(decided.rows),
        decided.values,
        Tickets(*(frozen(column) for column in decided.tickets)),
    )
    about = (*inconsistent_bars(bars), *unknown_symbols(bars, plan.account))
    all_findings = (*plan.findings, *about, *said, *_free_borrow(bars, plan, decided), *findings)
    return Prepared(inputs, axes.order, decided.panel, all_findings)


def _currencies(plan: Plan, axes: Axes) -> list[str] | None:
    """The currency of each asset, canonical; None when all are of one."""
    foreign = plan.account.currencies
    if foreign is None:
        return None
    codes = plan.account.codes
    return [codes[column] for column in foreign.columns(axes.symbols, plan.account.currency)]


def _world(
    bars: Bars,
    axes: Axes,
    plan: Plan,
    close: np.ndarray,
    actions: Actions,
    interest: np.ndarray,
    slippage: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> World:
    days, month, session = calendar_rows(axes)
    rate, available = plan.costs.borrow_rows(bars)
    spread, impact, impact2, adv = slippage
    return World(
        open=field(bars, "open", axes),
        high=field(bars, "high", axes),
        low=field(bars, "low", axes),
        close=close,
        volume=field(bars, "volume", axes),
        reference=reference_prices(bars, plan.fill, axes, close),
        days=days,
        month=month,
        session=session,
        fx=frozen(plan.account.fx(bars.dates)),
        rate=axes.pick(rate),
        available=axes.pick(available),
        spread=spread,
        impact=impact,
        impact2=impact2,
        adv=adv,
        fees=frozen(plan.costs.fee_rows(axes.sessions)),
        interest=interest,
        margin=frozen(plan.account.margin.rows(axes.sessions)),
        action_bar=actions.bar,
        action_kind=actions.kind,
        action_asset=actions.asset,
        action_other=actions.other,
        action_value=actions.value,
        action_pay=actions.pay,
        pay_order=actions.pay_order,
    )


def _free_borrow(bars: Bars, plan: Plan, decided: _Decided) -> list[Finding]:
    if bars.borrow is None or bars.borrow.height == 0 or plan.costs.borrow is not None or not decided.sells_short:
        return []
    detail = "the bars say what borrowed shares cost, and the costs charge nothing: pass `Costs(borrow=Borrow())`"
    return [Finding("borrow_not_charged", "warning", show(bars.dates[0]), "", bars.borrow.height, detail)]


def with_findings(prepared: Prepared, findings: list[Finding]) -> Prepared:
    """Return a prepared run with more to say."""
    return replace(prepared, findings=(*prepared.findings, *findings)) if findings else prepared
