"""The known defects of real files are found, genuine extremes stay information, and the docs say the same."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from quantlab.data import quality
from quantlab.data.checks._findings import RULES
from quantlab.data.checks._series import quality_of_series

DOCS = Path(__file__).parents[2] / "docs"
needs_data = pytest.mark.skipif(
    "QUANTLAB_REAL_DATA" not in os.environ, reason="QUANTLAB_REAL_DATA names no folder with real market data"
)


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


REAL = script("_quality_real")
FILES = {name: [row for row in REAL.NAMED if row[0] == name] for name in dict.fromkeys(row[0] for row in REAL.NAMED)}
# Known, and not found; docs/quality.md says why.
MISSED = {(REAL.WIKI, "CB 2016-01-15: ACE takes the ticker over")}


def findings(name: str) -> pl.DataFrame:
    frame = pl.read_parquet(Path(os.environ["QUANTLAB_REAL_DATA"]) / f"{name}.parquet")
    if name in REAL.ADJUSTED:
        bars, actions, adj_close = REAL.market(frame, name)
        return quality(bars, actions=actions, adj_close=adj_close)
    return quality_of_series(frame.with_columns(pl.exclude("date").cast(pl.Float64)))


@needs_data
@pytest.mark.parametrize("name", FILES)
def test_the_known_defects_are_found(name: str) -> None:
    found = findings(name)
    named = [REAL._named(row, {name: found}) for row in FILES[name]]
    missing = {
        (name, row["defect"]) for row, known in zip(named, FILES[name], strict=True) if known[3] and not row["by"]
    }
    assert missing == {row for row in MISSED if row[0] == name}
    golden = json.loads((DOCS / "quality_real.json").read_text("utf-8"))
    [counts] = [file["counts"] for file in golden["files"] if file["name"] == name]
    assert dict(found.group_by("rule").len().rows()) == counts, "Run: python docs/make_quality.py"


@needs_data
def test_the_vendors_six_odd_steps_are_all_and_no_more() -> None:
    found = findings(REAL.AV).filter(rule="adjusted_step")
    assert [(symbol, str(day)) for symbol, day in found.select("symbol", "date").rows()] == [
        ("TMUS", "2013-05-01"),
        ("TRMB", "2007-02-23"),
        ("WDC", "2020-07-17"),
        ("WDC", "2020-07-20"),
        ("ZBRA", "2003-08-21"),
        ("ZBRA", "2004-08-25"),
    ]


@needs_data
def test_genuine_extremes_are_information_and_nothing_else() -> None:
    found = findings(REAL.AV)
    for symbol, day in (("HIG", pl.date(2008, 12, 5)), ("AAPL", pl.date(2000, 9, 29))):
        rows = found.filter((pl.col("symbol") == symbol) & (pl.col("date") == day))
        assert rows.select("rule", "severity", "status").rows() == [("extreme_move", "info", "open")]


def test_the_page_names_every_rule_and_the_golden_numbers() -> None:
    text = (DOCS / "quality.md").read_text("utf-8")
    golden = json.loads((DOCS / "quality_real.json").read_text("utf-8"))
    maker = _maker()
    for name, rule in RULES.items():
        assert f"| `{name}` | {rule.severity} | {rule.says} | {rule.action} |" in text
    assert maker._files(golden["files"]) in text
    assert maker._named(golden["named"]) in text
    assert maker._planted(golden["planted"]) in text


@pytest.mark.slow
def test_the_page_is_up_to_date() -> None:
    maker = _maker()
    text = maker.PAGE.read_text("utf-8")
    assert maker.page(json.loads(maker.GOLDEN.read_text("utf-8"))) == text, "Run: python docs/make_quality.py"


def _maker() -> ModuleType:
    script("_quality_defects")
    return script("make_quality")


def test_the_interval_is_wilsons() -> None:
    # Newcombe (1998), DOI 10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E, table I, method 3.
    wilson = _maker().wilson
    assert [round(limit, 4) for limit in wilson(81, 263)] == [0.2553, 0.3662]
    assert [round(limit, 4) for limit in wilson(15, 148)] == [0.0624, 0.1605]
    assert [round(limit, 4) for limit in wilson(0, 20)] == [0.0, 0.1611]
    assert [round(limit, 4) for limit in wilson(29, 29)] == [0.8830, 1.0]
