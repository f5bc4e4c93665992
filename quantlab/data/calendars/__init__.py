"""When exchanges trade: sessions, holidays, early closes, trading hours, and what a date means on another calendar.

``_schedule`` reads the sessions of whole decades from the exchange_calendars library once, as arrays; ``_moments``
takes days and moments at the door; ``_parts`` cuts sessions ("first 30 minutes"); ``_align`` moves dated values onto
sessions; ``Calendar`` (``_calendar``) is all of it under one code.

Days are ``datetime64[D]`` labels of sessions, moments are UTC. A clock time without a zone is refused. A moment stands
for the end of a bar, as the dates of intraday Bars do: the hours of a session are (open, close].
"""

from quantlab.data.calendars._calendar import Calendar

__all__ = ["Calendar"]
