"""The returns of every variant at full precision, for who scores them window by window.

They lie in a file that is gone afterwards, so that memory does not grow with variants; threads make them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from quantlab.backtest._many import Decisions
from quantlab.core import QuantlabError
from quantlab.study._job import Job, Terms, Worker
from quantlab.study._strategy import call

# Below so many bytes memory is as good as a file.
_SMALL = 64 * 2**20
_CHUNK = 32


@dataclass(frozen=True, slots=True)
class Tracks:
    """The returns of many variants.

    Parameters
    ----------
    values : (V, T) float64, simple returns per bar; NaN before the first and after a ruin
    start : (V,) int64, the first bar with a return, T when there is none
    ruined : (V,) int64, the bar of the ruin, T when there was none
    engine : (V,) bool, whether the general engine was needed
    """

    values: np.ndarray
    start: np.ndarray
    ruined: np.ndarray
    engine: np.ndarray


@contextmanager
def tracks_of(
    job: Job, variants: Sequence[Mapping[str, Any]], workers: int, tell: Callable[[int, int], Any] | None
) -> Iterator[Tracks]:
    """Give the returns of variants; raises what the first of them raises that fails."""
    V, T = len(variants), job.bars.shape[0]
    start, ruined = np.full(V, T, dtype=np.int64), np.full(V, T, dtype=np.int64)
    with tempfile.TemporaryDirectory(prefix="quantlab-") as folder:
        if 8 * V * T <= _SMALL:
            values = np.full((V, T), np.nan)
        else:
            # A file of zeros takes no space until it is written; what a variant leaves is set by itself.
            values = np.memmap(Path(folder) / "returns", dtype=np.float64, mode="w+", shape=(V, T))
        tracks = Tracks(values, start, ruined, np.zeros(V, dtype=bool))
        worker = Worker(job)

        def run(first: int) -> int:
            _fill(tracks, worker, variants, range(first, min(first + _CHUNK, V)))
            return min(_CHUNK, V - first)

        with ThreadPoolExecutor(workers) as pool:
            done = 0
            try:
                for count in pool.map(run, range(0, V, _CHUNK)):
                    for _ in range(count):
                        done += 1
                        if tell is not None:
                            tell(done, V)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        yield tracks


def _fill(tracks: Tracks, worker: Worker, variants: Sequence[Mapping[str, Any]], numbers: range) -> None:
    decided = [_decided(worker, variants[number]) for number in numbers]
    course = worker.course(worker.job.terms)
    cash = float(course.plan.account.cash)
    outcomes = course.outcomes([decisions for _, decisions in decided], worker.workshop(course))
    for number, outcome in zip(numbers, outcomes, strict=True):
        if isinstance(outcome, QuantlabError):
            raise _of(worker, variants[number], outcome) from outcome
        row, first = tracks.values[number], outcome.start
        before = np.concatenate(([float(outcome.equity[first - 1]) if first else cash], outcome.equity[first:-1]))
        row[:first] = np.nan
        row[first:] = outcome.equity[first:] / before[: row.size - first] - 1.0
        tracks.start[number], tracks.engine[number] = first, outcome.engine == "general"
        if outcome.ruined >= 0:
            tracks.ruined[number] = outcome.ruined
            row[outcome.ruined + 1 :] = np.nan


def _decided(worker: Worker, params: Mapping[str, Any]) -> tuple[Terms, Decisions]:
    try:
        return worker.decided(params)
    except QuantlabError as error:
        raise _of(worker, params, error) from error


def _of(worker: Worker, params: Mapping[str, Any], error: QuantlabError) -> QuantlabError:
    """The error with the call that it came from, unless it names it already."""
    what = call(worker.job.strategy, params)
    return error if what in error.message else type(error)(f"{what}: {error.message}", hint=error.hint)
