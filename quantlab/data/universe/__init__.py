"""Which securities existed, belonged and could be traded on each day, as it was known then.

A vendor's table becomes one of the tables of ``quantlab.data.schemas``, is kept in the store, and becomes a Panel:

* ``_membership``: intervals and dated lists of an index to a table of members, and that to a bool Panel;
* ``_identity``: tickers to permanent ids, through renames and reuse (``SymbolHistory``), or the renames as actions;
* ``_listings``: first and last prices; delistings to corporate actions with their return;
* ``_sectors``: dated lists to reference data, and that to groups on a date or a Panel of them;
* ``_screen``: filters on price and trading, and the most traded n, from prices that are not adjusted.

``_frames`` holds what they demand of a table. Row t of every Panel uses what was known at the close of t.
"""

from quantlab.data.universe._identity import SymbolHistory
from quantlab.data.universe._listings import DelistingPolicy, delisting_actions, delisting_problems, listings
from quantlab.data.universe._membership import from_intervals, from_snapshots, membership
from quantlab.data.universe._screen import screen, top_by_dollar_volume
from quantlab.data.universe._sectors import facts_from_snapshots, sector_at, sector_names, sectors

__all__ = [
    "DelistingPolicy",
    "SymbolHistory",
    "delisting_actions",
    "delisting_problems",
    "facts_from_snapshots",
    "from_intervals",
    "from_snapshots",
    "listings",
    "membership",
    "screen",
    "sector_at",
    "sector_names",
    "sectors",
    "top_by_dollar_volume",
]
