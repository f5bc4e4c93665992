"""``tearsheet``: a backtest and its validation as one offline page, with the same numbers as JSON beside it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from quantlab.backtest import Result
from quantlab.core import InputError
from quantlab.core._atomic import write_atomic
from quantlab.metrics import Estimate
from quantlab.report._content import content
from quantlab.report._render import as_html, as_json
from quantlab.validation import WalkForward


def tearsheet(
    result: Result,
    *,
    validation: Sequence[WalkForward | Estimate] = (),
    path: str | os.PathLike[str],
    title: str | None = None,
    seed: int | np.random.Generator | None = None,
) -> Path:
    """Write the tearsheet of a backtest and return where it stands.

    One HTML file that opens from the disk and fetches nothing, and beside it a JSON file with the same numbers. Each is
    whole or absent. The same inputs give the same bytes: no clock is read.

    Parameters
    ----------
    result : Result
    validation : sequence of WalkForward and Estimate
        What ``ql.walk_forward`` and ``ql.bootstrap`` returned; sections for what is there.
    path : path ending in .html or .htm
        Missing folders are made; existing files are replaced. The twin has the suffix .json.
    title : str, optional
        "Backtest of" and the dataset's name when left out.
    seed : int | numpy.random.Generator | None
        For the intervals of metrics that have no analytic one (stationary bootstrap, 2,000 resamples). None takes it
        from the returns. It is printed on the page.

    Returns
    -------
    pathlib.Path
        Of the HTML file.

    Raises
    ------
    InputError
        When ``path`` has another suffix, or bars per year are unknown.
    KindError
        When ``result`` or an item of ``validation`` is of another type.
    StoreError
        When a file cannot be written.

    Notes
    -----
    A line of more than 4,000 bars is drawn by the lowest and highest bar of each group of neighbors, and says so; every
    number in a table is computed from all bars.

    Examples
    --------
    >>> import tempfile
    >>> from quantlab.backtest import simulate
    >>> from quantlab.core import Frequency, Panel, as_bars
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> bars = as_bars(Panel([[10.0], [10.0], [11.0]], days, ["A"], frequency=Frequency.daily("XNYS")))
    >>> result = simulate(Panel([[1.0]], days[:1], ["A"]), bars, fill="next_close")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = tearsheet(result, path=f"{folder}/first.html")
    ...     sorted(file.name for file in page.parent.iterdir())
    ['first.html', 'first.json']
    """
    page = Path(path)
    if page.suffix.lower() not in (".html", ".htm"):
        raise InputError(
            f"`path` must end in .html, received {str(path)!r}.", hint="the JSON twin gets its name from it."
        )
    told = content(result, validation, title=title, seed=seed)
    html, twin = as_html(told), as_json(told)
    write_atomic(page.with_suffix(".json"), twin)
    return write_atomic(page, html)
