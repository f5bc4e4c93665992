"""Finished rows on disk: what a killed sweep had done is there when it starts again.

A *shelf* is a folder for one strategy on one set of bars under one set of terms; another code, other data or other
costs have another shelf, so that rows never mix. Each file in it holds the rows of a few variants and is written whole
or not at all: under another name first, then renamed. Its name has a hash of its bytes, because in Parquet as Polars
writes it most bits that flip give other numbers and no error (measured: 905 of 1,500). A damaged file is said to be
so, never passed over.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quantlab.core import StoreError
from quantlab.core._atomic import write_atomic
from quantlab.core._lazy import lazy
from quantlab.study._job import CHARGES, METRICS, Rows

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazy("polars")

# Rows of another format are another shelf.
FORMAT = 1

_TEXTS = ("key", "status", "reason", "engine", "warnings")


def schema() -> dict[str, pl.DataType]:
    """Return the columns of a row, in order."""
    names = ["key", "status", "reason", "engine", *METRICS, "bars", "final_equity", *CHARGES, "warnings"]
    whole = ("bars", "max_drawdown_duration")
    kinds = {name: pl.String() if name in _TEXTS else pl.Int64() if name in whole else pl.Float64() for name in names}
    return dict(kinds)


class Shelf:
    """The rows of one strategy, set of bars and set of terms.

    Parameters
    ----------
    folder : Path
        Made with its first file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def rows(self) -> pl.DataFrame:
        """Return every row that is there, one per key: one that is done before one that failed."""
        return one_per_key([self._read(path) for path in self._files("rows")])

    def put(self, rows: Rows) -> None:
        """Write rows, and the returns of those that are done where there are any."""
        name = "none"
        if rows.returns is not None:
            # Before the rows: a row that names its returns has them.
            width = rows.returns.shape[1]
            column = pl.Series("returns", rows.returns, dtype=pl.Array(pl.Float32, width))
            done = rows.table["status"] == "done"
            name = self._write(pl.DataFrame([rows.table["key"], column]).filter(done), "returns")
        self._write(rows.table, f"rows-{name}")

    def keys_with_returns(self) -> set[str]:
        """Return the keys of variants whose returns are there."""
        there = {path.stem.rpartition("-")[2] for path in self._files("returns")}
        rows = (path for path in self._files("rows") if path.stem.split("-")[1] in there)
        return {key for path in rows for key in self._read(path).filter(pl.col("status") == "done")["key"]}

    def returns(self, keys: Iterable[str]) -> Iterator[tuple[str, np.ndarray]]:
        """Yield key and returns (T,) float32 of those of ``keys`` that are there, file by file."""
        wanted = set(keys)
        for path in self._files("returns"):
            if not wanted:
                return
            there = self._read(path).filter(pl.col("key").is_in(list(wanted)))
            values = there["returns"].to_numpy()
            for key, row in zip(there["key"], values, strict=True):
                if key in wanted:
                    wanted.discard(key)
                    yield key, row

    def _files(self, kind: str) -> list[Path]:
        return sorted(self.folder.glob(f"{kind}-*.parquet"))

    def _read(self, path: Path) -> pl.DataFrame:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror or error}.") from error
        if not path.stem.endswith(f"-{_digest(data)}"):
            raise StoreError(
                f"{path} is damaged: its bytes are not those that were written.",
                hint="delete it, and the variants in it are run again.",
            )
        return pl.read_parquet(io.BytesIO(data))

    def _write(self, frame: pl.DataFrame, kind: str) -> str:
        whole = io.BytesIO()
        frame.write_parquet(whole, compression="lz4")
        data = whole.getbuffer()
        name = _digest(data)
        try:
            write_atomic(self.folder / f"{kind}-{name}.parquet", data)
        except StoreError as error:
            hint = "rows written before are kept: make room, and start the same sweep again."
            raise StoreError(error.message, hint=hint) from error
        return name


def one_per_key(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the rows of all parts, one per key: done before failed, else that of the first part."""
    if not parts:
        return pl.DataFrame(schema=schema())
    rows = pl.concat(parts).sort("key", "status", maintain_order=True)
    return rows.unique("key", keep="first", maintain_order=True)


def _digest(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
