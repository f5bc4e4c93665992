"""Sweeps against single runs, and what happens to variants that fail. Trap 30 of backtests: a sweep is its singles."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

import quantlab as ql
from quantlab.core import InputError, KindError, QuantlabError
from quantlab.execution import Exits, Fill, Interest, Proportional
from quantlab.portfolio import Rebalancing
from quantlab.study import _sweep
from quantlab.study._job import CHARGES

DAYS = np.busday_offset("2015-01-05", np.arange(160))


@pytest.fixture(scope="module")
def bars():
    """Twelve symbols out of order with holes, a late listing, dividends, a split and a delisting."""
    rng = np.random.default_rng(11)
    close = 30 * np.exp(np.cumsum(rng.normal(0.0004, 0.02, (DAYS.size, 12)), axis=0))
    opens = close * np.exp(rng.normal(0, 0.004, close.shape))
    close[100:, 3] /= 2.0
    opens[100:, 3] /= 2.0
    close[:30, 5] = opens[:30, 5] = np.nan
    close[130:, 7] = opens[130:, 7] = np.nan
    close[[40, 41, 77], 2] = opens[[40, 77], 2] = np.nan
    symbols = [f"S{i:02d}" for i in rng.permutation(12)]
    actions = pl.DataFrame(
        {
            "symbol": [symbols[3], symbols[7], *symbols[:6]],
            "date": [DAYS[100].item(), DAYS[130].item(), *[DAYS[60 + 9 * i].item() for i in range(6)]],
            "kind": ["split", "delisting", *["dividend"] * 6],
            "value": [2.0, -0.4, *[0.2] * 6],
            "pay_date": [None, None, *[DAYS[66 + 9 * i].item() for i in range(6)]],
        }
    )
    frequency = ql.Frequency.daily("24/7")
    panels = [ql.Panel(x, DAYS, symbols, frequency=frequency) for x in (close, opens)]
    return ql.as_bars(panels[0], open=panels[1], adjusted="none", actions=actions)


def strategy(bars, *, lookback=20, top=3, bottom=0, gross=1.0, every=5):
    score = ql.signals.momentum(bars.close, lookback=lookback, skip=1).where(bars.member)
    return ql.portfolio.long_short(score, top=top, bottom=bottom, gross=gross, rebalance=every)


COSTS = ql.Costs(commission=ql.PerShare(0.005, minimum=1.0, maximum=0.01), slippage=ql.Bps(5), borrow=ql.Borrow(0.02))
TERMS = {
    "plain": {"costs": COSTS, "fill": "next_close"},
    "open": {"costs": COSTS},
    "same close": {"costs": COSTS, "fill": "same_close"},
    "interest": {"costs": COSTS, "account": ql.Account(cash=50_000, interest=Interest(debit=0.06, credit=0.02))},
    "fractions": {"account": ql.Account(cash=9_000, lot=None, margin=ql.NoMargin()), "costs": COSTS},
    "bands": {"costs": COSTS, "rebalance": Rebalancing(band=0.03)},
    "sized at the fill": {"costs": COSTS, "fill": Fill("next_open", sizing="fill")},
    "poor": {"costs": COSTS, "account": ql.Account(cash=900.0)},
    "exits": {"costs": COSTS, "exits": Exits(stop_loss=0.05)},
    "delayed": {"costs": COSTS, "fill": Fill("next_close", delay=2)},
    "portfolio margin": {"costs": COSTS, "account": ql.Account(cash=150_000, margin=ql.PortfolioMargin())},
}
GRID = {"lookback": [5, 20, 45], "top": [2, 4], "bottom": [0, 3], "gross": [0.9, 2.6], "every": [1, 7]}


def demand_single(found, number, bars, terms):
    """Hold a row against ``simulate``: money to the last bit, metrics to 1e-12."""
    row = found.table.row(number, named=True)
    params = found.params(number)
    result = ql.simulate(strategy(bars, **params), bars, **terms)
    assert row["status"] == "done"
    assert row["final_equity"] == result.equity.values[-1, 0]
    assert row["bars"] == int((~np.isnan(result.returns.values)).sum())
    for estimate in result.estimates():
        expected = None if np.isnan(estimate.value) else estimate.value
        got = row[estimate.name]
        assert (got is None) == (expected is None), estimate.name
        if expected is not None:
            assert got == pytest.approx(expected, rel=1e-12, abs=1e-14), (estimate.name, params)
    for name in CHARGES:
        assert row[name] == pytest.approx(result.charges[name].sum(), rel=1e-10, abs=1e-9), name
    told = {f"{rule} {count}" for rule, count in _told(result)}
    assert set((row["warnings"] or "").replace("ruin", "").split(", ")) - {""} == told - {"ruin 1"}
    return result


def _told(result):
    table = result.diagnostics.filter(pl.col("severity") != "info")
    counted = table.filter(~pl.col("rule").is_in(["same_close_fill", "unlisted", "prices_end", "ruin"]))
    return counted.group_by("rule").agg(pl.col("count").sum()).rows()


@pytest.mark.parametrize("name", TERMS)
def test_every_row_is_that_of_a_single_run(bars, name):
    terms = TERMS[name]
    found = ql.sweep(strategy, bars, GRID, study=None, **terms)
    assert found.table.height == 48
    assert set(found.table["engine"]) == {"general" if name in ("exits", "delayed") else "fast"}
    rng = np.random.default_rng(len(name))
    for number in rng.choice(48, 12, replace=False).tolist():
        demand_single(found, number, bars, terms)


@pytest.mark.parametrize("size", [1, 7, 48])
@pytest.mark.parametrize("workers", [1, 2])
def test_neither_chunks_nor_threads_change_a_bit(bars, monkeypatch, size, workers):
    expected = ql.sweep(strategy, bars, GRID, study=None, workers=1, **TERMS["plain"]).content_hash
    monkeypatch.setattr(_sweep._Pace, "learn", lambda self, finished: None)
    monkeypatch.setattr(_sweep._Pace, "__init__", lambda self: setattr(self, "size", size))
    assert ql.sweep(strategy, bars, GRID, study=None, workers=workers, **TERMS["plain"]).content_hash == expected


def test_returns_are_those_of_single_runs(bars, tmp_path):
    found = ql.sweep(strategy, bars, GRID, study="r", log=tmp_path, returns=True, **TERMS["plain"])
    kept = found.returns([3, 17])
    assert kept.symbols == ("3", "17")
    for column, number in enumerate((3, 17)):
        expected = ql.simulate(strategy(bars, **found.params(number)), bars, **TERMS["plain"]).returns
        own = kept.values[-len(expected) :, column]
        np.testing.assert_array_equal(own, expected.values[:, 0].astype(np.float32).astype(np.float64))
        assert np.isnan(kept.values[: -len(expected), column]).all()


def test_costs_account_and_fill_can_be_swept(bars):
    cheap, dear = ql.Costs(), ql.Costs(commission=Proportional(0.01))
    accounts = [ql.Account(cash=10_000), ql.Account(cash=10_000, lot=None, margin=ql.NoMargin())]
    grid = {"costs": [cheap, dear], "account": accounts, "fill": ["next_open", "next_close"], "top": [2, 5]}
    found = ql.sweep(strategy, bars, grid, study=None)
    assert found.table.height == 16
    for number in range(16):
        params = found.params(number)
        terms = {name: params[name] for name in ("costs", "account", "fill")}
        expected = ql.simulate(strategy(bars, top=params["top"]), bars, **terms)
        assert found.table["final_equity"][number] == expected.equity.values[-1, 0]


def test_variants_that_fail_say_why_and_the_others_go_on(bars):
    def fragile(bars, *, case):
        if case == "raises":
            raise RuntimeError("no data\nfor this")
        weights = strategy(bars)
        if case == "labels":
            return weights.select([*bars.symbols[::-1]])
        if case == "nothing":
            return None
        if case == "early":
            late = bars.symbols[5]
            return ql.Panel([[float(name == late) for name in bars.symbols]], DAYS[3:4], bars.symbols)
        if case == "infinite":
            return weights * np.inf
        return weights

    cases = ["good", "raises", "labels", "nothing", "early", "infinite", "again"]
    found = ql.sweep(fragile, bars, {"case": cases}, study=None, **TERMS["plain"])
    assert found.table["status"].to_list() == ["done", *["failed"] * 5, "done"]
    reasons = dict(found.failed.select("case", "reason").rows())
    assert reasons["raises"] == "RuntimeError: no data"
    assert "other symbols than the bars" in reasons["labels"]
    assert "must return a Panel or a Polars frame of weights, returned NoneType" in reasons["nothing"]
    assert "before its first price" in reasons["early"]
    assert "is missing (NaN)" in reasons["infinite"] or "is inf" in reasons["infinite"]
    assert found.table["final_equity"][0] == found.table["final_equity"][6]
    assert found.table.filter(pl.col("status") == "failed")["sharpe"].null_count() == 5
    assert "5 failed" in repr(found)
    with pytest.raises(RuntimeError, match="no data"):
        found.result(1)


def test_a_strict_account_fails_its_variants_alone(bars):
    account = ql.Account(cash=10_000, buying_power="strict")
    found = ql.sweep(strategy, bars, {"gross": [1.0, 5.0]}, account=account, study=None, **TERMS["plain"])
    assert found.table["status"].to_list() == ["done", "failed"]
    assert "the account is strict" in found.table["reason"][1]


def test_frames_are_decisions_too(bars):
    def framed(bars, *, top):
        return strategy(bars, top=top).to_frame()

    found = ql.sweep(framed, bars, {"top": [2, 3]}, study=None, **TERMS["plain"])
    expected = ql.sweep(strategy, bars, {"top": [2, 3]}, study=None, **TERMS["plain"])
    assert found.content_hash == expected.content_hash


def test_a_variant_without_a_first_return_has_no_numbers(bars):
    def late(bars, *, n):
        values = np.full((1, 12), 1 / 12)
        return ql.Panel(values, DAYS[-n : DAYS.size - n + 1], bars.symbols)

    found = ql.sweep(late, bars.between(end=date(2015, 6, 1)).between(), {"n": [1]}, study=None)
    assert found.table["status"].to_list() == ["failed"]  # on a date that these bars do not have
    found = ql.sweep(late, bars.select([s for i, s in enumerate(bars.symbols) if i != 7]), {"n": [1]}, study=None)
    assert "differ in symbols" in found.table["reason"][0] or "symbols" in found.table["reason"][0]


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"grid": {}}, InputError, "empty"),
        ({"grid": {"lookbak": [1]}}, InputError, "did you mean lookback"),
        ({"grid": {"top": []}}, InputError, "no value for top"),
        ({"grid": [1, 2]}, KindError, "dict of lists"),
        ({"study": ""}, InputError, "blank"),
        ({"study": 3}, KindError, "name of a study"),
        ({"study": None, "log": "x"}, InputError, "name the study"),
        ({"scheduler": "thread"}, InputError, '"threads", "processes"'),
        ({"scheduler": 3}, KindError, "address of a Dask scheduler"),
        ({"workers": 0}, InputError, "workers"),
        ({"memory": 0}, InputError, "memory"),
        ({"memory": "lots"}, KindError, "memory"),
        ({"progress": 3}, KindError, "progress"),
        ({"returns": True, "study": None}, InputError, "kept with a study"),
        ({"fill": "next"}, InputError, "fill"),
        ({"costs": 0.1}, KindError, "Costs"),
        ({"unlisted": "x"}, InputError, "unlisted"),
        ({"untradable": "x"}, InputError, "untradable"),
        ({"bars": 3}, KindError, "must be Bars"),
        ({"strategy": 3}, KindError, "function of bars"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(bars, tmp_path, monkeypatch, given, error, words):
    monkeypatch.chdir(tmp_path)
    called = []

    def counted(bars, *, top=3, lookback=20):
        called.append(1)
        return strategy(bars, top=top)

    arguments = {"strategy": counted, "bars": bars, "grid": {"top": [2]}, **given}
    with pytest.raises(error, match=words) as caught:
        ql.sweep(**arguments)
    assert isinstance(caught.value, QuantlabError)
    assert not called
    assert not list(tmp_path.iterdir())


def test_bars_without_a_frequency_are_refused(bars):
    bare = ql.as_bars(ql.Panel(bars.close.values, bars.dates, bars.symbols))
    with pytest.raises(InputError, match="bars per year"):
        ql.sweep(strategy, bare, {"top": [2]}, study=None)


def test_progress_is_told(bars):
    told = []
    ql.sweep(strategy, bars, GRID, study=None, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (48, 48)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_what_variants_share_is_worked_out_once(bars, monkeypatch):
    """The ranking of one lookback serves every size; the dearest parameter changes slowest whatever the grid says."""
    from quantlab.portfolio import _long_short

    asked = []
    plain = _long_short.decision_rows
    monkeypatch.setattr(_long_short, "decision_rows", lambda panel, rule: asked.append(rule) or plain(panel, rule))
    grid = {"top": [1, 2, 3, 4, 5, 6, 7, 8], "lookback": [5, 10, 15, 20, 25, 30]}
    found = ql.sweep(strategy, bars, grid, study=None, workers=1, **TERMS["plain"])
    assert found.failed.height == 0
    # Once for each lookback, and twice for the two that the order is found with.
    assert len(asked) == 6 + 2


def test_the_table_says_what_a_winner_is_worth(bars):
    found = ql.sweep(strategy, bars, GRID, study=None, **TERMS["plain"])
    best = found.top(3)
    assert best["sharpe"].is_sorted(descending=True)
    assert best["variant"].to_list()[0] == found.table["sharpe"].arg_max()
    assert (best["dsr"] < best["psr"]).all()
    assert (best["p_holm"] >= best["p_value"]).all()
    assert found.trials is None
    assert "not on record" in repr(found)
