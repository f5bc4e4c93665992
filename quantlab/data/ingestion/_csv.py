"""A text file as columns of text, with the line of every row; whatever is no table is refused in a sentence.

The strict way is Polars. It is taken when no quotes stand in the file and the separators count up, so that every line
has as many fields as the header; only then can a line number be computed and no field be lost. Any other file goes
through the standard library's reader, which tells ragged lines one by one.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from quantlab.core import DataError
from quantlab.data.ingestion._columns import known
from quantlab.data.ingestion._layout import Layout

_SEPARATORS = (",", ";", "\t", "|")
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
# A price file of a gigabyte is read in one piece; a field longer than this is an unclosed quote.
csv.field_size_limit(1 << 20)


@dataclass(frozen=True, slots=True)
class TextTable:
    """A text file: columns of text as in its header, the line of every row, and the lines that did not fit."""

    frame: pl.DataFrame
    lines: np.ndarray
    ragged: tuple[tuple[int, str], ...]
    separator: str


def read(path: Path, layout: Layout) -> TextTable:
    """Return the rows of a text file.

    Parameters
    ----------
    path : Path
    layout : Layout
        Its ``separator`` and ``encoding``.

    Raises
    ------
    DataError
        When the file is empty, has no rows, is no table or is in another encoding.
    OSError
        When it cannot be read.
    """
    text = decoded(path.read_bytes(), path.name, layout.encoding)
    _refuse_messages(text, path.name)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    filled = [number for number, line in enumerate(lines, 1) if line.strip()]
    first = lines[filled[0] - 1]
    separator = layout.separator or _separator(first, path.name)
    header = [name.strip() for name in next(csv.reader([first], delimiter=separator))]
    _check_header(header, path.name, lines, filled)
    if len(filled) == 1:
        raise DataError(f"{path.name} has a header and no rows.")
    body = "\n".join(lines[number - 1] for number in filled[1:])
    numbers = np.array(filled[1:], dtype=np.int64)
    if '"' not in body and body.count(separator) == (len(header) - 1) * numbers.size and separator != "\n":
        frame = _strict(body, header, separator)
        if frame is not None and frame.height == numbers.size:
            return TextTable(frame, numbers, (), separator)
    return _lenient(body, header, separator, numbers, path.name)


def decoded(data: bytes, name: str, encoding: str | None) -> str:
    """Return the text of a file, or raise DataError naming the line that is not in its encoding."""
    if not data.strip(b"\xef\xbb\xbf\xff\xfe \t\r\n\x00"):
        size = "0 bytes" if not data else "blanks alone"
        raise DataError(f"{name} is empty ({size}).")
    marked = next((code for mark, code in _MARKS if data.startswith(mark)), None)
    code = marked or encoding or "utf-8"
    try:
        text = data.decode(code)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(
            f"{name} is not {code} text: byte 0x{data[error.start]:02x} on line {line}.",
            hint="say its encoding: --encoding cp1252, latin-1, utf-16, ...",
        ) from error
    except LookupError as error:
        raise DataError(f"{name}: there is no encoding {code!r}.", hint="cp1252, latin-1, utf-16, ...") from error
    if "\x00" in text:
        raise DataError(
            f"{name} is no text: it holds zero bytes (line {text[: text.index(chr(0))].count(chr(10)) + 1}).",
            hint="text in UTF-16 without its mark needs --encoding utf-16.",
        )
    return text


def _refuse_messages(text: str, name: str) -> None:
    """A server's answer that was saved in place of data: JSON, a page, or a sentence."""
    start = text.lstrip()[:1]
    if start in "{[":
        message = _message(text)
        raise DataError(
            f"{name} is no table but {'the answer' if message else 'JSON'} of a server"
            + (f": {message!r}." if message else "."),
            hint="fetch it again; a limit of requests or a wrong key leaves such files behind.",
        )
    if start == "<" and not re.match(r"\s*<(date|ticker|dtyyyymmdd)>", text, re.IGNORECASE):
        title = re.search(r"<title>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        said = f": {title[1].strip()[:120]!r}" if title else ""
        raise DataError(f"{name} is no table but a web page{said}.", hint="fetch it again.")
    if start == "\x50" and text.startswith("PK\x03"):
        raise DataError(f"{name} is a zip archive.", hint="unpack it first.")


def _message(text: str) -> str:
    """The sentence in a server's JSON answer, or nothing."""
    try:
        answer = json.loads(text)
    except ValueError:
        found = re.search(r'"(?:Error Message|Note|Information|error|message|detail)"\s*:\s*"([^"]*)', text)
        return found[1][:160] if found else ""
    return next(_sentences(answer), "")[:160] if isinstance(answer, (dict, list)) else ""


def _sentences(answer: Any) -> Iterator[str]:
    """The texts in a JSON answer that are more than one word, outermost first."""
    layer = [answer]
    while layer:
        values = [value for part in layer for value in (part.values() if isinstance(part, dict) else part)]
        yield from (value.strip() for value in values if isinstance(value, str) and " " in value.strip())
        layer = [value for value in values if isinstance(value, (dict, list))]


def _separator(first: str, name: str) -> str:
    scored = []
    for candidate in _SEPARATORS:
        fields = next(csv.reader([first], delimiter=candidate))
        scored.append((known([field.strip() for field in fields]), len(fields), candidate))
    score, width, best = max(scored, key=lambda item: item[:2])
    if score == 0 or width == 1:
        shown = first.strip()[:120]
        raise DataError(
            f"{name} does not begin with the names of columns: line 1 is {shown!r}.",
            hint="the first line must name the columns; --separator says what stands between them.",
        )
    return best


def _check_header(header: list[str], name: str, lines: list[str], filled: list[int]) -> None:
    doubled = [column for place, column in enumerate(header) if column and column in header[:place]]
    if doubled:
        raise DataError(f"{name} has two columns called {doubled[0]!r}.", hint="rename one of them in the file.")
    if len(filled) > 2 and header[0] == "Price" and lines[filled[1] - 1].startswith("Ticker"):
        raise DataError(
            f"{name} has the three header lines of a yfinance table of many tickers.",
            hint="save it with `multi_level_index=False`, or pull it: quantlab data pull NAME --source yfinance.",
        )


def _strict(body: str, header: list[str], separator: str) -> pl.DataFrame | None:
    names = [f"column_{place}" for place in range(len(header))]
    try:
        frame = pl.read_csv(
            body.encode(),
            separator=separator,
            has_header=False,
            new_columns=names,
            infer_schema=False,
            quote_char=None,
        )
    except pl.exceptions.PolarsError:
        return None
    return _named(frame, header)


def _lenient(body: str, header: list[str], separator: str, numbers: np.ndarray, name: str) -> TextTable:
    rows: list[list[str]] = []
    lines: list[int] = []
    ragged: list[tuple[int, str]] = []
    width = len(header)
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=separator, strict=True)
    began = 0
    try:
        for row in reader:
            line = int(numbers[min(began, numbers.size - 1)])
            began = reader.line_num
            # One separator too many at the end of every line is a habit of some exporters, and loses nothing.
            while len(row) > width and not row[-1].strip():
                row.pop()
            if len(row) != width:
                ragged.append((line, separator.join(row)[:500]))
            else:
                rows.append(row)
                lines.append(line)
    except csv.Error as error:
        line = int(numbers[min(began, numbers.size - 1)])
        raise DataError(
            f"{name} cannot be read from line {line} on: {error}.", hint="a quote is not closed?"
        ) from error
    columns = list(zip(*rows, strict=True)) if rows else [()] * width
    frame = pl.DataFrame(
        {f"column_{place}": pl.Series(column, dtype=pl.String) for place, column in enumerate(columns)}
    )
    frame = frame.with_columns(pl.when(pl.all().str.strip_chars() == "").then(None).otherwise(pl.all()).name.keep())
    return TextTable(_named(frame, header), np.array(lines, dtype=np.int64), tuple(ragged), separator)


def _named(frame: pl.DataFrame, header: list[str]) -> pl.DataFrame:
    """The columns under their names; a column without one gets a place number that no alias knows."""
    return frame.rename({f"column_{place}": name or f" {place}" for place, name in enumerate(header)})
