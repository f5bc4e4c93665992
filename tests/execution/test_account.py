"""The account and its currencies as the engine reads them."""

from __future__ import annotations

import numpy as np
import pytest

from quantlab.core import DataError, InputError, KindError, LabelError, Panel
from quantlab.execution import Account, Bps, Currencies, Interest, NoMargin, PortfolioMargin, RegT
from quantlab.execution import _kernel_types as k

DATES = ["2024-01-02", "2024-01-03"]
DAYS = np.array(DATES, dtype="datetime64[D]")
RATES = Panel([[1.27, 1.10], [1.26, 1.09]], DATES, ["GBP", "EUR"])
FOREIGN = Currencies({"SAP": "EUR", "VOD": "GBP"}, RATES)


def test_defaults():
    account = Account()
    assert (account.cash, account.lot, account.margin, account.buying_power) == (1e6, 1.0, RegT(), "scale")
    assert (account.interest, account.currency, account.currencies) == (None, "USD", None)
    assert account.codes == ("USD",)


@pytest.mark.parametrize(
    ("lot", "unit", "step"),
    [(1.0, 1.0, 1.0), (100, 1.0, 100.0), (None, 1.0, 0.0), (0.1, 0.1, 1.0), (2.5, 2.5, 1.0), (1e-6, 1e-6, 1.0)],
)
def test_what_positions_are_counted_in(lot, unit, step):
    assert Account(lot=lot).units() == (unit, step)


def test_numbers_of_a_plain_account():
    found = Account().numbers(("B", "A"))
    assert (found["unit"], found["step"]) == (1.0, 1.0)
    assert (found["buying_power"], found["margin_model"]) == (k.SCALE, k.REG_T)
    assert (found["convert"], found["conversion_cost"]) == (0, 0.0)
    np.testing.assert_array_equal(found["currency"], [0, 0])
    assert found["currency"].dtype == np.int64
    np.testing.assert_array_equal(found["margin_long"], [1.0, 1.0])
    np.testing.assert_array_equal(found["margin_short"], [1.0, 1.0])
    assert set(found) <= set(k.Terms._fields)
    np.testing.assert_array_equal(Account().fx(DAYS), [[1.0]])


def test_policies_and_models():
    codes = [Account(buying_power=word).numbers(())["buying_power"] for word in ("scale", "reject", "strict")]
    assert codes == [k.SCALE, k.REJECT, k.STRICT]
    models = [Account(margin=margin).numbers(())["margin_model"] for margin in (NoMargin(), RegT(), PortfolioMargin())]
    assert models == [k.NO_MARGIN, k.REG_T, k.PORTFOLIO]


def test_numbers_with_currencies():
    hold = Currencies({"SAP": "EUR", "VOD": "GBP", "GONE": "EUR"}, RATES, "hold", Bps(2))
    account = Account(currencies=hold, margin=RegT(factors={"SAP": 2.0}))
    assert account.codes == ("USD", "EUR", "GBP")
    found = account.numbers(("VOD", "IBM", "SAP"))
    np.testing.assert_array_equal(found["currency"], [2, 0, 1])
    assert (found["convert"], found["conversion_cost"]) == (0, 0.0002)
    np.testing.assert_array_equal(found["margin_long"], [1.0, 1.0, 2.0])
    assert Account(currencies=FOREIGN).numbers(())["convert"] == 1
    np.testing.assert_array_equal(account.fx(DAYS), [[1.0, 1.10, 1.27], [1.0, 1.09, 1.26]])


def test_rates_that_do_not_change_are_one_row():
    flat = Currencies({"SAP": "EUR"}, Panel([[1.1], [1.1]], DATES, ["EUR"]))
    np.testing.assert_array_equal(flat.fx(DAYS, "USD"), [[1.0, 1.1]])


def test_a_symbol_in_the_accounts_own_currency_needs_no_rate():
    own = Currencies({"IBM": "USD", "SAP": "EUR"}, RATES)
    assert own.codes("USD") == ("USD", "EUR")
    np.testing.assert_array_equal(own.columns(("IBM", "SAP"), "USD"), [0, 1])


