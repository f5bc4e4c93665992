"""``Sweep``: the table of all variants, and the ways to read it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab.backtest import Result, simulate
from quantlab.core import InputError, Panel
from quantlab.core._arguments import integer
from quantlab.core._lazy import lazy
from quantlab.study import _reading, _stability
from quantlab.study._grid import Grid
from quantlab.study._job import Job
from quantlab.study._strategy import RESERVED, name_of

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import polars as pl
else:
    pl = lazy("polars")


@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """The outcome of a sweep.

    Attributes
    ----------
    table : polars.DataFrame, one row per variant, in the order of the grid
        variant (from 0), one column per parameter, status ("done" or "failed"), reason (why it failed), engine ("fast",
        or "general" where its terms need the engine bar by bar), the metrics of ``Result.summary``, bars (number of
        returns), final_equity and what was charged and earned in all (currency): commission, fees, slippage, borrow,
        debit_interest, credit_interest, short_interest, dividends; warnings (rules of ``Result.diagnostics`` that are
        more than an information, and how often). Null where undefined.
    grid : Grid
    trials : int or None
        Distinct trials that the study has on record so far, these and earlier ones; None without a study.
    place : Path or None
        The folder with the rows, None without a study.
    """

    table: pl.DataFrame
    grid: Grid
    _job: Job
    trials: int | None
    place: Path | None

    def __repr__(self) -> str:
        failed, slow = self.failed.height, int((self.table["engine"] == "general").sum())
        counted = "not on record" if self.trials is None else f"{self.trials:,} trials on record"
        parts = [f"Sweep of {name_of(self._job.strategy)} on {self._job.bars.name}: {self.table.height:,} variants"]
        parts += [f"{failed:,} failed"] if failed else []
        parts += [f"{slow:,} by the general engine"] if slow else []
        return ", ".join([*parts, counted])

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters, in the order of the grid."""
        return self.grid.parameters

    @property
    def failed(self) -> pl.DataFrame:
        """The variants that failed: variant, parameters, reason."""
        return self.table.filter(pl.col("status") == "failed").select("variant", *self.parameters, "reason")

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the table, hexadecimal: the same for any scheduler, number of workers, chunk, and after any
        interruption.
        """
        digest = hashlib.sha256(repr(self.table.schema).encode())
        for column in self.table.iter_columns():
            if column.dtype == pl.Float64:
                missing = column.is_null().to_numpy()
                digest.update(column.fill_null(0.0).to_numpy().tobytes() + missing.tobytes())
            else:
                digest.update(repr(column.to_list()).encode())
        return digest.hexdigest()

    def top(self, k: int = 10, *, by: str = "sharpe", descending: bool | None = None) -> pl.DataFrame:
        """Return the k best variants, with what their Sharpe ratios are worth after so many trials: standard error and
        interval, the probabilistic and the deflated Sharpe ratio, and p-values corrected for all trials of the study.

        Parameters
        ----------
        k : int >= 1
        by : str
            The metric that ranks. Greater is better, but of volatility, max_drawdown_duration and turnover less is.
        descending : bool, optional
            Whether the greatest stand first, against what is said of ``by``.

        Returns
        -------
        polars.DataFrame
            The columns are described at ``ql.study.top``. Without a study the trials are the variants of this sweep.
        """
        return _reading.top(
            self.table,
            self.parameters,
            k,
            by=by,
            trials=max(self.trials or 0, self.table.height - self.failed.height, 1),
            periods=self._job.periods,
            descending=descending,
        )

    def marginal(self, metric: str = "sharpe") -> pl.DataFrame:
        """Return what each value of each parameter does to a metric, over all values of the others; the columns are
        described at ``ql.study.marginal``.
        """
        return _reading.marginal(self.table, self.parameters, metric)

    def stability(self, metric: str = "sharpe", *, nearest: int | None = None) -> pl.DataFrame:
        """Return every variant with what its neighbors have of a metric, the most stable optimum first; the columns are
        described at ``ql.study.stability``.
        """
        return _stability.stability(self.table, self.parameters, metric, nearest=nearest)

    def params(self, variant: int) -> dict[str, Any]:
        """Return the parameters of a variant as the strategy was given them."""
        number = integer(variant, name="variant", low=0)
        if number >= len(self.grid):
            raise InputError(f"The sweep has {len(self.grid):,} variants, and {number} is none of them.")
        return self.grid[number]

    def result(self, variant: int) -> Result:
        """Return the backtest of one variant, with its orders, trades and positions: it is run again.

        Raises
        ------
        InputError
            When there is no such variant.
        QuantlabError
            What made it fail, when it failed.
        """
        params, job = self.params(variant), self._job
        terms = job.terms.of(params)
        own = {name: value for name, value in params.items() if name not in RESERVED}
        return simulate(
            job.strategy(job.bars, **own),
            job.bars,
            costs=terms.costs,
            account=terms.account,
            fill=terms.fill,
            exits=terms.exits,
            rebalance=terms.rebalance,
            unlisted=terms.unlisted,
            untradable=terms.untradable,
            delisting=terms.delisting,
        )

    def returns(self, variants: Sequence[int] | None = None) -> Panel:
        """Return the returns of variants as kept by ``sweep(returns=True)``: simple, per bar, of float32 precision.

        Parameters
        ----------
        variants : sequence of int, optional
            By default all that did not fail.

        Returns
        -------
        Panel (T, V), one column per variant, named by its number
            NaN before its first return and after its ruin.

        Raises
        ------
        InputError
            When returns were not kept, or one of the variants failed.
        """
        if not self._job.keep or self.place is None:
            raise InputError("This sweep kept no returns.", hint="run it again with `returns=True` and a study.")
        good = set(self.table.filter(pl.col("status") == "done")["variant"])
        chosen = sorted(good) if variants is None else [integer(v, name="variants", low=0) for v in variants]
        bad = [v for v in chosen if v not in good]
        if bad:
            raise InputError(f"Variant {bad[0]} has no returns: it failed, or is none of the sweep.")
        from quantlab.study._record import trial_keys
        from quantlab.study._shelf import Shelf

        keys = trial_keys(self.place.name, [self.grid[v] for v in chosen])
        column = {key: i for i, key in enumerate(keys)}
        bars = self._job.bars
        out = np.full((bars.shape[0], len(chosen)), np.nan)
        for key, row in Shelf(self.place).returns(keys):
            out[:, column[key]] = row
        return Panel._trusted(out, bars.dates, tuple(str(v) for v in chosen), bars.frequency)

    def heatmap(self, x: str, y: str, metric: str = "sharpe", **options: Any) -> go.Figure:
        """Return a plotly figure of a metric over two parameters; options as in ``ql.study.heatmap``."""
        from quantlab.study import _figures

        return _figures.heatmap(self.table, self.parameters, x, y, metric, **options)

    def parallel_coordinates(self, metric: str = "sharpe") -> go.Figure:
        """Return a plotly figure with every variant as a line through its parameters."""
        from quantlab.study import _figures

        return _figures.parallel_coordinates(self.table, self.parameters, metric)

    def marginal_figure(self, metric: str = "sharpe") -> go.Figure:
        """Return a plotly figure of what each parameter does to a metric."""
        from quantlab.study import _figures

        return _figures.marginal_figure(self.table, self.parameters, metric)
