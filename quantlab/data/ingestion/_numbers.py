"""Numbers out of text: 1,234.5 and 1.234,5, 12.3M, $5; what is ambiguous is asked, what is no number is named."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from quantlab.core import DataError

_MISSING = ("", "-", "--", ".", "null", "none", "nan", "na", "n/a", "#n/a", "nil", "missing")
_SCALE = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
# What a comma can only be when these match.
_THOUSANDS = r"^\D*\d{1,3}(?:,\d{3})+\.\d+\D*$|^\D*\d{1,3}(?:,\d{3}){2,}\D*$"
_DECIMAL = r"^\D*\d+,(?:\d{1,2}|\d{4,})\D*$|^\D*(?:\d{4,}|0),\d+\D*$|^\D*\d{1,3}(?:\.\d{3})+,\d+\D*$"

_POINTS = r"^\D*\d{1,3}(?:\.\d{3}){2,}\D*$"
_CURRENCY = "[$€£¥]"
_BLANKS = r"^[+-]?\d{1,3}(?:[\s']\d{3})+(?:[.,]\d*)?$"


def decimal_mark(columns: Iterable[pl.Series], told: str | None, what: str) -> str:
    """Return "." or ",": the mark before decimals in the columns of one file.

    Parameters
    ----------
    columns : of text
    told : "." or "," when the user has said it
    what : the file, for errors

    Raises
    ------
    DataError
        When commas in it can be read both ways, or some only one way and some only the other.
    """
    if told is not None:
        return told
    proof: dict[str, str] = {}
    doubtful = None
    for column in columns:
        with_comma = column.filter(column.str.contains(",", literal=True).fill_null(False))
        if with_comma.len() == 0:
            continue
        for mark, pattern in ((".", _THOUSANDS), (",", _DECIMAL)):
            found = with_comma.filter(with_comma.str.contains(pattern))
            if found.len():
                proof.setdefault(mark, found[0])
        doubtful = doubtful or with_comma[0]
    if len(proof) == 2:
        raise DataError(
            f"{what} writes {proof[',']!r} with a decimal comma and {proof['.']!r} with a decimal point.",
            hint="say which holds: --decimal , or --decimal .",
        )
    if doubtful is not None and not proof:
        raise DataError(
            f"{what} has {doubtful!r}: the comma may stand before decimals or between thousands.",
            hint="say it: --decimal , or --decimal .",
        )
    return next(iter(proof), ".")


def mark_of(column: pl.Series, decimal: str) -> str:
    """Return the mark before decimals in one column: 1.234.567 proves its points to stand between thousands."""
    return "," if bool(column.str.contains(_POINTS).any()) else decimal


def numbers(column: pl.Series, decimal: str, missing: tuple[str, ...] = ()) -> tuple[pl.Series, pl.Series]:
    """Return the numbers in a column of text, and a mask of what is none.

    Returns
    -------
    values : Float64, null where missing or no number
    bad : Boolean, true where there is text that is no number

    Examples
    --------
    >>> values, bad = numbers(pl.Series(["1.5", "12.3M", "$1,000", "n/a", "x"]), ".")
    >>> values.to_list(), bad.to_list()
    ([1.5, 12300000.0, 1000.0, None, None], [False, False, False, False, True])
    """
    values = column.cast(pl.Float64, strict=False) if decimal == "." else pl.Series([None], dtype=pl.Float64)
    if decimal == "." and not missing and values.null_count() == column.null_count():
        return values.fill_nan(None), pl.repeat(False, column.len(), dtype=pl.Boolean, eager=True)
    clean = column.str.strip_chars().str.to_lowercase()
    absent = clean.is_null() | clean.is_in([*_MISSING, *(text.strip().lower() for text in missing)])
    # A currency stands at an end, before or after the sign; blanks and apostrophes stand between groups of three.
    clean = clean.str.replace(rf"^([+-]?)\s*{_CURRENCY}\s*", "${1}").str.replace(rf"\s*{_CURRENCY}$", "")
    scale = clean.str.extract(r"\d\s*([kmbt])$", 1).replace_strict(_SCALE, default=1.0, return_dtype=pl.Float64)
    bare = clean.str.replace(r"\s*[kmbt]$", "").str.replace(r"^([+-])\s+", "${1}")
    blanks = bare.str.contains(_BLANKS).fill_null(False)
    bare = bare.zip_with(~blanks, bare.str.replace_all(r"[\s']", ""))
    group, point = (",", ".") if decimal == "." else (".", ",")
    # Groups of three or no groups: 12,34 with a decimal point is no number.
    grouped = bare.str.contains(rf"^[+-]?\d{{1,3}}(?:\{group}\d{{3}})+(?:\{point}\d*)?$")
    bare = bare.zip_with(~grouped.fill_null(False), bare.str.replace_all(group, "", literal=True))
    if decimal == ",":
        # A point that is no group, 12.34, is a number of another habit.
        stray = bare.str.contains(".", literal=True).fill_null(False)
        bare = bare.zip_with(~stray, pl.Series([None], dtype=pl.String)).str.replace(",", ".", literal=True)
    values = bare.cast(pl.Float64, strict=False) * scale
    bad = values.is_null() & ~absent
    frame = pl.DataFrame({"values": values, "absent": absent})
    return frame.select(pl.when("absent").then(None).otherwise(pl.col("values")).fill_nan(None)).to_series(), bad
