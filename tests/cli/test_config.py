"""The configuration: what is refused is refused in a sentence that names it, before anything is computed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from quantlab.cli import _run
from quantlab.cli._config import Config, load
from quantlab.cli._trading_costs import BorrowTable
from quantlab.core import ConfigError, InputError, QuantlabError, StoreError
from quantlab.data import Store
from quantlab.execution import Borrow, Bps, PerShare, Proportional

ROOT = Path(__file__).resolve().parents[2]


def refusal(configured, old, new, kind=ConfigError):
    with pytest.raises(kind) as caught:
        _run.prepare(Path(configured(old, new)))
    return caught.value


def test_the_whole_file_is_understood(desk):
    config = load(Path("conf/toy.toml"))
    assert config.data.dataset == "toy"
    assert config.strategy.parameters == {"lookback": 30}
    assert config.walk_forward.grid == {"lookback": [20, 40]}
    job = _run.prepare(Path("conf/toy.toml"))
    assert job.terms["costs"].commission == PerShare(0.005, minimum=1.0, maximum=0.01)
    assert (job.terms["costs"].slippage, job.terms["costs"].borrow) == (Bps(5), Borrow(0.005))
    assert (job.terms["account"].cash, job.terms["account"].lot) == (100_000.0, 1.0)
    assert [metric.__name__ for metric in job.metrics] == ["sharpe", "cagr"]


def test_the_shipped_configuration_is_understood():
    config = load(ROOT / "notebooks" / "momentum.toml")
    assert config.data.start == date(1995, 1, 1)
    assert (config.walk_forward.train, config.walk_forward.test, config.walk_forward.purge) == (1008, 252, 21)
    assert config.walk_forward.grid == {"lookback": [63, 126, 252], "top": [0.1, 0.2, 0.3]}
    assert (config.bootstrap.metrics, config.bootstrap.reps, config.bootstrap.seed) == (["sharpe"], 10_000, 7)
    assert (config.backtest.fill, config.costs.borrow, config.report.path) == (
        "next_close",
        BorrowTable(rate=0.005),
        "build/momentum.html",
    )


def test_the_least_is_enough():
    config = Config.model_validate({"data": {"dataset": "toy"}, "strategy": {"function": "a.b:f"}})
    assert (config.walk_forward, config.bootstrap, config.report) == (None, None, None)
    assert (config.backtest.fill, config.account.lot, config.costs.commission) == ("next_open", "whole", None)


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ('dataset = "toy"', 'datset = "toy"', "unknown key `datset` in [data].", "did you mean `dataset`?"),
        (
            "slippage_bps = 5",
            "slipage_bps = 5",
            "unknown key `slipage_bps` in [costs].",
            "did you mean `slippage_bps`?",
        ),
        ("purge = 5", 'fill = "next_open"', "unknown key `fill` in [walk_forward].", "`fill` belongs in [backtest]."),
        (
            "borrow = 0.005",
            "zzz = 1",
            "unknown key `zzz` in [costs].",
            "the keys there are commission, slippage_bps, slippage, borrow, fees.",
        ),
        ("minimum = 1.0", "minimal = 1.0", "unknown key `minimal` in [costs.commission].", "did you mean `minimum`?"),
        ("[bootstrap]", "[bootstap]", "unknown key `bootstap` at the top.", "did you mean `bootstrap`?"),
        ('dataset = "toy"', "", "`data.dataset` is missing.", "it is the name of a dataset in the store, as text."),
        ("train = 150", "", "`walk_forward.train` is missing.", "it is a whole number of bars, 2 or more."),
        (
            "train = 150",
            "train = 1",
            "`walk_forward.train` must be a whole number of bars, 2 or more, received 1.",
            None,
        ),
        ("train = 150", "train = 150.0", "must be a whole number of bars, 2 or more, received 150.0.", None),
        ("train = 150", 'train = "150"', "must be a whole number of bars, 2 or more, received '150'.", None),
        ("purge = 5", "anchored = 1", "`walk_forward.anchored` must be true (training starts", None),
        (
            "purge = 5",
            "purge = true",
            "`walk_forward.purge` must be a whole number of bars, 0 or more, received true.",
            None,
        ),
        ("lookback = [20, 40]", "lookback = []", "`walk_forward.grid.lookback` must be a table of lists", None),
        ("lookback = [20, 40]", "lookback = 20", "`walk_forward.grid.lookback` must be a table of lists", None),
        (
            'fill = "next_close"',
            'fill = "close"',
            '`backtest.fill` must be "next_open", "next_close", "vwap" or "same_close", received \'close\'.',
            None,
        ),
        ("cash = 100_000", "cash = 0", "`account.cash` must be currency, above zero, received 0.", None),
        ("cash = 100_000", "cash = nan", "`account.cash` must be currency, above zero, received nan.", None),
        ("cash = 100_000", 'lot = "half"', '`account.lot` must be "whole" (whole shares), "fractional"', None),
        ("cash = 100_000", "lot = 0", "`account.lot` must be above zero.", None),
        ("cash = 100_000", "lot = true", '`account.lot` must be "whole" (whole shares), "fractional"', None),
        (
            'dataset = "toy"',
            'dataset = "toy"\nstart = "June"',
            "`data.start` must be a date such as 1995-01-01, received 'June'.",
            None,
        ),
        (
            'dataset = "toy"',
            'dataset = "toy"\nstart = 2018-01-01T09:00:00',
            "`data.start` must be a date such as",
            None,
        ),
        (
            'dataset = "toy"',
            'dataset = "toy"\nstart = 2019-01-01\nend = 2018-01-01',
            "`data.end` (2018-01-01) is before `data.start` (2019-01-01).",
            None,
        ),
        (
            'dataset = "toy"',
            'dataset = "toy"\nsymbols = []',
            "`data.symbols` must be a list of symbols, not empty, received [].",
            None,
        ),
        (
            'dataset = "toy"',
            'dataset = "toy"\nsymbols = ["A", 3]',
            "`data.symbols` must be a list of symbols, not empty, received 3.",
            None,
        ),
        (
            "per_share = 0.005, ",
            "",
            "`costs.commission` needs one of `per_share`, `bps`, `per_trade` or `tiers`, and has none.",
            None,
        ),
        (
            "per_share = 0.005",
            "per_share = 0.005, bps = 1",
            "needs one of `per_share`, `bps`, `per_trade` or `tiers`, and has `per_share` and `bps`.",
            None,
        ),
        (
            "per_share = 0.005",
            "per_share = -1",
            "`costs.commission.per_share` must be currency per share, zero or more, received -1.",
            None,
        ),
        (
            "{ per_share = 0.005, minimum = 1.0, maximum = 0.01 }",
            "5",
            "`costs.commission` must be a table",
            "write [costs.commission].",
        ),
        (
            'function = "mine.py:strategy"',
            'function = "mine.py"',
            '`strategy.function` must be "file.py:function"',
            None,
        ),
        (
            'path = "out/toy.html"',
            'path = "out/toy.pdf"',
            '`report.path` must be a file name that ends in ".html"',
            None,
        ),
        (
            "reps = 200",
            "reps = 10",
            "`bootstrap.reps` must be a whole number of resamples, 40 to 10,000,000, received 10.",
            None,
        ),
        (
            "reps = 200",
            "reps = 1_000_000_000_000",
            "`bootstrap.reps` must be a whole number of resamples, 40 to 10,000,000, received 1000000000000.",
            None,
        ),
        ('"cagr"', '"cager"', "`bootstrap.metrics`: there is no metric 'cager'.", "did you mean `cagr`?"),
        ('"cagr"', '"turnover"', "`bootstrap.metrics`: there is no metric 'turnover'.", "it is one of cagr, calmar,"),
        ("seed = 3", "seed = -3", "`bootstrap.seed` must be a whole number, 0 or more, received -3.", None),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_rule(configured, old, new, message, hint):
    error = refusal(configured, old, new)
    assert message in error.message
    if hint is not None:
        assert hint in error.hint


def test_a_missing_table_says_what_it_holds(desk):
    Path("conf/toy.toml").write_text('[data]\ndataset = "toy"\n')
    with pytest.raises(ConfigError) as caught:
        load(Path("conf/toy.toml"))
    assert caught.value.message == "conf/toy.toml: the table [strategy] is missing."
    assert caught.value.hint == "it holds function (required), parameters."


def test_a_table_that_is_a_value_is_named(desk):
    Path("conf/toy.toml").write_text('data = 3\n[strategy]\nfunction = "a:b"\n')
    with pytest.raises(ConfigError, match=r"`data` must be a table, received 3.") as caught:
        load(Path("conf/toy.toml"))
    assert caught.value.hint == "write [data]."


def test_a_slip_in_toml_is_given_with_its_line(configured):
    error = refusal(configured, 'dataset = "toy"', "dataset = toy")
    assert error.message.startswith("conf/toy.toml is not TOML: Invalid value (at line 4, column 11)")


def test_a_missing_file_points_at_what_is_there(desk):
    with pytest.raises(ConfigError) as caught:
        load(Path("conf/tiy.toml"))
    assert caught.value.message == "There is no configuration file conf/tiy.toml."
    assert caught.value.hint == "there is conf/toy.toml."
    with pytest.raises(ConfigError) as caught:
        load(Path("nowhere/toy.toml"))
    assert caught.value.hint == "give the path of a TOML file."


def test_a_folder_and_a_binary_file_are_refused(desk):
    with pytest.raises(ConfigError, match="conf cannot be read: Is a directory"):
        load(Path("conf"))
    Path("conf/toy.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"is not UTF-8 text \(byte 0\)"):
        load(Path("conf/toy.toml"))


@pytest.mark.parametrize(
    ("old", "new", "kind", "message"),
    [
        ('dataset = "toy"', 'dataset = "tay"', StoreError, "There is no dataset tay in store data; it has toy."),
        ('store = "data"', 'store = "empty"', StoreError, "There is no dataset toy: store empty is empty."),
        (
            'dataset = "toy"',
            'dataset = "toy"\nstart = 2030-01-01',
            InputError,
            "Dataset toy has no dates from 2030-01-01",
        ),
        ('dataset = "toy"', 'dataset = "toy"\nsymbols = ["A", "Z"]', QuantlabError, "Symbol Z"),
        (
            "train = 150",
            "train = 5_000",
            InputError,
            "needs 5065 bars and has 503.",
        ),
        (
            "maximum = 0.01",
            "maximum = 2.0",
            InputError,
            "PerShare maximum is a fraction of the trade's value, at most 1",
        ),
    ],
)
def test_what_the_data_cannot_give_is_refused_beforehand(configured, old, new, kind, message):
    assert message in refusal(configured, old, new, kind).message


def test_opens_that_do_not_exist_are_refused_beforehand(configured, tmp_path):
    from quantlab.data import Store

    frame = Store("data").bars("toy").close.to_long("close")
    Store(tmp_path / "closes").write("toy", frame, calendar="XNYS", adjusted="none")
    old = 'fill = "next_close"'
    configured(old, 'fill = "next_open"')
    text = Path("conf/toy.toml").read_text().replace('store = "data"', 'store = "closes"')
    Path("conf/toy.toml").write_text(text)
    with pytest.raises(InputError, match="toy has no open prices") as caught:
        _run.prepare(Path("conf/toy.toml"))
    assert caught.value.hint == 'use `fill="next_close"`.'


@pytest.mark.parametrize(
    ("new", "commission"),
    [
        ("{ bps = 5 }", Proportional(0.0005)),
        ("{ bps = 5, minimum = 2.0, maximum = 30.0 }", Proportional(0.0005, minimum=2.0, maximum=30.0)),
        ("{ per_share = 0.01 }", PerShare(0.01)),
    ],
)
def test_commissions(configured, new, commission):
    path = configured("{ per_share = 0.005, minimum = 1.0, maximum = 0.01 }", new)
    assert _run.prepare(Path(path)).terms["costs"].commission == commission


@pytest.mark.parametrize(("new", "lot"), [('lot = "whole"', 1.0), ('lot = "fractional"', None), ("lot = 100", 100.0)])
def test_lots(configured, new, lot):
    assert _run.prepare(Path(configured("cash = 100_000", new))).terms["account"].lot == lot


def test_a_range_and_symbols_reach_the_store(configured):
    new = 'dataset = "toy"\nstart = "2018-03-01"\nend = 2019-06-28\nsymbols = ["C", "A"]'
    bars = _run.prepare(Path(configured('dataset = "toy"', new))).bars
    assert bars.symbols == ("A", "C")
    assert (str(bars.dates[0]), str(bars.dates[-1])) == ("2018-03-01", "2019-06-28")


def test_adjustment_and_the_moment_reach_the_store(configured, desk):
    store, table = Store(desk / "own"), Store(desk / "data").table("toy", "bars")
    day = table["date"].unique().sort()[100]
    split = pl.DataFrame({"symbol": ["A"], "date": [day], "kind": ["split"], "value": [2.0]})
    first = store.write("raw", table, calendar="XNYS", adjusted="none", actions=split)
    store.update("raw", table.head(1).with_columns(pl.col("close") * 2))
    moment = first.committed_at.isoformat()
    new = f'store = "own"\ndataset = "raw"\nadjust = "split"\nknown_at = "{moment}"'
    bars = _run.prepare(Path(configured('store = "data"\ndataset = "toy"', new))).bars
    assert bars.adjusted == "split"
    assert bars.content_hash == store.bars("raw", adjust="split", known_at=first.committed_at).content_hash
    assert bars.content_hash != store.bars("raw", adjust="split").content_hash
    assert bars.close.values[0, 0] == store.bars("raw", known_at=first.committed_at).close.values[0, 0] / 2


def test_a_report_that_cannot_be_written_is_refused_beforehand(configured, desk):
    (desk / "file").write_text("")
    assert "is a file, so that" in refusal(configured, "out/toy.html", "file/toy.html").message
    (desk / "folder.html").mkdir()
    assert "folder.html is a folder" in refusal(configured, "out/toy.html", "folder.html").message
    assert not (desk / "out").exists()
