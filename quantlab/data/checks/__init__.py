"""What looks wrong in data, as findings; nothing is changed by looking.

``quality`` (``_quality``) applies the rules of ``_rules_*`` to Bars: calendar, shape of single bars, moves, actions,
identity, and what trails off. ``quality_of_series`` (``_series``) does it for macro series, ``check`` (``_check``) for
a stored dataset with its actions, refused rows and decisions. ``_findings`` defines the rules and the table;
``decide`` (``_review``) makes decisions of findings, which the store keeps and honors.
"""

from quantlab.data.checks._check import check
from quantlab.data.checks._quality import quality
from quantlab.data.checks._review import decide
from quantlab.data.checks._series import quality_of_series

__all__ = ["check", "decide", "quality", "quality_of_series"]
