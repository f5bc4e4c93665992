"""``Context``: what an event strategy can do at the close of a bar; what it sees there stands in ``_event_view``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from quantlab.backtest._event_view import OrderId, View
from quantlab.backtest._prepare_weights import _LARGEST_WEIGHT, _check_weights
from quantlab.core import DataError, InputError, KindError, Panel
from quantlab.core._labels import show
from quantlab.execution import _kernel_types as k

# The terms of a market order for the day.
_NO_PRICES = (None, None, None, None)
_PLAIN = ("day", None, None, False)


class Bracket(NamedTuple):
    """The ids of an entry and of the two orders that close it; None for one that was not asked for."""

    entry: OrderId
    stop: OrderId | None
    target: OrderId | None


class Context(View):
    """What a strategy sees at the close of bar ``t``, and what it can do there.

    Arrays have one entry per symbol, in the order of ``symbols``, and are read-only. An order is placed at this close
    and meets its first price on the next bar.

    Attributes
    ----------
    t : int, number of the bar, from 0
    date : numpy.datetime64, of the bar
    symbols : tuple of N str
    open, high, low, close, volume : (N,) float64, of this bar; NaN without a bar
    member : (N,) bool, whether each symbol belongs to the universe at this close
    positions : (N,) float64, shares held, shorts negative
    prices : (N,) float64, last close of each symbol, NaN before its first
    equity, cash : float, the account's currency; short proceeds are in the cash
    buying_power : float, the account's currency
        What more could be bought now at the initial margin, before costs and open orders; infinite without margin.
    open_orders : tuple of OpenOrder
    fills : tuple of BarFill, since the strategy was last asked

    Notes
    -----
    What a strategy brings along itself, such as a Panel of scores, is not the context's: read row ``t`` of it and no
    later one.
    """

    __slots__ = ()

    def order(
        self,
        symbol: str,
        shares: float,
        *,
        type: str = "market",  # noqa: A002  # the word of the order's column
        limit: float | None = None,
        stop: float | None = None,
        trail: float | None = None,
        trail_fraction: float | None = None,
        tif: str = "day",
        until: Any = None,
        group: int | str | None = None,
        reduce_only: bool = False,
    ) -> OrderId | None:
        """Place an order; return its id, or None when it is for less than one lot and is not sent.

        Parameters
        ----------
        symbol : str
        shares : float, signed; whole lots toward zero
        type : str
            "market", "limit", "stop", "stop_limit", "trailing", "market_on_open", "limit_on_open", "market_on_close",
            "limit_on_close". Open and close are those of the next bar, on intraday bars not of the session.
        limit, stop, trail : float, the symbol's currency
        trail_fraction : float in (0, 1), fraction of the best price
        tif : "day" | "gtc" | "gtd" | "ioc" | "fok"
        until : date, the last day of "gtd"
        group : int or str, orders of one group cancel one another when one is filled
        reduce_only : bool, the order never opens or turns a position

        Raises
        ------
        DataError
            For a symbol that the bars do not have, that has had no price yet or was delisted, for shares that are NaN,
            and for a price that its type lacks or does not take: symbol and date are named.
        InputError
            For an unknown word, or a type that the bars have no prices for.
        """
        asset = self._asset(symbol)
        units = self._form.units(self._form.number(shares, "number of shares", asset, self.t), asset, self.t)
        prices = (limit, stop, trail, trail_fraction)
        if type == "market" and prices == _NO_PRICES and (tif, until, group, reduce_only) == _PLAIN:
            # The checks of words and prices take longer than all the rest.
            return self._desk.send(self._form.market(asset, units), self.t) if units != 0.0 else None
        asked = self._form.explicit(
            asset,
            units,
            self.t,
            type=type,
            prices=prices,
            tif=tif,
            until=until,
            group=group,
            reduce_only=reduce_only,
        )
        return self._desk.send(asked, self.t) if units != 0.0 else None

    def order_value(self, symbol: str, value: float, **terms: Any) -> OrderId | None:
        """Order what ``value`` in the account's currency buys at the last close, signed; ``terms`` as in :meth:`order`.

        The costs come on top.
        """
        asset = self._asset(symbol)
        money = self._form.number(value, "value", asset, self.t)
        return self.order(symbol, self._whole(money / self._price(asset), asset), **terms)

    def order_target(self, symbol: str, shares: float) -> OrderId | None:
        """Order at the market what brings the position to ``shares``, whole lots; return None when nothing is to do.

        What was ordered at the market before and is not filled yet counts as done. Where an exit or another order may
        be filled before it, an order that only reduces the position is ``reduce_only``.
        """
        asset = self._asset(symbol)
        target = self._form.units(self._form.number(shares, "target", asset, self.t), asset, self.t)
        return self._to_units(asset, target)

    def order_target_weight(self, symbol: str, weight: float) -> OrderId | None:
        """Order at the market what brings the position to ``weight`` of the equity at the last close, whole lots.

        Costs are not inside, and other orders know nothing of it: a whole book is sized by :meth:`target_weights`.
        """
        asset = self._asset(symbol)
        value = self._form.number(weight, "target weight", asset, self.t) * self.equity
        target = self._form.units(value / self._price(asset), asset, self.t, note=False)
        return self._to_units(asset, target)

    def target_weights(self, weights: Mapping[str, float] | Sequence[float] | np.ndarray) -> None:
        """Rebalance the whole book, sized as ``simulate`` does: the trades' own costs are inside, and no more is
        ordered than the account can carry. A second call at the same close replaces the first.

        Parameters
        ----------
        weights : mapping of symbols, or (N,) in the order of ``symbols``; signed fraction of equity
            A symbol that a mapping leaves out is sold. An array that is NaN throughout takes no decision.

        Raises
        ------
        DataError
            For a weight that is NaN or infinite, on a symbol that the bars do not have or that has had no price yet:
            symbol and date are named.
        """
        row = self._weight_row(weights)
        if row is None:
            self._form.remember("empty_decision", -1, self.t)
            return
        canonical = row[self._axes.order]
        self._check_row(row, canonical)
        self._desk.batch(self.t).weights = canonical

    def bracket(
        self, symbol: str, shares: float, *, stop: float | None = None, target: float | None = None
    ) -> Bracket | None:
        """Place an entry at the market with a stop, a target, or both, of which one cancels the other.

        The two live until they are filled, the entry comes to nothing or the position is gone, and never open a
        position.

        Parameters
        ----------
        symbol : str
        shares : float, signed; whole lots toward zero
        stop, target : float, the symbol's currency; at least one of them

        Returns
        -------
        Bracket
            Ids of entry, stop and target; None when the entry is for less than one lot.

        Raises
        ------
        DataError
            As :meth:`order`, and when the stop does not lie on the losing side of the target.
        """
        asset = self._asset(symbol)
        units = self._form.units(self._form.number(shares, "number of shares", asset, self.t), asset, self.t)
        if stop is None and target is None:
            raise self._form.refuse(asset, self.t, "is a bracket without a stop and a target", "pass one of them.")
        # The two together are one group of their own.
        group = f"bracket of order {len(self._desk.asked)}"
        children = []
        for word, level in (("stop", stop), ("limit", target)):
            if level is not None:
                prices = (None, level, None, None) if word == "stop" else (level, None, None, None)
                children.append(
                    self._form.explicit(
                        asset,
                        -units,
                        self.t,
                        type=word,
                        prices=prices,
                        tif="gtc",
                        until=None,
                        group=group,
                        reduce_only=True,
                    )
                )
        if stop is not None and target is not None and (target - stop) * shares <= 0.0:
            side = "above" if shares > 0 else "below"
            raise self._form.refuse(
                asset, self.t, f"has a target of {target:g} that is not {side} its stop of {stop:g}"
            )
        if units == 0.0:
            return None
        entry, *rest = self._desk.send_bracket(self._form.market(asset, units), children, self.t)
        return Bracket(entry, rest[0] if stop is not None else None, rest[-1] if target is not None else None)

    def cancel(self, order: OrderId) -> bool:
        """Take an order back; return whether anything was left of it."""
        self._demand_order(order)
        self._now()
        return self._desk.withdraw(order, self.t)

    def cancel_all(self, symbol: str | None = None) -> int:
        """Take back every open order, of one symbol or of all, and what is left of rebalancing; return how many
        explicit orders that were.
        """
        asset = None if symbol is None else self._asset(symbol, trades=False)
        found = [order for order, asked, _, _ in self._desk.open_orders() if asset is None or asked.asset == asset]
        batch = self._desk.batch(self.t)
        if asset is None:
            batch.weights = None
        batch.rests.update(range(len(self.symbols)) if asset is None else (asset,))
        return sum([self._desk.withdraw(order, self.t) for order in found])

    # Inside

    def _asset(self, symbol: str, *, trades: bool = True) -> int:
        """The canonical column of a symbol that can be ordered now."""
        if not self._open:
            raise InputError(
                f"The order of {symbol} comes {'before the first bar' if self.t < 0 else 'after the last bar'}.",
                hint="orders are placed in `on_bar`.",
            )
        asset = self._form.asset(symbol, self.t)
        self._last = asset
        if not trades:
            return asset
        book = self._desk.book
        if book.dead[asset]:
            raise self._form.refuse(asset, self.t, "comes after the symbol's delisting")
        if np.isnan(book.mark[asset]):
            raise self._form.refuse(asset, self.t, "comes before the symbol's first price")
        if self._slippage is not None and self._slippage[self.t, asset]:
            hint = "give the model a default, such as `default=ql.Bps(50)`, or begin later."
            raise self._form.refuse(asset, self.t, "meets a slippage that is not known yet", hint)
        return asset

    def _price(self, asset: int) -> float:
        """What a share is worth in the account's currency."""
        world, currency = self._desk.inputs.world, self._desk.terms.currency[asset]
        fx = world.fx[self.t if world.fx.shape[0] > 1 else 0, currency]
        return float(self._desk.book.mark[asset] * fx)

    def _whole(self, shares: float, asset: int) -> float:
        """Whole lots in shares; less than one lot is remembered."""
        return self._form.units(shares, asset, self.t, note=False) * self._form.lot.unit

    def _to_units(self, asset: int, target: float) -> OrderId | None:
        desk = self._desk
        coming = float(desk.book.due[asset]) if desk.book.due_kind[asset] <= k.ORDER else 0.0
        held = float(desk.book.units[asset])
        change = target - float(held + coming + desk.coming[asset])
        # Fractions leave a rest that is rounding noise.
        if change == 0.0 or (self._form.lot.step == 0.0 and abs(change) <= 1e-12 * abs(target)):
            return None
        # What only closes must not open the other side when an exit or another order comes first.
        reduces = change * held < 0.0 and target * held >= 0.0 and abs(change) <= abs(held)
        return desk.send(self._form.market(asset, change, reduce_only=reduces), self.t)

    def _weight_row(self, weights: Any) -> np.ndarray | None:
        """Weights in the order of ``symbols``, None where they are NaN throughout."""
        if not self._open:
            when = "before the first bar" if self.t < 0 else "after the last bar"
            raise InputError(f"The weights come {when}.", hint="decide in `on_bar`.")
        if isinstance(weights, Mapping):
            row = np.zeros(len(self.symbols))
            for symbol, weight in weights.items():
                asset = self._form.asset(symbol, self.t)
                self._last = asset
                row[self._axes.order[asset]] = self._form.float_of(weight, "weight", asset, self.t)
            return row
        found = None if isinstance(weights, Panel) else np.asarray(weights)
        if found is None or found.dtype.kind not in "iuf":
            what = type(weights).__name__ if found is None else f"values of {found.dtype}"
            raise KindError(f"`weights` must be a mapping or one row of numbers, received {what}.")
        row = found.astype(np.float64)
        if row.shape != (len(self.symbols),):
            raise InputError(
                f"`weights` must have one number per symbol, ({len(self.symbols)},), received {row.shape}."
            )
        return None if np.isnan(row).all() else row

    def _check_row(self, row: np.ndarray, canonical: np.ndarray) -> None:
        with np.errstate(invalid="ignore"):
            good = np.abs(row).sum() <= _LARGEST_WEIGHT
        if not good:
            panel = Panel._trusted(row[None, :], self._axes.dates[self.t : self.t + 1], self.symbols, None)
            _check_weights(panel)
        mark = self._desk.book.mark
        bad, sentence, hint = np.isnan(mark) & (canonical != 0.0), "before its first price", "mask the score."
        if self._slippage is not None and not bad.any():
            traded = (canonical != 0.0) | (self._desk.book.units != 0.0)
            bad, sentence = self._slippage[self.t] & traded, "where its slippage is not known"
            hint = "give the model a default, such as `default=ql.Bps(50)`, or begin later."
        if bad.any():
            asset = int(bad.argmax())
            raise DataError(
                f"{self._axes.symbols[asset]} has a weight on {show(self._axes.dates[self.t])}, {sentence}.", hint=hint
            )
