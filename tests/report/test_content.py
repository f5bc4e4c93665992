"""What a tearsheet says: every number equals that of the function it comes from, and what is missing has its reason."""

import dataclasses
import json

import numpy as np
import pytest

from quantlab import metrics, report, validation
from quantlab.core import InputError, KindError, Panel
from quantlab.execution import Account, Interest
from quantlab.metrics import Estimate
from quantlab.report._render import as_html


def walked(value, path=""):
    """Every leaf of a nested structure with its path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from walked(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from walked(inner, f"{path}[{place}]")
    else:
        yield path, value


def rows(told):
    return {row["name"]: row["cells"] for row in told["headline"]["rows"]}


@pytest.mark.parametrize("book", ["result", "ruined", "idle", "cash", "brief"])
def test_only_what_json_knows(book, request):
    told = report.content(request.getfixturevalue(book), seed=1)
    for path, value in walked(told):
        assert value is None or type(value) in (str, int, float, bool), path
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_headline_equals_the_metrics(told, result, walk):
    cells = rows(told)
    for place, returns in enumerate((result.returns, walk.returns)):
        for name, column in cells.items():
            function = getattr(metrics, name)
            if not hasattr(function, "points"):
                continue
            own = function(returns, level=0.95)
            cell = column[place]
            assert cell["value"] == own.value, name
            if own.method != "none":
                assert (cell["low"], cell["high"], cell["how"]) == (own.low, own.high, own.method)
            else:
                resampled = validation.bootstrap(returns, function, reps=2_000, level=0.95, seed=7)
                assert (cell["low"], cell["high"]) == (resampled.low, resampled.high)
                assert cell["how"] == "stationary percentile"
                assert cell["details"]["seed"] == 7


def test_headline_holds_every_metric_of_the_result(told, result):
    assert list(rows(told)) == [estimate.name for estimate in result.estimates()]
    for estimate in result.estimates():
        assert rows(told)[estimate.name][0]["value"] == estimate.value


def test_every_headline_number_has_an_interval_or_says_why_not(told):
    for name, column in rows(told).items():
        for cell in column:
            assert cell["how"], name
            assert (cell["low"] is None) == (cell["how"] == "no analytic interval"), name


def test_months_compound_to_the_total_return(told, result):
    total = np.prod([1 + value for year in told["monthly"]["years"] for value in year["months"] if value is not None])
    # A product of 900 factors in another order: a few hundred roundings of 1e-16.
    assert total - 1 == pytest.approx(rows(told)["total_return"][0]["value"], rel=1e-12)
    table = metrics.monthly_returns(result.returns)
    assert [year["year"] for year in told["monthly"]["years"]] == [str(year) for year in table["year"]][::-1]
    assert told["monthly"]["years"][0]["total"] == table["total"][-1]


def test_costs_add_up_to_the_charges(told, result):
    kinds = {row["kind"]: row for row in told["costs"]["rows"]}
    for name in ("commission", "slippage", "borrow"):
        assert kinds[name.capitalize()]["currency"] == result.charges[name].sum()
    total = kinds["Total"]
    assert total["currency"] == sum(kinds[name]["currency"] for name in ("Commission", "Slippage", "Borrow"))
    assert total["of_initial"] == total["currency"] / 1_000_000.0
    equity = result.equity.values[-len(result.returns) :, 0]
    assert told["costs"]["mean_equity"] == equity.mean()
    assert told["costs"]["years"] == len(result.returns) / 252
    assert total["per_year"] == pytest.approx(total["currency"] / equity.mean() / told["costs"]["years"], rel=1e-14)
    assert kinds["Slippage"]["of_traded"] == pytest.approx(
        5e-4, rel=1e-3
    )  # 5 basis points of the price before slippage
    assert kinds["Borrow"]["of_traded"] is None


def test_sources_are_the_attribution_by_side(told, result):
    table = result.attribution("side")
    shown = {row["side"]: row for row in told["sources"]["rows"]}
    # A free account earns and pays nothing by itself.
    assert list(shown) == ["Long", "Short"]
    for row in table.iter_rows(named=True):
        if row["side"] != "cash":
            mine = shown[row["side"].capitalize()]
            assert (mine["price"], mine["profit"]) == (row["price"], row["profit"])
            assert mine["costs"] == row["commission"] + row["fees"] + row["slippage"]
            assert mine["financing"] == row["borrow"] <= 0
    total = sum(row["profit"] for row in shown.values())
    assert total == pytest.approx(result.equity.values[-1, 0] - result.initial, rel=1e-9)
    assert sum(row["of_initial"] for row in shown.values()) == pytest.approx(total / result.initial, rel=1e-12)
    for row in shown.values():
        assert row["profit"] == pytest.approx(
            sum(row[k] for k in ("price", "dividends", "costs", "financing")), rel=1e-9
        )


def test_interest_and_margin_are_told_where_there_are_any(bars, simulate, told):
    few = bars.between(end=bars.dates[120])
    weights = Panel([[0.5, 0.5, 0.5, -0.3, 0.0]], few.dates[9:10], few.symbols)
    levered = simulate(weights, few, account=Account(interest=Interest(debit=0.06)))
    found = report.content(levered, seed=1)
    kinds = {row["kind"]: row for row in found["costs"]["rows"]}
    assert kinds["Debit interest"]["currency"] == levered.charges["debit_interest"].sum() > 0
    assert kinds["Debit interest"]["of_traded"] is None
    assert "Fees" not in kinds
    assert [bar["name"] for bar in found["charts"]["costs"]["bars"]][-1] == "Fees, interest, conversion"
    assert "Debit interest" not in {row["kind"] for row in told["costs"]["rows"]}
    assert len(told["charts"]["costs"]["bars"]) == 3
    assert [row["side"] for row in found["sources"]["rows"]] == ["Long", "Short", "Account"]
    assert found["sources"]["rows"][-1]["financing"] == -levered.charges["debit_interest"].sum()
    trading = {row["what"]: row["value"] for row in found["trading"]["rows"]}
    highest = np.nanmax(levered.margin.select("usage").values)
    assert trading["Highest margin requirement, of equity"] == highest > 0.3
    assert b"Where the profit came from" in as_html(found)


def test_a_long_book_has_one_source_and_no_table_of_it(brief):
    told = report.content(brief, seed=1)
    assert [row["side"] for row in told["sources"]["rows"]] == ["Long"]
    assert b"Where the profit came from" not in as_html(told)


def test_a_fill_at_the_decisions_own_close_is_told(bars, simulate):
    few = bars.between(end=bars.dates[30])
    weights = Panel([[0.2] * 5], few.dates[9:10], few.symbols)
    rules = report.content(simulate(weights, few, fill="same_close"), seed=1)["footer"]["rules"]
    assert any("filled at its own close" in rule for rule in rules)
    assert not any("on a later bar" in rule for rule in rules)


def test_costs_of_each_year_are_those_of_its_bars(told, result):
    chart = told["charts"]["costs"]
    years = result.returns.dates.astype("datetime64[Y]").astype(str)
    assert chart["x"] == sorted(set(years))
    paid = result.charges["commission"].to_numpy()[-len(result.returns) :]
    equity = result.equity.values[-len(result.returns) :, 0]
    for year, share in zip(chart["x"], chart["bars"][0]["y"], strict=True):
        # bincount and sum add in different orders.
        assert share == pytest.approx(paid[years == year].sum() / equity[years == year].mean(), rel=1e-12)


def test_trading_counts(told, result):
    counts = {row["what"]: row["value"] for row in told["trading"]["rows"]}
    assert counts["Orders"] == result.orders.height
    assert (
        sum(value for what, value in counts.items() if what in ("of these filled", "of these no next bar"))
        == counts["Orders"]
    )
    assert counts["Round trips closed"] + counts["Round trips still open"] == result.trades.height


def test_drawdowns_equal_the_table(told, result):
    own = metrics.drawdown_table(result.returns, top=5)
    assert [row["depth"] for row in told["drawdowns"]["rows"]] == own["depth"].to_list()
    assert [row["trough"] for row in told["drawdowns"]["rows"]] == [str(day) for day in own["trough"]]
    assert told["drawdowns"]["rows"][0]["depth"] == rows(told)["max_drawdown"][0]["value"]


def test_charts_show_what_the_result_holds(told, result, walk):
    growth = told["charts"]["growth"]
    upper, lower = growth["panels"]
    record = result.equity.values[-len(result.returns) - 1 :, 0]
    assert upper["lines"][0]["y"] == record.tolist()
    assert upper["x"][0] == str(result.equity.dates[-len(result.returns) - 1])
    assert min(lower["lines"][0]["y"]) == rows(told)["max_drawdown"][0]["value"]
    outside = [value for value in upper["lines"][1]["y"] if value is not None]
    growth_outside = np.prod(1 + walk.returns.values)
    assert outside[-1] / outside[0] == pytest.approx(growth_outside, rel=1e-12)
    assert len(growth["shades"]) == walk.folds.height
    exposure = told["charts"]["exposure"]["panels"][0]
    gross = next(line for line in exposure["lines"] if line["name"] == "Gross")
    assert gross["y"][-1] == result.exposure.values[-1, 2]
    short = next(line for line in exposure["lines"] if line["name"] == "Short")
    assert short["y"][-1] == -result.exposure.values[-1, 1]
    rolling = told["charts"]["rolling"]["panels"][0]
    assert rolling["lines"][0]["y"][-1] == metrics.rolling_sharpe(result.returns, 252).values[-1, 0]


def test_a_long_series_is_thinned_for_the_chart_and_says_so(result, monkeypatch):
    monkeypatch.setattr("quantlab.report._thin.LIMIT", 100)
    monkeypatch.setattr("quantlab.report._thin.thin.__defaults__", (100,))
    growth = report.content(result, seed=1)["charts"]["growth"]
    assert len(growth["panels"][0]["x"]) <= 100
    assert "bars are drawn" in growth["caption"]
    assert max(growth["panels"][0]["lines"][0]["y"]) == result.equity.values.max()


def test_histogram_counts_every_draw(told, draws):
    for place, estimate in enumerate(draws):
        chart = told["charts"][f"draws-{place}"]
        assert sum(chart["counts"]) == estimate.draws.size
        assert [mark["value"] for mark in chart["marks"]] == [estimate.low, estimate.value, estimate.high]
        assert told["bootstrap"][place]["estimate"] == estimate.to_dict()


def test_a_bootstrap_names_the_column_that_it_belongs_to(told):
    assert {item["of"] for item in told["bootstrap"]} == {"Walk-forward, out of sample"}


def test_the_number_of_trials_is_said(told, walk, result):
    assert told["header"]["trials"] == walk.trials > 1
    assert any(f"among {walk.trials} variants" in notice for notice in told["notices"])
    assert f"best of {walk.trials} per fold" in [card["below"] for card in told["cards"]]
    alone = report.content(result, seed=1)
    assert alone["header"]["trials"] is None
    assert any("nothing on this page is out of sample" in notice for notice in alone["notices"])


def test_what_the_dataset_says_of_itself_stands_first(bars, simulate):
    noted = dataclasses.replace(bars, note="Survivors only: no stock that was delisted.")
    weights = Panel([[0.2] * 5], bars.dates[9:10], bars.symbols)
    found = report.content(simulate(weights, noted), seed=1)["notices"]
    assert found[0] == "About the data: Survivors only: no stock that was delisted."
    assert found[1:] == report.content(simulate(weights, bars), seed=1)["notices"]


def test_the_page_says_from_which_equity_the_record_counts(bars, simulate):
    """Interest on idle cash before the first decision is in the equity and in no return."""
    weights = Panel([[0.2] * 5], bars.dates[300:301], bars.symbols)
    earned = simulate(weights, bars, account=Account(interest=Interest(credit=0.05)))
    told = report.content(earned, seed=1)
    header, start = told["header"], float(earned.equity.values[300, 0])
    assert start > earned.initial
    assert (header["record_from"], header["record_base"]) == (str(bars.dates[300]), start)
    total = rows(told)["total_return"][0]["value"]
    assert header["final"] / header["record_base"] - 1 == pytest.approx(total, rel=1e-12)
    notice = (
        f"The track record counts from the close of {bars.dates[300]} and its equity of {start:,.0f}: what came of the "
        "initial 1,000,000 before is in no metric."
    )
    assert notice in told["notices"]
    assert notice in as_html(told).decode()
    # Where nothing came before there is nothing to say.
    plain = report.content(simulate(weights, bars), seed=1)
    assert (plain["header"]["record_from"], plain["header"]["record_base"]) == (str(bars.dates[300]), 1e6)
    assert not any("counts from" in notice for notice in plain["notices"])


@pytest.mark.parametrize("row", [0, 300])
def test_a_record_of_fills_at_the_decision_counts_from_before_them(bars, simulate, row):
    """The costs of those fills are the record's."""
    weights = Panel([[0.2] * 5], bars.dates[row : row + 1], bars.symbols)
    told = report.content(simulate(weights, bars, fill="same_close"), seed=1)
    header = told["header"]
    assert header["final"] / header["record_base"] - 1 == pytest.approx(
        rows(told)["total_return"][0]["value"], rel=1e-12
    )


