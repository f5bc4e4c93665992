"""The one door between Polars frames and Panels, and what a Panel looks like when printed.

Long to matrix is a scatter on (date code, symbol code), never a pivot: 3,000 symbols x 2,520 days take under a second.
"""

from __future__ import annotations

import html as escaping
from collections.abc import Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import numpy as np

from quantlab.core import _labels
from quantlab.core._errors import InputError, KindError, LabelError
from quantlab.core._lazy import lazy
from quantlab.core.periods import Frequency

if TYPE_CHECKING:
    import polars as pl

    from quantlab.core._panel import Panel
else:
    pl = lazy("polars")

PanelLike: TypeAlias = Union["Panel", "pl.DataFrame", "pl.LazyFrame"]


def as_panel(data: PanelLike, *, name: str = "data", frequency: Frequency | None = None) -> Panel:
    """Return ``data`` as a Panel: a Panel as it is, a wide or long Polars frame converted.

    A frame with a column ``symbol`` is long: the column holds text, and there is exactly one value column. Any other
    frame is wide. Both have exactly one date column, of any name: days, times with a zone, or times without one that
    are midnight throughout, which are days. Nulls become NaN.

    Parameters
    ----------
    data : Panel | polars.DataFrame | polars.LazyFrame
    name : str
        What to call it in an error.
    frequency : Frequency, optional
        For a frame, which cannot carry one.

    Returns
    -------
    Panel (T, N)

    Raises
    ------
    KindError
        For any other type, NumPy arrays and pandas frames included: they carry no labels or guess them.
    LabelError
        When a date or symbol is doubled or dates do not increase.

    Examples
    --------
    >>> from datetime import date
    >>> frame = pl.DataFrame({"date": [date(2024, 1, 2)], "A": [1.0], "B": [None]})
    >>> as_panel(frame).values
    array([[ 1., nan]])
    """
    from quantlab.core._panel import Panel

    if isinstance(data, Panel):
        return data
    if not isinstance(data, (pl.DataFrame, pl.LazyFrame)):
        kind = type(data)
        raise KindError(
            f"`{name}` must be a Panel or a Polars frame, received {kind.__module__.split('.')[0]}.{kind.__name__}.",
            hint="build one: `ql.Panel(values, dates, symbols)`, or `pl.from_pandas(frame.reset_index())`.",
        )
    frame = data.collect() if isinstance(data, pl.LazyFrame) else data
    if "symbol" in frame.columns:
        _demand_text(frame)
        values = [column for column in frame.columns if column not in ("symbol", _date_column(frame))]
        if len(values) != 1:
            raise InputError(
                f"`{name}` is a long frame with {len(values)} value columns ({', '.join(values[:5])}).",
                hint='name the one you mean: `ql.Panel.from_long(frame, "close")`.',
            )
        return from_long(frame, values[0], frequency)
    return from_frame(frame, frequency)


def align(*panels: Panel, join: str = "inner") -> tuple[Panel, ...]:
    """Return the Panels on common labels: the dates and symbols that all have ("inner") or that any has ("outer").

    Parameters
    ----------
    *panels : Panel
    join : "inner" | "outer"

    Returns
    -------
    tuple of Panel
        All with equal dates, and symbols in the order of the first Panel (then of the next). What a Panel lacks is NaN.

    Raises
    ------
    InputError
        For an unknown join, or when nothing is left.

    Examples
    --------
    >>> from quantlab.core import Panel
    >>> a = Panel([[1.0, 2.0]], ["2024-01-02"], ["A", "B"])
    >>> b = Panel([[3.0]], ["2024-01-02"], ["B"])
    >>> [panel.symbols for panel in align(a, b)]
    [('B',), ('B',)]
    """
    if join not in ("inner", "outer"):
        raise InputError(f'`join` must be "inner" or "outer", received {join!r}.')
    if not panels:
        return ()
    dates, symbols = panels[0].dates, list(panels[0].symbols)
    for panel in panels[1:]:
        if join == "inner":
            dates, known = np.intersect1d(dates, panel.dates), set(panel.symbols)
            symbols = [name for name in symbols if name in known]
        else:
            dates, known = np.union1d(dates, panel.dates), set(symbols)
            symbols += [name for name in panel.symbols if name not in known]
    if dates.size == 0 or not symbols:
        raise LabelError("The Panels have no dates or no symbols in common.", hint='use `join="outer"`.')
    days = _labels.check_dates(dates)
    return tuple(reindex(panel, days, tuple(symbols)) for panel in panels)


