"""The scenarios by name: which generator makes each, the property that it plants in a sentence, and its measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from quantlab.data import synthetic
from quantlab.data.synthetic import Market
from quantlab.testing.scenarios import _measures as measures


@dataclass(frozen=True, slots=True)
class Entry:
    """One scenario: generator, property and measure."""

    generate: Callable[..., Market]
    says: str
    measure: measures.Measure


ENTRIES: dict[str, Entry] = {
    entry.generate.__name__: entry
    for entry in (
        Entry(
            synthetic.ordinary,
            "Returns have fat tails and one market factor, volume follows volatility, and no pattern in time can be "
            "traded.",
            measures.ordinary,
        ),
        Entry(
            synthetic.trending,
            "Returns carry a slow drift that comes and goes, so that 20-bar returns vary more than those of a random "
            "walk.",
            measures.variance_ratio,
        ),
        Entry(
            synthetic.ranging,
            "Prices swing around fixed levels, so that 20-bar returns vary less than those of a random walk.",
            measures.variance_ratio,
        ),
        Entry(
            synthetic.crash_and_rebound,
            "In the middle of the dates every name falls by its beta within 23 sessions and rises again within 60, at "
            "2.5 times the usual volatility.",
            measures.crash_and_rebound,
        ),
        Entry(
            synthetic.volatility_regimes,
            "Each name's variance follows GARCH(1,1), so that calm and turbulent times last for weeks.",
            measures.volatility_regimes,
        ),
        Entry(
            synthetic.jumps_and_gaps,
            "Opens jump from the last close by five daily standard deviations or more, four times a year and name.",
            measures.jumps_and_gaps,
        ),
        Entry(
            synthetic.halts,
            "Names stop trading for up to ten sessions: they have no bar, and the price moves on meanwhile.",
            measures.halts,
        ),
        Entry(
            synthetic.low_liquidity,
            "Half of the names do not trade on three of ten days: volume is zero and the last close is repeated.",
            measures.low_liquidity,
        ),
        Entry(
            synthetic.correlated_sectors,
            "Names of one sector correlate by 0.6, names of different ones by 0.2.",
            measures.correlated_sectors,
        ),
        Entry(
            synthetic.correlation_breakdown,
            "In the middle of the dates the correlation of any two names falls from 0.6 to 0.05, at unchanged "
            "volatility.",
            measures.correlation_breakdown,
        ),
        Entry(
            synthetic.momentum_crash,
            "The decile that had fallen most over 12-1 months rises by 160 % within 63 sessions and the winners by "
            "8 %, as in 2009.",
            measures.momentum_crash,
        ),
        Entry(
            synthetic.short_squeeze,
            "Two crowded shorts rise fivefold within eight sessions on 15 times the volume, while no share can be "
            "borrowed, and then collapse.",
            measures.short_squeeze,
        ),
        Entry(
            synthetic.splits_and_dividends,
            "Prices are raw: only with the splits, spin-offs and dividends of `bars.actions` do they give the returns "
            "that were drawn.",
            measures.splits_and_dividends,
        ),
        Entry(
            synthetic.delistings_and_listings,
            "A fifth of the names leave early, half of them bankrupt with a delisting return below zero, and a fifth "
            "come late.",
            measures.delistings_and_listings,
        ),
        Entry(
            synthetic.bad_ticks,
            "The feed has errors at known places: spikes, lost decimal points, highs below lows, repeated bars, zero "
            "volumes.",
            measures.bad_ticks,
        ),
    )
}


def parameters(entry: Entry) -> dict[str, Any]:
    """Return what a generator can be told beyond seed and grid, with its defaults."""
    import inspect

    found = inspect.signature(entry.generate).parameters.values()
    return {parameter.name: parameter.default for parameter in found if parameter.name not in ("seed", "grid")}
