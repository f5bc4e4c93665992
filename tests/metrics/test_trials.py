"""Sharpe ratios after many trials: published numbers, independent libraries, properties."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab import metrics as m
from quantlab.core import InputError, KindError

RATIO, DAYS, SPREAD = 2.5 / math.sqrt(250), 1250, 0.5 / 250
# Our name of a method and statsmodels' name.
PEERS = [("bonferroni", "bonferroni"), ("sidak", "sidak"), ("holm", "holm"), ("bhy", "fdr_by")]
PROBABILITIES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


# trials, skew, kurtosis, expected maximum, deflated ratio
@pytest.mark.parametrize(
    ("trials", "shape", "maximum", "deflated"),
    [
        (100, {"skew": -3, "kurtosis": 10}, 0.113172, 0.900397),
        (46, {"skew": -3, "kurtosis": 10}, 0.100362, 0.950502),
        (88, {}, None, 0.950491),
    ],
    ids=["100 trials", "46 trials", "88 trials, normal returns"],
)
def test_the_example_of_the_deflated_sharpe_paper(trials, shape, maximum, deflated):
    if maximum is not None:
        assert m.expected_maximum_sharpe(trials, SPREAD) == pytest.approx(maximum, abs=5e-7)
    assert m.deflated_sharpe(RATIO, DAYS, trials=trials, variance=SPREAD, **shape) == pytest.approx(deflated, abs=5e-7)


def test_the_fund_of_the_probabilistic_sharpe_paper():
    psr = m.probabilistic_sharpe(0.458, 24, skew=-2.448, kurtosis=10.164)
    assert psr == pytest.approx(0.9134, abs=5e-5)
    # What comes out when skew and kurtosis drop out, with the variance at the benchmark of 0.
    assert NormalDist().cdf(0.458 * math.sqrt(23)) == pytest.approx(0.986, abs=5e-4)


@pytest.mark.parametrize(("periods", "years"), [(250, 2.731), (52, 2.829), (12, 3.240)])
def test_track_records_of_the_probabilistic_sharpe_paper(periods, years):
    root = math.sqrt(periods)
    assert m.minimum_track_record(2 / root, benchmark=1 / root) / periods == pytest.approx(years, abs=5e-4)


def test_a_skewed_track_record_is_longer():
    found = m.minimum_track_record(2 / math.sqrt(12), benchmark=1 / math.sqrt(12), skew=-0.72, kurtosis=5.78)
    assert found / 12 == pytest.approx(4.991, abs=5e-4)


def test_expected_maxima_of_the_pseudo_mathematics_paper():
    found = m.expected_maximum_sharpe(np.array([10, 45, 100, 1000]), 1.0)
    assert found == pytest.approx([1.5746, 2.2356, 2.5306, 3.2551], abs=5e-5)


@pytest.mark.parametrize("trials", [2, 10, 100, 1_000])
def test_the_expected_maximum_is_near_the_exact_one(trials):
    from scipy.integrate import quad
    from scipy.stats import norm

    exact = quad(lambda x: x * trials * norm.cdf(x) ** (trials - 1) * norm.pdf(x), -10, 10, points=[0, 3])[0]
    # The theorem is a limit in the number of trials: 8 % off at two, under 1 % from a hundred on.
    assert m.expected_maximum_sharpe(trials, 1.0) == pytest.approx(exact, rel=0.08 if trials < 100 else 0.01)


def test_one_trial_was_not_selected():
    assert m.expected_maximum_sharpe(1, 0.01) == 0.0
    assert m.deflated_sharpe(0.1, 500, trials=1, variance=0.01) == m.probabilistic_sharpe(0.1, 500)
    fractions = m.expected_maximum_sharpe(np.linspace(1, 3, 201), 1.0)
    assert (np.diff(fractions) >= 0).all()
    assert fractions[0] == 0.0
    assert fractions[-1] > 0.8


def test_the_standard_error_is_that_of_the_sharpe_ratio():
    error = m.sharpe_error(0.15, 300, skew=-1.2, kurtosis=7.0)
    found = m.probabilistic_sharpe(0.15, 300, benchmark=0.05, skew=-1.2, kurtosis=7.0)
    assert found == pytest.approx(NormalDist().cdf(0.1 / error), abs=1e-14)


def test_a_record_of_the_minimum_length_has_the_level():
    options = {"benchmark": 0.05, "skew": -0.8, "kurtosis": 6.0}
    n = m.minimum_track_record(0.12, level=0.9, **options)
    assert m.probabilistic_sharpe(0.12, n, **options) == pytest.approx(0.9, abs=1e-12)


def test_no_record_is_long_enough_below_the_benchmark():
    found = m.minimum_track_record(np.array([0.1, 0.2, 0.3, np.nan]), benchmark=0.2)
    assert found[:2].tolist() == [math.inf, math.inf]
    assert found[2] == pytest.approx(1 + (1 + 0.5 * 0.09) * (1.6448536 / 0.1) ** 2, rel=1e-7)
    assert np.isnan(found[3])
    assert math.isnan(m.minimum_track_record(0.1, benchmark=0.2, skew=math.nan))


def test_frequencies_agree():
    year = m.deflated_sharpe(RATIO, DAYS, trials=50, variance=SPREAD)
    assert m.deflated_sharpe(2.5 / 250**0.5, DAYS, trials=50, variance=0.5 / 250) == year
    # An annualized ratio taken for one per bar would be certain.
    assert m.deflated_sharpe(2.5, DAYS, trials=50, variance=SPREAD) > 1 - 1e-12 > year


def test_a_crash_counts_against_the_ratio():
    noise = np.random.Generator(np.random.Philox(5)).normal(0.001, 0.01, 1000)
    found = {}
    for sign in (-1, 1):
        returns = np.append(noise, sign * 0.2)
        returns[:-1] += 0.003 - returns.mean()  # about the same ratio for both
        skew, kurtosis = float(m.skew(returns)), float(m.kurtosis(returns))
        found[sign] = m.probabilistic_sharpe(0.1, returns.size, skew=skew, kurtosis=kurtosis)
    assert found[-1] < found[1]


def test_against_skfolio():
    from skfolio import measures

    draws = np.random.Generator(np.random.Philox(9)).standard_t(4, (2_000, 12)) * 0.01 + 0.0004
    ratios = draws.mean(axis=0) / draws.std(axis=0, ddof=1)
    shape = {
        name: np.array([float(function(column)) for column in draws.T])
        for name, function in (("skew", m.skew), ("kurtosis", m.kurtosis))
    }
    psr = m.probabilistic_sharpe(ratios, 2_000, **shape)
    dsr = m.deflated_sharpe(ratios, 2_000, trials=12, variance=ratios.var(ddof=1), **shape)
    # Moments with other divisors differ by about 1e-6 at this length.
    assert psr == pytest.approx(measures.probabilistic_sharpe_ratio(draws), abs=1e-5)
    assert dsr == pytest.approx(measures.deflated_sharpe_ratio(draws, ratios), abs=1e-5)
    assert 0.05 < dsr.min() < dsr.max() < 0.95


def test_arrays_broadcast_and_numbers_stay_numbers():
    assert m.probabilistic_sharpe(np.array([[0.1], [0.2]]), np.array([100, 200, 300])).shape == (2, 3)
    assert type(m.probabilistic_sharpe(np.float64(0.1), np.int64(100))) is float
    assert type(m.expected_maximum_sharpe(3, 0.1)) is float
    found = m.probabilistic_sharpe(np.array([0.1, np.nan]), 100)
    assert found[0] == m.probabilistic_sharpe(0.1, 100)
    assert np.isnan(found[1])
    assert np.isnan(m.expected_maximum_sharpe(np.array([np.nan]), 1.0)).all()


def test_the_edges_of_what_moments_can_be():
    # kurtosis = 1 + skew² is a distribution of two points; at SR = 2 / skew its ratio has no spread.
    assert m.probabilistic_sharpe(1.0, 10, skew=2.0, kurtosis=5.0) == 1.0
    assert m.minimum_track_record(1.0, skew=2.0, kurtosis=5.0) == 1.0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: m.probabilistic_sharpe("0.1", 100), KindError, "`ratio` must be a number or an array"),
        (lambda: m.probabilistic_sharpe(None, 100), KindError, "received None"),
        (lambda: m.probabilistic_sharpe(True, 100), KindError, "`ratio` must be a number"),
        (lambda: m.probabilistic_sharpe(math.inf, 100), InputError, "`ratio` must be finite"),
        (lambda: m.probabilistic_sharpe(0.1, 1), InputError, r"`n` must be at least 2, received 1\."),
        (lambda: m.probabilistic_sharpe(0.1, 9, kurtosis=0.2), InputError, r"at least 1, received 0\.2.*add 3"),
        (lambda: m.expected_maximum_sharpe(0, 1.0), InputError, "`trials` must be at least 1"),
        (lambda: m.expected_maximum_sharpe(2, -1.0), InputError, "`variance` must be at least 0"),
        (lambda: m.minimum_track_record(0.1, level=95), InputError, r"strictly between 0\.5 and 1"),
        (lambda: m.minimum_track_record(0.1, level=0.5), InputError, r"strictly between 0\.5 and 1"),
        (lambda: m.adjusted_p_values([0.1], method="bh"), InputError, "one of bonferroni, sidak, holm, bhy"),
        (lambda: m.adjusted_p_values([0.1, 1.1]), InputError, r"in \[0, 1\], received 1\.1"),
        (lambda: m.adjusted_p_values([-0.1]), InputError, "at least 0"),
        (lambda: m.adjusted_p_values([[0.1]]), InputError, "one dimension, received 2"),
        (lambda: m.adjusted_p_values([0.1, 0.2], trials=1), InputError, "`trials` is 1.*corrects 2 p-values"),
        (lambda: m.adjusted_p_values([0.1], trials=2.5), InputError, "whole number"),
        (lambda: m.adjusted_p_values([0.1], trials=math.nan), InputError, "received nan"),
    ],
)
def test_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()


def by_statsmodels(p, method):
    from statsmodels.stats.multitest import multipletests

    with np.errstate(divide="ignore"):
        return multipletests(p, method=method)[1]


# statsmodels takes 60 ms for one call of Holm's method.
@settings(max_examples=20)
@given(PROBABILITIES)
@pytest.mark.parametrize(("method", "theirs"), PEERS)
def test_against_statsmodels(method, theirs, p):
    assert m.adjusted_p_values(np.array(p), method=method) == pytest.approx(by_statsmodels(p, theirs), rel=1e-10)


@settings(max_examples=20)
@given(PROBABILITIES, st.integers(0, 40))
@pytest.mark.parametrize(("method", "theirs"), PEERS)
def test_trials_without_a_p_value_count_as_the_largest(method, theirs, p, more):
    expected = by_statsmodels([*p, *[1.0] * more], theirs)[: len(p)]
    found = m.adjusted_p_values(np.array(p), method=method, trials=len(p) + more)
    assert found == pytest.approx(expected, rel=1e-10)


@given(PROBABILITIES, st.integers(1, 30))
@pytest.mark.parametrize("method", ["bonferroni", "sidak", "holm", "bhy"])
def test_leaving_trials_out_errs_on_the_careful_side(method, p, kept):
    p = np.array(p)
    complete = m.adjusted_p_values(p, method=method)
    partial = m.adjusted_p_values(p[:kept], method=method, trials=p.size)
    assert (partial >= complete[:kept] - 1e-12).all()


def test_counts_of_harvey_liu_zhu():
    # The ten p-values of their worked example, in percent; level 5 %.
    p = np.array([4.66, 0.85, 2.71, 0.05, 3.00, 0.84, 0, 0, 0.60, 1.28]) / 100
    found = {method: int((m.adjusted_p_values(p, method=method) <= 0.05).sum()) for method in ("bonferroni", "holm")}
    assert found == {"bonferroni": 3, "holm": 4}
    assert int((m.adjusted_p_values(p, method="bhy") <= 0.05).sum()) == 6
    # c(10)
    assert float(m.adjusted_p_values(np.array([0.001] * 10), method="bhy")[0]) == pytest.approx(2.928968e-3, abs=5e-10)


def test_the_haircut_of_harvey_and_liu():
    # A Sharpe ratio of .75 over 20 years, two-sided, 200 tests.
    p = 2 * (1 - NormalDist().cdf(0.75 * math.sqrt(20)))
    assert p == pytest.approx(0.000796, abs=5e-7)
    sidak = m.adjusted_p_values(p, method="sidak", trials=200)
    assert type(sidak) is float
    assert sidak == pytest.approx(0.1473, abs=5e-5)
    assert m.adjusted_p_values(p, method="bonferroni", trials=200) == pytest.approx(0.1592, abs=5e-5)
    assert NormalDist().inv_cdf(1 - sidak / 2) / math.sqrt(20) == pytest.approx(0.3241, abs=5e-5)


def test_small_p_values_keep_their_digits():
    assert m.adjusted_p_values(1e-18, method="sidak", trials=100) == pytest.approx(1e-16, rel=1e-12)
    assert m.adjusted_p_values(1.0, method="sidak", trials=2.5) == 1.0
    assert m.adjusted_p_values(0.01, method="sidak", trials=2.5) == pytest.approx(1 - 0.99**2.5, rel=1e-12)


def test_missing_p_values_are_not_counted():
    found = m.adjusted_p_values(np.array([0.01, np.nan, 0.02]))
    assert found[[0, 2]].tolist() == [0.02, 0.02]
    assert np.isnan(found[1])
    assert m.adjusted_p_values(np.array([0.01, np.nan]), trials=10)[0] == pytest.approx(0.1)
    assert np.isnan(m.adjusted_p_values(np.array([np.nan]))).all()
    assert m.adjusted_p_values(np.array([])).size == 0


def test_no_input_is_changed():
    p = np.array([0.04, 0.01])
    m.adjusted_p_values(p)
    assert p.tolist() == [0.04, 0.01]


def test_holm_rejects_no_less_than_bonferroni():
    p = np.random.Generator(np.random.Philox(2)).random(200) ** 4
    bonferroni, sidak, holm = (m.adjusted_p_values(p, method=name) for name in ("bonferroni", "sidak", "holm"))
    assert (holm <= bonferroni).all()
    assert (sidak <= bonferroni).all()
    assert (holm < bonferroni).any()