def test_cards_say_how_their_intervals_were_made(result):
    told = report.content(result, seed=1)
    for card in told["cards"]:
        assert bool(card["how"]) == (card["low"] is not None)
    assert told["cards"][1]["how"] == "95\u202f%, Lo-Mertens"
    assert told["cards"][3]["how"] == "95\u202f%, stationary percentile"


def test_card_and_resampling_say_one_interval(told, walk, draws):
    card = told["cards"][-1]
    assert (card["label"], card["value"]) == ("Sharpe, out of sample", draws[0].value)
    assert (card["low"], card["high"]) == (draws[0].low, draws[0].high)
    assert card["low"] != metrics.sharpe(walk.returns).low
    assert card["how"] == f"95\u202f%, {draws[0].method}"
    assert told["cards"][1]["how"] == "95\u202f%, Lo-Mertens", "of other returns"


def test_a_card_takes_no_interval_of_another_number(result, walk, draws):
    analytic = metrics.sharpe(walk.returns)
    others = [
        analytic,
        dataclasses.replace(draws[0], n=draws[0].n - 1),
        dataclasses.replace(draws[0], value=draws[0].value + 0.01),
        dataclasses.replace(draws[0], low=np.nan, high=np.nan),
        draws[1],
    ]
    card = report.content(result, [walk, *others], seed=1)["cards"][-1]
    assert (card["low"], card["high"]) == (analytic.low, analytic.high)
    wide = validation.bootstrap(walk.returns, metrics.sharpe, reps=500, level=0.8, seed=7)
    card = report.content(result, [walk, *others, wide], seed=1)["cards"][-1]
    assert (card["low"], card["high"]) == (wide.low, wide.high)
    assert card["how"].startswith("80\u202f%, ")


