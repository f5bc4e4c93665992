"""The sample datasets: what is claimed of them is held against the data and, where at hand, other vendors' prices."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import quantlab
from quantlab.core import InputError, MissingLibraryError
from quantlab.core.periods import sessions
from quantlab.data import Store, quality, samples

needs_libraries = pytest.mark.skipif(
    find_spec("skfolio") is None or find_spec("arch") is None,
    reason="skfolio and arch carry the samples: pip install 'quantlab[research]'",
)
needs_vendors = pytest.mark.skipif(
    "QUANTLAB_REAL_DATA" not in os.environ, reason="QUANTLAB_REAL_DATA names no folder with other vendors' prices"
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, pl.DataFrame]:
    store = Store(tmp_path_factory.mktemp("samples"))
    return store, samples.fill(store)


@needs_libraries
class TestFill:
    def test_what_is_written(self, filled: tuple[Store, pl.DataFrame]) -> None:
        store, table = filled
        assert table.columns == ["dataset", "symbols", "first", "last", "rows", "what", "not"]
        assert table.select("dataset", "symbols", "first", "last", "rows").rows() == [
            ("sample", 20, date(1990, 1, 2), date(2022, 12, 28), 166_260),
            ("indices", 2, date(1999, 1, 4), date(2018, 12, 31), 10_062),
            ("vix", 1, date(2014, 1, 3), date(2019, 1, 3), 1_259),
        ]
        assert store.datasets()["adjusted"].to_list() == ["none", "total_return", "none"]
        assert all("not for research conclusions" in text for text in table["not"])
        for name in samples.names():
            assert table.row(by_predicate=pl.col("dataset") == name, named=True)["what"] in store.describe(name).note

    def test_dates_are_the_sessions_of_new_york(self, filled: tuple[Store, pl.DataFrame]) -> None:
        for name in samples.names():
            bars = filled[0].bars(name)
            np.testing.assert_array_equal(bars.dates, sessions("XNYS", bars.dates[0], bars.dates[-1]))
            assert not np.isnan(bars.close.values).any()

    def test_stocks(self, filled: tuple[Store, pl.DataFrame]) -> None:
        bars = filled[0].bars("sample", start="1995-01-01")
        assert bars.shape == (7048, 20)
        assert bars.fields == ("close",)
        close = filled[0].bars("sample").close
        assert close.values.min() == close.select("AAPL").values.min() == 0.098
        np.testing.assert_array_equal(close.values, close.values.round(3))
        early = close.select("RRC").between(None, "1992-12-31").values
        assert round(float((early[1:] == early[:-1]).mean()), 2) == 0.84
        # Apple's 7:1 split of 2014-06-09 leaves no jump.
        apple = close.select("AAPL").between("2014-06-06", "2014-06-09").values
        np.testing.assert_allclose(apple[1] / apple[0] - 1, 0.016, atol=0.0005)

    def test_indices(self, filled: tuple[Store, pl.DataFrame]) -> None:
        store, table = filled
        bars = store.bars("indices")
        assert bars.symbols == ("NASDAQ", "SP500")
        assert bars.fields == ("open", "high", "low", "close", "volume")
        assert store.describe("indices").fields["close"] == "index points"
        # The close of 2018-12-31 as published by the index provider.
        assert round(float(bars.close.select("SP500").last().values[0, 0]), 2) == 2506.85
        assert quality(bars).select("rule", "symbol").rows() == [("unknown_volume", "NASDAQ")] * 2
        assert "Findings of ql.data.quality: unknown_volume 2." in table["not"][1]
        sp500 = bars.select("SP500")
        assert sp500.open is not None
        repeated = sp500.open.values[1:, 0] == sp500.close.values[:-1, 0]
        years = bars.dates[1:].astype("datetime64[Y]").astype(int) + 1970
        assert all(repeated[years == year].mean() > 0.945 for year in range(1999, 2006))
        assert round(float(repeated[years == 2006].mean()), 2) == 0.43

    def test_volatility(self, filled: tuple[Store, pl.DataFrame]) -> None:
        store, table = filled
        assert store.bars("vix").fields == ("close",)
        assert "46 rows of the file have no value and were left out." in table["not"][2]
        assert "46 rows" in store.describe("vix").note

    def test_only_some(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        assert samples.fill(store, only="vix")["dataset"].to_list() == ["vix"]
        assert samples.fill(store, only=["vix", "indices"])["dataset"].to_list() == ["indices", "vix"]
        assert store.datasets()["name"].to_list() == ["indices", "vix"]

    def test_filling_twice_gives_the_same_bytes(self, filled: tuple[Store, pl.DataFrame]) -> None:
        store, table = filled
        before = store.datasets()
        assert samples.fill(store).equals(table)
        assert store.datasets().equals(before)

    def test_the_libraries_are_not_imported(self, tmp_path: Path) -> None:
        code = (
            "import sys; from quantlab.data import Store, samples; samples.fill(Store(sys.argv[1]));"
            "print({'skfolio', 'arch', 'sklearn', 'scipy'} & set(sys.modules))"
        )
        root = Path(quantlab.__file__).resolve().parents[1]
        command = [sys.executable, "-c", code, str(tmp_path)]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
        assert done.stdout == "set()\n"

    def test_another_file_than_the_examined_one_claims_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = samples._bytes
        monkeypatch.setattr(samples, "_bytes", lambda sample: [real(sample)[0].replace(b"106.627", b"106.628")])
        store = Store(tmp_path)
        table = samples.fill(store, only="sample")
        facts = store.describe("sample")
        assert facts.adjusted == "unknown"
        assert "Another file than the one examined" in facts.note
        assert "1,273" not in facts.note
        assert "Another file than the one examined" in table["not"][0]


def test_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no sample dataset 'x'; there are sample, indices, vix"):
        samples.fill(Store(tmp_path), only=["vix", "x"])


def test_missing_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "find_spec", lambda name: None if name == "arch" else find_spec(name))
    store = Store(tmp_path / "s")
    with pytest.raises(MissingLibraryError, match=r"arch, which is not installed.*pip install 'quantlab\[research\]'"):
        samples.fill(store, only="vix")
    assert not store.path.exists()


@needs_libraries
def test_a_library_without_the_file_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not the module's own spec, which an imported arch shares with every other test.
    spec = ModuleSpec("arch", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(samples, "find_spec", lambda name: spec if name == "arch" else find_spec(name))
    store = Store(tmp_path / "s")
    with pytest.raises(MissingLibraryError, match=r"arch .* does not carry data/sp500/sp500\.csv\.gz"):
        samples.fill(store)
    assert not store.path.exists()


@needs_libraries
@needs_vendors
class TestEvidence:
    """The numbers in the notes, from the comparison that gave them."""

    def test_stocks_are_adjusted_for_splits_and_most_dividends(self, filled: tuple[Store, pl.DataFrame]) -> None:
        folder = Path(os.environ["QUANTLAB_REAL_DATA"])
        raw = pl.read_parquet(folder / "us_equity_av_raw_1999_2021.parquet").sort("symbol", "date")
        raw = raw.with_columns(before=pl.col("close").shift().over("symbol"))
        ours = filled[0].bars("sample").close.to_long("ours").sort("symbol", "date")
        ours = ours.with_columns(step=(pl.col("ours") / pl.col("ours").shift() - 1).over("symbol"))
        both = ours.join(raw, on=["symbol", "date"]).with_columns(
            price=pl.col("split_coefficient") * pl.col("close") / pl.col("before") - 1,
            total=pl.col("split_coefficient") * (pl.col("close") + pl.col("dividend_amount")) / pl.col("before") - 1,
        )
        splits = both.filter((pl.col("split_coefficient") - 1).abs() > 0.1, pl.col("before").is_not_null())
        assert splits.height == 20
        assert (splits["step"] - splits["price"]).abs().max() < 0.001  # type: ignore[operator]
        paid = both.filter(pl.col("dividend_amount") > 0.002 * pl.col("before"))
        share = (paid["step"] - paid["price"]) / (paid["total"] - paid["price"])
        missing = paid.filter(share.abs() < 0.1)
        assert (paid.height, int(share.is_between(0.9, 1.1).sum()), missing.height) == (1340, 1273, 57)
        assert missing.filter(pl.col("date").dt.year().is_in([2006, 2007, 2009, 2010])).height == 53
        assert "RRC" not in paid["symbol"]

    def test_volatility_is_the_official_close(self, filled: tuple[Store, pl.DataFrame]) -> None:
        official = pl.read_parquet(Path(os.environ["QUANTLAB_REAL_DATA"]) / "vix_daily_1990_2026.parquet")
        ours = filled[0].bars("vix").close.to_long("ours")
        both = ours.join(official, on="date")
        assert both.height == ours.height
        assert both["ours"].to_list() == both["close"].to_list()