def test_a_currency_without_a_column():
    with pytest.raises(LabelError, match=r"^Currencies has no rates of JPY, in which 7203 trades\.") as caught:
        Currencies({"SAP": "EUR", "7203": "JPY"}, RATES).fx(DAYS, "USD")
    assert "USD per JPY" in caught.value.hint


def test_a_missing_rate_is_named():
    holes = Panel([[1.1, 1.2], [np.nan, 1.2], [np.nan, 1.2]], [*DATES, "2024-01-04"], ["EUR", "GBP"])
    currencies = Currencies({"SAP": "EUR", "VOD": "GBP"}, holes)
    np.testing.assert_array_equal(currencies.fx(DAYS[:1], "USD"), [[1.0, 1.1, 1.2]])
    with pytest.raises(DataError, match=r"^The rate of EUR on 2024-01-03 is missing\."):
        currencies.fx(DAYS, "USD")
    with pytest.raises(LabelError, match=r"^Currencies rates has no row of 2024-02-01\."):
        currencies.fx(np.array(["2024-02-01"], dtype="datetime64[D]"), "USD")


@pytest.mark.parametrize("bad", [0.0, -1.1, np.inf])
def test_rates_are_positive(bad):
    with pytest.raises(InputError, match=rf"^Currencies rates of EUR 2024-01-02 is {bad:g}; an exchange rate"):
        Currencies({"SAP": "EUR"}, Panel([[bad]], DATES[:1], ["EUR"]))


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: Currencies(["SAP"], RATES), KindError, "Currencies of must be a mapping"),
        (lambda: Currencies({"SAP": 1}, RATES), KindError, "The currency of SAP must be a text"),
        (lambda: Currencies({"": "EUR"}, RATES), KindError, "A symbol of Currencies must be a text"),
        (lambda: Currencies({}, 1.1), KindError, "`rates` must be a Panel or a Polars frame"),
        (lambda: Currencies({}, RATES, "change"), InputError, 'policy must be "convert" or "hold"'),
        (lambda: Currencies({}, RATES, cost=0.1), KindError, "Currencies cost must be Bps, received float"),
        (lambda: Currencies({}, RATES, cost=Bps(10_000)), InputError, "cost must be below 10,000 basis points"),
        (
            lambda: Account(margin=0.5),
            KindError,
            "Account margin must be RegT, PortfolioMargin or NoMargin, received float",
        ),
        (lambda: Account(margin=None), KindError, "received NoneType"),
        (
            lambda: Account(buying_power="clip"),
            InputError,
            'buying_power must be "scale", "reject" or "strict", received',
        ),
        (lambda: Account(currency=""), KindError, "Account currency must be a text"),
        (lambda: Account(currencies={"SAP": "EUR"}), KindError, "Account currencies must be Currencies or None"),
        (
            lambda: Account(interest=0.05),
            KindError,
            "Account interest must be Interest, a mapping or None, received float",
        ),
        (
            lambda: Account(interest={"USD": 0.05}),
            KindError,
            "Account interest of USD must be Interest, received float",
        ),
        (lambda: Account(interest={"EUR": Interest()}), InputError, "Account interest says nothing of USD"),
        (
            lambda: Account(interest={"USD": Interest()}, currencies=FOREIGN),
            InputError,
            "Account interest says nothing of EUR",
        ),
    ],
)
def test_parts_are_checked(make, error, sentence):
    with pytest.raises(error, match=sentence):
        make()


def test_interest_by_currency():
    one = Account(interest=Interest(0.06), currencies=FOREIGN).interest_bands(DAYS)
    np.testing.assert_array_equal(one[1][0, :, 0, 0], [0.06] * 3)
    several = {"GBP": Interest(0.05), "USD": Interest(0.06), "EUR": Interest(0.04), "JPY": Interest(0.01)}
    thresholds, rates, days = Account(interest=several, currencies=FOREIGN).interest_bands(DAYS)
    assert (thresholds.shape, days) == ((3, 3, 1), 360.0)
    np.testing.assert_array_equal(rates[0, :, 0, 0], [0.06, 0.04, 0.05])
    np.testing.assert_array_equal(Account().interest_bands(DAYS)[1], np.zeros((1, 1, 3, 1)))
