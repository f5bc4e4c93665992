"""momentum and time_series_momentum: hand-computed cases, corners, and a second implementation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from quantlab.core import Frequency, InputError, Panel
from quantlab.signals import momentum, time_series_momentum

DAYS = np.datetime64("2024-01-01") + np.arange(400)


def panel(values: np.ndarray, **options: object) -> Panel:
    values = np.atleast_2d(np.asarray(values, dtype=float))
    return Panel(values, DAYS[: len(values)], [f"S{i}" for i in range(values.shape[1])], **options)


def walks(rows: int = 400, columns: int = 5, holes: float = 0.02) -> Panel:
    rng = np.random.default_rng(3)
    values = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (rows, columns)), axis=0))
    values[rng.random(values.shape) < holes] = np.nan
    return panel(values)


def test_by_hand() -> None:
    close = panel([[10.0, 8.0], [11.0, 8.0], [12.0, 4.0], [18.0, 2.0]])
    got = momentum(close, lookback=2, skip=1).values
    np.testing.assert_array_equal(got[:2], np.nan)
    np.testing.assert_allclose(got[2:], [[11 / 10 - 1, 0.0], [12 / 11 - 1, -0.5]], rtol=1e-15)
    logs = momentum(close, lookback=2, skip=1, kind="log").values
    np.testing.assert_allclose(logs[2:], np.log1p(got[2:]), rtol=1e-14)


@pytest.mark.parametrize(("lookback", "skip"), [(252, 21), (20, 0), (5, 4)])
def test_against_pandas(lookback: int, skip: int) -> None:
    close = walks()
    frame = pd.DataFrame(close.values)
    want = (frame.shift(skip) / frame.shift(lookback) - 1).to_numpy()
    np.testing.assert_array_equal(momentum(close, lookback=lookback, skip=skip).values, want)


def test_shorter_than_lookback_is_nan_throughout() -> None:
    assert np.isnan(momentum(walks(100), lookback=252).values).all()


def test_carries_labels_and_frequency() -> None:
    close = panel([[1.0], [2.0]], frequency=Frequency(252))
    got = momentum(close, lookback=1, skip=0)
    assert (got.symbols, got.frequency) == (close.symbols, close.frequency)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"lookback": 21, "skip": 21}, r"`lookback` must be above `skip` \(21 bars\), received 21"),
        ({"lookback": 5, "skip": -1}, "`skip` must be >= 0 bars, received -1"),
        ({"lookback": 2.5}, "`lookback` must be an integer number of bars, received 2.5"),
        ({"kind": "geometric"}, "`kind` must be"),
    ],
)
def test_errors(arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        momentum(walks(), **arguments)


def test_time_series_against_pandas() -> None:
    close = walks(holes=0.0)
    returns = pd.DataFrame(close.values).pct_change()
    sigma = returns.ewm(com=60).std() * np.sqrt(252)
    past = pd.DataFrame(close.values) / pd.DataFrame(close.values).shift(252) - 1
    want = (np.sign(past) * 0.4 / sigma).to_numpy()
    got = time_series_momentum(close, periods=252).values
    assert np.isfinite(got).sum() == (400 - 252) * 5
    # 1e-9: pandas updates its moments in another order.
    np.testing.assert_allclose(got, want, rtol=1e-9)


def test_time_series_flat_price_has_no_volatility_and_no_position() -> None:
    flat = panel(np.full((300, 1), 10.0))
    assert np.isnan(time_series_momentum(flat, periods=252).values).all()


def test_time_series_needs_bars_per_year() -> None:
    with pytest.raises(InputError, match="bars per year is unknown"):
        time_series_momentum(walks())


@pytest.mark.parametrize("name", ["target", "center_of_mass"])
def test_time_series_errors(name: str) -> None:
    with pytest.raises(InputError, match=f"`{name}` must be a positive number, received 0"):
        time_series_momentum(walks(), periods=252, **{name: 0})
