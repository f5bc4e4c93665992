"""Work done once: what counts as the same question, what is forgotten, and what threads see."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from quantlab.core import Panel
from quantlab.core._shared import Scope, shared

DAYS = np.datetime64("2024-01-01") + np.arange(1000)


def panel(value=1.0, rows=10):
    return Panel(np.full((rows, 2), value), DAYS[:rows], ["A", "B"])


class Counting:
    """A shared function that counts its calls."""

    def __init__(self):
        self.calls = []

        @shared
        def work(data, *, n=1, other=None):
            self.calls.append((n, other))
            return data.map(lambda values: values * n)  # not shared: it is given a function

        self.work = work


def test_outside_a_scope_everything_is_worked_out():
    counting, data = Counting(), panel()
    assert counting.work(data) is not counting.work(data)
    assert len(counting.calls) == 2


def test_the_same_question_has_one_answer():
    counting, data = Counting(), panel()
    with Scope(2**20).open():
        assert counting.work(data, n=2) is counting.work(data, n=2)
    assert counting.calls == [(2, None)]


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1.0), (1, True), (0.0, -0.0), ("1", 1), ((1,), (1.0,)), (None, "None"), (2, 3)]
)
def test_other_arguments_are_other_questions(one, other):
    counting, data = Counting(), panel()
    with Scope(2**20).open():
        counting.work(data, other=one)
        counting.work(data, other=other)
        counting.work(data, other=one)
    assert len(counting.calls) == 2


def test_equal_panels_are_two_questions():
    counting = Counting()
    with Scope(2**20).open():
        counting.work(panel())
        counting.work(panel())
    assert len(counting.calls) == 2


def test_what_cannot_be_compared_is_never_remembered():
    counting, data = Counting(), panel()
    with Scope(2**20).open():
        for _ in range(2):
            counting.work(data, other=[1])
            counting.work(data, other=lambda: None)
    assert len(counting.calls) == 4


def test_operators_and_methods_are_shared():
    data = panel()
    with Scope(2**20).open():
        assert (data + 1) is (data + 1)
        assert data.shift(2) is data.shift(2)
        assert data.where(data > 0) is data.where(data > 0)
        assert (data + 1) is not (1 + data)
    assert (data + 1) is not (data + 1)


def test_an_error_is_no_answer():
    data, calls = panel(), []

    @shared
    def work(data):
        calls.append(1)
        raise ValueError("no")

    with Scope(2**20).open():
        for _ in range(2):
            with pytest.raises(ValueError, match="no"):
                work(data)
    assert len(calls) == 2


def test_answers_stay_within_their_limit_and_the_oldest_goes_first():
    counting, data = Counting(), panel(rows=1000)  # 16 kB an answer
    scope = Scope(50_000)
    with scope.open():
        for n in (1, 2, 3):
            counting.work(data, n=n)
        counting.work(data, n=1)
        counting.work(data, n=4)  # 2 was not asked for the longest
        counting.calls.clear()
        counting.work(data, n=1)
        counting.work(data, n=3)
        counting.work(data, n=4)
        assert counting.calls == []
        counting.work(data, n=2)
        assert counting.calls == [(2, None)]
    assert scope._size <= 50_000


def test_answers_about_a_forgotten_one_are_forgotten():
    """Nobody can ask again about a Panel that is gone, and it must not be kept alive by small answers about it."""
    counting, data = Counting(), panel(rows=1000)

    @shared
    def width(data):
        return data.shape[1]

    scope = Scope(40_000)
    with scope.open():
        width(counting.work(data, n=1))
        assert len(scope._answers) == 2
        for n in range(2, 6):
            counting.work(data, n=n)
        kept = {id(part) for answer in scope._answers.values() for part in answer.asked}
    known = {id(answer.value) for answer in scope._answers.values()} | {id(data)}
    assert kept <= known


def test_threads_that_ask_at_once_wait_for_one_answer():
    data, calls, inside, go = panel(), [], threading.Event(), threading.Event()

    @shared
    def work(data):
        calls.append(1)
        inside.set()
        assert go.wait(60)
        return data

    scope, answers = Scope(2**20), []

    def ask():
        with scope.open():
            answers.append(work(data))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    threads[0].start()
    assert inside.wait(60)
    for thread in threads[1:]:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(60)
    assert len(calls) == 1
    assert answers == [data, data, data]


def test_time_that_answers_take_is_counted_once():
    """An answer inside an answer is not counted twice."""
    scope, data = Scope(2**20), panel()

    @shared
    def inner(data):
        return data

    @shared
    def outer(data):
        return inner(data)

    with scope.open():
        outer(data)
        before = scope.seconds
        outer(data)
    assert scope.seconds == before > 0