def test_gains_of_trades_name_the_costs_in_them(told, result):
    gains = {row["what"]: row["value"] for row in told["trading"]["rows"]}
    closed = [trade for trade in result.trades.iter_rows(named=True) if trade["status"] != "open"]
    share = gains["of these with a gain, net of commission, fees and slippage, before borrow fees and dividends"]
    assert share == sum(trade["pnl"] > 0 for trade in closed) / len(closed)


def test_the_walk_forwards_drawdown_is_drawn_below_its_line(told, walk):
    upper, lower = told["charts"]["growth"]["panels"]
    assert [line["name"] for line in lower["lines"]] == ["Drawdown", "Drawdown, walk-forward"]
    assert [line["of"] for line in lower["lines"]] == [line["name"] for line in upper["lines"]]
    drawn = lower["lines"][1]["y"]
    assert [value is None for value in drawn] == [value is None for value in upper["lines"][1]["y"]]
    assert [value for value in drawn if value is not None] == [0.0, *metrics.drawdowns(walk.returns).values[:, 0]]
    assert min(value for value in drawn if value is not None) == rows(told)["max_drawdown"][1]["value"]
    assert lower["lines"][1]["width"] < lower["lines"][0]["width"]


def test_walk_forward_table(told, walk):
    table = told["walk_forward"][0]["folds"]
    assert len(table["rows"]) == walk.folds.height


