"""Slippage models: what they hold, the arrays that a fill reads, and that no row knows a later one."""

from __future__ import annotations

import numpy as np
import pytest

from quantlab.core import Bars, Frequency, InputError, KindError, LabelError, Panel
from quantlab.execution import (
    Almgren,
    Bps,
    Costs,
    Spread,
    SquareRootImpact,
    VolatilitySlippage,
    VolumeShare,
)

NAN, INF = np.nan, np.inf
T, SYMBOLS = 60, ("B", "A", "C")
RNG = np.random.default_rng(11)
CLOSE = 50 * np.exp(np.cumsum(RNG.normal(0, 0.02, (T, 3)), axis=0))
VOLUME = RNG.integers(1_000, 900_000, (T, 3)).astype(float)
THETA = RNG.integers(10**8, 10**9, (T, 3)).astype(float)
DAYS = np.arange("2024-01-01", T, dtype="datetime64[D]")


def bars(close=CLOSE, volume=VOLUME, days=DAYS, symbols=SYMBOLS, frequency=None):
    panel = Panel(close, days, symbols, frequency=frequency)
    return Bars(panel, volume=None if volume is None else Panel(volume, days, symbols), name="book")


def sigma(close, t, i, window):
    """Standard deviation of the returns that end in the window of rows t - window + 1 .. t, as defined."""
    returns = [close[s, i] / close[s - 1, i] - 1 for s in range(max(t - window + 1, 1), t + 1)]
    returns = [x for x in returns if not np.isnan(x)]
    return np.std(returns, ddof=1) if len(returns) >= max(2, (window + 1) // 2) else NAN


MODELS = {
    "Spread": Spread(Panel(RNG.uniform(0, 0.01, (T, 3)), DAYS, SYMBOLS)),
    "VolatilitySlippage": VolatilitySlippage(0.3, window=10),
    "SquareRootImpact": SquareRootImpact(0.8, window=10, spread=Bps(4)),
    "VolumeShare": VolumeShare(window=3),
    "Almgren": Almgren(window=10, shares_outstanding=Panel(THETA, DAYS, SYMBOLS)),
}


def cost(terms, t, i, shares):
    """The rule of docs/engine.md: the fraction of the price that a trade of ``shares`` pays."""
    rows = [np.broadcast_to(array, (T, 3))[t, i] for array in terms[:4]]
    spread, impact, impact2, adv = rows
    parts = [0.0 if x == 0 else x * (shares / adv) ** p for x, p in ((impact, terms.power), (impact2, terms.power2))]
    return spread + sum(parts)


@pytest.mark.parametrize("name", MODELS)
def test_every_array_is_a_row_or_a_row_per_bar(name):
    terms = MODELS[name].terms(bars())
    for array in terms[:4]:
        assert array.shape in ((1, 3), (T, 3))
        assert array.dtype == np.float64
        assert array.flags.c_contiguous
    assert type(terms.power) is type(terms.power2) is float


def test_bps_are_the_same_for_every_trade():
    terms = Bps(5).terms(bars(volume=None))
    assert [array.shape for array in terms[:4]] == [(1, 3)] * 4
    assert cost(terms, 7, 1, 12_345) == 0.0005
    assert not terms.unknown().any()


def test_half_of_the_spread_is_paid():
    assert cost(Spread(Bps(4)).terms(bars()), 3, 0, 100) == 0.0002
    spread = MODELS["Spread"].spread
    assert cost(MODELS["Spread"].terms(bars()), 3, 2, 100) == 0.5 * spread.values[3, 2]


def test_a_spread_finds_its_bars_by_label():
    wide = Panel(np.arange(8.0).reshape(2, 4) / 100, ["2024-01-01", "2024-01-02"], ["A", "C", "B", "D"])
    terms = Spread(wide).terms(bars(CLOSE[1:2], None, DAYS[1:2]))
    np.testing.assert_array_equal(terms.spread, [[0.03, 0.02, 0.025]])


@pytest.mark.parametrize("name", ["Spread", "SquareRootImpact spread", "Almgren spread"])
@pytest.mark.parametrize("bad", [-0.001, 1.0, INF])
def test_a_spread_is_a_fraction(name, bad):
    make = {
        "Spread": Spread,
        "SquareRootImpact spread": lambda s: SquareRootImpact(spread=s),
        "Almgren spread": lambda s: Almgren(spread=s),
    }[name]
    with pytest.raises(InputError, match=rf"^{name} of A 2024-01-02 is {bad:g}; a spread is a fraction"):
        make(Panel([[0.1, 0.1], [0.1, bad]], ["2024-01-01", "2024-01-02"], ["B", "A"]))
    with pytest.raises(InputError, match=rf"^{name} must be below 10,000 basis points"):
        make(Bps(10_000))
    with pytest.raises(KindError, match=rf"^{name} must be Bps or a Panel") as caught:
        make(0.0002)
    assert "ql.Bps(4)" in caught.value.hint


def test_volatility_is_that_of_the_returns_of_the_window():
    terms = MODELS["VolatilitySlippage"].terms(bars())
    expected = [[0.3 * sigma(CLOSE, t, i, 10) for i in range(3)] for t in range(T)]
    np.testing.assert_allclose(terms.spread, expected, rtol=1e-12)
    # The first return stands in row 1, and five of them are half of the window.
    assert np.isnan(terms.spread[:5]).all()
    assert not np.isnan(terms.spread[5:]).any()


def test_square_root_impact():
    terms = MODELS["SquareRootImpact"].terms(bars())
    for t, i in ((20, 0), (59, 2)):
        adv = VOLUME[t - 9 : t + 1, i].mean()
        expected = 0.0002 + 0.8 * sigma(CLOSE, t, i, 10) * np.sqrt(5_000 / adv)
        assert cost(terms, t, i, 5_000) == pytest.approx(expected, rel=1e-12)


def test_square_root_impact_is_the_same_on_shorter_bars():
    """Twice the bars have half the variance and half the volume each: s = sigma * sqrt(X / V) stays."""
    day = SquareRootImpact().terms(bars())
    sigma_day, volume_day = 0.02, 1e6
    half = sigma_day / np.sqrt(2) * np.sqrt(1_000 / (volume_day / 2))
    assert half == pytest.approx(sigma_day * np.sqrt(1_000 / volume_day), rel=1e-14)
    assert day.power == 0.5


def test_volume_share_is_the_published_example():
    """zipline's model, 2.5 % of the volume at 20.00: 20.00125."""
    one = bars(np.array([[20.0]]), np.array([[10_000.0]]), DAYS[:1], ("A",))
    terms = VolumeShare().terms(one)
    assert 20.0 * (1 + terms.impact[0, 0] * (250 / terms.adv[0, 0]) ** terms.power) == pytest.approx(
        20.00125, abs=1e-12
    )
    assert 20.0 * (1 - terms.impact[0, 0] * (250 / terms.adv[0, 0]) ** terms.power) == pytest.approx(
        19.99875, abs=1e-12
    )


def test_volume_share_takes_the_mean_of_its_window():
    terms = MODELS["VolumeShare"].terms(bars())
    assert terms.adv[9, 1] == pytest.approx(VOLUME[7:10, 1].mean(), rel=1e-14)
    assert terms.power == 2.0
    np.testing.assert_array_equal(VolumeShare(window=1).terms(bars()).adv, VOLUME)


@pytest.mark.parametrize(
    ("V", "theta", "daily", "permanent", "realized"),
    [
        (6.561e6, 1728e6, 0.0157, 20, {0.1: 32, 0.2: 25, 0.5: 18}),
        (1.929e6, 168e6, 0.0226, 22, {0.1: 43, 0.2: 32, 0.5: 23}),
    ],
    ids=["IBM", "DRI"],
)
def test_almgren_gives_the_numbers_of_the_paper(V, theta, daily, permanent, realized):
    """Table 3 of the paper (from memory): 10 % of a day's volume of IBM and DRI, bought within T days; basis points,
    rounded there.

    Our order takes a day; one of T days is one of X / T shares in the temporary term.
    """
    swing = daily / np.sqrt(
        2
    )  # three returns of -x, 2 x ... would be harder: two returns of +-swing have this deviation
    close = 100 * np.cumprod([1.0, 1 + swing, 1 - swing])[:, None]
    book = bars(close, np.full((3, 1), V), DAYS[:3], ("A",))
    terms = Almgren(window=2, shares_outstanding=Panel(np.full((3, 1), theta), DAYS[:3], ["A"])).terms(book)
    impact, impact2, adv = terms.impact[-1, 0], terms.impact2[-1, 0], terms.adv[-1, 0]
    assert 2 * impact * 0.1 * 1e4 == pytest.approx(permanent, abs=0.5)
    for duration, whole in realized.items():
        found = impact * (0.1 * V / adv) ** terms.power + impact2 * (0.1 * V / duration / adv) ** terms.power2
        assert found * 1e4 == pytest.approx(whole, abs=0.6)


def test_almgren_without_shares_outstanding_has_a_factor_of_one():
    with_theta, without = MODELS["Almgren"].terms(bars()), Almgren(window=10).terms(bars())
    factor = (THETA / with_theta.adv) ** 0.25
    np.testing.assert_allclose(with_theta.impact, without.impact * factor, rtol=1e-13)
    np.testing.assert_array_equal(with_theta.impact2, without.impact2)
    assert without.impact[-1, 0] == pytest.approx(0.5 * 0.314 * sigma(CLOSE, T - 1, 0, 10), rel=1e-12)


@pytest.mark.parametrize("volume", [0.0, NAN])
def test_almgren_without_trading_has_no_number_that_is_no_number(volume):
    """Volume of zero is known; its slippage is at the bound by the second term. A missing one is not known."""
    dead = np.where(np.arange(3) == 1, volume, VOLUME)
    terms = MODELS["Almgren"].terms(bars(volume=dead))
    assert np.isnan(terms.impact[20:]).any() is np.False_
    assert terms.unknown()[20, 1] == np.isnan(volume)
    assert terms.unknown()[20, [0, 2]].tolist() == [False, False]


@pytest.mark.parametrize(
    "book",
    [
        bars(days=np.arange("2024-01-01T10:00", T * 60, 60, dtype="datetime64[m]").astype("datetime64[us]")),
        bars(frequency=Frequency(52)),
    ],
    ids=["hours", "weeks"],
)
def test_almgren_wants_days(book):
    with pytest.raises(
        InputError, match=r"^Almgren is measured on days, and the bars of book are not daily\."
    ) as caught:
        Almgren().terms(book)
    assert "SquareRootImpact" in caught.value.hint
    assert SquareRootImpact().terms(book).power == 0.5
    assert Almgren().terms(bars(frequency=Frequency(252))).power2 == 0.6


@pytest.mark.parametrize("name", ["SquareRootImpact", "VolumeShare", "Almgren"])
def test_impact_needs_the_volume(name):
    with pytest.raises(InputError, match=rf"^{name} needs the volume, and book has none \(it has close\)\.") as caught:
        MODELS[name].terms(bars(volume=None))
    assert "ql.Bps(5)" in caught.value.hint


@pytest.mark.parametrize("name", MODELS)
def test_no_row_knows_a_later_one(name):
    whole = MODELS[name].terms(bars())
    for cut in (1, 2, 7, 31):
        part = MODELS[name].terms(bars(CLOSE[:cut], VOLUME[:cut], DAYS[:cut]))
        close, volume = CLOSE.copy(), VOLUME.copy()
        close[cut:], volume[cut:] = 1e6, 0.0
        poisoned = MODELS[name].terms(bars(close, volume))
        for one, two, three in zip(whole[:4], part[:4], poisoned[:4], strict=True):
            expected = np.broadcast_to(one, (T, 3))[:cut]
            np.testing.assert_array_equal(np.broadcast_to(two, (cut, 3)), expected)
            np.testing.assert_array_equal(np.broadcast_to(three, (T, 3))[:cut], expected)


@pytest.mark.parametrize("name", MODELS)
def test_columns_follow_the_bars(name):
    order = [1, 2, 0]
    whole, turned = (
        MODELS[name].terms(bars()),
        MODELS[name].terms(bars(CLOSE[:, order], VOLUME[:, order], symbols=[SYMBOLS[i] for i in order])),
    )
    for one, two in zip(whole[:4], turned[:4], strict=True):
        np.testing.assert_array_equal(one[:, order], two)


def test_a_halted_name_keeps_what_was_known():
    close, volume = CLOSE.copy(), VOLUME.copy()
    close[20:40, 0] = volume[20:40, 0] = NAN
    terms = MODELS["SquareRootImpact"].terms(bars(close, volume))
    known = terms.impact[:, 0]
    # Five of ten returns are there until row 24; from then on it is the last known one, until five new ones came.
    assert known[24] == pytest.approx(0.8 * sigma(close, 24, 0, 10), rel=1e-12)
    np.testing.assert_array_equal(known[25:45], known[24])
    assert known[45] == pytest.approx(0.8 * sigma(close, 45, 0, 10), rel=1e-12)
    assert not np.isnan(terms.adv[20:, 0]).any()


def test_what_is_not_known_is_said_or_takes_the_default():
    late = CLOSE.copy()
    late[:30, 1] = NAN
    terms = MODELS["SquareRootImpact"].terms(bars(late))
    np.testing.assert_array_equal(terms.unknown().argmin(axis=0), [5, 35, 5])
    filled = SquareRootImpact(0.8, 10, Bps(4), Bps(50)).terms(bars(late))
    assert not filled.unknown().any()
    was = terms.unknown()
    np.testing.assert_array_equal(filled.spread[was], 0.005)
    np.testing.assert_array_equal(filled.impact[was], 0.0)
    np.testing.assert_array_equal(filled.spread[~was], 0.0002)
    np.testing.assert_array_equal(filled.impact[~was], terms.impact[~was])
    assert cost(filled, 3, 1, 1e9) == 0.005


@pytest.mark.parametrize(
    ("model", "first"),
    [
        (VolatilitySlippage(window=10, default=Bps(50)), 5),
        (Almgren(window=10, default=Bps(50)), 5),
        (VolumeShare(window=9, default=Bps(50)), 4),
        (Spread(Panel(np.where(np.arange(T) < 3, NAN, 0.001)[:, None] * np.ones(3), DAYS, SYMBOLS), Bps(50)), 3),
    ],
)
def test_every_model_takes_a_default(model, first):
    terms = model.terms(bars())
    assert not terms.unknown().any()
    assert [cost(terms, t, 2, 5_000) == 0.005 for t in range(T)] == [t < first for t in range(T)]


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: VolatilitySlippage(-0.1), InputError, r"^VolatilitySlippage multiple must be zero or more"),
        (lambda: VolatilitySlippage(window=1), InputError, r"^VolatilitySlippage window must be 2 or more \(bars\)"),
        (lambda: VolatilitySlippage(window=21.0), KindError, r"window must be a whole number \(bars\), received float"),
        (lambda: VolatilitySlippage(window=True), KindError, "received bool"),
        (lambda: SquareRootImpact(NAN), InputError, r"^SquareRootImpact coefficient must be zero or more"),
        (lambda: SquareRootImpact(window=1), InputError, "SquareRootImpact window must be 2 or more"),
        (lambda: VolumeShare(-1), InputError, "VolumeShare coefficient must be zero or more"),
        (lambda: VolumeShare(exponent=0), InputError, "VolumeShare exponent must be above zero"),
        (lambda: VolumeShare(window=0), InputError, "VolumeShare window must be 1 or more"),
        (lambda: Almgren(gamma=-1), InputError, "Almgren gamma must be zero or more"),
        (lambda: Almgren(eta=INF), InputError, "Almgren eta must be zero or more"),
        (lambda: Almgren(window=1), InputError, "Almgren window must be 2 or more"),
        (lambda: Almgren(default=5), KindError, "Almgren default must be Bps or None, received int"),
        (lambda: Spread(Bps(1), Bps(10_000)), InputError, "Spread default must be below 10,000 basis points"),
    ],
)
def test_numbers_are_checked(make, error, sentence):
    with pytest.raises(error, match=sentence):
        make()


@pytest.mark.parametrize("bad", [0.0, -1.0, INF])
def test_shares_outstanding_are_positive(bad):
    with pytest.raises(InputError, match=rf"^Almgren shares_outstanding of A 2024-01-01 is {bad:g}; it must be above"):
        Almgren(shares_outstanding=Panel([[bad, 1e9]], ["2024-01-01"], ["A", "B"]))


def test_shares_outstanding_have_the_labels_of_the_bars():
    with pytest.raises(LabelError, match="Almgren shares_outstanding has no column A and 1 more"):
        Almgren(shares_outstanding=Panel(THETA[:, :1], DAYS, ["B"])).terms(bars())


def test_costs_pass_the_terms_on():
    assert Costs(slippage=Bps(7)).slippage_terms(bars()).spread.tolist() == [[0.0007] * 3]
