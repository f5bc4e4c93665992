"""The keys that say how to trade: each reaches its value, and what cannot be is refused in a sentence."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import quantlab as ql
from quantlab.cli import _run
from quantlab.cli._config import Config, load
from quantlab.core import ConfigError, InputError
from quantlab.execution import (
    Account,
    Almgren,
    Borrow,
    Bps,
    Costs,
    Exits,
    Fees,
    Fill,
    Interest,
    NoMargin,
    PerShare,
    PerTrade,
    PortfolioMargin,
    RegT,
    Spread,
    SquareRootImpact,
    Tiered,
    Tiers,
    VolatilitySlippage,
    VolumeShare,
    us_equity_fees,
)
from quantlab.portfolio import Rebalancing

LEAST = {"data": {"dataset": "toy"}, "strategy": {"function": "a.b:f"}}


def config_of(text):
    return Config.model_validate(LEAST | tomllib.loads(text))


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("", Costs()),
        ("slippage_bps = 5", Costs(slippage=Bps(5))),
        ("commission = { per_trade = 4.95 }", Costs(commission=PerTrade(4.95))),
        (
            "commission = { tiers = [[0, 0.0035], [300_000, 0.002]], minimum = 0.35, maximum = 0.01 }",
            Costs(
                commission=Tiered(
                    (0, PerShare(0.0035, minimum=0.35, maximum=0.01)),
                    (300_000, PerShare(0.002, minimum=0.35, maximum=0.01)),
                )
            ),
        ),
        (
            'slippage = { model = "spread", spread_bps = 4, default_bps = 9 }',
            Costs(slippage=Spread(Bps(4), default=Bps(9))),
        ),
        ('slippage = { model = "volatility" }', Costs(slippage=VolatilitySlippage())),
        (
            'slippage = { model = "square_root", coefficient = 0.8, window = 10, spread_bps = 4 }',
            Costs(slippage=SquareRootImpact(0.8, 10, Bps(4))),
        ),
        (
            'slippage = { model = "volume_share", exponent = 1, window = 5 }',
            Costs(slippage=VolumeShare(exponent=1, window=5)),
        ),
        ('slippage = { model = "almgren", gamma = 0.6 }', Costs(slippage=Almgren(gamma=0.6))),
        ("borrow = 0.01", Costs(borrow=Borrow(0.01))),
        ("borrow = {}", Costs(borrow=Borrow())),
        (
            'borrow = { rate = 0, convention = "dealer", recall = true, day_count = 365 }',
            Costs(borrow=Borrow(0, convention="dealer", recall=True, day_count=365)),
        ),
        ('fees = "us_equity"', Costs(fees=us_equity_fees())),
        (
            "fees = [[2000-01-01, 1e-5, 0.0001, 8.3, 0], ['2010-01-01', 2e-5, 0, inf, 0]]",
            Costs(fees=Fees([("2000-01-01", 1e-5, 0.0001, 8.3, 0), ("2010-01-01", 2e-5, 0, None, 0)])),
        ),
    ],
)
def test_costs(text, want):
    assert config_of(f"[costs]\n{text}").costs.value() == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("", Account()),
        ('margin = "none"\nbuying_power = "reject"', Account(margin=NoMargin(), buying_power="reject")),
        ('margin = "portfolio"', Account(margin=PortfolioMargin())),
        (
            'margin = { model = "reg_t", initial_long = 1, maintenance_short = 0.4, factors = { TQQQ = 3 }, '
            "buffer = 0.1 }",
            Account(margin=RegT(initial_long=1, maintenance_short=0.4, factors={"TQQQ": 3}, buffer=0.1)),
        ),
        (
            'margin = { model = "portfolio", shock = 0.2, largest = 3 }',
            Account(margin=PortfolioMargin(shock=0.2, largest=3)),
        ),
        ("interest = { debit = 0.06 }", Account(interest=Interest(debit=0.06))),
        (
            'currency = "GBP"\ninterest = { debit = [[0, 0.06], [1000, 0.05]], credit = -0.01, day_count = 365 }',
            Account(
                currency="GBP", interest=Interest(debit=Tiers((0, 0.06), (1000, 0.05)), credit=-0.01, day_count=365)
            ),
        ),
        (
            'interest = { short = { "2000-01-01" = 0.01, "2010-01-01" = [[0, 0], [100_000, 0.02]] } }',
            Account(interest=Interest(short={"2000-01-01": 0.01, "2010-01-01": Tiers((0, 0), (100_000, 0.02))})),
        ),
    ],
)
def test_accounts(text, want):
    assert config_of(f"[account]\n{text}").account.value() == want


def test_fills_exits_and_rebalancing():
    assert config_of("").backtest.value() == Fill()
    assert config_of('[backtest]\nfill = "vwap"').backtest.value() == "vwap"
    text = '[backtest]\nfill = "next_close"\ndelay = 2\nsizing = "fill"\nparticipation = 0.1\ncarry = 3'
    want = Fill("next_close", delay=2, sizing="fill", participation=0.1, carry=3)
    assert config_of(text).backtest.value() == want
    assert (config_of("").exits, config_of("").rebalancing) == (None, None)
    text = '[exits]\nstop_loss = 0.1\ntake_profit = 1\ntrailing = 0.2\ntime_stop = 5\nreentry = "after_flat"'
    want = Exits(stop_loss=0.1, take_profit=1, trailing=0.2, time_stop=5, reentry="after_flat")
    assert config_of(text).exits.value() == want
    assert config_of("[exits]\nentry_bar = false").exits.value() == Exits(entry_bar=False)
    text = '[rebalancing]\nband = 0.01\nrelative_band = 0.1\nto = "edge"\npart = 0.5\nturnover = 1\nsmallest = 9'
    text += '\ncheck = "bar"'
    want = Rebalancing(band=0.01, relative_band=0.1, to="edge", part=0.5, turnover=1, smallest=9, check="bar")
    assert config_of(text).rebalancing.value() == want


BORROW = "borrow = 0.005"
CASH = "cash = 100_000"
FILL = 'fill = "next_close"'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "slippage_bps = 5",
            'slippage_bps = 5\nslippage = { model = "spread" }',
            "`costs` has both `slippage` and `slippage_bps`, and takes one of them.",
        ),
        (
            "slippage_bps = 5",
            'slippage = { model = "spread", window = 5 }',
            '`costs.slippage.window` is no key of the model "spread": it takes spread_bps, default_bps.',
        ),
        (
            "slippage_bps = 5",
            'slippage = { model = "linear" }',
            '`costs.slippage.model` must be "spread", "volatility", "square_root", "volume_share" or "almgren"',
        ),
        ("slippage_bps = 5", "slippage = 5", "`costs.slippage` must be a table, received 5."),
        ("slippage_bps = 5", "slippage = {}", "`costs.slippage.model` is missing."),
        (BORROW, 'borrow = "cheap"', "`costs.borrow.rate` must be a fraction per year, 0 to 10, such as 0.005"),
        (BORROW, "borrow = -0.1", "`costs.borrow.rate` must be a fraction per year, 0 to 10, such as 0.005"),
        (BORROW, "borrow = 25.0", "`costs.borrow.rate` must be a fraction per year, 0 to 10, such as 0.005"),
        (BORROW, "borrow = { rat = 1 }", "unknown key `rat` in [costs.borrow]."),
        (BORROW, 'fees = "eu"', '`costs.fees` must be "us_equity", or a list of rows'),
        (BORROW, "fees = [[1, 2]]", '`costs.fees` must be "us_equity", or a list of rows'),
        (
            "{ per_share = 0.005, minimum = 1.0, maximum = 0.01 }",
            "{ per_trade = 1, minimum = 1.0 }",
            "`costs.commission` with `per_trade` takes no `minimum` and no `maximum`.",
        ),
        (
            "{ per_share = 0.005, minimum = 1.0, maximum = 0.01 }",
            "{ tiers = [[0, 1, 2]] }",
            "`costs.commission.tiers` must be pairs of shares a month and currency per share.",
        ),
        (CASH, 'margin = "cash"', '`account.margin.model` must be "reg_t", "portfolio" or "none", received \'cash\'.'),
        (CASH, "margin = 2", "`account.margin` must be a table, received 2."),
        (
            CASH,
            'margin = { model = "none", buffer = 0.1 }',
            '`account.margin.buffer` is no key of the model "none": it takes nothing.',
        ),
        (CASH, 'margin = { model = "reg_t", initial_long = 2 }', "`account.margin.initial_long` must be a fraction"),
        (CASH, 'buying_power = "hope"', '`account.buying_power` must be "scale", "reject" or "strict"'),
        (CASH, "interest = 0.05", "`account.interest` must be a table, received 0.05."),
        (CASH, "interest = { debit = true }", "`account.interest.debit` must be a fraction per year, bands"),
        (CASH, "interest = { debit = [[0, 0.1, 3]] }", "`account.interest.debit` must be a fraction per year, bands"),
        (CASH, "interest = { debit = {} }", "`account.interest.debit` must be a fraction per year, bands"),
        (FILL, "delay = 0", "`backtest.delay` must be a whole number of bars, 1 or more, received 0."),
        (FILL, "participation = 2", "`backtest.participation` must be a fraction of the bar's volume"),
        (FILL, "carry = 2", "`backtest.carry` needs `participation`: without a limit nothing is left over."),
        (
            FILL,
            'fill = "vwap"\ndelay = 2',
            '`backtest.fill` "vwap" is an estimate that takes no `delay`.',
        ),
        (FILL, "delisting = -2", '`backtest.delisting` must be "table", "last_price" or a return such as -0.3'),
        (
            FILL,
            "delisting = 30",
            '`backtest.delisting` must be "table", "last_price" or a return such as -0.3, from -1',
        ),
        (FILL, "delisting = true", '`backtest.delisting` must be "table", "last_price" or a return such as -0.3'),
        ("[walk_forward]", "[exits]\nstop_loss = 1.5\n[walk_forward]", "`exits.stop_loss` must be a fraction"),
        ("[walk_forward]", "[exits]\nstop = 1\n[walk_forward]", "unknown key `stop` in [exits]."),
        (
            "[walk_forward]",
            "[rebalancing]\npart = 0\n[walk_forward]",
            "`rebalancing.part` must be a fraction of the way",
        ),
        (CASH, "stop_loss = 0.1", "unknown key `stop_loss` in [account]."),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_rule(configured, old, new, message):
    with pytest.raises(ConfigError) as caught:
        _run.prepare(Path(configured(old, new)))
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (CASH, "interest = { debit = 1.5 }", "Interest debit must be below 1"),
        (CASH, "interest = { debit = [[5, 0.1]] }", "The lower ends of Tiers must ascend from 0"),
        ("slippage_bps = 5", 'slippage = { model = "square_root" }', "SquareRootImpact needs the volume"),
        (FILL, "participation = 0.1", "Fill participation is a fraction of the volume, and toy has none"),
        (FILL, 'fill = "vwap"', '`fill` "vwap" needs average prices, and toy has no high'),
    ],
)
def test_what_cannot_work_is_refused_beforehand(configured, old, new, message):
    with pytest.raises(InputError) as caught:
        _run.prepare(Path(configured(old, new)))
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (CASH, "interest = { debit = 1.5 }", "`account.interest.debit`: Interest debit must be below 1"),
        (CASH, "interest = { debit = [[5, 0.1]] }", "`account.interest.debit`: The lower ends of Tiers must ascend"),
        (CASH, "interest = { credit = [[0, 0.1], [0, 0.2]] }", "`account.interest.credit`: The lower ends of Tiers"),
        (CASH, 'interest = { short = { "soon" = 0.1 } }', "`account.interest.short`: A date of Interest short must be"),
        (
            "{ per_share = 0.005, minimum = 1.0, maximum = 0.01 }",
            "{ tiers = [[10, 0.005]] }",
            "`costs.commission`: ",
        ),
        (BORROW, 'fees = [["soon", 0, 0, 0, 0]]', "`costs.fees`: "),
        ("slippage_bps = 5", 'slippage = { model = "square_root", window = 1 }', "`costs.slippage`: "),
        (CASH, 'margin = { model = "reg_t", factors = { A = -1 } }', "`account.margin`: "),
    ],
)
def test_what_a_value_refuses_is_told_with_file_and_key(configured, old, new, message):
    path = configured(old, new)
    with pytest.raises(ConfigError) as caught:
        load(Path(path))
    assert caught.value.message.startswith(f"{path}: {message}")
    assert caught.value.message.endswith(".")
    assert caught.value.message.count("Hint") == 0


def test_every_policy_reaches_backtest_and_walk_forward(configured):
    path = Path(configured("lookback = [20, 40]", "lookback = [20]"))
    text = path.read_text().replace(FILL, f'{FILL}\ndelay = 2\nuntradable = "make_room"\ndelisting = -0.3')
    text = text.replace(CASH, f'{CASH}\nmargin = "none"\ninterest = {{ debit = 0.05 }}')
    path.write_text(text + "[exits]\nstop_loss = 0.05\n[rebalancing]\nband = 0.02\n")
    found = _run.compute(_run.prepare(path), lambda what, parts: lambda: None)
    for settings in (found.result.settings, found.walk.settings["simulation"]):
        assert (settings["fill"], settings["untradable"], settings["delisting"]) == ("next_close", "make_room", -0.3)
        assert settings["exits"]["stop_loss"] == 0.05
        assert settings["rebalance"]["band"] == 0.02
    bars = ql.Store("data").bars("toy")
    job = _run.prepare(path)
    by_hand = ql.simulate(
        job.strategy(bars, lookback=30),
        bars,
        costs=job.terms["costs"],
        account=Account(cash=100_000, margin=NoMargin(), interest=Interest(debit=0.05)),
        fill=Fill("next_close", delay=2),
        exits=Exits(stop_loss=0.05),
        rebalance=Rebalancing(band=0.02),
        untradable="make_room",
        delisting=-0.3,
    )
    np.testing.assert_array_equal(found.result.equity.values, by_hand.equity.values)
    assert "stop_loss" in by_hand.orders["kind"].to_list()
    assert isinstance(by_hand.orders, pl.DataFrame)


def test_the_comments_of_the_shipped_configuration_are_keys_that_exist(tmp_path):
    """Every key that stands there in a comment is understood when the comment sign goes."""
    source = Path(__file__).resolve().parents[2] / "notebooks" / "momentum.toml"
    lines = source.read_text().splitlines()
    keys = ("commission", "slippage", "borrow", "fees", "margin", "buying_power", "interest", "delay", "participation")
    tables = ("# [exits]", "# [rebalancing]", "# stop_loss", "# band", "# delisting")
    tried = 0
    for number, line in enumerate(lines):
        if not line.startswith((*(f"# {key} = " for key in keys), *tables)) or line.startswith("# ["):
            continue
        name = line.split()[1]
        twin = [f"# {other}" if other.startswith((f"{name} =", f"{name}_bps =")) else other for other in lines]
        twin[number] = line[2:].split("#")[0] if "..." not in line else ""
        if name in ("stop_loss", "band"):
            twin[number - 1] = lines[number - 1][2:]
        path = tmp_path / "twin.toml"
        path.write_text("\n".join(twin))
        load(path)
        tried += 1
    assert tried == 14