def test_ruin_is_told_and_leaves_reasons(ruined):
    told = report.content(ruined, seed=1)
    assert told["ruin"]["date"] == str(ruined.ruined)
    assert told["ruin"]["equity"] == ruined.equity.values[-1, 0] <= 0
    for name in ("sharpe", "cagr", "max_drawdown"):
        cell = rows(told)[name][0]
        assert cell["value"] is None
        assert "ruined" in cell["reason"]
    assert told["charts"]["growth"]["panels"][0]["log"] is False
    assert told["diagnostics"]["rows"][0]["rule"] == "ruin"


def test_costs_before_a_ruin_are_related_to_the_equity_there_was(ruined):
    told = report.content(ruined, seed=1)
    record = ruined.equity.values[-len(ruined.returns) :, 0]
    alive = record[record > 0]
    assert told["costs"]["mean_equity"] == alive.mean()
    assert told["costs"]["years"] == alive.size / 252
    total = told["costs"]["rows"][-1]
    assert total["per_year"] == pytest.approx(total["currency"] / alive.mean() / alive.size * 252, rel=1e-14)
    shares = [bar["y"][0] for bar in told["charts"]["costs"]["bars"]]
    assert sum(shares) == pytest.approx(total["currency"] / alive.mean(), rel=1e-14)


