"""empyrical-reloaded as an independent oracle, where its conventions are ours.

Left out: its CVaR (mean of whole observations, no fraction) and its handling of degenerate input.
"""

import numpy as np
import pytest

from quantlab import metrics as m

empyrical = pytest.importorskip("empyrical")

PAIRS = [
    (m.sharpe, empyrical.sharpe_ratio, {"period": "daily"}),
    (m.sortino, empyrical.sortino_ratio, {"period": "daily"}),
    (m.volatility, empyrical.annual_volatility, {"period": "daily"}),
    (m.cagr, empyrical.cagr, {"period": "daily"}),
    (m.calmar, empyrical.calmar_ratio, {"period": "daily"}),
    (m.max_drawdown, empyrical.max_drawdown, {}),
    (m.total_return, empyrical.cum_returns_final, {}),
    (m.value_at_risk, empyrical.value_at_risk, {}),
]


@pytest.mark.parametrize(("ours", "theirs", "options"), PAIRS, ids=[pair[0].__name__ for pair in PAIRS])
@pytest.mark.parametrize("seed", range(5))
def test_agrees(ours, theirs, options, seed):
    returns = np.random.default_rng(seed).standard_t(4, 50 + 200 * seed) / 80
    # Both work in float64 with other orders of summation: 1e-11 leaves three digits of slack.
    assert ours(returns, periods=252).value == pytest.approx(float(theirs(returns, **options)), rel=1e-11)
