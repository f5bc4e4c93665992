"""A walk-forward on record: each of its variants is a trial of its study, and its fold table lies with them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from quantlab.core import InputError, KindError
from quantlab.study._grid import Grid
from quantlab.study._job import Job
from quantlab.study._log import TrialLog
from quantlab.study._record import identity_of, trial_keys
from quantlab.study._run import Batch, Run
from quantlab.study._strategy import name_of
from quantlab.validation._fold_scores import FoldTrial

if TYPE_CHECKING:
    import polars as pl


class Recorded:
    """Takes what is worth keeping of a walk-forward; without a study it keeps nothing."""

    def __init__(self, log: TrialLog | None, batch: Batch | None, keys: Sequence[str], grid: Grid) -> None:
        self._log, self._batch, self._keys, self._grid = log, batch, keys, grid

    def scored(self, trials: Sequence[FoldTrial]) -> None:
        """Log every variant with its scores in the training windows; how it did afterwards is nobody's business."""
        if self._log is None or self._batch is None:
            return
        runs = []
        for number, params in enumerate(self._grid):
            scores = np.array([trial.scores[number] for trial in trials])
            known = scores[~np.isnan(scores)]
            metrics = {f"in_sample.{fold + 1}": float(x) for fold, x in enumerate(scores) if not np.isnan(x)}
            if known.size:
                metrics["in_sample"] = float(known.mean())
            runs.append(Run(key=self._keys[number], number=number, params=params, metrics=metrics))
        self._log.record(self._batch, runs)

    def chosen(self, folds: pl.DataFrame) -> None:
        """Keep the fold table."""
        if self._log is None or self._batch is None:
            return
        whole = io.BytesIO()
        folds.write_parquet(whole)
        self._log.artifact(self._batch, whole.getvalue(), name="folds.parquet", kind="table")


@contextmanager
def recorded(study: Any, log: Any, job: Job, grid: Grid, settings: dict[str, Any]) -> Iterator[Recorded]:
    """Open a batch for a walk-forward, and close it with what became of it.

    Raises
    ------
    KindError, InputError
        For a study that is no text or blank, or a log without a study.
    """
    if study is None:
        if log is not None:
            raise InputError("`log` says where studies are, and `study` is None.", hint="name the study.")
        yield Recorded(None, None, (), grid)
        return
    if not isinstance(study, str):
        raise KindError(f"`study` must be the name of a study or None, received {type(study).__name__}.")
    if not study.strip():
        raise InputError("`study` is blank.", hint='name the line of research: `study="momentum"`.')
    book = log if isinstance(log, TrialLog) else TrialLog(log)
    known = identity_of(job)
    batch = book.begin(
        study,
        kind="walk_forward",
        strategy=name_of(job.strategy),
        code_hash=known.code,
        data_hash=known.data,
        settings={**known.settings, **settings, "grid": grid.describe()},
        planned=len(grid),
    )
    try:
        yield Recorded(book, batch, trial_keys(known.name, grid), grid)
    except KeyboardInterrupt:
        book.end(batch, status="interrupted")
        raise
    except BaseException as error:
        book.end(batch, status="failed", reason=f"{type(error).__name__}: {error}")
        raise
    book.end(batch)