def test_no_decision_is_no_track_record(idle):
    told = report.content(idle, seed=1)
    assert all(cells[0]["value"] is None and cells[0]["reason"] for cells in rows(told).values())
    assert told["monthly"]["years"] == []
    assert told["drawdowns"]["rows"] == []
    assert "costs" not in told["charts"]
    assert any("no track record" in notice for notice in told["notices"])
    assert told["header"]["record_from"] is told["header"]["record_base"] is None


def test_a_book_in_cash_has_a_record_and_no_trades(cash):
    told = report.content(cash, seed=1)
    assert rows(told)["total_return"][0]["value"] == 0.0
    assert rows(told)["sharpe"][0]["reason"] == "the returns do not vary"
    assert told["costs"]["rows"][-1]["currency"] == 0.0
    assert told["costs"]["rows"][-1]["per_year"] == 0.0
    assert told["costs"]["rows"][0]["of_traded"] is None
    assert {row["value"] for row in told["trading"]["rows"]} == {0, None}
    assert told["drawdowns"]["rows"] == []


def test_three_bars_have_no_rolling_year(brief):
    told = report.content(brief, seed=1)
    assert "rolling" not in told["charts"]
    assert rows(told)["total_return"][0]["value"] == metrics.total_return(brief.returns).value


def test_findings_of_one_rule_that_say_different_things_are_rows_of_their_own(bars, simulate):
    close = bars.close
    twisted = dataclasses.replace(bars, high=close, low=close * 1.01, open=close * 1.02)
    found = report.content(simulate(Panel([[0.2] * 5], bars.dates[:1], bars.symbols), twisted), seed=1)["diagnostics"]
    same = [row for row in found["rows"] if row["rule"] == "inconsistent_bar"]
    assert [row["count"] for row in same] == [900 * 5] * 3
    assert len({row["detail"] for row in same}) == 3


