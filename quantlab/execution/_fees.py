"""Exchange and regulatory fees as a dated table, and that of US equities."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from quantlab.core import InputError, KindError
from quantlab.execution._dated import demand_start, spread_out
from quantlab.execution._demand import day, number
from quantlab.execution._value import Value

_COLUMNS = (
    ("on_sales", "a fraction of the value sold"),
    ("per_share_sold", "currency per share sold"),
    ("maximum_per_order", "currency per order"),
    ("per_share_all", "currency per share"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Fees(Value):
    """Fees of exchanges and authorities, each row in force from its date until the next one's.

    A sale of q shares worth v costs on_sales * v + min(per_share_sold * q, maximum_per_order), and every trade
    per_share_all * q, in the asset's currency.

    Parameters
    ----------
    rows : sequence of (date, on_sales, per_share_sold, maximum_per_order, per_share_all)
        Dates strictly increasing. ``on_sales`` in [0, 1), fraction of the value; the per-share fees in currency per
        share; ``maximum_per_order`` in currency, None without one.

    Raises
    ------
    InputError
        When a number is out of its range, dates do not increase, or there is no row; from ``table``, for a date before
        the first row.
    KindError
        When a row has another shape.

    Notes
    -----
    What lies before the first row is not guessed: a run that begins earlier is refused. Brokers round each fee up to a
    cent; here it is exact.

    Examples
    --------
    >>> fees = Fees([("2024-01-01", 8.0e-6, 0.000166, 8.30, 0.0), ("2024-05-22", 27.8e-6, 0.000166, 8.30, 0.0)])
    >>> fees.table(np.array(["2024-05-21", "2024-05-22"], dtype="datetime64[D]"))
    array([[8.00e-06, 1.66e-04, 8.30e+00, 0.00e+00],
           [2.78e-05, 1.66e-04, 8.30e+00, 0.00e+00]])
    """

    rows: Any

    def __post_init__(self) -> None:
        if not isinstance(self.rows, (list, tuple)) or not self.rows:
            raise KindError(
                f"Fees rows must be a list of rows, received {type(self.rows).__name__} "
                f"{'without any' if isinstance(self.rows, (list, tuple)) else ''}".rstrip()
                + ".",
                hint='write `Fees([("2024-01-01", 8.0e-6, 0.000166, 8.30, 0.0)])`.',
            )
        rows = tuple(_row(row) for row in self.rows)
        for before, after in pairwise(rows):
            if after[0] <= before[0]:
                raise InputError(f"The dates of Fees must increase: {after[0]} follows {before[0]}.")
        object.__setattr__(self, "rows", rows)

    def table(self, dates: np.ndarray) -> np.ndarray:
        """Return ``World.fees``, (1|T, 4): on sales, per share sold, its maximum, per share of every trade."""
        hint = f"begin the table earlier, if you know the fees: `Fees([(...), *fees.rows])`; it starts {self.rows[0]}."
        place = demand_start([row[0] for row in self.rows], dates, "Fees", hint)
        numbers = [[math.inf if part is None else part for part in row[1:]] for row in self.rows]
        return spread_out(np.array(numbers), place)


def _row(row: Any) -> tuple[str, float, float, float | None, float]:
    if not isinstance(row, (list, tuple)) or len(row) != 1 + len(_COLUMNS):
        raise KindError(
            "A row of Fees must be (date, on_sales, per_share_sold, maximum_per_order, per_share_all), "
            f"received {row!r}."
        )
    start = day(row[0], "A date of Fees")
    found = [
        None if part is None and name == "maximum_per_order" else number(part, f"Fees {name} from {start} on", unit)
        for part, (name, unit) in zip(row[1:], _COLUMNS, strict=True)
    ]
    if found[0] is not None and found[0] >= 1:
        raise InputError(f"Fees on_sales from {start} on is a fraction below 1, received {found[0]:g}.")
    return (start, *found)  # type: ignore[return-value]  # the length was checked


def us_equity_fees() -> Fees:
    """Return what sales of US equities pay to the SEC (section 31 of the Exchange Act) and to FINRA (trading activity
    fee).

    Returns
    -------
    Fees
        From 2008-04-01 on; the last change is that of 2027-01-01, as announced in September 2026.

    Notes
    -----
    Checked against notices of the SEC and FINRA and against newspapers and brokers that quote them, in November 2026;
    the table in the source says of each row what was seen. From memory alone: the rate of 2015, the trading activity
    fee of 2022, and the days marked there. FINRA charges its fee by trade; here the maximum holds for an order.
    Brokers round each fee up to a cent; here it is exact. Not here: the fee for the consolidated audit trail, and those
    of exchanges and clearing, which depend on broker and venue.

    Examples
    --------
    >>> us_equity_fees().table(np.array(["2024-05-22"], dtype="datetime64[D]"))[0]
    array([2.78e-05, 1.66e-04, 8.30e+00, 0.00e+00])
    """
    changes = {day: (rate, None) for day, rate in _SECTION_31}
    for start, *taf in _TRADING_ACTIVITY:
        changes[start] = (changes.get(start, (None, None))[0], taf)  # type: ignore[assignment]
    rows: list[tuple[str, float, float, float, float]] = []
    rate, activity = 0.0, (0.0, 0.0)
    for start, (new_rate, new_activity) in sorted(changes.items()):
        rate = rate if new_rate is None else new_rate
        activity = activity if new_activity is None else new_activity
        rows.append((start, rate / 1e6, *activity, 0.0))
    return Fees(rows)


# Dollars per million dollars sold. "seen": a notice, or a text that quotes it, gives rate and day. "day by rule": the
# rate was seen; the day is April 1 for an adjustment in mid-year, else 60 days after the appropriation became law, as
# section 31 says. "from memory": not seen.
_SECTION_31 = (
    ("2008-04-01", 5.60),  # seen: FINRA information notice 3/10/08
    ("2009-04-10", 25.70),  # rate seen: SEC press release 2009-100; day from memory
    ("2010-01-15", 12.70),  # seen: of SEC press release 2009-270
    ("2010-04-01", 16.90),  # seen: FINRA information notice 3/10/10
    ("2011-01-21", 19.20),  # seen: SEC press release 2010-255
    ("2012-02-21", 18.00),  # seen: of fee rate advisory 5 for 2012
    ("2012-04-01", 22.40),  # day by rule: SEC press release 2012-232
    ("2013-05-25", 17.40),  # day by rule: law of 2013-03-26, release 34-69449
    ("2014-03-18", 22.10),  # seen: FINRA information notice 3/3/14
    ("2015-02-14", 18.40),  # rate from memory; day by rule: law of 2014-12-16, release 34-74057
    ("2016-02-16", 21.80),  # day by rule: law of 2015-12-18; FINRA information notice 3/15/16
    ("2017-07-04", 23.10),  # seen: of the fee rate advisory of 2017
    ("2018-05-22", 13.00),  # seen: fee rate advisory 3 for 2018
    ("2019-04-16", 20.70),  # seen: fee rate advisory 2 for 2019
    ("2020-02-18", 22.10),  # seen: of FINRA information notice 2/3/20
    ("2021-02-25", 5.10),  # seen: fee rate advisory 2 for 2021
    ("2022-05-14", 22.90),  # day by rule: law of 2022-03-15; the rate in that of 2023
    ("2023-02-27", 8.00),  # seen: of the fee rate advisory of 2023, release 34-96724
    ("2024-05-22", 27.80),  # seen: of fee rate advisory 2 for 2024, release 34-99973
    ("2025-05-14", 0.00),  # seen: of FINRA information notice 4/24/25, release 34-102779
    ("2026-04-04", 20.60),  # seen in several texts that quote release 34-104909
)
# Dollars per share sold, and the most per trade.
_TRADING_ACTIVITY = (
    ("2008-04-01", 0.000075, 3.75),  # seen: regulatory notice 11-27, in place for more than six years by then
    ("2011-07-01", 0.000090, 4.50),  # seen: regulatory notice 11-27
    ("2012-03-01", 0.000095, 4.75),  # seen: regulatory notice 12-06
    ("2012-07-01", 0.000119, 5.95),  # rate seen; day from memory: approved on 2012-06-22, 77 FR 38690
    ("2022-01-01", 0.000130, 6.49),  # from memory: steps of SR-FINRA-2020-032
    ("2023-01-01", 0.000145, 7.27),  # rate seen at brokers; day from memory
    ("2024-01-01", 0.000166, 8.30),  # rate seen at brokers; day from memory
    ("2026-01-01", 0.000195, 9.79),  # seen in several texts that quote SR-FINRA-2024-019
    ("2026-10-01", 0.0, 0.0),  # seen in several texts that quote SR-FINRA-2026-021: a pause until 2026-12-31
    # One text says that SR-FINRA-2026-020 keeps this rate to 2028, others still give the step to 0.000232 (11.61).
    ("2027-01-01", 0.000195, 9.79),
)
