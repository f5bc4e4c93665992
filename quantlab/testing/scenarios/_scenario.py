"""``Scenario`` and the functions that make one by name."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import polars as pl

from quantlab.core import Bars, InputError, KindError, Panel
from quantlab.core.rng import resolve_seed
from quantlab.data.synthetic import Grid, Market
from quantlab.testing.scenarios._registry import ENTRIES, Entry, parameters

_SCHEMA = {"quantity": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64, "holds": pl.Boolean}


@dataclass(frozen=True, eq=False)
class Scenario:
    """A synthetic market that plants one property, says it in a sentence, and can measure it.

    Attributes
    ----------
    name : str
    seed : int
        Makes it again.
    market : Market
        The bars with the truth about them.
    says : str
        What is planted, with the numbers of the generator's defaults; read it as ``property``.
    """

    name: str
    seed: int
    market: Market
    says: str

    @property
    def bars(self) -> Bars:
        """What an observer sees, (T, N)."""
        return self.market.bars

    @property
    def planted(self) -> pl.DataFrame:
        """What was planted and where: ``kind``, ``symbol``, ``start``, ``end``, ``value``, ``note``."""
        return self.market.planted

    @property
    def returns(self) -> Panel:
        """The total returns that were drawn, (T, N), before ticks, halts, delistings and defects."""
        return self.market.returns

    def measure(self) -> pl.DataFrame:
        """Return the planted property as found in the bars.

        Returns
        -------
        polars.DataFrame
            ``quantity``, ``value`` (measured), ``low`` and ``high`` (what the planted value allows: exact for counts,
            ticks for prices, five standard errors for statistics), ``holds``. The tail index is left out on fewer than
            4,000 returns.

        Raises
        ------
        InputError
            For "ordinary" on fewer than 100 dates.
        """
        rows = [
            (quantity, value, low, high, low <= value <= high)
            for quantity, value, low, high in ENTRIES[self.name].measure(self.market)
        ]
        return pl.DataFrame(rows, schema=_SCHEMA, orient="row")

    def __repr__(self) -> str:
        rows, columns = self.bars.shape
        return f"Scenario {self.name}, seed {self.seed}: {rows} dates x {columns} symbols. {self.says}"

    # Last in the class: below this line the name is no longer the decorator's.
    @property
    def property(self) -> str:
        """What is planted, in a sentence."""
        return self.says


def names() -> tuple[str, ...]:
    """Return the names of all scenarios.

    Examples
    --------
    >>> names()[:3]
    ('ordinary', 'trending', 'ranging')
    """
    return tuple(ENTRIES)


def make(name: str, *, seed: int | None = 0, grid: Grid | None = None, **options: Any) -> Scenario:
    """Return a scenario by name.

    Parameters
    ----------
    name : str
        One of :func:`names`.
    seed : int in [0, 2**63), or None for a fresh one
        Under one seed and grid, all scenarios share their noise.
    grid : Grid, optional
        Dates and symbols; by default the generator's own, mostly 50 symbols x 1,260 sessions.
    **options
        Of the generator of that name in ``quantlab.data.synthetic``: ``fall=0.5`` for "crash_and_rebound".

    Returns
    -------
    Scenario

    Raises
    ------
    InputError, KindError
        For an unknown name or option, and for a value that the generator refuses.

    Examples
    --------
    >>> scenario = make("momentum_crash", seed=1)
    >>> scenario.measure().filter(quantity="winners_minus_losers").select(pl.col("value").round(2), "holds").row(0)
    (-1.52, True)
    """
    entry = _entry(name)
    known = parameters(entry)
    unknown = [option for option in options if option not in known]
    if unknown:
        raise InputError(f"{name} has no option `{unknown[0]}`.", hint=f"it has {', '.join(known)}.")
    number = resolve_seed(seed)
    chosen = options if grid is None else {**options, "grid": grid}
    return Scenario(name, number, entry.generate(seed=number, **chosen), entry.says)


def table() -> pl.DataFrame:
    """Return the scenarios as a frame: ``name``, ``property``.

    Examples
    --------
    >>> table().filter(name="halts")["property"].item()
    'Names stop trading for up to ten sessions: they have no bar, and the price moves on meanwhile.'
    """
    return pl.DataFrame({"name": list(ENTRIES), "property": [entry.says for entry in ENTRIES.values()]})


def _entry(name: str) -> Entry:
    if not isinstance(name, str):
        raise KindError(f"`name` must be the name of a scenario, received {type(name).__name__}.")
    if name not in ENTRIES:
        near = get_close_matches(name, ENTRIES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(ENTRIES)}."
        raise InputError(f"There is no scenario {name!r}.", hint=hint)
    return ENTRIES[name]
