"""The points of a grid, one tuple of values each, made when they are asked for.

A product of lists holds its lists and not its points, so that one of ten million takes no more memory than one of ten.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np

Point: TypeAlias = tuple[Any, ...]


class Points(Protocol):
    """What a grid needs of its points."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int, /) -> Point: ...

    def __iter__(self) -> Iterator[Point]: ...


@dataclass(frozen=True, slots=True)
class Product:
    """Every combination of one point of each block, the last block changing fastest.

    Parameters
    ----------
    blocks : tuple of sequences of points

    Examples
    --------
    >>> points = Product((((1,), (2,)), ((3, "x"), (4, "y"))))
    >>> len(points), points[2]
    (4, (2, 3, 'x'))
    """

    blocks: tuple[Sequence[Point], ...]

    def __len__(self) -> int:
        return math.prod(len(block) for block in self.blocks)

    def __getitem__(self, place: int, /) -> Point:
        parts: list[Point] = []
        for block in reversed(self.blocks):
            place, at = divmod(place, len(block))
            parts.append(block[at])
        return tuple(itertools.chain.from_iterable(reversed(parts)))

    def __iter__(self) -> Iterator[Point]:
        return (tuple(itertools.chain.from_iterable(parts)) for parts in itertools.product(*self.blocks))


@dataclass(frozen=True, slots=True, eq=False)
class Picked:
    """Some of the points of another sequence, by their places."""

    base: Points
    places: range | np.ndarray

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, place: int, /) -> Point:
        return self.base[int(self.places[place])]

    def __iter__(self) -> Iterator[Point]:
        return (self.base[int(place)] for place in self.places)


def cut(points: Points, rows: slice) -> Points:
    """Return a slice of points, none of them made."""
    if isinstance(points, Picked):
        return Picked(points.base, points.places[rows])
    return Picked(points, range(len(points))[rows])


def kept(points: Points, passes: Callable[[Point], bool]) -> Points:
    """Return the points that pass, as their places."""
    found = (place for place, point in enumerate(points) if passes(point))
    places = np.fromiter(found, dtype=np.int64)
    if not isinstance(points, Picked):
        return Picked(points, places)
    before = points.places
    inner = before[places] if isinstance(before, np.ndarray) else before.start + before.step * places
    return Picked(points.base, inner)