def matrix(values: Any) -> np.ndarray:
    """Return ``values`` as a C-ordered float64 or bool matrix that nobody else can write to."""
    if isinstance(values, (list, tuple)) and any(isinstance(row, np.ma.MaskedArray) for row in values):
        values = np.ma.stack(values)
    if isinstance(values, np.ma.MaskedArray):
        values = _unmasked(values)
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise LabelError("`values` must be a matrix: its rows differ in length.") from error
    if array.ndim != 2:
        raise LabelError(f"`values` must have two dimensions (dates x symbols), received {array.ndim}.")
    if array.dtype == bool or array.dtype == np.float64:
        ours = isinstance(values, (list, tuple)) or _labels.settled(array)
        return np.ascontiguousarray(array) if ours else np.array(array, order="C")
    if array.dtype.kind in "iuf":
        return np.array(array, dtype=np.float64, order="C")
    raise KindError(f"`values` must be numbers or booleans, received {array.dtype}.")


def _unmasked(values: np.ma.MaskedArray) -> np.ndarray:
    """What is masked is missing; below the mask stands a filler such as -999."""
    plain, mask = np.asarray(values.data), np.ma.getmaskarray(values)
    if plain.dtype == bool:
        return plain & ~mask
    return np.where(mask, np.nan, plain.astype(np.float64)) if plain.dtype.kind in "iuf" else plain


def reindex(panel: Panel, dates: np.ndarray, symbols: tuple[str, ...]) -> Panel:
    """Return ``panel`` on other labels; what it lacks is NaN, or False."""
    from quantlab.core._panel import Panel

    if _labels.same_dates(panel.dates, dates) and panel.symbols == symbols:
        return panel
    missing = False if panel.values.dtype == bool else np.nan
    out = np.full((dates.size, len(symbols)), missing, dtype=panel.values.dtype)
    place = {name: i for i, name in enumerate(panel.symbols)}
    columns = [i for i, name in enumerate(symbols) if name in place]
    sources = [place[symbols[i]] for i in columns]
    rows = np.searchsorted(panel.dates, dates)
    known = (
        np.flatnonzero((rows < len(panel)) & (panel.dates[np.minimum(rows, max(len(panel) - 1, 0))] == dates))
        if len(panel)
        else np.empty(0, int)
    )
    out[np.ix_(known, np.array(columns, int))] = panel.values[np.ix_(rows[known], np.array(sources, int))]
    return Panel._trusted(out, dates, symbols, panel.frequency)


def row_slice(dates: np.ndarray, start: Any, end: Any) -> slice:
    """Return the rows with start <= date <= end."""
    low = 0 if start is None else int(np.searchsorted(dates, _moment(start, "start", dates.dtype), side="left"))
    high = dates.size if end is None else int(np.searchsorted(dates, _moment(end, "end", dates.dtype), side="right"))
    return slice(low, max(low, high))


def demand_known(wanted: Sequence[str], known: Sequence[str]) -> None:
    """Raise LabelError naming the first unknown symbol and its nearest neighbour."""
    have = set(known)
    unknown = [name for name in wanted if name not in have]
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        near = get_close_matches(unknown[0], known, n=1)
        hint = (
            f"did you mean {near[0]}?"
            if near
            else f"it has {', '.join(list(known)[:5])}{', ...' if len(known) > 5 else ''}."
        )
        raise LabelError(f"Symbol {unknown[0]}{more} is not in the data.", hint=hint)


def date_series(dates: np.ndarray) -> pl.Series:
    """Return dates as a Polars column: Date, or Datetime in UTC."""
    series = pl.Series("date", dates)
    return series if dates.dtype == _labels.DAY else series.dt.replace_time_zone("UTC")


