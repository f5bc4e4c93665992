"""The two universal look-ahead checks: row t of a result may use rows up to t of the inputs, nothing later."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from quantlab.core import InputError, LookAheadError, Panel
from quantlab.core.rng import generator
from quantlab.testing._cut import cut_dates, outputs, panels_in, through_the_door, until
from quantlab.testing._equality import first_difference, show
from quantlab.testing._garbage import KINDS, poisoned


def assert_causal(
    fn: Callable[..., Any],
    *inputs: Any,
    cuts: int | Sequence[int] = 5,
    seed: int = 0,
    garbage: Sequence[str] = KINDS,
    **parameters: Any,
) -> None:
    """Return None if ``fn`` looks at no future row, and raise LookAheadError at its first look ahead.

    Truncation: with every input cut after some date, ``fn`` must give what it gives on the full inputs, up to that date
    and bit for bit. Poison: with everything after that date replaced by garbage, it must still do so.

    Parameters
    ----------
    fn : callable
        Takes ``*inputs`` and ``**parameters``; returns a Panel, or a tuple, list, dict, dataclass or Bars of Panels.
        Its rows may be all dates or some of them (decisions): a row that only one side has is a difference.
    *inputs : Panel | Bars | Polars frame | anything
        Panels and Bars are cut and poisoned, those inside tuples, lists and dicts included; a Polars frame goes through
        ``as_panel`` first; anything else is passed as it is.
    cuts : int >= 1, or a sequence of numbers of rows to keep
        An integer spreads so many cuts over the dates at random; the last one always takes away exactly the last date.
        Cuts aimed at rows of the full result come on top (see Notes): 7 where it is sparse, so 12 by default, and 1
        where it is dense. A sequence is taken as it is, and nothing is added.
    seed : int
        Of the cuts and of the garbage.
    garbage : sequence of "noise", "nan", "huge", "sign", "permuted"
        What to poison with: random numbers; NaN; 1e300; the opposite sign; the other symbols' values. Bars get legal
        prices and volumes; a Panel without a negative or zero value gets positive garbage, since it may hold prices.
    **parameters
        Keyword arguments of ``fn``, Panels and Bars among them treated as inputs. Bind one called ``cuts``, ``seed`` or
        ``garbage`` with functools.partial.

    Raises
    ------
    LookAheadError
        Naming the function, the date of the cut, the first differing symbol and date, and both values.
    InputError
        When there is no Panel or Bars among the inputs, ``fn`` gives two answers to one question, or its result holds
        no value before any cut, so that nothing was checked.
    KindError
        When ``fn`` returns something else than Panels.

    Notes
    -----
    What it can see: a row that uses a bar k bars later is seen by the k cuts between the two and by no other. If every
    row looks ahead, every cut sees it. Decisions at month's end that look one bar ahead are seen only by a cut right
    after a decision, so some are put there: where the full result has values on some dates alone, or holds each row
    for longer, 4 cuts end on its rows and 3 more fall 2, 5 and 21 bars after such rows. Several sparse results share
    the 4, at least one each. A dense result gets a cut right after its first value.

    What it can miss: a peek on a few rows only, such as one decision of many, a rare event, or month's ends hidden in
    a result that changes on every date (more ``cuts`` and other seeds raise the odds); a peek that changes no value;
    data from elsewhere than the inputs, such as a closure, a file or parameters fitted on the whole sample. Whether
    row t may trade at the close of t is a matter for the backtest. Passing is evidence, not proof.

    An error that ``fn`` raises on cut or poisoned data is passed on with a note that says so. A function
    that needs a minimum of history takes later ``cuts``; one that refuses a kind of garbage takes fewer kinds.

    Examples
    --------
    >>> close = Panel([[10.0], [12.0], [15.0], [9.0]], ["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"], ["A"])
    >>> assert_causal(lambda close: close / close.shift(1) - 1, close)
    >>> def hindsight(close):
    ...     return close.shift(-1, lookahead=True) / close
    >>> assert_causal(hindsight, close)
    Traceback (most recent call last):
    quantlab.core._errors.LookAheadError: hindsight looks ahead: with the data cut
    after 2024-01-02, A 2024-01-02 is nan, and with all data it is 1.2. Hint: row t may use rows up to t alone; look
    for negative shifts, centered windows, backward fills and statistics of the whole sample.
    """
    name = name_of(fn)
    unknown = [kind for kind in garbage if kind not in KINDS]
    if unknown:
        raise InputError(f"`garbage` may hold {', '.join(KINDS)}, received {unknown[0]!r}.")
    everything = through_the_door((inputs, parameters))
    panels = panels_in(everything)
    if not panels:
        raise InputError(f"There is no Panel or Bars among the inputs of {name}, so that nothing can be cut.")
    dates = functools.reduce(np.union1d, [panel.dates for panel in panels])
    full = _call(fn, everything, name, "the full data")
    _demand_repeatable(full, _call(fn, everything, name, "the full data"), name)
    compared = 0
    for number, date in enumerate(cut_dates(dates, cuts, seed, list(full.values()))):
        what = f"with the data cut after {show(date)}"
        short = _call(fn, until(everything, date), name, f"the data cut after {show(date)}")
        compared += _compare(full, short, date, name, what)
        for position, kind in enumerate(garbage):
            what = f"with garbage ({kind}) after {show(date)}"
            draw = generator(seed, 1 + number * len(KINDS) + position)
            with np.errstate(all="ignore"):
                changed = _call(fn, poisoned(everything, date, kind, draw), name, what.removeprefix("with "))
            _compare(full, changed, date, name, what)
    if compared == 0:
        raise InputError(
            f"{name} gives no value up to any of the cuts, so that nothing was compared.",
            hint="give it more rows, shorter windows, or `cuts` later in the data.",
        )


def name_of(fn: Callable[..., Any]) -> str:
    """Return the name of a function as its author knows it."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    return getattr(fn, "__qualname__", type(fn).__name__).replace("<lambda>", "lambda").rpartition("<locals>.")[2]


