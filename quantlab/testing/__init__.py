"""What users need to test their own strategies and sources.

``assert_causal`` (``_causality``) runs the two universal look-ahead checks on any function of Panels or Bars:
``_cut`` takes the future away, ``_garbage`` replaces it by garbage, and ``_equality`` compares what comes out.
``assert_panel_equal`` compares two Panels bit for bit. ``scenarios`` are markets by name, each with a property that it
plants and measures. ``SourceAcceptance`` (``_source``) is the test class that a data source of your own must pass.
"""

from quantlab.testing import scenarios
from quantlab.testing._causality import assert_causal
from quantlab.testing._equality import assert_panel_equal
from quantlab.testing._source import SourceAcceptance

__all__ = ["SourceAcceptance", "assert_causal", "assert_panel_equal", "scenarios"]