def to_frame(panel: Panel) -> pl.DataFrame:
    values = pl.from_numpy(panel.values, schema=list(panel.symbols), orient="row") if panel.symbols else pl.DataFrame()
    if "date" in panel.symbols:
        raise LabelError("A symbol is called `date`, the name of the date column.", hint="use `to_long()`.")
    return pl.DataFrame([date_series(panel.dates), *values.get_columns()])


def to_long(panel: Panel, name: str) -> pl.DataFrame:
    present = np.ones(panel.shape, bool) if panel.values.dtype == bool else ~np.isnan(panel.values)
    rows, columns = np.nonzero(present)
    symbols = pl.Series("symbol", list(panel.symbols), dtype=pl.String)
    return pl.DataFrame(
        [
            date_series(panel.dates)[rows],
            symbols[columns] if columns.size else symbols.clear(),
            pl.Series(name, panel.values[rows, columns]),
        ]
    )


def from_frame(frame: pl.DataFrame | pl.LazyFrame, frequency: Frequency | None) -> Panel:
    from quantlab.core._panel import Panel

    frame = frame.collect() if isinstance(frame, pl.LazyFrame) else frame
    key = _date_column(frame)
    body = frame.drop(key)
    for name, kind in body.schema.items():
        if not (kind.is_numeric() or kind in (pl.Boolean, pl.Null)):
            raise KindError(
                f"Column {name} of a wide frame must be numbers, received {kind}.",
                hint="a long frame needs a text column called `symbol`.",
            )
    dates = _labels.dates_of(frame[key], what=f"Column {key}") if frame[key].null_count() == 0 else _no_date(frame, key)
    if body.width and all(kind == pl.Boolean for kind in body.schema.values()):
        values = body.fill_null(False).to_numpy().astype(bool, order="C")
    else:
        values = (
            np.ascontiguousarray(body.cast(pl.Float64).fill_null(np.nan).to_numpy())
            if body.width
            else np.empty((frame.height, 0))
        )
    return Panel(values, dates, body.columns, frequency=frequency)


def from_long(frame: pl.DataFrame | pl.LazyFrame, value: str, frequency: Frequency | None) -> Panel:
    from quantlab.core._panel import Panel

    frame = frame.collect() if isinstance(frame, pl.LazyFrame) else frame
    for column in ("symbol", value):
        if column not in frame.columns:
            raise InputError(f"A long frame needs the column `{column}`, and has {', '.join(frame.columns)}.")
    _demand_text(frame)
    key = _date_column(frame)
    if frame[key].null_count():
        _no_date(frame, key)
    dates, row_codes = np.unique(_labels.dates_of(frame[key], what=f"Column {key}"), return_inverse=True)
    symbols, column_codes = symbol_codes(frame["symbol"])
    place = row_codes.astype(np.int64) * len(symbols) + column_codes
    doubled = first_double(place, dates.size * len(symbols))
    if doubled is not None:
        raise LabelError(
            f"{symbols[int(column_codes[doubled])]} {_labels.show(dates[row_codes[doubled]])} stands twice.",
            hint="keep one row per date and symbol.",
        )
    cells = frame[value]
    boolean = cells.dtype == pl.Boolean
    if not (boolean or cells.dtype.is_numeric() or cells.dtype == pl.Null):
        raise KindError(f"Column {value} of a long frame must be numbers, received {cells.dtype}.")
    out = np.full(dates.size * len(symbols), False if boolean else np.nan, dtype=bool if boolean else np.float64)
    out[place] = cells.fill_null(False).to_numpy() if boolean else cells.cast(pl.Float64).fill_null(np.nan).to_numpy()
    out.setflags(write=False)  # before the view on it is made: `values.base` leads here
    return Panel._trusted(
        out.reshape(dates.size, len(symbols)), _labels.check_dates(dates), _labels.check_symbols(symbols), frequency
    )


def _demand_text(frame: pl.DataFrame) -> None:
    kind = frame.schema["symbol"]
    if kind not in (pl.String, pl.Categorical, pl.Enum):
        raise KindError(
            f"Column symbol of a long frame must be text, received {kind}.",
            hint='`.with_columns(pl.col("symbol").cast(pl.String))`; a wide frame takes `ql.Panel.from_frame`.',
        )


