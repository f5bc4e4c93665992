"""In which order variants run: what is dear to change changes seldom, so that its results can be shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quantlab.core._shared import Scope
from quantlab.study._ask import Failure, ask
from quantlab.study._grid import Grid
from quantlab.study._job import Job
from quantlab.study._strategy import RESERVED

# Fewer variants than this many times the parameters are not worth asking.
_WORTH = 16


def expensive_first(job: Job, grid: Grid, todo: Sequence[int]) -> list[int]:
    """Return the numbers of variants so that those that share the dearest results follow one another.

    One variant is tried with each parameter changed by itself; the time that goes into results which could be shared
    says what the parameter costs. Only the order depends on it, never a number.
    """
    names = [name for name in grid.parameters if name not in RESERVED]
    if len(names) < 2 or len(todo) < _WORTH * len(names):
        return list(todo)
    seen: dict[str, dict[Any, int]] = {name: {} for name in grid.parameters}
    variants = [grid[number] for number in todo]
    for variant in variants:
        for name, value in variant.items():
            place = seen[name]
            place.setdefault(value, len(place))
    costs = _costs(job, variants[0], {name: list(seen[name]) for name in names})
    order = sorted(grid.parameters, key=lambda name: -costs.get(name, 0.0))
    ranks = {
        number: tuple(seen[name][variant[name]] for name in order)
        for number, variant in zip(todo, variants, strict=True)
    }
    return sorted(todo, key=ranks.__getitem__)


def _costs(job: Job, variant: Mapping[str, Any], values: Mapping[str, Sequence[Any]]) -> dict[str, float]:
    scope = Scope(job.memory)
    base = {name: variant[name] for name in values}
    if not _tried(job, scope, base):
        return {}
    costs = {}
    for name, known in values.items():
        other = next((value for value in known if value != base[name]), None)
        before = scope.seconds
        if other is not None and _tried(job, scope, {**base, name: other}):
            costs[name] = scope.seconds - before
    return costs


def _tried(job: Job, scope: Scope, params: Mapping[str, Any]) -> bool:
    """Whether a variant could be asked at all; its own run says why it could not."""
    with scope.open():
        return not isinstance(ask(lambda: job.strategy(job.bars, **params)), Failure)
