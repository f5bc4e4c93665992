"""The account, its costs and every policy as the numbers of ``Terms``.

Each value knows its own fields; here they meet, and get the types that the engine was compiled for: Python floats and
ints, C-contiguous read-only float64 and int64 arrays. One wrong type would compile the engine a second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from quantlab.backtest._diagnostics import Finding
from quantlab.backtest._prepare_actions import demand_policy
from quantlab.backtest._prepare_world import Lot, average_prices, frozen
from quantlab.core import Bars, InputError, KindError
from quantlab.core._labels import show
from quantlab.execution import Account, Costs, Exits, Fill, PerShare, Tiered
from quantlab.execution._demand import nearest, truth
from quantlab.execution._kernel_types import Terms
from quantlab.portfolio import Rebalancing

FILLS = ("next_open", "next_close", "vwap", "same_close")
UNTRADABLE = ("keep", "make_room")


@dataclass(frozen=True, slots=True)
class Plan:
    """How a run trades: everything but the bars and the decisions, with nothing left out.

    Attributes
    ----------
    costs, account, fill, exits, rebalance : the values
    delisting : "table", "last_price" or a return
    findings : tuple of Finding, what has to be said about the plan on these bars
    """

    costs: Costs
    account: Account
    fill: Fill
    exits: Exits | None
    rebalance: Rebalancing | None
    delisting: str | float
    findings: tuple[Finding, ...]

    @property
    def lot(self) -> Lot:
        """What positions are counted in."""
        return Lot(*self.account.units())


def plan_of(
    bars: Any,
    *,
    costs: Any = None,
    account: Any = None,
    fill: Any = "next_open",
    exits: Any = None,
    rebalance: Any = None,
    delisting: Any = "table",
    strict: Any = False,
) -> Plan:
    """Return what a user passed, checked, with the defaults of what was left out.

    ``strict`` is no part of a plan, and is looked at before anything is computed all the same.
    """
    truth(strict, "`strict`")
    _demand(bars, Bars, "bars", "make them from closes: `ql.as_bars(close)`.")
    costs = Costs() if costs is None else _demand(costs, Costs, "costs", "write `ql.Costs(slippage=ql.Bps(5))`.")
    hint = "write `ql.Account(cash=1_000_000)`."
    account = Account() if account is None else _demand(account, Account, "account", hint)
    if exits is not None:
        _demand(exits, Exits, "exits", "write `ql.execution.Exits(stop_loss=0.1)`.")
    if rebalance is not None:
        hint = "write `ql.portfolio.Rebalancing(band=0.02)`; its dates are those of the weights."
        _demand(rebalance, Rebalancing, "rebalance", hint)
    how, findings = _fill(fill, bars)
    if how.participation is not None and bars.volume is None:
        raise InputError(
            f"Fill participation is a fraction of the volume, and {bars.name} has none "
            f"(it has {', '.join(bars.fields)})."
        )
    findings += [*_undeclared(bars), *_adjusted_shares(bars, costs, account)]
    return Plan(costs, account, how, exits, rebalance, demand_policy(delisting), tuple(findings))


def terms_of(
    plan: Plan,
    symbols: tuple[str, ...],
    powers: tuple[float, float],
    interest: Mapping[str, Any],
    policy: tuple[int, int],
) -> Terms:
    """Return the terms of a run.

    Parameters
    ----------
    plan : Plan
    symbols : tuple of N names, canonical
    powers : exponents of the two impact terms
    interest : ``thresholds`` and ``interest_days``
    policy : ``make_room`` and ``mode``
    """
    exits = Exits() if plan.exits is None else plan.exits
    rebalance = Rebalancing() if plan.rebalance is None else plan.rebalance
    given = {
        **plan.costs.numbers(),
        **plan.account.numbers(symbols),
        **plan.fill.numbers(),
        **exits.numbers(),
        **rebalance.numbers(),
        **interest,
        # The close of the decision is that of the fill: there is nothing to wait for.
        "size_at_fill": int(plan.fill.sizing == "fill" and plan.fill.at != "same_close"),
        "power": powers[0],
        "power2": powers[1],
        "make_room": policy[0],
        "mode": policy[1],
    }
    return Terms(**{name: _typed(given[name], kind) for name, kind in Terms.__annotations__.items()})


def make_room(untradable: Any) -> int:
    """Return ``Terms.make_room``."""
    if not isinstance(untradable, str) or untradable not in UNTRADABLE:
        raise InputError(f'`untradable` must be "keep" or "make_room", received {untradable!r}.')
    return int(untradable == "make_room")


def _typed(value: Any, kind: Any) -> Any:
    name = getattr(kind, "__forward_arg__", kind)
    if name in ("float", float):
        return float(value)
    if name in ("int", int):
        return int(value)
    array = np.asarray(value)
    return frozen(array.astype(np.int64 if array.dtype.kind in "iub" else np.float64, copy=False))


def _demand(value: Any, kind: type, name: str, hint: str) -> Any:
    if not isinstance(value, kind):
        article = "an " if kind.__name__[0] in "AEIOU" and not kind.__name__.endswith("s") else ""
        raise KindError(f"`{name}` must be {article}{kind.__name__}, received {type(value).__name__}.", hint=hint)
    return value


def _fill(fill: Any, bars: Bars) -> tuple[Fill, list[Finding]]:
    first = show(bars.dates[0])
    if isinstance(fill, str) and fill == "vwap":
        detail = "the bar's average price is taken as (high + low + close) / 3: pass the real one, `Fill(prices=)`"
        estimated = Fill("vwap", prices=average_prices(bars))
        return estimated, [Finding("vwap_estimated", "info", first, "", 1, detail)]
    if isinstance(fill, str) and fill in FILLS:
        how = Fill(fill)
    elif isinstance(fill, Fill):
        how = fill
    else:
        words = ", ".join(f'"{word}"' for word in FILLS)
        near = nearest(fill, FILLS) if isinstance(fill, str) else None
        raise InputError(
            f"`fill` must be {words} or a Fill, received {fill!r}.",
            hint=f'did you mean "{near}"?' if near else 'write `fill="next_close"`.',
        )
    if how.at != "same_close":
        return how, []
    detail = "orders are filled at the close that they were decided on: nobody can trade so, the result looks ahead"
    return how, [Finding("same_close_fill", "warning", first, "", 1, detail)]


def _undeclared(bars: Bars) -> list[Finding]:
    if bars.adjusted != "unknown":
        return []
    detail = "nobody said how these prices are adjusted: a split in them is booked as a loss, a dividend is lost"
    return [Finding("unknown_adjustment", "info", show(bars.dates[0]), "", 1, detail)]


def _adjusted_shares(bars: Bars, costs: Costs, account: Account) -> list[Finding]:
    """Say that shares at adjusted prices are not those of the day: 0.35 instead of 35 makes a hundred times as many."""
    commission = costs.commission
    rules = [rule for _, rule in commission.tiers] if isinstance(commission, Tiered) else [commission]
    what = [
        *(["a per-share commission"] if any(isinstance(rule, PerShare) for rule in rules) else []),
        *(["whole lots"] if account.lot is not None else []),
    ]
    if bars.adjusted not in ("split", "total_return") or not what:
        return []
    verb = "count" if len(what) == 2 or what[0] == "whole lots" else "counts"
    detail = f"{' and '.join(what)} {verb} shares at adjusted prices ({bars.adjusted}), not those of the day"
    return [Finding("adjusted_shares", "info", show(bars.dates[0]), "", 1, detail)]
