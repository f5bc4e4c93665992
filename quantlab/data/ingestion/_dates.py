"""Dates and times out of text: each shape that can be read one way is read, 06/09/2014 is never guessed.

A day and month between slashes, dots or dashes are told apart by proof alone: a file whose every date has that shape
proves its order by a day above 12. In a file that mixes shapes nothing holds for all rows, so each such date must prove
itself. What is no date is named by a rule and kept for the table of rejects.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time

import polars as pl

from quantlab.core import DataError
from quantlab.data.ingestion._layout import Layout

# Shape of the day -> its format. The ambiguous ones stand in _TWISTED.
_PLAIN = {
    r"^\d{4}-\d{1,2}-\d{1,2}$": "%Y-%m-%d",
    r"^\d{4}/\d{1,2}/\d{1,2}$": "%Y/%m/%d",
    r"^\d{4}\.\d{1,2}\.\d{1,2}$": "%Y.%m.%d",
    r"^(?:1[89]|20|21)\d{6}$": "%Y%m%d",
    r"^\d{1,2}-[A-Za-z]{3}-\d{4}$": "%d-%b-%Y",
    r"^\d{1,2} [A-Za-z]{3} \d{4}$": "%d %b %Y",
    r"^\d{1,2} [A-Za-z]{4,9} \d{4}$": "%d %B %Y",
    r"^[A-Za-z]{3} \d{1,2}, \d{4}$": "%b %d, %Y",
    r"^[A-Za-z]{4,9} \d{1,2}, \d{4}$": "%B %d, %Y",
}
_TWISTED = r"^(\d{1,2})([/.-])(\d{1,2})[/.-](\d{4})$"
_CLOCK = r"(\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)"
_ZONE = r"(Z|UTC|[+-]\d{2}:?\d{2}|[+-]\d{2})"
_EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
_MIDNIGHT = time(0)
_WORLD = ("UTC", "Etc/UTC", "GMT", "Z", "+00:00")
_YEARS = (1000, 9999)  # 01/05/24 read by %Y is the year 24: no date of a price
_MOMENT = pl.Datetime("us")


@dataclass(frozen=True, slots=True)
class Stamps:
    """The dates of one file.

    Attributes
    ----------
    values : Date (daily), or Datetime in UTC without a zone (intraday); null where there is none
    rules : String, why a value is null; else null
    says : str
        How they were read, for people.
    zone : str or None
        Whose clock showed the times.
    """

    values: pl.Series
    rules: pl.Series
    says: str
    zone: str | None = None

    @property
    def daily(self) -> bool:
        """Whether these are days."""
        return self.values.dtype == pl.Date


def parse(texts: pl.Series, layout: Layout, what: str) -> Stamps:
    """Return the dates in a column of text.

    Parameters
    ----------
    texts : String
    layout : Layout
        Its ``date_format`` and ``time_zone``.
    what : str
        The file, for errors.

    Raises
    ------
    DataError
        When the whole column can be read in two ways, contradicts itself, or shows clock times of an unknown zone.

    Examples
    --------
    >>> found = parse(pl.Series(["6/13/2014", "06/09/2014"]), Layout(), "x.csv")
    >>> found.values.to_list(), found.says
    ([datetime.date(2014, 6, 13), datetime.date(2014, 6, 9)], '%m/%d/%Y, proved by 6/13/2014')
    """
    texts = texts.cast(pl.String)
    if layout.date_format is None and (days := _plain_days(texts)) is not None:
        return days
    distinct = texts.unique(maintain_order=True).drop_nulls()
    table = pl.DataFrame({"text": distinct}).with_columns(pl.col("text").str.strip_chars().alias("trimmed"))
    if layout.date_format in _EPOCHS:
        count = pl.col("trimmed").cast(pl.Int64, strict=False) * _EPOCHS[str(layout.date_format)]
        table = table.with_columns(
            count.cast(_MOMENT).alias("moment"), pl.lit(True).alias("clock"), pl.lit("+0000").alias("offset")
        )
        table, says = table.with_columns(_not_a_date("moment")), str(layout.date_format)
    else:
        table = _split(table)
        table, says = _days(table, layout.date_format, what)
        table = _moments(table)
    table = _of_our_years(table, "moment")
    table, zone, note = _in_utc(table, layout, what)
    joined = pl.DataFrame({"text": texts}).join(table, on="text", how="left", maintain_order="left")
    rules = joined.select(pl.when(pl.col("text").is_null()).then(pl.lit("missing_date")).otherwise("rule"))
    return Stamps(joined["value"], rules.to_series().alias("rule"), says + note, zone)


def typed(column: pl.Series, layout: Layout, what: str) -> Stamps:
    """Return the dates in a column that a Parquet file holds as dates or moments.

    Raises
    ------
    DataError
        When moments have no zone and the layout does not say it, or name one moment of UTC a day, not its midnight.
    """
    missing = pl.DataFrame({"value": column}).select(
        pl.when(pl.col("value").is_null()).then(pl.lit("missing_date")).otherwise(None).alias("rule")
    )
    checked = _of_our_years(pl.DataFrame({"value": column, "rule": missing.to_series().cast(pl.String)}), "value")
    column, rules = checked["value"].alias(column.name), checked["rule"]
    if column.dtype == pl.Date:
        return Stamps(column, rules, "days")
    zone = getattr(column.dtype, "time_zone", None)
    if zone is not None and layout.time_zone is not None:
        zone, column = layout.time_zone, column.dt.convert_time_zone(layout.time_zone)
    local = column.dt.replace_time_zone(None).dt.cast_time_unit("us")
    if zone in _WORLD and layout.time_zone is None and _one_a_day(local):
        first = local.drop_nulls()[0]
        if first.time() != _MIDNIGHT:
            raise DataError(
                f"{what} has one moment a day at {first:%H:%M} of {zone}: whose day it stands for is unknown.",
                hint="say whose clock it is: --time-zone America/New_York, or --time-zone UTC.",
            )
    if local.len() == local.null_count() or bool((local.dt.time() == _MIDNIGHT).all()) or _one_a_day(local):
        # Midnight of its own zone is that zone's day.
        return Stamps(local.dt.date(), rules, "days" + (f" of {zone}" if zone else ""))
    if zone is None:
        zone = _demand_zone(layout, what, str(local.drop_nulls()[0]))
        utc, rules = _to_utc(local, zone, rules)
        return Stamps(utc, rules, f"clock times of {zone}", zone)
    utc = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None).dt.cast_time_unit("us")
    return Stamps(utc, rules, f"moments of {zone}", zone)


def of_day_and_clock(days: Stamps, milliseconds: pl.Series, zone: str | None, layout: Layout, what: str) -> Stamps:
    """Return moments of days and a column of milliseconds since midnight of a zone."""
    name = zone or _demand_zone(layout, what, "milliseconds since midnight")
    local = days.values.cast(_MOMENT) + (milliseconds.cast(pl.Int64, strict=False) * 1_000).cast(pl.Duration("us"))
    missing = pl.DataFrame({"local": local, "rule": days.rules})
    rules = missing.select(
        pl.when(pl.col("local").is_null() & pl.col("rule").is_null()).then(pl.lit("not_a_date")).otherwise("rule")
    ).to_series()
    utc, rules = _to_utc(local, name, rules)
    return Stamps(utc, rules, f"{days.says} and milliseconds since midnight of {name}", name)


def _plain_days(texts: pl.Series) -> Stamps | None:
    """Days all written 2014-06-09, as most files have them: a fifth of the time of the general way."""
    days = texts.str.to_date("%Y-%m-%d", strict=False)
    first, last = days.dt.year().min(), days.dt.year().max()
    if days.null_count() or not (isinstance(first, int) and isinstance(last, int)):
        return None
    if first < _YEARS[0] or last > _YEARS[1]:
        return None
    return Stamps(days, pl.repeat(None, days.len(), dtype=pl.String, eager=True).alias("rule"), "%Y-%m-%d")


def _split(table: pl.DataFrame) -> pl.DataFrame:
    """Cut texts into day, clock time and offset."""
    clock = rf"[T ,]\s*{_CLOCK}\s*{_ZONE}?$"
    return table.with_columns(
        pl.col("trimmed").str.replace(clock, "").str.strip_chars().alias("day"),
        pl.col("trimmed").str.extract(clock, 1).str.replace(",", ".", literal=True).alias("clock_text"),
        pl.col("trimmed").str.extract(clock, 2).str.replace("^(Z|UTC)$", "+0000").alias("offset"),
    )


def _days(table: pl.DataFrame, told: str | None, what: str) -> tuple[pl.DataFrame, str]:
    """Add the dates of the day texts, and the rule for those that have none; say how they were read."""
    columns = []
    if told is not None:
        if any(code in told for code in ("%H", "%I", "%M", "%S", "%p")):
            return _told_moments(table, told)
        columns.append(("told", pl.col("day").str.to_date(told, strict=False)))
    for pattern, form in _PLAIN.items():
        matches = pl.col("day").str.contains(pattern)
        columns.append((form, pl.when(matches).then(pl.col("day").str.to_date(form, strict=False))))
    table = table.with_columns(value.alias(name) for name, value in columns)
    shapes = [name for name, _ in columns if table[name].null_count() < table.height]
    says = [f"{told} as told" if name == "told" else name for name in shapes]
    table = table.with_columns(pl.coalesce(pl.col(name) for name, _ in columns).alias("date"))
    left = table.filter(pl.col("date").is_null() & pl.col("day").str.contains(_TWISTED))
    rule = pl.when(pl.col("date").is_null()).then(pl.lit("not_a_date")).otherwise(None).alias("rule")
    if left.height == 0:
        return table.with_columns(rule), " and ".join(says) or "no dates"
    order, note = _order(left, mixed=bool(shapes), what=what)
    groups = pl.col("day").str.extract_groups(_TWISTED)
    one, two, year = (groups.struct.field(str(place)).cast(pl.Int32, strict=False) for place in (1, 3, 4))
    table = table.with_columns(one.alias("a"), two.alias("b"), year.alias("year"))
    day_first, month_first = (
        (pl.col("year") * 10_000 + month * 100 + day).cast(pl.String).str.zfill(8).str.to_date("%Y%m%d", strict=False)
        for month, day in ((pl.col("b"), pl.col("a")), (pl.col("a"), pl.col("b")))
    )
    if order is None:
        # Each for itself: a part above 12 is the day, and two equal parts are the same either way.
        month_sure = (pl.col("b") > 12) | (pl.col("a") == pl.col("b"))
        sure = pl.when(pl.col("a") > 12).then(day_first).when(month_sure).then(month_first)
        unsure = (pl.col("a") <= 12) & (pl.col("b") <= 12) & (pl.col("a") != pl.col("b"))
        table = table.with_columns(pl.coalesce("date", sure).alias("date"))
        named = pl.when(unsure).then(pl.lit("ambiguous_date")).otherwise(pl.lit("not_a_date"))
        rule = pl.when(pl.col("date").is_null()).then(named).otherwise(None).alias("rule")
    else:
        chosen = day_first if order == "day" else month_first
        table = table.with_columns(pl.coalesce("date", chosen).alias("date"))
    says.append(note)
    return table.with_columns(rule), " and ".join(says)


def _order(left: pl.DataFrame, *, mixed: bool, what: str) -> tuple[str | None, str]:
    """Whether the day or the month comes first in the twisted dates of a file, and by which proof."""
    groups = left.select(
        "trimmed",
        pl.col("day").str.extract(_TWISTED, 1).cast(pl.Int32).alias("a"),
        pl.col("day").str.extract(_TWISTED, 3).cast(pl.Int32).alias("b"),
    )
    days = groups.filter(pl.col("a").is_between(13, 31))["trimmed"]
    months = groups.filter(pl.col("b").is_between(13, 31))["trimmed"]
    mark = left["day"].str.extract(_TWISTED, 2)[0]
    if mixed:
        return None, f"some like {left['trimmed'][0]}, each by itself"
    if days.len() and months.len():
        raise DataError(
            f"{what} mixes two orders of day and month: {days[0]} and {months[0]}.",
            hint="repair the file; --date-format %d/%m/%Y or %m/%d/%Y rejects the rows of the other order.",
        )
    if days.len():
        return "day", f"{mark.join(('%d', '%m', '%Y'))}, proved by {days[0]}"
    if months.len():
        return "month", f"{mark.join(('%m', '%d', '%Y'))}, proved by {months[0]}"
    if bool((groups["a"] == groups["b"]).all()):
        return "month", f"{mark.join(('%m', '%d', '%Y'))}, the same either way"
    raise DataError(
        f"{what} has dates like {left['trimmed'][0]}, in which day and month cannot be told apart.",
        hint="say it: --date-format %m/%d/%Y or %d/%m/%Y.",
    )


def _told_moments(table: pl.DataFrame, told: str) -> tuple[pl.DataFrame, str]:
    moment = pl.col("trimmed").str.to_datetime(told, strict=False, time_unit="us")
    if "%z" in told:
        moment = pl.col("trimmed").str.to_datetime(told, strict=False, time_unit="us", time_zone="UTC")
        moment = moment.dt.replace_time_zone(None)
    table = table.with_columns(
        moment.alias("told_moment"),
        pl.lit("+0000" if "%z" in told else None, dtype=pl.String).alias("offset"),
    )
    return table.with_columns(pl.col("told_moment").dt.date().alias("date")).with_columns(
        _not_a_date("date")
    ), f"{told} as told"


def _moments(table: pl.DataFrame) -> pl.DataFrame:
    """Add the moment as written, without a zone, and whether there was a clock time."""
    if "told_moment" in table.columns:
        return table.with_columns(pl.col("told_moment").alias("moment"), pl.lit(True).alias("clock"))
    text = pl.col("clock_text")
    long = pl.when(text.str.count_matches(":") == 1).then(text + ":00").otherwise(text)
    written = pl.col("date").dt.strftime("%Y-%m-%d") + " " + long.str.zfill(8)
    moment = written.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us")
    table = table.with_columns(
        pl.coalesce(moment, pl.when(text.is_null()).then(pl.col("date").cast(_MOMENT))).alias("moment"),
        text.is_not_null().alias("clock"),
    )
    bad = pl.col("moment").is_null() & pl.col("rule").is_null()
    return table.with_columns(pl.when(bad).then(pl.lit("not_a_date")).otherwise("rule").alias("rule"))


def _in_utc(table: pl.DataFrame, layout: Layout, what: str) -> tuple[pl.DataFrame, str | None, str]:
    """Add `value`: the day of daily dates, else the moment in UTC."""
    good = table.filter(pl.col("moment").is_not_null())
    times = good.filter("clock")
    if times.height == 0 or bool((times["moment"].dt.time() == _MIDNIGHT).all()):
        return table.with_columns(pl.col("moment").dt.date().alias("value")), None, ""
    with_offset, without = times.filter(pl.col("offset").is_not_null()), times.filter(pl.col("offset").is_null())
    zone = layout.time_zone
    if zone is None and with_offset.height and without.height:
        raise DataError(
            f"{what} mixes times with a UTC offset ({with_offset['trimmed'][0]}) and without "
            f"({without['trimmed'][0]}).",
            hint="say whose clock the others show: --time-zone America/New_York.",
        )
    if with_offset.height == 0 and times.height == good.height and _one_a_day(good["moment"]):
        clock = str(good["moment"][0].time())[:5]
        return table.with_columns(pl.col("moment").dt.date().alias("value")), None, f", one a day at {clock}"
    if without.height:
        zone = _demand_zone(layout, what, without["trimmed"][0])
    minutes = (
        pl.col("offset").str.replace(":", "").str.slice(1, 2).cast(pl.Int32, strict=False) * 60
        + pl.col("offset").str.replace(":", "").str.slice(3, 2).cast(pl.Int32, strict=False).fill_null(0)
    ) * pl.when(pl.col("offset").str.starts_with("-")).then(-1).otherwise(1)
    shifted = pl.col("moment") - pl.duration(minutes=minutes, time_unit="us")
    local, rules = _to_utc(table["moment"], zone or "UTC", table["rule"])
    table = table.with_columns(local.alias("local_utc"), rules.alias("rule"))
    value = pl.when(pl.col("offset").is_not_null()).then(shifted).otherwise(pl.col("local_utc"))
    # A day among moments: nobody knows which hour was meant.
    timeless = pl.col("moment").is_not_null() & ~pl.col("clock")
    table = table.with_columns(
        pl.when(timeless).then(None).otherwise(value).alias("value"),
        pl.when(timeless).then(pl.lit("no_time")).otherwise("rule").alias("rule"),
    )
    if zone is not None and with_offset.height == good.height:
        # 2024-01-02T05:00Z is midnight in New York: a day, once its owner has said whose.
        there = table["value"].dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
        if bool((there.drop_nulls().dt.time() == _MIDNIGHT).all()):
            return table.with_columns(there.dt.date().alias("value")), None, f", midnight of {zone}"
    note = ", with UTC offsets" if without.height == 0 else f", clock times of {zone}"
    return table, zone or "UTC", note


def _to_utc(local: pl.Series, zone: str, rules: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Clock times of a zone in UTC; of an hour that comes twice the first, and none of an hour that never was."""
    utc = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    utc = utc.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    frame = pl.DataFrame({"local": local, "utc": utc, "rule": rules.cast(pl.String)})
    never = pl.col("utc").is_null() & pl.col("local").is_not_null()
    return utc, frame.select(pl.when(never).then(pl.lit("no_such_time")).otherwise("rule")).to_series()


def _of_our_years(table: pl.DataFrame, name: str) -> pl.DataFrame:
    """Reject what is read as a date before the year 1000 or after 9999."""
    far = (~pl.col(name).dt.year().is_between(*_YEARS)).fill_null(False)
    return table.with_columns(
        pl.when(far).then(None).otherwise(name).alias(name),
        pl.when(far).then(pl.lit("not_a_date")).otherwise("rule").alias("rule"),
    )


def _one_a_day(moments: pl.Series) -> bool:
    """Whether every day has one and the same clock time: daily bars stamped at their close."""
    held = moments.drop_nulls().unique()
    return held.len() > 1 and held.dt.time().n_unique() == 1


def _demand_zone(layout: Layout, what: str, example: str) -> str:
    if layout.time_zone is None:
        raise DataError(
            f"{what} has times without a time zone ({example}).",
            hint="say whose clock they show: --time-zone America/New_York.",
        )
    return layout.time_zone


def _not_a_date(column: str) -> pl.Expr:
    return pl.when(pl.col(column).is_null()).then(pl.lit("not_a_date")).otherwise(None).alias("rule")
