"""A text file as columns of text, with the line of every row; whatever is no table is refused in a sentence.

The strict way is Polars. It is taken when no quotes stand in the file and the separators count up, so that every line
has as many fields as the header; only then can a line number be computed and no field be lost. Any other file goes
through the standard library's reader, which tells ragged lines one by one.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Sequence
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
_PACKED = (
    (b"PK\x03\x04", "a zip archive"),
    (b"BZh", "compressed (bzip2)"),
    (b"\xfd7zXZ", "compressed (xz)"),
    (b"\x28\xb5\x2f\xfd", "compressed (zstd)"),
    (b"7z\xbc\xaf", "a 7z archive"),
)
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
    text = decoded(_unpacked(path.read_bytes(), path.name), path.name, layout.encoding)
    _refuse_messages(text, path.name)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    filled = [number for number, line in enumerate(lines, 1) if line.strip()]
    filled, said = _without_preface(lines, filled)
    if not filled:
        raise DataError(f"{path.name} has remarks and no header.")
    first = lines[filled[0] - 1]
    told = [column for column in layout.columns.values() if column]
    separator = layout.separator or said or _separator([lines[n - 1] for n in filled[:4]], path.name, told)
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


def _unpacked(data: bytes, name: str) -> bytes:
    """The bytes of a file, out of gzip where they are in it."""
    packed = next((kind for mark, kind in _PACKED if data.startswith(mark)), None)
    if packed is not None:
        raise DataError(f"{name} is {packed}.", hint="unpack it first; gzip is read as it is.")
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name} is damaged: {error}.", hint="copy or fetch it again.") from error


def _without_preface(lines: list[str], filled: list[int]) -> tuple[list[int], str | None]:
    """The numbers of the lines from the header on, and the separator that Excel's `sep=;` above it names."""
    said = None
    for place, number in enumerate(filled):
        line = lines[number - 1].strip()
        named = re.fullmatch(r'"?sep=(.)"?', line, re.IGNORECASE)
        if named is not None:
            said = named[1]
        # A header may begin with the sign of a remark.
        elif not line.startswith("#") or max(known(line.split(sign)) for sign in _SEPARATORS) > 1:
            return filled[place:], said
    return [], said


def _separator(head: list[str], name: str, told: Sequence[str]) -> str:
    first = head[0]
    scored = []
    for candidate in _SEPARATORS:
        fields = next(csv.reader([first], delimiter=candidate))
        scored.append((known([field.strip() for field in fields], told), len(fields), candidate))
    score, width, best = max(scored, key=lambda item: item[:2])
    if score == 0 and (plain := _plain_separator(head)) is not None:
        return plain
    if score == 0 or width == 1:
        shown = first.strip()[:120]
        raise DataError(
            f"{name} does not begin with the names of columns: line 1 is {shown!r}.",
            hint="the first line must name the columns; --separator says what stands between them.",
        )
    return best


def _plain_separator(head: list[str]) -> str | None:
    """The one character that cuts the first lines into equally many fields, words on the first of them."""
    fitting = []
    for candidate in _SEPARATORS:
        rows = [next(csv.reader([line], delimiter=candidate)) for line in head]
        words = all(re.match(r"[^\W\d_]", field.strip()) for field in rows[0])
        if len(rows) > 1 and len(rows[0]) > 1 and words and {len(row) for row in rows} == {len(rows[0])}:
            fitting.append(candidate)
    return fitting[0] if len(fitting) == 1 else None


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