def test_diagnostics_are_counted_by_rule(bars, simulate):
    holes = bars.close.values.copy()
    holes[100:103, 0] = np.nan
    holes[200, 1] = np.nan
    patchy = type(bars)(Panel(holes, bars.dates, bars.symbols, frequency=bars.frequency), name="patchy")
    result = simulate(Panel([[0.5, 0.5, 0, 0, 0]], bars.dates[50:51], bars.symbols), patchy)
    row = next(row for row in report.content(result, seed=1)["diagnostics"]["rows"] if row["rule"] == "stale_mark")
    assert (row["count"], row["symbols"], row["first"]) == (4, "S0, S1", str(bars.dates[100]))


def test_without_a_seed_the_page_is_the_same_twice_and_names_its_seed(result):
    first, second = report.content(result), report.content(result)
    assert first == second
    assert first["footer"]["seed"] == first["headline"]["seed"]
    assert report.content(result, seed=first["footer"]["seed"]) == first


def test_another_seed_changes_resampled_intervals_only(result):
    one, other = (rows(report.content(result, seed=seed)) for seed in (1, 2))
    assert one["sharpe"] == other["sharpe"]
    assert one["sortino"][0]["value"] == other["sortino"][0]["value"]
    assert one["sortino"][0]["low"] != other["sortino"][0]["low"]


@pytest.mark.parametrize("wrong", [None, 3, "result"])
def test_a_wrong_result_is_refused(wrong):
    with pytest.raises(KindError, match="`result` must be a Result"):
        report.content(wrong)


def test_a_wrong_validation_item_is_named_with_its_place(result, walk):
    with pytest.raises(KindError, match="received dict at position 1"):
        report.content(result, [walk, {}])


def test_one_item_needs_no_list(result):
    estimate = Estimate("sharpe", 0.5, n=3)
    assert report.content(result, estimate, seed=1)["bootstrap"][0]["chart"] is None


def test_unknown_bars_per_year_is_one_sentence(bars, simulate):
    bare = type(bars)(Panel(bars.close.values, bars.dates, bars.symbols), name="bare")
    result = simulate(Panel([[0.2] * 5], bars.dates[1:2], bars.symbols), bare)
    with pytest.raises(InputError, match="bars per year"):
        report.content(result)


def test_a_walk_forwards_own_book_stands_once(walk):
    told = report.content(walk.result, walk, seed=1)
    assert [book["label"] for book in told["headline"]["books"]] == ["Walk-forward, out of sample"]
    assert len(told["charts"]["growth"]["panels"][0]["lines"]) == 1
    assert told["cards"][1]["below"] == f"best of {walk.trials} per fold"
    assert told["header"]["trials"] == walk.trials
    assert not any("not corrected" in notice for notice in told["notices"])


def test_two_walk_forwards_count_all_their_trials(result, walk):
    told = report.content(result, [walk, walk], seed=1)
    assert told["header"]["trials"] == 2 * walk.trials
    assert [book["label"] for book in told["headline"]["books"]] == [
        "Backtest",
        "Walk-forward 1, out of sample",
        "Walk-forward 2, out of sample",
    ]
    assert [line["name"] for line in told["charts"]["growth"]["panels"][0]["lines"]] == [
        "Backtest",
        "Walk-forward 1",
        "Walk-forward 2",
    ]


def test_hourly_bars_show_their_times(hourly):
    told = report.content(hourly, seed=1)
    chart = told["charts"]["growth"]
    assert chart["panels"][0]["x"][0] == "2024-01-02 14:00:00"
    assert chart["daily"] is False
    assert told["header"]["start"] == "2024-01-02 14:00:00 UTC"


def test_a_title_that_is_no_text_is_refused(result):
    with pytest.raises(KindError, match="`title` must be a string, received int"):
        report.content(result, title=3)
