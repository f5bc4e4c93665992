"""Markets by name on which to try a strategy: each plants one property, says it, and measures it in its own bars.

``for name in scenarios.names(): bars = scenarios.make(name, seed=1).bars``

The bars come from ``quantlab.data.synthetic``. ``_registry`` lists the scenarios with their sentences, ``_scenario``
makes one, ``_measures`` finds in the bars what was planted and says within which bounds it must lie, and
``_statistics`` holds the arithmetic. Measures know the whole sample: they judge data and are never signals.
"""

from quantlab.testing.scenarios._scenario import Scenario, make, names, table

__all__ = ["Scenario", "make", "names", "table"]
