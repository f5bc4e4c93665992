"""Rules about jumps of the close: each jump that the recorded actions do not explain gets one name.

In this order: a spike (the next close takes it back), a run at another level (some later close takes it back), then for
jumps that stay: a change of scale, another security under the same symbol, a split or another action that nobody
recorded, and what is left is an extreme move, genuine as far as anybody can tell.

What tells an action from news is the day itself. Of the 504 large US stocks of 1999 to 2021, news that moved a price by
a third traded a median of six times the usual dollars and swung through half of the jump between high and low; on the
days of splits and spin-offs the turnover was ordinary (median 1.2) and the range a twentieth of the jump.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from quantlab.data.checks._findings import Finding, count, when
from quantlab.data.checks._rules_trail import AROUND, Trail

SPIKE = 0.2  # one-bar move that counts, as a fraction
BACK = 0.25  # a spike's next close lies within this part of the move from where it began
_SPIKE_SIGMAS = 4.0  # of what is usual there: in 2008 banks moved by 20 % and back in earnest
_SMALL_SPIKE = 0.05  # least move of a spike that is one by its distance from what is usual alone
_SMALL_SIGMAS = 6.5
_QUIET = 2.2  # more than this multiple of the usual dollars is news
_HOLLOW = 0.25  # and less than this says that the volume of the day is not known
_JUMP = 0.095  # least logarithmic jump that needs a name: 10 %
_SIGMAS, _RUN_SIGMAS = 8.0, 5.0  # and the least multiple of the usual move; less for two jumps that cancel
_RUN = 60  # most bars of a run at another level
_BLIND_JUMP, _BLIND_RUN = 0.22, 20  # closes alone: two earnings days cancel too, by less and farther apart
_BLIND_SPLIT = 0.35  # and least size of a split that closes alone can show: 3:2, give or take a day's move
_CANCEL = 0.1  # two jumps cancel when they differ by less than this part of them
_EXTREME = float(np.log(1.5))
_TRIPLE = float(np.log(3.0))  # upward, a price does not do this overnight: 0 of 2.4 million bars
_DECADE = float(np.log(10.0))
_DECADE_SLACK = 0.2
_OVERNIGHT = 0.7  # least part of an action's jump that the open already shows
# Ratios that boards choose; a forward split k:m divides the price by k/m, a reverse one multiplies it.
_FORWARD = np.array([2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 50, 100, 3 / 2, 4 / 3, 5 / 4, 5 / 2, 5 / 3])
_REVERSE = np.array([2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 35, 40, 50, 75, 100])
_RATIO_SLACK = (0.02, 0.08)  # logarithmic; between the two, three usual moves
_CLOSE_SLACK = (0.05, 0.3)  # the close may wander this far from the ratio, or this part of the jump from 2:1 on
_REUSE_GAP = 60  # bars of silence after which a symbol may have been given away
_REUSE_LEVEL, _REUSE_TRADE = float(np.log(2.0)), 5.0  # and what must differ: the price, or the dollars traded
_WIDE = 0.31  # a day that swings through more of its jump than this is one of news
_TIGHT, _BUSY = 0.16, 3.5  # and one this tight may be this busy: funds sell what a spin-off hands them
_NARROW = 0.08  # a day's range as a part of its jump: news that takes away a third is argued about for longer
_BESIDE = np.concatenate([np.arange(-AROUND, 0), np.arange(2, AROUND + 2)])


def jumps(trail: Trail) -> Iterator[Finding]:
    """Every jump of the close that is worth a line, under one name each."""
    if trail.size < 2:
        return
    spiky, found = _spikes(trail)
    yield from found
    at = np.flatnonzero(np.abs(trail.move) >= _JUMP)
    # A spike is two jumps, out and back.
    at = at[~np.isin(at, np.concatenate([spiky, spiky + 1]))]
    sigma = trail.sigma(at)
    taken, found = _runs(trail, at, sigma)
    yield from found
    yield from _staying(trail, at[~taken])


def _spikes(trail: Trail) -> tuple[np.ndarray, list[Finding]]:
    close, base = trail.close[1:-1], trail.base[1:-1]
    after = trail.close[2:].copy()
    acted = trail.effects.at[(trail.effects.at >= 2)] - 2
    after[acted] = close[acted] * (trail.close[acted + 2] / trail.base[acted + 2])
    size = np.abs(close - base)
    back = (np.abs(after - base) <= BACK * size) & trail.next_door[1:-1] & trail.next_door[2:]
    places = np.flatnonzero(back & (size >= _SMALL_SPIKE * base))
    at, large = places + 1, size[places] >= SPIKE * base[places]
    alone = np.abs(trail.move[at] - trail.market(at))
    usual = 1.4826 * trail.usual(trail.sizes, at, _BESIDE)
    # Prices err on ordinary days; a small move on high turnover that is taken back is news and its denial.
    small = ~(trail.turnover(at) > _QUIET) & (alone >= np.fmax(_SMALL_SIGMAS * usual, _SMALL_SPIKE)) & (usual > 0)
    found = places[np.where(large, ~(alone < _SPIKE_SIGMAS * usual), small)]
    rows = []
    for index in found.tolist():
        bar = index + 1
        shown = f"close {base[index]:g}, then {close[index]:g}, then {after[index]:g}"
        rows.append(Finding("spike", trail.symbol(bar), trail.date(bar), None, f"{when(trail.date(bar))}{shown}"))
    return found + 1, rows


def _runs(trail: Trail, at: np.ndarray, sigma: np.ndarray) -> tuple[np.ndarray, list[Finding]]:
    """Pairs of jumps that cancel: which of ``at`` they are, and the runs between them."""
    taken = np.zeros(at.size, dtype=bool)
    rows = []
    move = trail.move[at] - trail.market(at)
    blind = trail.volume is None and trail.open is None
    least, sigmas, longest = (_BLIND_JUMP, _SIGMAS, _BLIND_RUN) if blind else (_JUMP, _RUN_SIGMAS, _RUN)
    # In another unit the dollars are wrong by the same factor, so that they say nothing.
    quiet = ~(trail.turnover(at) > _QUIET) | (np.abs(move) >= _TRIPLE)
    quiet &= ~(np.abs(move) < sigmas * sigma) & (np.abs(move) >= least)
    quiet &= ~(_overnight(trail, at) < _OVERNIGHT)
    for step in (1, 2, 3):
        one, two = np.arange(at.size - step), np.arange(step, at.size)
        length = at[two] - at[one]
        pair = (trail.column[at[one]] == trail.column[at[two]]) & (length <= longest) & quiet[one] & quiet[two]
        pair &= np.abs(move[one] + move[two]) <= np.maximum(_CANCEL * np.abs(move[one]), 2 * sigma[one])
        pair &= move[one] * move[two] < 0
        for place in np.flatnonzero(pair).tolist():
            if taken[place] or taken[place + step]:
                continue
            taken[place] = taken[place + step] = True
            start, past = int(at[place]), int(at[place + step])
            decade = _decade(move[place])
            detail = (
                f"{when(trail.date(start))}close {trail.base[start]:g}, then {trail.close[start]:g}, a factor of "
                f"{np.exp(move[place]):.4g}, and back to {trail.close[past]:g} after {count(past - start)}"
            )
            rule = "scale" if decade else "level_run"
            rows.append(Finding(rule, trail.symbol(start), trail.date(start), trail.date(past - 1), detail))
    return taken, rows


def _decade(move: float) -> int:
    power = round(abs(move) / _DECADE)
    return power if 1 <= power <= 3 and abs(abs(move) - power * _DECADE) <= _DECADE_SLACK else 0


@dataclass(frozen=True)
class _Jumps:
    """What there is to say about jumps that nothing takes back; arrays of one value per jump, NaN if unknown."""

    at: np.ndarray
    move: np.ndarray  # logarithmic, after the recorded actions
    alone: np.ndarray  # without the market's move
    sigma: np.ndarray
    turnover: np.ndarray
    trade: np.ndarray  # dollars traded in the quarter after over the quarter before
    night: np.ndarray  # part of the move that the open shows
    narrow: np.ndarray  # high over low, logarithmic, as a part of the move
    gap: np.ndarray  # bars since the last close
    recorded: np.ndarray  # whether an action was recorded
    standing: np.ndarray  # whether half of it or more is still there five bars later

    @property
    def quiet(self) -> np.ndarray:
        """Whether the day looks like that of an action: usual dollars, or a fall that left hardly any range.

        Upward, a cash offer leaves no range either. A hollow volume is not known, and then the range alone decides.
        """
        usual = ~(self.turnover > _QUIET) & ~(self.turnover < _HOLLOW)
        busy = (self.narrow <= _NARROW) | ((self.narrow <= _TIGHT) & (self.turnover <= _BUSY))
        return usual | (busy & (self.move < 0))


def _staying(trail: Trail, at: np.ndarray) -> Iterator[Finding]:
    """Jumps that nothing takes back."""
    seen = _jumps(trail, at)
    for rule, place, why in _named(seen):
        bar = int(at[place])
        traded = f", {seen.turnover[place]:.2g} times the usual dollars"
        if np.isnan(seen.turnover[place]):
            traded = ", no volume to judge it by"
        shown = f"close {trail.base[bar]:g}, then {trail.close[bar]:g} ({np.expm1(seen.move[place]):+.0%}){traded}"
        yield Finding(rule, trail.symbol(bar), trail.date(bar), None, f"{when(trail.date(bar))}{shown}{why}")


def _named(seen: _Jumps) -> Iterator[tuple[str, int, str]]:
    """Rule, place and further evidence of each jump that gets a name; the first that fits."""
    size = np.abs(seen.move)
    trade = np.log(seen.trade)
    other = (size >= _REUSE_LEVEL) | (np.abs(trade) >= np.log(_REUSE_TRADE))
    decade = np.array([_decade(move) > 0 for move in seen.move], dtype=bool)
    # A split multiplies the shares that trade; a change of unit multiplies the dollars instead.
    unit = np.isnan(trade) | (np.abs(trade - seen.move) < np.abs(trade))
    # Without ten moves before it, nobody knows what is usual.
    sudden = seen.standing & seen.quiet & ~(seen.narrow > _WIDE)
    sudden &= (np.abs(seen.alone) >= _JUMP) & (np.abs(seen.alone) >= _SIGMAS * seen.sigma)
    ratios = [""] * size.size
    for place in np.flatnonzero(sudden).tolist():
        ratios[place] = _ratio(float(seen.move[place]), float(seen.night[place]), float(seen.sigma[place]))
    simple = np.array([bool(ratio) for ratio in ratios], dtype=bool)
    shown = ~np.isnan(seen.turnover) | ~np.isnan(seen.night) | (size >= _BLIND_SPLIT)
    # Another company's price appears: a fall through no prices at all, on a day of far more than the usual turnover.
    taken = sudden & (seen.narrow <= _NARROW) & (seen.move <= -_EXTREME) & (seen.turnover > _QUIET)
    action = (sudden & (seen.night >= _OVERNIGHT)) | (seen.move >= _TRIPLE)
    left = np.ones(size.size, dtype=bool)
    for rule, mask in (
        ("ticker_reuse", (seen.gap > _REUSE_GAP) & other),
        ("", seen.recorded),
        ("scale", decade & seen.standing & unit),
        ("unrecorded_split", sudden & simple & shown),
        ("ticker_reuse", taken),
        ("unrecorded_action", action),
        ("extreme_move", size >= _EXTREME),
    ):
        for place in np.flatnonzero(left & mask).tolist() if rule else ():
            yield rule, place, _why(seen, rule, place, ratios[place])
        left &= ~mask


def _why(seen: _Jumps, rule: str, place: int, ratio: str) -> str:
    after = "" if np.isnan(seen.trade[place]) else f", x{seen.trade[place]:.2g} in the quarter after"
    if rule == "ticker_reuse" and seen.gap[place] > _REUSE_GAP:
        return f"{after}, after {count(int(seen.gap[place]) - 1)} without a close"
    if rule == "ticker_reuse":
        return f", through a range of {seen.narrow[place]:.1%} of the fall"
    if rule == "unrecorded_action" and not np.isnan(seen.night[place]):
        return f", {seen.night[place]:.0%} of it at the open"
    return {"scale": after, "unrecorded_split": f": {ratio}"}.get(rule, "")


def _jumps(trail: Trail, at: np.ndarray) -> _Jumps:
    move = trail.move[at]
    before = 1.4826 * trail.usual(trail.sizes, at, np.arange(-AROUND, 0))
    # With volume or ranges to judge by, the calm before is the measure: what happens after may be part of the news.
    blind = trail.volume is None and trail.spread is None
    gap = trail.row[at] - trail.row[at - 1]
    trade = np.full(at.size, np.nan)
    if trail.dollars is not None:
        after = trail.usual(trail.dollars, at, np.arange(5, 64))
        trade = after / trail.usual(trail.dollars, at, np.arange(-60, -1))
    spread = np.full(at.size, np.nan) if trail.spread is None else trail.spread[at]
    later = np.minimum(at + 5, trail.size - 1)
    later = np.where(trail.column[later] == trail.column[at], later, at)
    total = np.array([trail.move[bar : end + 1].sum() for bar, end in zip(at.tolist(), later.tolist(), strict=True)])
    return _Jumps(
        at=at,
        move=move,
        alone=move - trail.market(at),
        # A price that nobody saw for a while has moved on by the square root of the time.
        sigma=(trail.sigma(at) if blind else before) * np.sqrt(gap),
        turnover=trail.turnover(at),
        trade=trade,
        night=_overnight(trail, at),
        narrow=spread / np.abs(move),
        gap=gap,
        recorded=np.isin(at, trail.effects.at),
        standing=total / move > 0.5,
    )


def _overnight(trail: Trail, at: np.ndarray) -> np.ndarray:
    """Part of a move that the open already shows; NaN without opens."""
    if trail.open is None:
        return np.full(at.size, np.nan)
    return np.log(trail.open[at] / trail.base[at]) / trail.move[at]


def _ratio(move: float, night: float, sigma: float) -> str:
    """Return the simple split that a move looks like, by its open if there is one, or nothing."""
    jump = move if np.isnan(night) else move * night
    choices = _FORWARD if move < 0 else _REVERSE
    distance = np.abs(np.log(choices) - abs(jump))
    best = int(distance.argmin())
    noise = 3 * sigma if np.isfinite(sigma) else 0.0
    low, high = _RATIO_SLACK
    near, part = _CLOSE_SLACK
    wander = max(near, noise, part * abs(jump) if choices[best] >= 2 else 0.0)
    # A fifth or a quarter off is what many spin-offs take: only an exact 5:4 or 4:3 is called a split.
    slack = min(max(low, noise), high) if choices[best] >= 1.5 else low
    if jump * move <= 0 or distance[best] > slack or abs(move - jump) > wander:
        return ""
    ratio = Fraction(float(choices[best])).limit_denominator(10)
    new, old = (ratio.numerator, ratio.denominator) if move < 0 else (ratio.denominator, ratio.numerator)
    return f"as a {new}:{old} split would"
