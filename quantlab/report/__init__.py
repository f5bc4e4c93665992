"""Report: a backtest and its validation as one offline HTML page, with the same numbers as JSON beside it.

The way data take: ``tearsheet`` (``_tearsheet``) has ``content`` (``_content``) say everything once, as plain lists and
dicts: the headline with intervals (``_headline``), tables (``_tables``) and the points of the charts (``_charts``,
thinned for the screen by ``_thin``). ``_render`` prints that content twice, as JSON and through the files in
``templates`` as HTML, where ``_format`` rounds what people read.
"""

from quantlab.report._content import content
from quantlab.report._tearsheet import tearsheet

__all__ = ["content", "tearsheet"]
