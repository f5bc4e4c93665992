"""``Result``: what a backtest gives. Everything is derived when it is first asked for, and then kept.

Money, exposure, margin and diagnostics come from the tape and the counts that every run writes. What needs single
orders, fills or positions asks the engine for its records, by running it once more with all of them kept.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab.backtest import _attribution, _records, _trades
from quantlab.backtest._diagnostics import Finding, diagnose, frame_of
from quantlab.backtest._run import Records, Run
from quantlab.core import Bars, Frequency, InputError, Panel, PanelLike
from quantlab.core._door import date_series
from quantlab.core._labels import show
from quantlab.core._lazy import lazy
from quantlab.execution import Account, Costs, Exits, Fill
from quantlab.execution import _kernel_types as k

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go
    import polars as pl

    from quantlab.backtest._prepare import Prepared
    from quantlab.metrics import Estimate
    from quantlab.portfolio import Rebalancing
else:
    pl = lazy("polars")

_CHARGES = {
    "commission": k.COMMISSION,
    "fees": k.FEES,
    "slippage": k.SLIPPAGE,
    "borrow": k.BORROW,
    "debit_interest": k.DEBIT_INTEREST,
    "credit_interest": k.CREDIT_INTEREST,
    "short_interest": k.SHORT_INTEREST,
    "dividends": k.DIVIDENDS,
    "conversion_cost": k.CONVERSION_COST,
}
# What holding pays (+) and costs (-).
_FINANCING = {"borrow": -1.0, "debit_interest": -1.0, "credit_interest": 1.0, "short_interest": 1.0, "dividends": 1.0}


@dataclass(frozen=True, eq=False)
class Result:
    """The outcome of a backtest.

    Attributes
    ----------
    equity, cash : Panel (T, 1), currency at each close
    returns : Panel (R, 1), simple, per bar
        From the bar of the first possible fill: a warm-up without positions is no track record. That is the bar after
        the first decision, and with "same_close" the decision's own. NaN after ruin.
    positions : Panel (T, N), shares after each bar
    weights : Panel (T, N), realised fraction of equity at each close; NaN after ruin
    exposure : Panel (T, 4), fractions of equity: long, short, gross, net
    margin : Panel (T, 3): requirement, excess (currency), usage (requirement / equity)
    traded : Panel (T, 1), currency traded per bar, at fill prices
    charges : polars.DataFrame, what was charged and earned per bar by kind
    financing : Panel (T, 5), what holding paid and cost per bar by kind, signed
    contribution : Panel (T, N + 1), what each symbol and the account itself added to the return of each bar
    orders : polars.DataFrame, one row per order with its fate and the reason
    fills : polars.DataFrame, one row per fill
    events : polars.DataFrame, one row per booked corporate action
    trades : polars.DataFrame, one row per round trip (flat to flat; a reversal is two)
    diagnostics : polars.DataFrame, what was skipped, replaced or not filled
    settings : dict, every policy and version that the numbers depend on

    Notes
    -----
    Money is in the account's currency unless a column says otherwise. ``orders``, ``fills``, ``events``, ``trades``,
    ``positions``, ``weights``, ``contribution`` and what is made of them need the records of the run, which costs a
    second run at the first of them and memory in proportion to the fills.
    """

    _prepared: Prepared
    _run: Run = field(repr=False)
    _again: Callable[[], Records] = field(repr=False)
    bars: Bars
    costs: Costs
    account: Account
    fill: Fill
    exits: Exits | None
    rebalance: Rebalancing | None
    policies: dict[str, Any]

    # Money

    @property
    def initial(self) -> float:
        """Cash at the start, currency."""
        return self._prepared.inputs.cash

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
        """(T, 1), currency at each close: cash, dividends due, and positions at their marks."""
        return self._panel(self._run.tape[:, [k.EQUITY]], "equity")

    @cached_property
    def cash(self) -> Panel:
        """(T, 1), all currencies at each close; below zero it is a loan. Short proceeds are in it."""
        return self._panel(self._run.tape[:, [k.CASH]], "cash")

    @cached_property
    def returns(self) -> Panel:
        """(R, 1), simple return per bar, from the bar after the first decision on; with "same_close" from that of the
        decision on, which holds the costs of its fills. NaN after ruin.
        """
        inputs, bars = self._prepared.inputs, self.bars.shape[0]
        first = min([*inputs.rows[:1], *inputs.tickets.placed[:1], bars])
        start = min(int(first) + int(inputs.terms.at != k.SAME_CLOSE), bars)
        out = self._growth[start:, None].copy()
        return Panel._trusted(out, self.bars.dates[start:], ("strategy",), self.frequency)

    @cached_property
    def charges(self) -> pl.DataFrame:
        """One row per bar, currency: date; commission, fees, slippage (inside the fill prices), borrow,
        debit_interest and conversion_cost as charged; credit_interest and short_interest as earned; dividends as
        booked on ex-dates, negative where shorts pay.
        """
        columns = [pl.Series(name, self._run.tape[:, column].copy()) for name, column in _CHARGES.items()]
        return pl.DataFrame([date_series(self.bars.dates), *columns])

    @cached_property
    def financing(self) -> Panel:
        """(T, 5), currency per bar: borrow, debit_interest, credit_interest, short_interest, dividends; what is paid is
        negative.
        """
        columns = [sign * self._run.tape[:, _CHARGES[name]] + 0.0 for name, sign in _FINANCING.items()]
        return self._panel(np.stack(columns, axis=1), *_FINANCING)

    @cached_property
    def margin(self) -> Panel:
        """(T, 3): requirement and excess (equity less requirement), currency, and usage, the requirement as a fraction
        of equity, above 1 in a margin call; usage is NaN after ruin.
        """
        requirement, equity = self._run.tape[:, k.REQUIREMENT], self._run.tape[:, k.EQUITY]
        columns = [requirement, equity - requirement, requirement / self._alive]
        return self._panel(np.stack(columns, axis=1), "requirement", "excess", "usage")

    @cached_property
    def exposure(self) -> Panel:
        """(T, 4), fractions of equity: long, short (positive), gross, net; NaN after ruin."""
        long, short = (self._run.tape[:, column] / self._alive for column in (k.LONG, k.SHORT))
        return self._panel(np.stack([long, short, long + short, long - short], axis=1), "long", "short", "gross", "net")

    @cached_property
    def traded(self) -> Panel:
        """(T, 1), absolute currency traded per bar, at fill prices."""
        return self._panel(self._run.tape[:, [k.TRADED]], "traded")

    # Holdings

    @cached_property
    def positions(self) -> Panel:
        """(T, N), shares after each bar."""
        return self._matrix(self._records.units * self._prepared.inputs.terms.unit)

    @cached_property
    def weights(self) -> Panel:
        """(T, N), realised fraction of equity at each close; a position without a price counts at its last close."""
        return self._matrix(_attribution.values(self._prepared.inputs, self._records) / self._alive[:, None])

    @cached_property
    def contribution(self) -> Panel:
        """(T, N + 1), the profit of each symbol on each bar over the equity before it; the rows add up to the return of
        the bar.

        The last column, "cash", is what the account itself earned: interest, conversion costs, exchange rates on
        foreign cash. Profits are net of commission, fees, slippage and borrow, and hold dividends. NaN after ruin.
        """
        inputs = self._prepared.inputs
        profits = _attribution.profits(inputs, self._records)
        own = _attribution.account_profits(inputs, self._run, self._records).sum(axis=1)
        out = np.empty((profits.shape[0], profits.shape[1] + 1))
        out[:, self._prepared.order] = profits
        out[:, -1] = own
        out /= self._before[:, None]
        symbols = (*self.bars.symbols, _attribution.cash_name(self.bars.symbols))
        return Panel._trusted(out, self.bars.dates, symbols, self.frequency)

    # Tables

    @cached_property
    def orders(self) -> pl.DataFrame:
        """One row per order, in order of decision.

        decided, filled : dates of the decision and of the last fill (null where there was none). symbol. kind :
        rebalance, order, or what sent it: stop_loss, take_profit, trailing, time_stop, margin_call, buy_in, ruin.
        shares : asked for, signed (null where nothing could be sized). filled_shares : signed. decision_price : last
        close at the decision. reference_price, fill_price : averages of its fills before and after slippage.
        commission, fees, slippage : prices and money in the symbol's currency. status : filled, missing_price,
        no_next_bar, liquidated, skipped, unaffordable, margin_rejected, cancelled, expired, capped, unborrowable,
        delisted or working. reason : why, and what made it smaller than asked, in words.
        """
        return _records.orders_table(*self._recorded)

    @cached_property
    def fills(self) -> pl.DataFrame:
        """One row per fill, by bar: date, symbol, kind and row (``order``) of its order, shares (signed),
        reference_price, price, commission, fees, slippage; money in the symbol's currency.
        """
        return _records.fills_table(*self._recorded)

    @cached_property
    def events(self) -> pl.DataFrame:
        """One row per corporate action of a position: date, symbol, kind (split, spinoff, dividend, conversion,
        delisting), shares (change of the position), price (at which it was booked; of a dividend and a spin-off, per
        share), cash (in the symbol's currency; of a dividend the claim on its ex-date).

        A conversion is a row for the old symbol and one for the new, unless all was paid in cash.
        """
        return _records.events_table(*self._recorded)

    @cached_property
    def trades(self) -> pl.DataFrame:
        """One row per round trip, flat to flat, ordered by symbol and entry.

        symbol. side : long or short. entry, exit : dates of the first and the last fill (exit null while open). bars :
        held. shares : largest position. entry_price, exit_price : average fill prices, the symbol's currency. pnl :
        currency, net of commission, fees and slippage. costs : these three. dividends : negative for shorts. borrow :
        charged. return : pnl over the value at entry. mae, mfe : how far the price went against and for the position,
        fractions of its average entry price, 0 or more, from high and low where the bars have them; of the entry bar
        only when it was opened at the open. exit_kind : the kind of the order that closed it, or delisting, conversion,
        split. status : closed, open (valued at its mark) or liquidated.

        Splits rescale shares and prices inside a trade. A conversion into a symbol that was flat continues the trade
        under the new symbol; into one that is held it closes the trade and adds to the other.

        At every bar, the sum over trades, closed and open, of pnl + dividends - borrow, plus the account's own interest
        earned less paid, less conversion costs, plus gains of foreign cash by exchange rates, is equity less initial
        cash.
        """
        return _trades.round_trips(*self._recorded)

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
        frequency = self.frequency
        values = {"costs": self.costs, "account": self.account, "exits": self.exits, "rebalance": self.rebalance}
        filling = _without_kind(self.fill.parameters())
        return {
            "fill": filling.pop("at"),
            "filling": filling,
            **self.policies,
            **{name: None if value is None else _without_kind(value.parameters()) for name, value in values.items()},
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

    # Analysis

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
        initial = float(self._run.tape[start - 1, k.EQUITY]) if start else self.initial
        traded, equity, gross = (
            Panel._trusted(panel.values[start:], panel.dates[start:], panel.symbols, panel.frequency)
            for panel in (self.traded, self.equity, self.exposure.select("gross"))
        )
        return [
            *(function(self.returns, level=level) for function in functions),
            metrics.turnover(traded, equity, initial=initial, level=level),
            metrics.exposure(gross, level=level),
        ]

    def trade_statistics(self) -> pl.DataFrame:
        """Return win rate, average win and loss, payoff, expectancy, profit factor and quantiles of bars held, mae and
        mfe, of all closed trades, of longs and of shorts: one row each.

        win_rate : share of closed trades with a gain. average_win, average_loss : currency, the loss negative. payoff :
        their ratio. expectancy : mean pnl, currency. profit_factor : gains over losses. mean_return : of ``return``.
        bars_50 is the median of bars, and so on. What is undefined is null; open trades are only counted.
        """
        return _trades.trade_statistics(self.trades)

    def attribution(self, by: str = "symbol", *, sectors: Any = None) -> pl.DataFrame:
        """Return where the change in equity came from; every table adds up to equity less initial cash.

        Parameters
        ----------
        by : "symbol" | "side" | "sector" | "cost"
            "side" splits long against short, "cost" gives one row per kind.
        sectors : mapping of symbol to sector, or polars.DataFrame
            For ``by="sector"``. A frame with columns symbol and sector, or the dated reference data of
            ``ql.data.universe.sectors``, by which the profit of a bar goes to the sector of its date. Symbols without
            one are "unknown".

        Returns
        -------
        polars.DataFrame
            The group; profit; and what it is made of, costs negative: price (before costs, at reference prices),
            dividends, commission, fees, slippage, borrow, interest, conversion_cost, currency. The last row, "cash", is
            the account itself. With ``by="cost"``: kind, profit, of_initial (fraction of the initial cash), where price
            is the gross profit and interest has its three kinds.

        Raises
        ------
        InputError, KindError
            For another ``by``, or sectors of another type.
        """
        return _attribution.attribution(
            self._prepared.inputs, self._run, self._records, self.bars, self._canonical, by, sectors
        )

    def returns_table(self) -> pl.DataFrame:
        """Return compounded returns by month: year, Jan ... Dec, total, fractions (``ql.metrics.monthly_returns``)."""
        from quantlab import metrics

        return metrics.monthly_returns(self.returns)

    def rolling(self, window: int, *, benchmark: PanelLike | None = None) -> Panel:
        """Return numbers of the trailing ``window`` bars: columns volatility and sharpe, annualized, and correlation
        with a benchmark where one is given.

        Parameters
        ----------
        window : int >= 2, bars
        benchmark : PanelLike (T, 1), simple returns per bar, optional
            With a row for every date of ``returns``.

        Returns
        -------
        Panel (R, 2 or 3)
            NaN on the first window - 1 rows, where returns are missing or flat, and after ruin.

        Raises
        ------
        LabelError
            When the benchmark lacks a date.
        InputError
            When the bars do not say how many of them make a year, or the window is longer than the returns.
        """
        from quantlab.backtest._analytics import rolling

        return rolling(self.returns, window, benchmark)

    def correlation(self, of: str = "contribution") -> pl.DataFrame:
        """Return Pearson's correlation of every two symbols: symbol, and one column per symbol.

        Parameters
        ----------
        of : "contribution" | "weights"
            Of what they added to the return of each bar, or of how much of each was held; over the bars of ``returns``.

        Returns
        -------
        polars.DataFrame (N, N + 1)
            Null for a symbol that does not vary, such as one that was never held.
        """
        from quantlab.backtest._analytics import correlation

        if of not in ("contribution", "weights"):
            raise InputError(f'`of` must be "contribution" or "weights", received {of!r}.')
        panel = self.contribution.select(self.bars.symbols) if of == "contribution" else self.weights
        start = self.bars.shape[0] - len(self.returns)
        return correlation(
            Panel._trusted(panel.values[start:], panel.dates[start:], panel.symbols, panel.frequency), of
        )

    # Neighbours

    def plot(self) -> go.Figure:
        """Return a plotly figure of equity and drawdown."""
        from quantlab.backtest._plot import figure

        return figure(self)

    def to_pandas(self) -> dict[str, pd.DataFrame | pd.Series]:
        """Return every panel and table by its name as pandas objects; panels have a DatetimeIndex (UTC, without a
        zone), those of one column are Series.

        Raises
        ------
        MissingLibraryError
            When pandas is not installed.
        """
        from quantlab.backtest._neighbours import to_pandas

        return to_pandas(self)

    def to_vectorbt(self) -> Any:
        """Return a ``vectorbt.Portfolio`` of our fills, one group with shared cash, for its tables and plots.

        Its orders are our fills, at our prices and fees, and nothing is simulated anew: its value is our equity at
        every close as far as orders made it. What vectorbt does not know is missing there: interest, borrow fees,
        dividends, cash in lieu, margin, gains of foreign cash. Delistings and conversions are sales and purchases. All
        prices are in the account's currency, and closes are our marks.

        Raises
        ------
        MissingLibraryError
            When vectorbt is not installed. Importing it takes several seconds.
        InputError
            When a split or spin-off of a held position was booked.
        """
        from quantlab.backtest._neighbours import to_vectorbt

        return to_vectorbt(self)

    def __repr__(self) -> str:
        first, last = self.bars.dates[0], self.bars.dates[-1]
        tape = self._run.tape
        end = f"ruined {self.ruined}" if self.ruined is not None else f"equity {tape[-1, k.EQUITY]:,.2f}"
        return (
            f"Result of {self.bars.name}, {show(first)} to {show(last)}: {end} from {self.initial:,.2f}, "
            f"{tape[:, k.TRADED].sum():,.2f} traded, {len(self._findings)} diagnostics"
        )

    # Inside

    @cached_property
    def _records(self) -> Records:
        return self._run.records if self._run.records is not None else self._again()

    @property
    def _recorded(self) -> tuple[Any, Records, np.ndarray, tuple[str, ...]]:
        return self._prepared.inputs, self._records, self.bars.dates, self._canonical

    @cached_property
    def _canonical(self) -> tuple[str, ...]:
        return tuple(self.bars.symbols[i] for i in self._prepared.order)

    @cached_property
    def _alive(self) -> np.ndarray:
        """(T,) equity at each close, NaN from a ruin on."""
        equity = self._run.tape[:, k.EQUITY].copy()
        if self._run.ruined >= 0:
            equity[self._run.ruined :] = np.nan
        return equity

    @cached_property
    def _before(self) -> np.ndarray:
        """(T,) equity before each bar, NaN after a ruin."""
        return np.concatenate(([self.initial], self._alive[:-1]))

    @cached_property
    def _growth(self) -> np.ndarray:
        return self._run.tape[:, k.EQUITY] / self._before - 1.0

    @cached_property
    def _findings(self) -> list[Finding]:
        before = self._prepared.findings
        found = diagnose(self._prepared.inputs, self._run, self.bars.dates, self._canonical)
        if any(finding.rule == "borrow_not_charged" for finding in before):
            # The data know a rate that was not charged: that says more.
            found = [finding for finding in found if finding.rule != "no_borrow_charged"]
        return [*before, *found]

    def _panel(self, values: np.ndarray, *names: str) -> Panel:
        return Panel._trusted(np.ascontiguousarray(values), self.bars.dates, names, self.frequency)

    def _matrix(self, canonical: np.ndarray) -> Panel:
        out = np.empty_like(canonical)
        out[:, self._prepared.order] = canonical
        return Panel._trusted(out, self.bars.dates, self.bars.symbols, self.frequency)


def _without_kind(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if name != "kind"}


def _own_version() -> str:
    from quantlab import __version__

    return __version__
