"""A grid of parameters: its variants in a fixed order, and the ways to write one down.

Lists make a product or are zipped; lists that depend on earlier parameters and conditions leave combinations out. What
may stand in a list is said in ``_grid_values``, what is drawn at random in ``_draws``; ``_points`` holds the variants.
"""

from __future__ import annotations

import copy
import operator
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, overload

import numpy as np

from quantlab.core import InputError, KindError
from quantlab.study._dependent import Dependent, dependent
from quantlab.study._grid_values import demand_names, identity, listed
from quantlab.study._points import Point, Points, Product, cut, kept
from quantlab.study._strategy import demand_taken
from quantlab.study._variant import plain

# In a repr, lists show this many of their values, and the whole text is cut to this many characters.
_SHOWN, _WIDTH = 4, 200


class Redrawn(Protocol):
    """What a grid that was drawn keeps of its making, so that a condition can draw it again."""

    def where(self, condition: Callable[..., bool]) -> Grid: ...


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Grid:
    """Variants of some parameters, in a fixed order; made by ``product``, ``zipped``, ``random_grid``,
    ``latin_hypercube``, and of other grids by ``+``, slices and ``where``.

    ``len(grid)`` counts the variants, ``grid[i]`` is one as a dict, ``grid[a:b]`` a grid, and iteration gives one dict
    after the other. Two grids are equal when they have equal parameters and variants in the same order.

    Attributes
    ----------
    parameters : tuple of str
        In the order in which they stand in every variant.

    Notes
    -----
    The order: of a product, that of nested loops, the last parameter the innermost; of zipped lists, theirs; of what
    was drawn, that of the draws; of a sum, the left grid's and then what the right one adds.

    A product of lists, and whatever is cut out of one, holds its lists and makes a variant when it is asked for; so
    does ``where``, which holds the places of what is left. Values that depend on earlier parameters are held for each
    combination of those; zipped, drawn and added grids variant by variant.

    Examples
    --------
    >>> grid = product({"lookback": [63, 252], "skip": [0, 21]})
    >>> len(grid), grid.parameters, grid[2]
    (4, ('lookback', 'skip'), {'lookback': 252, 'skip': 0})
    >>> grid.where(lambda lookback, skip: skip < lookback / 4)
    Grid(3 variants: lookback=[63, 252], skip=[0, 21], where lookback, skip)
    """

    parameters: tuple[str, ...]
    _points: Points
    _origin: dict[str, Any]
    _text: str
    _drawn: Redrawn | None = field(default=None)

    def __len__(self) -> int:
        return len(self._points)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self._variant(point) for point in self._points)

    @overload
    def __getitem__(self, place: slice) -> Grid: ...

    @overload
    def __getitem__(self, place: int) -> dict[str, Any]: ...

    def __getitem__(self, place: int | slice) -> Grid | dict[str, Any]:
        if isinstance(place, slice):
            rows = range(len(self))[place]
            origin = {"kind": "slice", "rows": [rows.start, rows.stop, rows.step], "of": self._origin}
            return Grid(self.parameters, cut(self._points, place), origin, f"{self._text}, [{_rows(place)}]")
        at = operator.index(place)
        if not -len(self) <= at < len(self):
            raise IndexError(f"The grid has {len(self):,} variants, and {at} is none of them.")
        return self._variant(self._points[at % len(self)])

    def __add__(self, other: object) -> Grid:
        """Return the variants of both, those of the left first; a variant that stands in both stands there once."""
        if not isinstance(other, Grid):
            return NotImplemented
        if set(other.parameters) != set(self.parameters):
            odd = sorted(set(other.parameters) ^ set(self.parameters))
            raise InputError(
                f"Two grids that are added must have the same parameters, and {', '.join(odd)} "
                f"{'stands' if len(odd) == 1 else 'stand'} in one alone."
            )
        order = [other.parameters.index(name) for name in self.parameters]
        rows = {identity(point): point for point in self._points}
        for point in other._points:
            turned = tuple(point[place] for place in order)
            rows.setdefault(identity(turned), turned)
        origin = {"kind": "sum", "of": [self._origin, other._origin]}
        return Grid(self.parameters, tuple(rows.values()), origin, f"{self._text}; and {other._text}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grid):
            return NotImplemented
        if self.parameters != other.parameters or len(self) != len(other):
            return False
        same = self._points is other._points
        pairs = zip(self._points, other._points, strict=True)
        return same or all(identity(one) == identity(two) for one, two in pairs)

    def __hash__(self) -> int:
        return hash((self.parameters, len(self)))

    def __repr__(self) -> str:
        text = self._text if len(self._text) <= _WIDTH else f"{self._text[: _WIDTH - 3]}..."
        return f"Grid({len(self):,} variant{'s' if len(self) != 1 else ''}: {text})"

    def where(self, condition: Callable[..., bool]) -> Grid:
        """Return the grid without the variants that a condition refuses.

        Parameters
        ----------
        condition : function of parameters that returns True or False
            Its arguments are parameters of the grid, as in ``lambda lookback, skip: skip < lookback``; with
            ``**params`` it is given all of them.

        Returns
        -------
        Grid
            In the same order. A grid that was drawn is drawn on until it has as many variants as before; the variants
            that pass stay. (After a slice or a sum it is shorter instead.)

        Raises
        ------
        KindError
            When the condition is no function, or returns anything but True and False.
        InputError
            When it needs something that is no parameter, raises an error, or lets nothing or next to nothing pass.

        Examples
        --------
        >>> [*product({"a": [1, 2, 3], "b": [1, 2, 3]}).where(lambda a, b: a + 1 < b)]
        [{'a': 1, 'b': 3}]
        """
        if self._drawn is not None:
            return self._drawn.where(condition)
        test = dependent(condition, self.parameters, role="`where`")
        points = kept(self._points, lambda point: test.passes(self._variant(point)))
        if not len(points):
            raise InputError(f"`where` lets none of the {len(self):,} variants pass.")
        origin = {"kind": "where", "condition": test.record(), "of": self._origin}
        return Grid(self.parameters, points, origin, f"{self._text}, where {', '.join(test.takes)}")

    def describe(self) -> dict[str, Any]:
        """Return how the grid was made, in plain JSON types: its kind, its number of variants, its space.

        A function stands there with its name and the parameters that it takes.

        Examples
        --------
        >>> product({"top": [0.1, 0.2]}).describe()
        {'variants': 2, 'parameters': ['top'], 'kind': 'product', 'space': {'top': [0.1, 0.2]}}
        """
        return {"variants": len(self), "parameters": list(self.parameters), **copy.deepcopy(self._origin)}

    def _variant(self, point: Point) -> dict[str, Any]:
        return dict(zip(self.parameters, point, strict=True))


def product(grid: Mapping[str, Sequence[Any] | np.ndarray | Callable[..., Sequence[Any]]]) -> Grid:
    """Return every combination of lists of values, the last parameter changing fastest.

    Parameters
    ----------
    grid : mapping of parameter name to a sequence or array of values, or to a function of earlier parameters
        A function returns the list of values for one combination of those; its arguments are named as they are.

    Returns
    -------
    Grid
        NumPy values in it become the Python values that they hold.

    Raises
    ------
    KindError
        When the grid is no mapping, a parameter has no list, or a value is mutable, such as a list or an array.
    InputError
        When the grid or a list is empty, a value stands twice in a list, or a function fails or looks at something
        that is no earlier parameter.

    Examples
    --------
    >>> grid = product({"lookback": [63, 252], "skip": lambda lookback: [0, lookback // 12]})
    >>> for variant in grid:
    ...     print(variant)
    {'lookback': 63, 'skip': 0}
    {'lookback': 63, 'skip': 5}
    {'lookback': 252, 'skip': 0}
    {'lookback': 252, 'skip': 21}
    """
    names = demand_names(grid)
    blocks: list[Sequence[Point]] = []
    space: dict[str, Any] = {}
    shown: list[str] = []
    for place, (name, values) in enumerate(grid.items()):
        if callable(values):
            known = names[:place]
            function = dependent(values, known, role=f"the function of {name}", later=names[place:])
            blocks = [_branches(Product(tuple(blocks)), known, function, name)]
            space[name], text = function.record(), repr(function)
        else:
            column = listed(values, name)
            blocks.append([(value,) for value in column])
            space[name], text = [plain(value) for value in column], _short(column)
        shown.append(f"{name}={text}")
    points = Product(tuple(blocks))
    _demand_countable(blocks)
    return Grid(tuple(names), points, {"kind": "product", "space": space}, ", ".join(shown))


def zipped(grid: Mapping[str, Sequence[Any] | np.ndarray]) -> Grid:
    """Return the first values of all lists as the first variant, the second values as the second, and so on.

    Parameters
    ----------
    grid : mapping of parameter name to a sequence or array of values, all of one length

    Returns
    -------
    Grid

    Raises
    ------
    KindError
        When the grid is no mapping, a parameter has no list, or a value is mutable, such as a list or an array.
    InputError
        When the grid or a list is empty, lengths differ, or a variant stands twice.

    Examples
    --------
    >>> zipped({"lookback": [63, 252], "skip": [5, 21]})[1]
    {'lookback': 252, 'skip': 21}
    """
    names = demand_names(grid)
    columns = []
    for name, values in grid.items():
        if callable(values):
            raise KindError(f"A zipped grid must hold a list for {name}, received a function.", hint="use a product.")
        columns.append(listed(values, name, once=False))
        if len(columns[-1]) != len(columns[0]):
            raise InputError(
                f"A zipped grid must hold lists of one length, and has {len(columns[0])} values for {names[0]} and "
                f"{len(columns[-1])} for {name}."
            )
    rows: dict[Any, Point] = {}
    for point in zip(*columns, strict=True):
        if rows.setdefault(identity(point), point) is not point:
            variant = ", ".join(f"{name}={value!r}" for name, value in zip(names, point, strict=True))
            raise InputError(f"The grid holds {variant} twice.", hint="every variant counts as a trial.")
    space = {name: [plain(value) for value in column] for name, column in zip(names, columns, strict=True)}
    shown = ", ".join(f"{name}={_short(column)}" for name, column in zip(names, columns, strict=True))
    return Grid(tuple(names), tuple(rows.values()), {"kind": "zipped", "space": space}, f"zipped {shown}")


def as_grid(grid: Grid | Mapping[str, Any]) -> Grid:
    """Return a grid as it is, and a dict of lists as their product.

    Raises
    ------
    KindError
        For anything else.
    """
    return grid if isinstance(grid, Grid) else product(grid)


def variants(
    grid: Grid | Mapping[str, Any], strategy: Callable[..., Any], *, reserved: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return the variants of a grid as a list, after asking whether the strategy takes its parameters.

    Parameters
    ----------
    grid : Grid, or mapping of parameter name to a sequence or array of values
    strategy : function ``(bars, **params)``
        Must take every parameter of the grid, and need no other.
    reserved : names that belong to the engine

    Raises
    ------
    KindError, InputError
        See :func:`product` and ``demand_taken``.

    Examples
    --------
    >>> variants({"a": [1, 2], "b": ["x"]}, lambda bars, a, b: None)
    [{'a': 1, 'b': 'x'}, {'a': 2, 'b': 'x'}]
    """
    made = as_grid(grid)
    demand_taken(strategy, made.parameters, reserved=reserved)
    return list(made)


def _branches(points: Points, known: Sequence[str], function: Dependent, name: str) -> list[Point]:
    """Every point with each of the values that a function gives for it."""
    rows: list[Point] = []
    for point in points:
        params = dict(zip(known, point, strict=True))
        values = function(params)
        found = listed(values, name, role=function.role, at=function.at(params))
        rows += [(*point, value) for value in found]
    return rows


def _demand_countable(blocks: Sequence[Sequence[Point]]) -> None:
    count = 1
    for block in blocks:
        count *= len(block)
    if count > sys.maxsize:
        digits = len(str(count)) - 1
        raise InputError(f"`grid` has over 1e{digits} variants, more than can be counted.", hint="draw some of them.")


def _short(values: Sequence[Any]) -> str:
    shown = [repr(value) for value in values]
    return f"[{', '.join(shown if len(shown) <= _SHOWN else [*shown[: _SHOWN - 1], '...', shown[-1]])}]"


def _rows(rows: slice) -> str:
    ends = [rows.start, rows.stop, *([rows.step] if rows.step is not None else [])]
    return ":".join("" if end is None else str(end) for end in ends)
