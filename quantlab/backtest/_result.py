"""``Result``: what a backtest gives. Everything beyond equity and cash is derived when it is first asked for."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab.backtest._diagnostics import Finding, diagnose, frame_of
from quantlab.backtest._prepare import Prepared
from quantlab.backtest._run import Run, Status
from quantlab.backtest._trades import round_trips
from quantlab.core import Bars, Frequency, Panel
from quantlab.core._door import date_series
from quantlab.core._lazy import lazy
from quantlab.execution import Account, Costs

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import polars as pl

    from quantlab.metrics import Estimate
else:
    pl = lazy("polars")


@dataclass(frozen=True, eq=False)
class Result:
    """The outcome of a backtest.

    Attributes
    ----------
    equity, cash : Panel (T, 1), currency at each close
    returns : Panel (R, 1), simple, per bar
        From the bar after the first decision: a warm-up without positions is no track record. NaN after ruin.
    positions : Panel (T, N), shares after each bar
    weights : Panel (T, N), realised fraction of equity at each close; NaN after ruin
    exposure : Panel (T, 4), fractions of equity: long, short, gross, net
    traded : Panel (T, 1), currency traded per bar, at fill prices
    charges : polars.DataFrame, date, commission, slippage, borrow in currency per bar
    orders : polars.DataFrame, one row per order with its fate
    trades : polars.DataFrame, one row per round trip (flat to flat; a reversal is two)
    diagnostics : polars.DataFrame, what was skipped, replaced or not filled
    settings : dict, every policy and version that the numbers depend on
    """

    _prepared: Prepared
    _run: Run
    bars: Bars
    costs: Costs
    account: Account
    fill: str
    unlisted: str

    # Money

    @property
    def initial(self) -> float:
        """Cash at the start, currency."""
        return self.account.cash

    @property
    def frequency(self) -> Frequency | None:
        """Bars per year and trading calendar of the bars."""
        return self.bars.frequency

    @property
    def ruined(self) -> np.datetime64 | None:
        """The date on which equity reached zero or less, or None."""
        return None if self._run.ruined < 0 else self.bars.dates[self._run.ruined]

    @property
    def decisions(self) -> Panel:
        """The target weights that were decided on (R, N)."""
        return self._prepared.decisions

    @cached_property
    def equity(self) -> Panel:
        """(T, 1), currency at each close."""
        return self._column(self._run.equity, "equity")

    @cached_property
    def cash(self) -> Panel:
        """(T, 1), currency at each close; below zero it is a loan."""
        return self._column(self._run.cash, "cash")

    @cached_property
    def returns(self) -> Panel:
        """(R, 1), simple return per bar, from the bar after the first decision on; NaN after ruin."""
        start = int(self._prepared.inputs.rows[0]) + 1 if self._prepared.inputs.rows.size else self.bars.shape[0]
        equity = self._run.equity
        out = np.empty(max(equity.size - start, 0))
        if out.size:
            out[:] = equity[start:] / equity[start - 1 : -1] - 1.0
            if self._run.ruined >= 0:
                out[max(self._run.ruined + 1 - start, 0) :] = np.nan
        return Panel._trusted(out[:, None], self.bars.dates[start:], ("strategy",), self.frequency)

    @cached_property
    def charges(self) -> pl.DataFrame:
        """One row per bar: date, commission, slippage, borrow, in currency."""
        run = self._run
        return pl.DataFrame(
            [
                date_series(self.bars.dates),
                pl.Series("commission", run.commission),
                pl.Series("slippage", run.slippage),
                pl.Series("borrow", run.borrow),
            ]
        )

    # Holdings

    @cached_property
    def positions(self) -> Panel:
        """(T, N), shares after each bar."""
        unit = self._prepared.inputs.lot or 1.0
        return self._matrix(self._units * unit)

    @cached_property
    def weights(self) -> Panel:
        """(T, N), realised fraction of equity at each close; a position without a price counts at its last close."""
        return self._matrix(self._fractions)

    @cached_property
    def exposure(self) -> Panel:
        """(T, 4), fractions of equity: long, short (positive), gross, net."""
        held = self._fractions
        long, short = np.maximum(held, 0).sum(axis=1), np.maximum(-held, 0).sum(axis=1)
        columns = np.stack([long, short, long + short, long - short], axis=1)
        return Panel._trusted(columns, self.bars.dates, ("long", "short", "gross", "net"), self.frequency)

    @cached_property
    def traded(self) -> Panel:
        """(T, 1), absolute currency traded per bar, at fill prices."""
        orders = self._run.orders
        done = orders.filled >= 0
        value = np.abs(orders.shares[done]) * orders.price[done]
        return self._column(np.bincount(orders.filled[done], weights=value, minlength=self.bars.shape[0]), "traded")

    # Tables

    @cached_property
    def orders(self) -> pl.DataFrame:
        """One row per order, in order of decision.

        decided, filled : dates of the decision and of the fill (null where there was none). symbol. shares : signed.
        decision_price : last close at the decision, currency, from which the order was sized. reference_price : the
        open or close at which it was filled, before slippage. fill_price : after slippage. commission : currency.
        slippage : currency, shares times the distance of fill and reference price. status : filled, missing_price,
        no_next_bar, liquidated, skipped or unaffordable, as explained by ``diagnostics``.
        """
        orders = self._run.orders
        dates = date_series(self.bars.dates)
        return pl.DataFrame(
            [
                dates.gather(orders.decided).alias("decided"),
                dates.gather(np.maximum(orders.filled, 0)).alias("filled").set(pl.Series(orders.filled < 0), None),
                pl.Series("symbol", list(self._canonical), dtype=pl.String).gather(orders.asset),
                pl.Series("shares", orders.shares, nan_to_null=True),
                pl.Series("decision_price", orders.decision_price, nan_to_null=True),
                pl.Series("reference_price", orders.reference, nan_to_null=True),
                pl.Series("fill_price", orders.price, nan_to_null=True),
                pl.Series("commission", orders.commission, nan_to_null=True),
                pl.Series("slippage", orders.slippage, nan_to_null=True),
                pl.Series("status", [Status(code).name.lower() for code in orders.status], dtype=pl.String),
            ]
        )

    @cached_property
    def trades(self) -> pl.DataFrame:
        """One row per round trip, flat to flat.

        symbol. side : long or short. entry, exit : dates of the first and the last fill (exit null while open). bars :
        held. shares : largest position. entry_price, exit_price : average fill prices, currency. pnl : currency, after
        commission and slippage and before borrow fees, which are charged to the book: the sum of ``pnl`` less the sum
        of ``charges["borrow"]`` is equity less initial cash. costs : commission and slippage, currency. status :
        closed, open (valued at the last close) or liquidated.
        """
        return round_trips(self._prepared.inputs, self._run, self.bars.dates, self._canonical)

    @cached_property
    def diagnostics(self) -> pl.DataFrame:
        """What was skipped, replaced or not filled: rule, severity, first date, symbol, count, detail.

        Severity is info, warning or error; an empty symbol means the whole book. ``simulate(strict=True)`` raises on
        the first warning or error.
        """
        return frame_of(self._findings)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Every policy, version and hash that the numbers depend on, ready for JSON."""
        frequency, commission = self.frequency, self.costs.commission
        return {
            "fill": self.fill,
            "unlisted": self.unlisted,
            "costs": {
                "commission": None if commission is None else {"kind": type(commission).__name__, **asdict(commission)},
                "slippage_bps": self.costs.slippage.value,
                "borrow_rate": None if self.costs.borrow is None else self.costs.borrow.rate,
            },
            "account": asdict(self.account),
            "sizing": "close and equity of the decision bar, costs inside",
            "missing_price": "mark at the last close, drop the order",
            "data": self.bars.name,
            "data_sha256": self.bars.content_hash,
            "adjusted": self.bars.adjusted,
            "calendar": None if frequency is None else frequency.calendar,
            "bars_per_year": None if frequency is None else frequency.periods,
            "versions": {
                "quantlab": _own_version(),
                "python": platform.python_version(),
                **{name: version(name) for name in ("numpy", "numba", "polars")},
            },
        }

    def summary(self, *, level: float = 0.95) -> pl.DataFrame:
        """Return the headline numbers with their uncertainty: metric, value, se, low, high, unit, reason.

        Parameters
        ----------
        level : float in (0, 1), coverage of the intervals

        Raises
        ------
        InputError
            When the bars do not say how many of them make a year.
        """
        from quantlab import metrics

        return metrics.summary_table(self.estimates(level=level))

    def estimates(self, *, level: float = 0.95) -> list[Estimate]:
        """Return the rows of :meth:`summary` as Estimates."""
        from quantlab import metrics

        functions = (
            metrics.total_return,
            metrics.cagr,
            metrics.volatility,
            metrics.sharpe,
            metrics.sortino,
            metrics.calmar,
            metrics.max_drawdown,
            metrics.max_drawdown_duration,
            metrics.value_at_risk,
            metrics.conditional_value_at_risk,
            metrics.skew,
            metrics.kurtosis,
            metrics.hit_rate,
            metrics.profit_factor,
        )
        start = self.bars.shape[0] - len(self.returns)
        initial = self._run.equity[start - 1] if start else self.initial
        traded, equity, gross = (
            Panel._trusted(panel.values[start:], panel.dates[start:], panel.symbols, panel.frequency)
            for panel in (self.traded, self.equity, self.exposure.select("gross"))
        )
        return [
            *(function(self.returns, level=level) for function in functions),
            metrics.turnover(traded, equity, initial=initial, level=level),
            metrics.exposure(gross, level=level),
        ]

    def plot(self) -> go.Figure:
        """Return a plotly figure of equity and drawdown."""
        from quantlab.backtest._plot import figure

        return figure(self)

    def __repr__(self) -> str:
        first, last = self.bars.dates[0], self.bars.dates[-1]
        end = f"ruined {self.ruined}" if self.ruined is not None else f"equity {self._run.equity[-1]:,.2f}"
        return (
            f"Result of {self.bars.name}, {first} to {last}: {end} from {self.initial:,.2f}, "
            f"{int((self._run.orders.status == Status.FILLED).sum())} fills, {len(self._findings)} diagnostics"
        )

    # Inside

    @cached_property
    def _canonical(self) -> tuple[str, ...]:
        return tuple(self.bars.symbols[i] for i in self._prepared.order)

    @cached_property
    def _units(self) -> np.ndarray:
        """(T, N) positions after each bar in lots (shares when fractional), canonical columns, added up as the engine
        did.
        """
        inputs, orders = self._prepared.inputs, self._run.orders
        done = orders.filled >= 0
        unit = inputs.lot or 1.0
        lots = orders.shares[done] / unit
        moves = np.zeros(inputs.close.shape)
        np.add.at(moves, (orders.filled[done], orders.asset[done]), np.round(lots) if inputs.lot else lots)
        units = np.cumsum(moves, axis=0)
        if self._run.ruined >= 0:
            # A fill and a liquidation on one bar went into one sum, which may miss zero by a bit.
            units[self._run.ruined :] = 0.0
        return units

    @cached_property
    def _fractions(self) -> np.ndarray:
        inputs = self._prepared.inputs
        rows = np.where(np.isnan(inputs.close), 0, np.arange(inputs.close.shape[0])[:, None])
        np.maximum.accumulate(rows, axis=0, out=rows)
        mark = np.take_along_axis(inputs.close, rows, axis=0)
        value = np.where(self._units == 0, 0.0, self._units * (inputs.lot or 1.0) * mark)
        equity = self._run.equity.copy()
        if self._run.ruined >= 0:
            equity[self._run.ruined :] = np.nan
        return value / equity[:, None]

    @cached_property
    def _findings(self) -> list[Finding]:
        return [
            *self._prepared.findings,
            *diagnose(self._prepared.inputs, self._run, self.bars.dates, self._canonical, self._units),
        ]

    def _column(self, values: np.ndarray, name: str) -> Panel:
        return Panel._trusted(values[:, None].copy(), self.bars.dates, (name,), self.frequency)

    def _matrix(self, canonical: np.ndarray) -> Panel:
        out = np.empty_like(canonical)
        out[:, self._prepared.order] = canonical
        return Panel._trusted(out, self.bars.dates, self.bars.symbols, self.frequency)


def _own_version() -> str:
    from quantlab import __version__

    return __version__