def _call(fn: Callable[..., Any], everything: Any, name: str, what: str) -> dict[str, Panel]:
    positional, named = everything
    try:
        result = fn(*positional, **named)
    except Exception as error:
        error.add_note(f"Raised by {name} on {what}.")
        raise
    return outputs(result, name)


def _demand_repeatable(first: dict[str, Panel], second: dict[str, Panel], name: str) -> None:
    for place, panel in first.items():
        again = second.get(place)
        if again is None or again.shape != panel.shape or first_difference(panel.values, again.values) is not None:
            raise InputError(
                f"{name} gave two different results on the same data, so that its use of the future cannot be seen.",
                hint="give it a fixed seed.",
            )


def _compare(full: dict[str, Panel], other: dict[str, Panel], date: np.datetime64, name: str, what: str) -> int:
    """Raise at the first difference up to ``date``; return how many values were there to compare."""
    if full.keys() != other.keys():
        place = min(full.keys() ^ other.keys())
        raise _found(f"{name} looks ahead: {what}, its result{place} is {'missing' if place in full else 'new'}")
    return sum(_compare_panels(full[place], other[place], date, name + place, what) for place in full)


def _compare_panels(full: Panel, other: Panel, date: np.datetime64, name: str, what: str) -> int:
    if full.symbols != other.symbols or full.values.dtype != other.values.dtype:
        raise _found(
            f"{name} looks ahead: {what}, its symbols or its type are {_kind(other)}, and with all data {_kind(full)}"
        )
    expected, found = full.between(None, date), other.between(None, date)
    lost, new = np.setdiff1d(expected.dates, found.dates), np.setdiff1d(found.dates, expected.dates)
    if lost.size or new.size:
        row = show(np.concatenate([lost, new]).min())
        here, there = ("no row", "one") if lost.size and show(lost[0]) == row else ("a row", "none")
        raise _found(f"{name} looks ahead: {what}, it has {here} {row}, and with all data {there}")
    difference = first_difference(found.values, expected.values)
    if difference is not None:
        cell = f"{full.symbols[difference.column]} {show(expected.dates[difference.row])}"
        more = f" (and {difference.count - 1:,} more)" if difference.count > 1 else ""
        values = f"{cell}{more} is {difference.left!r}, and with all data it is {difference.right!r}"
        raise _found(f"{name} looks ahead: {what}, {values}")
    cells = expected.values
    return int(cells.size if cells.dtype == bool else np.count_nonzero(~np.isnan(cells)))


def _kind(panel: Panel) -> str:
    names = ", ".join(panel.symbols[:3]) + (", ..." if len(panel.symbols) > 3 else "")
    return f"{len(panel.symbols)} ({names}; {panel.values.dtype})"


def _found(sentence: str) -> LookAheadError:
    return LookAheadError(
        f"{sentence}.",
        hint="row t may use rows up to t alone; look for negative shifts, centered windows, backward fills and "
        "statistics of the whole sample.",
    )
