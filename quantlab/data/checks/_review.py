"""What a person decided about findings: which bars a reader must not see, and which findings are no longer open.

The decisions are table ``review`` of a dataset (``schemas``). A quarantine hides bars of a symbol whatever its rule; an
acceptance hides nothing and only closes findings. A quarantined bar is loaded as missing, never filled.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from quantlab.core import InputError
from quantlab.core._labels import DAY
from quantlab.data import schemas

ANY = "*"
# A row that an import refused may have no readable date. A decision about it bears this day, which no bar has.
UNDATED = date(1, 1, 1)
_STATUS = {"accept": "accepted", "quarantine": "quarantined"}


def decide(findings: pl.DataFrame, decision: str, *, note: str = "") -> pl.DataFrame:
    """Return the rows of table ``review`` that take one decision about every row of ``findings``.

    Parameters
    ----------
    findings : polars.DataFrame
        Of ``quality`` or ``check``, filtered to those that the decision is about.
    decision : "accept" | "quarantine" | "withdrawn"
        ``accept``: it is genuine, do not list it as open again. ``quarantine``: load these bars as missing.
        ``withdrawn``: the decision of the same rule, symbol and first day no longer counts.
    note : str
        Why; kept with the decision.

    Returns
    -------
    polars.DataFrame
        In the schema of table ``review``, for ``store.review(name, ...)`` to write. The day of a finding without one
        (a row that an import refused) is 0001-01-01.

    Raises
    ------
    InputError
        When ``decision`` is none of the three.

    Examples
    --------
    >>> from quantlab.core import Panel, as_bars
    >>> from quantlab.data import quality
    >>> close = Panel([[10.0], [30.0], [10.1]], ["2024-01-02", "2024-01-03", "2024-01-04"], ["A"])
    >>> decide(quality(as_bars(close)), "quarantine", note="a typing error").row(0)
    ('spike', 'A', datetime.date(2024, 1, 3), None, 'quarantine', 'a typing error')
    """
    if decision not in schemas.DECISIONS:
        raise InputError(f"`decision` must be accept, quarantine or withdrawn, received {decision!r}.")
    schema = schemas.TABLES["review"].schema
    return (
        findings.select(
            "rule",
            "symbol",
            start=pl.col("date").fill_null(UNDATED),
            end="end",
            decision=pl.lit(decision),
            note=pl.lit(note or None, pl.String),
        )
        .cast(schema)  # type: ignore[arg-type]
        .select(list(schema))
        .unique(("rule", "symbol", "start"), keep="first", maintain_order=True)
    )


def masked(review: pl.DataFrame, dates: np.ndarray, symbols: tuple[str, ...]) -> np.ndarray:
    """Return where bars are quarantined, as a (T, N) bool mask.

    Parameters
    ----------
    review : polars.DataFrame
        Table ``review``. Rows of other symbols or other dates do nothing.
    dates : (T,) datetime64[D] or datetime64[us], increasing
        An intraday bar belongs to the UTC day of its end.
    symbols : N names

    Returns
    -------
    numpy.ndarray (T, N), bool
    """
    mask = np.zeros((dates.size, len(symbols)), dtype=bool)
    rows = review.filter(pl.col("decision") == "quarantine")
    if rows.height == 0:
        return mask
    days = dates.astype(DAY)
    first = rows["start"].to_numpy().astype(DAY)
    last = rows["end"].fill_null(rows["start"]).to_numpy().astype(DAY)
    low, high = np.searchsorted(days, first, side="left"), np.searchsorted(days, last, side="right")
    column = {symbol: place for place, symbol in enumerate(symbols)}
    for symbol, one, past in zip(rows["symbol"].to_list(), low.tolist(), high.tolist(), strict=True):
        if symbol is None:
            mask[one:past] = True
        elif symbol in column:
            mask[one:past, column[symbol]] = True
    return mask


def status(findings: pl.DataFrame, review: pl.DataFrame) -> pl.DataFrame:
    """Return ``findings`` with their ``status`` by the decisions of table ``review``.

    A decision is about a finding when its rule is the finding's or ``*``, and its symbol the finding's or null. An
    acceptance must hold the finding's first day, so that a run that was accepted stays so when new bars make it longer.
    A quarantine must hold all its days, because those outside are still loaded. Where both apply, quarantine wins: the
    bars are gone.

    Parameters
    ----------
    findings : polars.DataFrame
        With ``rule``, ``symbol``, ``date`` and ``end``.
    review : polars.DataFrame
        Table ``review``.

    Returns
    -------
    polars.DataFrame
        The same rows in the same order, ``status`` set to "open", "accepted" or "quarantined".
    """
    numbered = findings.with_row_index("_row")
    decisions = review.select(
        "rule", "symbol", "start", _last=pl.col("end").fill_null(pl.col("start")), _decision="decision"
    ).filter(pl.col("_decision").is_in(list(_STATUS)))
    first = pl.col("date").fill_null(UNDATED)
    asked = numbered.select("_row", "rule", "symbol", date=first, _to=pl.col("end").fill_null(first))
    inside = (pl.col("date") >= pl.col("start")) & (pl.col("date") <= pl.col("_last"))
    whole = (pl.col("_decision") == "accept") | (pl.col("_to") <= pl.col("_last"))
    any_rule, any_symbol = pl.col("rule") == ANY, pl.col("symbol").is_null()
    # The keys that a decision of each kind must share with a finding; "*" and null stand for all values.
    kinds = (
        (decisions.filter(~any_rule & ~any_symbol), ["rule", "symbol"]),
        (decisions.filter(any_rule & ~any_symbol).drop("rule"), ["symbol"]),
        (decisions.filter(~any_rule & any_symbol).drop("symbol"), ["rule"]),
    )
    found = [asked.join(rows, on=keys).filter(inside & whole).select("_row", "_decision") for rows, keys in kinds]
    rest = decisions.filter(any_rule & any_symbol).drop("rule", "symbol")
    found.append(asked.join(rest, how="cross").filter(inside & whole).select("_row", "_decision"))
    # "quarantine" sorts after "accept", so that the greatest is the one that counts.
    held = pl.concat(found).group_by("_row").agg(pl.col("_decision").max())
    words = pl.col("_decision").replace_strict(_STATUS, default="open", return_dtype=pl.String)
    joined = numbered.join(held, on="_row", how="left", maintain_order="left").with_columns(status=words)
    return joined.drop("_row", "_decision")
