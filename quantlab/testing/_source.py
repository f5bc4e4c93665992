"""``SourceAcceptance``: what a source of prices must do, as tests to inherit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from quantlab.core import QuantlabError
from quantlab.core.periods import sessions
from quantlab.data import Store
from quantlab.data.ingestion._patience import Patience
from quantlab.data.ingestion._pull import pull
from quantlab.data.sources import Batch, Source
from quantlab.data.sources._source import check, facts
from quantlab.data.store._manifest import legal_bar
from quantlab.data.store._table import FIELDS

_ADJUSTED = ("unknown", "none", "split", "total_return")


class SourceAcceptance:
    """The tests that every ``Source`` must pass. Inherit, say how to make the source, and let pytest run it.

    Attributes
    ----------
    symbols : tuple of str
        Two or more that it has.
    start, end : date
        A range in which they have bars.
    unknown : str
        A symbol that it does not have.

    Notes
    -----
    No test sleeps or asks the clock. ``source`` is called for every test; a source behind a network is made with its
    lowest layer replaced by recorded answers.

    Examples
    --------
    >>> from quantlab.data.sources import Samples
    >>> class TestSamples(SourceAcceptance):
    ...     symbols, start, end = ("AAPL", "JPM"), date(2015, 1, 2), date(2015, 3, 31)
    ...
    ...     def source(self):
    ...         return Samples("sample")
    >>> TestSamples().test_bars_are_what_was_asked_for()
    """

    symbols: tuple[str, ...] = ()
    start: date
    end: date
    unknown: str = "NO-SUCH-SYMBOL"

    def source(self) -> Source:
        """Return the source to test."""
        raise NotImplementedError("Define `source` in your class: it returns the source to test.")

    def test_the_protocol(self) -> None:
        """It has everything that a source has."""
        source = self.source()
        _require(isinstance(source, Source), f"{type(source).__name__} lacks an attribute or method of `Source`.")
        _require(len(self.symbols) >= 2, "Name two or more symbols in `symbols`.")

    def test_the_facts_are_legal(self) -> None:
        """What it says of itself, a store can hold."""
        said = facts(self.source())
        _require(isinstance(said["name"], str) and bool(said["name"]), f"`name` must be text, is {said['name']!r}.")
        _require(said["adjusted"] in _ADJUSTED, f"`adjusted` must be one of {', '.join(_ADJUSTED)}.")
        _require(legal_bar(said["bar"]), f"`bar` must be 1d, 5min, 1h, ...; it is {said['bar']!r}.")
        unknown = [field for field in said["units"] if field not in FIELDS]
        _require(not unknown, f"`units` names {unknown}, and bars have {', '.join(FIELDS)}.")
        if said["calendar"] is not None:
            sessions(said["calendar"], np.datetime64(self.start), np.datetime64(self.end))

    def test_the_facts_do_not_change(self) -> None:
        """They are the same before and after it was asked, and of another one made alike."""
        source = self.source()
        before = facts(source)
        self._fetch(source)
        _require(facts(source) == before, f"The facts were {before} and are {facts(source)} after a fetch.")
        _require(facts(self.source()) == before, "Two sources made alike say different things of themselves.")

    def test_symbols_are_listed_in_order(self) -> None:
        """``symbols()`` is None, or sorted names without doubles that hold those of this test."""
        listed = self.source().symbols()
        if listed is None:
            return
        _require(list(listed) == sorted(set(listed)), "`symbols()` must be sorted, each name once.")
        _require(set(self.symbols) <= set(listed), f"`symbols()` lacks one of {', '.join(self.symbols)}.")
        _require(self.unknown not in listed, f"`unknown` ({self.unknown}) is among the symbols.")

    def test_bars_are_what_was_asked_for(self) -> None:
        """Sorted, single, inside the range, of these symbols, days or moments in UTC as the length of a bar says."""
        source = self.source()
        batch = self._fetch(source)
        for symbol in self.symbols:
            _require(symbol in batch.bars["symbol"].to_list(), f"{symbol} has no bar from {self.start} to {self.end}.")
        daily = batch.bars.schema["date"] == pl.Date
        _require(daily == (source.bar == "1d"), f"Bars of {source.bar} have dates of {batch.bars.schema['date']}.")

    def test_days_are_sessions(self) -> None:
        """At least 95 % of the days are sessions of its calendar: more is no defect of a vendor, but a wrong calendar
        or a day shifted by a time zone.
        """
        source = self.source()
        if source.calendar is None:
            return
        dates = self._fetch(source).bars["date"].unique().sort()
        days = (dates.dt.date() if isinstance(dates.dtype, pl.Datetime) else dates).to_numpy().astype("datetime64[D]")
        held = sessions(source.calendar, days[0], days[-1])
        odd = days[~np.isin(days, held)]
        _require(
            odd.size <= 0.05 * days.size,
            f"{odd.size} of {days.size} days are no {source.calendar} sessions, {odd[:1]} among them.",
        )

    def test_a_part_of_a_range_is_a_part_of_the_answer(self) -> None:
        """What it answers for a day does not hang on the days around it."""
        source = self.source()
        days = self._fetch(source).bars["date"].unique().sort()
        middle = days[days.len() // 2]
        cut = middle.date() if isinstance(middle, datetime) else middle
        whole = self._fetch(source).bars.filter(pl.col("date") >= cut) if days.dtype == pl.Date else None
        if whole is None:
            whole = self._fetch(source).bars.filter(pl.col("date").dt.date() >= cut)
        part = self._fetch(source, start=cut).bars
        _same(part, whole, f"The bars from {cut} on differ from those of the whole range.")

    def test_a_symbol_alone_is_a_symbol_among_many(self) -> None:
        """What it answers for a symbol does not hang on the others, nor on their order."""
        source = self.source()
        whole = self._fetch(source).bars
        for symbol in self.symbols:
            alone = self._fetch(source, symbols=[symbol]).bars
            _same(
                alone, whole.filter(pl.col("symbol") == symbol), f"{symbol} alone differs from {symbol} among others."
            )
        turned = self._fetch(source, symbols=self.symbols[::-1]).bars
        _same(turned, whole, "Another order of symbols gives other bars.")

    def test_the_same_question_has_the_same_answer(self) -> None:
        """Twice the same, and from another source made alike."""
        source = self.source()
        first, again, other = self._fetch(source), self._fetch(source), self._fetch(self.source())
        _same(again.bars, first.bars, "The same question has another answer.")
        _same(other.bars, first.bars, "Two sources made alike answer differently.")
        _same(again.actions, first.actions, "The same question has other actions.")

    def test_actions_belong_to_the_range(self) -> None:
        """Actions are of these symbols and days, in the schema of the table, each once."""
        batch = self._fetch(self.source())
        keys = batch.actions.select("symbol", "date", "kind")
        _require(not keys.is_duplicated().any(), "An action stands twice.")
        _require(set(batch.actions["symbol"].to_list()) <= set(self.symbols), "Actions of symbols nobody asked for.")

    def test_an_unknown_symbol_is_a_named_failure(self) -> None:
        """No error, no silence, and the known symbols come all the same."""
        batch = self._fetch(self.source(), symbols=[*self.symbols, self.unknown])
        failed = [failure.symbol for failure in batch.failures]
        _require(failed == [self.unknown], f"The failures must be [{self.unknown}], are {failed}.")
        _require(bool(batch.failures[0].reason.strip()), "A failure must say its reason.")
        _same(batch.bars, self._fetch(self.source()).bars, "An unknown symbol changes the bars of the others.")

    def test_a_range_without_bars_is_no_error(self) -> None:
        """No bars, and a failure or note for every symbol."""
        day = self.start - timedelta(days=(self.start.weekday() - 5) % 7)
        if self.source().calendar == "24/7":
            return
        batch = self._fetch(self.source(), start=day, end=day)
        _require(batch.bars.height == 0, f"There are bars on Saturday {day}.")

    def test_a_store_can_be_filled_from_it(self) -> None:
        """A pull brings what ``fetch`` says, and a second one finds nothing to do."""
        source = self.source()
        now = datetime.combine(self.end + timedelta(days=7), time(0), UTC)
        with TemporaryDirectory() as folder:
            store = Store(Path(folder) / "store")
            options: dict[str, Any] = {
                "calendar": source.calendar or "24/7",
                "patience": Patience(tries=1, sleep=_no_sleep),
                "clock": lambda: now,
            }
            pull(store, "trial", source, self.symbols, self.start, self.end, **options)
            stored = store.table("trial", "bars").with_columns(pl.col("symbol").cast(pl.String))
            wanted = self._fetch(source).bars
            _require(stored.height == wanted.height, f"{wanted.height} bars were fetched, {stored.height} are stored.")
            again = pull(store, "trial", source, self.symbols, self.start, self.end, **options)
            _require(again.added == 0 and again.changed == 0, f"A second pull changes the dataset: {again}.")

    def _fetch(
        self,
        source: Source,
        *,
        symbols: Sequence[str] | None = None,
        start: date | None = None,
        end: date | None = None,
    ) -> Batch:
        asked = tuple(symbols if symbols is not None else self.symbols)
        first, last = start or self.start, end or self.end
        batch = source.fetch(asked, first, last)
        _require(isinstance(batch, Batch), f"`fetch` must answer with a Batch, not {type(batch).__name__}.")
        try:
            check(batch, asked, first, last)
        except QuantlabError as error:
            raise AssertionError(str(error)) from error
        return batch


def _require(good: bool, sentence: str) -> None:
    if not good:
        raise AssertionError(sentence)


def _same(one: pl.DataFrame, other: pl.DataFrame, sentence: str) -> None:
    if not one.equals(other, null_equal=True):
        raise AssertionError(f"{sentence} ({one.height} and {other.height} rows)")


def _no_sleep(seconds: float) -> None:
    """Pass the time without waiting."""
