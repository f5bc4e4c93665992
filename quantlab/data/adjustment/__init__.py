"""Prices and corporate actions: ``adjust`` makes prices comparable over time, ``compare`` finds where vendors differ.

The way data take: ``_action_events`` checks a table of actions, ``_factors`` turns them into factors by the named
convention, ``_adjust`` applies these to Bars and ``_adjust_frame`` to long frames. ``_compare`` sets two Bars side by
side, and ``_disagreement`` says of each difference whether it is an adjustment or a bad value, and whose.
"""

from quantlab.data.adjustment._adjust import Factors, adjust, adjustment_factors
from quantlab.data.adjustment._compare import compare

__all__ = ["Factors", "adjust", "adjustment_factors", "compare"]
