"""What users need to test their own strategies.

``assert_causal`` (``_causality``) runs the two universal look-ahead checks on any function of Panels or Bars:
``_cut`` takes the future away, ``_garbage`` replaces it by garbage, and ``_equality`` compares what comes out.
``assert_panel_equal`` compares two Panels bit for bit.
"""

from quantlab.testing._causality import assert_causal
from quantlab.testing._equality import assert_panel_equal

__all__ = ["assert_causal", "assert_panel_equal"]
