"""Point-in-time events: whatever is published about symbols or the world, in one table, and its as-of join to bars.

The way data take: a constructor turns a frame into ``Events`` (``_table``), the table ``events`` of
:mod:`quantlab.data.schemas` with a note on every assumed lag: ``_build`` takes any frame, ``_publishers`` fundamentals,
earnings and short interest, ``_macro`` series, ``_posts`` what has clock times of its own. Lags and their sources stand
in ``_lags``; ``_moments`` turns days into moments in UTC and knows when bars close. ``panel`` (``_asof``, on
``_event_kernels``) puts what was known at each close onto bars; ``_ages`` says how old that is, ``_views`` what was
known at any moment.

Row t of every Panel depends on no event that became available after the close of bar t.
"""

from quantlab.data.events._ages import age, days_until
from quantlab.data.events._asof import coverage, panel
from quantlab.data.events._build import from_frame
from quantlab.data.events._lags import Lag, lags
from quantlab.data.events._macro import macro
from quantlab.data.events._posts import sentiment
from quantlab.data.events._publishers import earnings, fundamentals, short_interest
from quantlab.data.events._table import Events, EventsLike
from quantlab.data.events._views import as_first_reported, history, known_at, surprise

__all__ = [
    "Events",
    "EventsLike",
    "Lag",
    "age",
    "as_first_reported",
    "coverage",
    "days_until",
    "earnings",
    "from_frame",
    "fundamentals",
    "history",
    "known_at",
    "lags",
    "macro",
    "panel",
    "sentiment",
    "short_interest",
    "surprise",
]
