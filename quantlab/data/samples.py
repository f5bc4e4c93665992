"""Sample datasets that need no network: real prices that two installed libraries carry for their own examples.

They are read from the libraries' folders without importing them (skfolio takes seconds to import). Each dataset is
stored with a plain statement of what it is and what it is not. What is said about adjustment was found by comparing the
files with other vendors' raw prices; it is said of these very bytes, and a library that ships another file gets
``adjusted="unknown"``.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from quantlab.core import InputError, MissingLibraryError
from quantlab.data.checks._quality import quality
from quantlab.data.store._store import Store

__all__ = ["fill", "names"]

_SCHEMA = {
    "dataset": pl.String,
    "symbols": pl.Int64,
    "first": pl.Date,
    "last": pl.Date,
    "rows": pl.Int64,
    "what": pl.String,
    "not": pl.String,
}


@dataclass(frozen=True, slots=True)
class _Sample:
    """One dataset: where its bytes are, how they become a long frame, and what may be said of them.

    ``digest`` is the SHA-256 of the decompressed files, joined in order: the bytes of which ``evidence`` speaks.
    ``read`` returns the frame and a remark on rows it left out.
    """

    dataset: str
    library: str
    files: tuple[str, ...]
    digest: str
    read: Callable[[list[bytes]], tuple[pl.DataFrame, str]]
    adjusted: str
    what: str
    not_: str
    evidence: str
    units: dict[str, str] = field(default_factory=dict)


def names() -> tuple[str, ...]:
    """Return the names of the sample datasets.

    Examples
    --------
    >>> names()
    ('sample', 'indices', 'vix')
    """
    return tuple(sample.dataset for sample in _SAMPLES)


def fill(store: Store, *, only: str | Sequence[str] | None = None) -> pl.DataFrame:
    """Write the sample datasets into ``store`` and return what was written.

    Parameters
    ----------
    store : Store
        Datasets of the same names are replaced.
    only : str or sequence of str, optional
        Of ``names()``; by default all.

    Returns
    -------
    polars.DataFrame
        One row per dataset: ``dataset``, ``symbols`` (how many), ``first``, ``last``, ``rows``, ``what`` it is, and
        what it is ``not``, with the number of findings of ``ql.data.quality``.

    Raises
    ------
    InputError
        For an unknown name.
    MissingLibraryError
        When skfolio or arch is not installed, or no longer carries the file; nothing is written then.
    StoreError
        When the store cannot be written.
    """
    asked = names() if only is None else (only,) if isinstance(only, str) else tuple(only)
    for name in asked:
        if name not in names():
            raise InputError(f"There is no sample dataset {name!r}; there are {', '.join(names())}.")
    chosen = [sample for sample in _SAMPLES if sample.dataset in asked]
    # All bytes first: a missing library must not leave half of the samples behind.
    contents = [_bytes(sample) for sample in chosen]
    rows = [_write(store, sample, content) for sample, content in zip(chosen, contents, strict=True)]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def _write(store: Store, sample: _Sample, content: list[bytes]) -> tuple[object, ...]:
    frame, remark = sample.read(content)
    examined = hashlib.sha256(b"".join(content)).hexdigest() == sample.digest
    evidence = sample.evidence
    if not examined:
        evidence = ""
        remark = (
            f"Another file than the one examined: its adjustment is unknown, its defects may differ. {remark}".strip()
        )
    release = version(sample.library)
    facts = store.write(
        sample.dataset,
        frame,
        calendar="XNYS",
        adjusted=sample.adjusted if examined else "unknown",
        source=f"{sample.library} {release}: {', '.join(sample.files)}",
        note=" ".join(part for part in (sample.what, sample.not_, evidence, remark) if part),
        units=sample.units,
    )
    found = quality(store.bars(sample.dataset)).group_by("rule").len().sort("rule")
    tally = ", ".join(f"{rule} {count}" for rule, count in found.rows()) or "none"
    limits = " ".join(part for part in (sample.not_, remark, f"Findings of ql.data.quality: {tally}.") if part)
    return facts.dataset, len(facts.symbols), facts.first, facts.last, facts.rows, sample.what, limits


def _bytes(sample: _Sample) -> list[bytes]:
    spec = find_spec(sample.library)
    if spec is None or not spec.submodule_search_locations:
        raise MissingLibraryError(
            f"Sample dataset {sample.dataset} comes with the library {sample.library}, which is not installed.",
            hint="pip install 'quantlab[research]'",
        )
    folder = Path(spec.submodule_search_locations[0])
    content = []
    for file in sample.files:
        try:
            content.append(gzip.decompress((folder / file).read_bytes()))
        except FileNotFoundError as error:
            raise MissingLibraryError(
                f"Library {sample.library} {version(sample.library)} does not carry {file}, sample {sample.dataset}.",
                hint="install the release that quantlab asks for: pip install 'quantlab[research]'",
            ) from error
    return content


def _stocks(content: list[bytes]) -> tuple[pl.DataFrame, str]:
    wide = pl.read_csv(content[0], try_parse_dates=True)
    return wide.unpivot(index="Date", variable_name="symbol", value_name="close").rename({"Date": "date"}), ""


def _indices(content: list[bytes]) -> tuple[pl.DataFrame, str]:
    parts = [
        pl.read_csv(data).select(
            pl.col("Date").str.to_date("%m/%d/%Y").alias("date"),
            pl.lit(symbol).alias("symbol"),
            *(pl.col(name).alias(name.lower()) for name in ("Open", "High", "Low", "Close", "Volume")),
        )
        for symbol, data in zip(("SP500", "NASDAQ"), content, strict=True)
    ]
    return pl.concat(parts), ""


def _volatility(content: list[bytes]) -> tuple[pl.DataFrame, str]:
    table = pl.read_csv(content[0], null_values=".").select(
        pl.col("Date").str.to_date("%m/%d/%Y").alias("date"),
        pl.lit("VIX").alias("symbol"),
        pl.col("vix").alias("close"),
    )
    kept = table.drop_nulls("close")
    return kept, f"{table.height - kept.height} rows of the file have no value and were left out."


_EXAMPLE = "For examples and tests, not for research conclusions."
_SAMPLES = (
    _Sample(
        dataset="sample",
        library="skfolio",
        files=("datasets/data/sp500_dataset.csv.gz",),
        digest="5f769c6d7be57f62a4dfd1f553995855462a17c92b21a4af4245439c6115617f",
        read=_stocks,
        adjusted="total_return",
        what="Daily adjusted closes of 20 US stocks, 1990 to 2022.",
        not_=(
            "Survivors only: all 20 still traded in 2022, so backtests on it look too good. Close only: no open, "
            "high, low or volume. Adjusted levels, not the prices of the day, and rounded to 0.001, which is 1 % of "
            f"the lowest (AAPL 0.098). RRC repeats its close on 84 % of the days before 1993. {_EXAMPLE}"
        ),
        evidence=(
            "Adjusted for splits and dividends, by comparison with the raw prices, splits and dividends of other "
            "vendors: none of 20 splits from 1999-12 to 2020-08 leaves a jump (AAPL 7:1 on 2014-06-09: +1.6 %, as in "
            "split-adjusted prices); of 1,340 dividends of 0.2 % of the price or more from 1999-11 to 2021-04, 1,273 "
            "are reinvested on the ex-date and 57 are missing, 53 of those in 2006, 2007, 2009 and 2010. RRC, and "
            "years before 1999-11 other than of AAPL and MSFT, were not compared."
        ),
    ),
    _Sample(
        dataset="indices",
        library="arch",
        files=("data/sp500/sp500.csv.gz", "data/nasdaq/nasdaq.csv.gz"),
        digest="e0a67a68fd75f7acb3d4baf826accafcc18fdab81cd0a4c365816db561fc258c",
        read=_indices,
        adjusted="none",
        what="Daily open, high, low, close and volume of the S&P 500 and NASDAQ Composite indices, 1999 to 2018.",
        not_=(
            "Price indices: dividends are not in them, and nobody can trade them at these values. The open of SP500 "
            "is no open before 2007: it repeats the close of the day before on 95 % of the days to 2005 and 43 % of "
            f"2006. {_EXAMPLE}"
        ),
        evidence=(
            "The column Close is stored; the file's Adj Close equals it on every row, as an index pays no dividend "
            "and does not split."
        ),
        units={**dict.fromkeys(("open", "high", "low", "close"), "index points"), "volume": "shares of the members"},
    ),
    _Sample(
        dataset="vix",
        library="arch",
        files=("data/vix/vix.csv.gz",),
        digest="6426bbfd29e017bf33d95e25e69cded4c9686b736466100b0fa4703814f78731",
        read=_volatility,
        adjusted="none",
        what="Daily close of the VIX volatility index, 2014 to January 2019.",
        not_=f"Close only, and not a price: nothing can be bought or held at these values. {_EXAMPLE}",
        evidence="Each close equals the index's official close as another public copy has it.",
        units={"close": "percent a year"},
    ),
)
