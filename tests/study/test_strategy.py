"""What a strategy must take, and how it is called in messages."""

import functools

import pytest

from quantlab.core import InputError, KindError
from quantlab.study._strategy import RESERVED, call, demand_function, demand_taken, name_of


def strategy(bars, *, lookback=252, skip=21, top=0.3):
    """Never called here."""


def by_position(bars, lookback, /):
    """Never called here."""


@pytest.mark.parametrize(
    ("function", "names", "error", "message"),
    [
        (strategy, ["lookbak"], InputError, "strategy does not take the parameter lookbak.*did you mean lookback"),
        (strategy, ["zzz"], InputError, "it takes lookback, skip, top"),
        (strategy, ["bars"], InputError, "does not take the parameter bars"),
        (lambda bars: None, ["zzz"], InputError, "it takes nothing"),
        (lambda bars, **params: None, ["bars"], InputError, "does not take the parameter bars"),
        (lambda bars, a, b: None, ["a"], InputError, r"needs b, which is not in the grid.*functools\.partial"),
        (by_position, [], InputError, "takes lookback by position alone"),
        (lambda: None, ["a"], InputError, "takes none"),
        (lambda **params: None, ["a"], InputError, "first argument"),
        ("momentum", ["a"], KindError, "must be a function of bars, received str"),
        (max, ["a"], KindError, "whose parameters can be read, received max"),
        (strategy, ["cost"], InputError, "does not take the parameter cost of the grid.*did you mean costs"),
        (lambda bars, fill: None, ["fill"], InputError, "takes fill itself.*another name"),
    ],
)
def test_refuses(function, names, error, message):
    with pytest.raises(error, match=message):
        demand_taken(function, names, reserved=RESERVED)


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (strategy, []),
        (strategy, ["top", "skip"]),
        (lambda bars, a, b=1: None, ["a"]),
        (functools.partial(lambda bars, a, b: None, b=2), ["a"]),
        (functools.partial(strategy, skip=2), ["skip"]),
        (lambda bars, **params: None, ["anything"]),
        (lambda *arguments: None, []),
        (strategy, ["skip", *RESERVED]),
        (lambda bars, **params: None, list(RESERVED)),
        # A default of the strategy that is not swept is nobody else's business.
        (lambda bars, fill="x", a=1: None, ["a"]),
    ],
)
def test_takes(function, names):
    demand_taken(function, names, reserved=RESERVED)


def test_without_reserved_names_the_engine_has_none():
    with pytest.raises(InputError, match="does not take the parameter costs"):
        demand_taken(strategy, ["costs"])
    demand_taken(lambda bars, costs: None, ["costs"])


def test_names():
    assert call(strategy, {"skip": 1, "top": 0.5}) == "strategy(skip=1, top=0.5)"
    assert name_of(functools.partial(strategy, top=1)) == "strategy"
    assert name_of(object()) == "function"
    assert name_of(object(), unknown="metric") == "metric"


def test_functions():
    demand_function(len, "metric")
    with pytest.raises(KindError, match=r"`metric` must be a function, received the text 'Sharp'.*ql\.metrics\.sharpe"):
        demand_function("Sharp", "metric")
    with pytest.raises(KindError, match="`metric` must be a function, received int"):
        demand_function(3, "metric")