def symbol_codes(column: pl.Series) -> tuple[list[str], np.ndarray]:
    """Return the distinct symbols sorted by name, and for each row the number of its symbol."""
    if column.null_count():
        raise LabelError(f"Column symbol has a null at row {int(column.is_null().arg_max() or 0)}.")
    text = column.cast(pl.String)
    symbols = text.unique().sort().to_list()
    codes = text.cast(pl.Enum(symbols)).to_physical().to_numpy().astype(np.int64)
    return symbols, codes


def first_double(place: np.ndarray, size: int) -> int | None:
    """Return the row of the first place that an earlier row holds too, or None."""
    seen = np.zeros(size, dtype=bool)
    seen[place] = True
    if int(seen.sum()) == place.size:
        return None
    _, first = np.unique(place, return_index=True)
    later = np.ones(place.size, dtype=bool)
    later[first] = False
    return int(np.flatnonzero(later)[0])


def text(panel: Panel) -> str:
    """One line of facts and the corners of the matrix."""
    return f"{_facts(panel)}\n{_corner(panel)}"


def html(panel: Panel) -> str:
    """The facts and the corners as a small table."""
    table = _corner(panel)._repr_html_() if panel.values.size else ""
    return f"<div><p><code>{escaping.escape(_facts(panel))}</code></p>{table}</div>"


def _facts(panel: Panel) -> str:
    span = f"{_labels.show(panel.dates[0])} to {_labels.show(panel.dates[-1])}" if len(panel) else "no dates"
    facts = f"Panel {panel.shape[0]} x {panel.shape[1]}, {panel.values.dtype}, {span}"
    if panel.values.dtype != bool and panel.values.size:
        facts += f", {np.isnan(panel.values).mean():.1%} missing"
    if panel.frequency is not None and panel.frequency.periods is not None:
        facts += f", {panel.frequency.periods:g} bars a year"
    return facts


def _corner(panel: Panel) -> pl.DataFrame:
    rows = np.r_[0:3, len(panel) - 3 : len(panel)] if len(panel) > 6 else np.arange(len(panel))
    columns = list(range(len(panel.symbols)))
    if len(columns) > 8:
        columns = [*columns[:4], *columns[-4:]]
    title = "date" if "date" not in panel.symbols else "(date)"  # a symbol may be called so too
    days = pl.Series(title, [_labels.show(day) for day in panel.dates[rows]], dtype=pl.String)
    return pl.DataFrame([days, *(pl.Series(panel.symbols[c], panel.values[rows, c]) for c in columns)])


def _date_column(frame: pl.DataFrame) -> str:
    found = [name for name, kind in frame.schema.items() if kind.is_temporal() and kind in (pl.Date, pl.Datetime)]
    if len(found) != 1:
        raise InputError(
            f"A frame needs exactly one Date or Datetime column, and has {', '.join(found) or 'none'}.",
            hint="parse text dates first: `pl.col('date').str.to_date()`.",
        )
    return found[0]


def _no_date(frame: pl.DataFrame, key: str) -> np.ndarray:
    raise LabelError(f"Column {key} has a null at row {int(frame[key].is_null().arg_max() or 0)}.")


_ONE: dict[str, np.timedelta64] = {
    "Y": np.timedelta64(1, "Y"),
    "M": np.timedelta64(1, "M"),
    "D": np.timedelta64(1, "D"),
}


def _moment(value: Any, name: str, dtype: np.dtype) -> np.datetime64:
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    try:
        if isinstance(value, str) and value.strip().lower() in ("", "nat"):
            raise ValueError
        moment = np.datetime64(value)
        if np.isnat(moment):
            raise ValueError
    except (ValueError, TypeError) as error:
        raise InputError(f"`{name}` must be a date such as '2015-01-31', received {value!r}.") from error
    unit = np.datetime_data(moment)[0]
    if unit not in ("Y", "M", "D"):
        return moment
    if name == "start":
        return moment.astype(dtype)
    # A year, month or day given as the end means all of it.
    after = (moment + _ONE[unit]).astype(_labels.DAY)
    if dtype == _labels.DAY:
        return after - np.timedelta64(1, "D")
    return after.astype(_labels.MICROSECOND) - np.timedelta64(1, "us")
