"""What is known of each metric of a sweep: its label and unit, whether less is better, and where it is neutral."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric as a reader meets it.

    Parameters
    ----------
    label : str, with the unit where it is no plain ratio
    fraction : bool
        Shown in percent.
    less_is_better : bool
    neutral : float, optional
        The value of a book without merit, on both sides of which values have opposite meanings.
    whole : bool
        A count, shown without decimals.
    """

    label: str
    fraction: bool = False
    less_is_better: bool = False
    neutral: float | None = None
    whole: bool = False


_MEASURES = {
    "total_return": Measure("Total return", fraction=True, neutral=0.0),
    "cagr": Measure("Growth per year", fraction=True, neutral=0.0),
    "volatility": Measure("Volatility per year", fraction=True, less_is_better=True),
    "sharpe": Measure("Sharpe ratio", neutral=0.0),
    "sortino": Measure("Sortino ratio", neutral=0.0),
    "calmar": Measure("Calmar ratio", neutral=0.0),
    # Drawdowns and values at risk are negative: more of them is better.
    "max_drawdown": Measure("Deepest drawdown", fraction=True),
    "max_drawdown_duration": Measure("Longest drawdown, bars", less_is_better=True, whole=True),
    "value_at_risk": Measure("Value at risk per bar", fraction=True),
    "conditional_value_at_risk": Measure("Conditional value at risk per bar", fraction=True),
    "skew": Measure("Skew", neutral=0.0),
    "kurtosis": Measure("Kurtosis (normal = 3)"),
    "hit_rate": Measure("Hit rate", fraction=True, neutral=0.5),
    "profit_factor": Measure("Profit factor", neutral=1.0),
    "turnover": Measure("Turnover, times equity per year", less_is_better=True),
    "exposure": Measure("Mean gross exposure", fraction=True),
    "bars": Measure("Returns counted, bars", whole=True),
}


def measure(name: str) -> Measure:
    """Return what is known of a metric; of one that is the user's own, nothing but its name.

    Examples
    --------
    >>> measure("volatility").less_is_better, measure("my_score").label
    (True, 'my_score')
    """
    return _MEASURES.get(name, Measure(name))
