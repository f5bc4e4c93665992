"""Grids that are drawn: independent draws, and the strata of a Latin hypercube.

A draw depends on the seed and its number alone. What was drawn before, and what a condition refuses, is drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from quantlab.core import InputError
from quantlab.core._arguments import integer
from quantlab.core.rng import generator, resolve_seed
from quantlab.study._dependent import Dependent, dependent
from quantlab.study._grid import Grid
from quantlab.study._grid_values import demand_names, identity, listed
from quantlab.study._points import Point
from quantlab.study._space import Choice, Distribution, Integers, LogUniform, Uniform

# After as many draws in a row without a new point the search ends. A space of fewer points is exhausted long before.
_PATIENCE = 100_000
# Independent draws of one replicate; not n, so that more draws begin as fewer do.
_BATCH = 1024


def random_grid(space: Mapping[str, Any], n: int, *, seed: int | np.random.Generator | None = None) -> Grid:
    """Return variants drawn at random, each independently of the others.

    Parameters
    ----------
    space : mapping of parameter name to what it is drawn from
        A list, each value as likely as the next; ``uniform``, ``log_uniform`` or ``integers``; or a function of earlier
        parameters that returns one of these.
    n : int >= 1
        How many variants.
    seed : int | numpy.random.Generator | None

    Returns
    -------
    Grid
        In the order drawn, every variant once. With the same seed, fewer of them are the first of more of them.

    Raises
    ------
    KindError
        When a parameter has nothing to be drawn from.
    InputError
        When the space has fewer than ``n`` points, or a function fails.

    References
    ----------
    J. Bergstra, Y. Bengio (2012), "Random search for hyper-parameter optimization", Journal of Machine Learning
    Research 13, https://www.jmlr.org/papers/v13/bergstra12a.html: of a few parameters that matter among many, as many
    trials on a grid see far fewer values.

    Examples
    --------
    >>> from quantlab.study._space import integers, uniform
    >>> grid = random_grid({"lookback": integers(21, 252), "top": uniform(0.1, 0.5)}, 100, seed=7)
    >>> grid
    Grid(100 variants: drawn from lookback=integers(21, 252), top=uniform(0.1, 0.5), seed 7)
    >>> grid[:20] == random_grid({"lookback": integers(21, 252), "top": uniform(0.1, 0.5)}, 20, seed=7)
    True
    """
    return _draw(space, n, seed, "random")


def latin_hypercube(space: Mapping[str, Any], n: int, *, seed: int | np.random.Generator | None = None) -> Grid:
    """Return variants drawn so that each parameter alone is spread evenly: one draw from each of n equal strata.

    Parameters
    ----------
    space : mapping of parameter name to what it is drawn from
        As in :func:`random_grid`.
    n : int >= 1
        How many variants.
    seed : int | numpy.random.Generator | None

    Returns
    -------
    Grid
        In the order drawn, every variant once. A variant that was drawn before or that a condition refuses is replaced
        by one of a further hypercube, so that strata are exact for numbers without conditions, and nearly so else.

    Raises
    ------
    KindError
        When a parameter has nothing to be drawn from.
    InputError
        When the space has fewer than ``n`` points, or a function fails.

    References
    ----------
    M. McKay, R. Beckman, W. Conover (1979), "A comparison of three methods for selecting values of input variables",
    Technometrics 21(2), DOI 10.2307/1268522.

    Examples
    --------
    >>> from quantlab.study._space import uniform
    >>> grid = latin_hypercube({"top": uniform(0.0, 1.0)}, 5, seed=7)
    >>> sorted(int(variant["top"] * 5) for variant in grid)
    [0, 1, 2, 3, 4]
    """
    return _draw(space, n, seed, "latin_hypercube")


@dataclass(frozen=True, slots=True)
class Draw:
    """Everything that a drawn grid depends on.

    Parameters
    ----------
    columns : what each parameter is drawn from, or the function that says so
    n : int
    seed : int
    kind : "random" | "latin_hypercube"
    conditions : what every variant must pass
    """

    columns: Mapping[str, Distribution | Dependent]
    n: int
    seed: int
    kind: str
    conditions: tuple[Dependent, ...] = ()

    def where(self, condition: Callable[..., bool]) -> Grid:
        """Return the grid of as many variants that pass one more condition."""
        test = dependent(condition, tuple(self.columns), role="`where`")
        return replace(self, conditions=(*self.conditions, test)).grid()

    def grid(self) -> Grid:
        """Return the grid."""
        origin: dict[str, Any] = {
            "kind": self.kind,
            "seed": self.seed,
            "space": {name: column.record() for name, column in self.columns.items()},
        }
        drawn = "drawn" if self.kind == "random" else "Latin hypercube"
        text = f"{drawn} from {', '.join(f'{name}={column!r}' for name, column in self.columns.items())}"
        if self.conditions:
            origin["where"] = [condition.record() for condition in self.conditions]
            text += "".join(f", where {', '.join(condition.takes)}" for condition in self.conditions)
        return Grid(tuple(self.columns), self._found(), origin, f"{text}, seed {self.seed}", self)

    def _found(self) -> tuple[Point, ...]:
        """The first n different points that pass every condition."""
        rows: dict[Point, Point] = {}
        vain = 0
        for quantiles in self._quantiles():
            params = self._params(quantiles)
            point = tuple(params.values())
            key = identity(point)
            if key in rows or not all(condition.passes(params) for condition in self.conditions):
                vain += 1
                if vain >= _PATIENCE:
                    raise InputError(self._exhausted(len(rows)))
                continue
            rows[key], vain = point, 0
            if len(rows) == self.n:
                break
        return tuple(rows.values())

    def _quantiles(self) -> Iterator[list[float]]:
        """Numbers of [0, 1), one for each parameter, without end."""
        width = len(self.columns)
        replicate = 0
        while True:
            draw = generator(self.seed, replicate)
            if self.kind == "random":
                values = draw.random((_BATCH, width))
            else:
                strata = np.column_stack([draw.permutation(self.n) for _ in range(width)])
                values = (strata + draw.random((self.n, width))) / self.n
            yield from values.tolist()
            replicate += 1

    def _params(self, quantiles: list[float]) -> dict[str, Any]:
        params: dict[str, Any] = {}
        for (name, column), u in zip(self.columns.items(), quantiles, strict=True):
            if isinstance(column, Dependent):
                column = _distribution(column(params), name, role=column.role, at=column.at(params))
            params[name] = column.at(u)
        return params

    def _exhausted(self, found: int) -> str:
        passing = " that passes" if self.conditions else ""
        return (
            f"Of {_PATIENCE:,} draws in a row none was a new variant{passing}: {found:,} were found, and `n` is "
            f"{self.n:,}."
        )


def _draw(space: Mapping[str, Any], n: int, seed: int | np.random.Generator | None, kind: str) -> Grid:
    names = demand_names(space)
    n = integer(n, name="n", low=1)
    columns: dict[str, Distribution | Dependent] = {}
    points: int | None = 1
    for place, (name, values) in enumerate(space.items()):
        if callable(values):
            later = names[place:]
            columns[name] = dependent(values, names[:place], role=f"the function of {name}", later=later)
            points = None
        else:
            columns[name] = found = _distribution(values, name)
            points = None if points is None or found.size is None else points * found.size
    if points is not None and points < n:
        raise InputError(
            f"The space has {points:,} different variants, and `n` is {n:,}.", hint="a product tries all of them."
        )
    return Draw(columns, n, resolve_seed(seed), kind).grid()


def _distribution(values: Any, name: str, *, role: str = "", at: str = "") -> Distribution:
    if isinstance(values, (Uniform, LogUniform, Integers)):
        return values
    return Choice(listed(values, name, role=role, at=at))
