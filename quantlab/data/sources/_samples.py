"""``Samples``: one of the offline sample datasets as a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property

import polars as pl

from quantlab.core import InputError
from quantlab.data import samples
from quantlab.data.sources._source import Batch, Failure, cut


class Samples:
    """An offline sample dataset as a source: to try a pull without a network.

    Parameters
    ----------
    dataset : str
        Of ``ql.data.samples.names()``.

    Raises
    ------
    InputError
        For an unknown dataset.

    Examples
    --------
    >>> source = Samples("vix")
    >>> source.fetch(["VIX"], date(2018, 2, 5), date(2018, 2, 5)).bars.rows()
    [(datetime.date(2018, 2, 5), 'VIX', 37.32)]
    """

    def __init__(self, dataset: str = "sample") -> None:
        if dataset not in samples.names():
            raise InputError(f"There is no sample dataset {dataset!r}; there are {', '.join(samples.names())}.")
        self._sample = next(one for one in samples._SAMPLES if one.dataset == dataset)

    def __repr__(self) -> str:
        return f"Samples {self._sample.dataset}"

    @property
    def name(self) -> str:
        """The dataset."""
        return f"samples: {self._sample.dataset}"

    @property
    def calendar(self) -> str:
        """New York's."""
        return "XNYS"

    @property
    def adjusted(self) -> str:
        """As the sample states it."""
        return self._sample.adjusted

    @property
    def bar(self) -> str:
        """One a day."""
        return "1d"

    @property
    def units(self) -> Mapping[str, str]:
        """As the sample states them."""
        return dict(self._sample.units)

    def symbols(self) -> tuple[str, ...]:
        """Return its symbols, sorted."""
        return tuple(self._frame["symbol"].unique().sort())

    def fetch(self, symbols: Sequence[str], start: date | None, end: date | None) -> Batch:
        """Return the bars of ``symbols`` in [start, end]."""
        known = set(self.symbols())
        failures = tuple(
            Failure(symbol, f"Sample {self._sample.dataset} has no {symbol}.")
            for symbol in symbols
            if symbol not in known
        )
        held = cut(self._frame, symbols, start, end)
        here = set(held["symbol"])
        notes = tuple(f"{symbol} has no bars from {start} to {end}." for symbol in symbols if symbol in known - here)
        return Batch(held, failures=failures, notes=notes)

    @cached_property
    def _frame(self) -> pl.DataFrame:
        frame, _ = self._sample.read(samples._bytes(self._sample))
        return frame.drop_nulls("close").sort("symbol", "date")
