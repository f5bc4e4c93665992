"""The table [sweep] of a configuration: which variants, who runs them, and what stays of it.

Values of a parameter are a list, or a range to draw from: ``{ kind = "integers", low = 20, high = 300 }``. Conditions
on a variant, and grids of costs or accounts, are functions and objects: they are written in Python.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from quantlab.cli._table import Table, Text
from quantlab.core import InputError, KindError

if TYPE_CHECKING:
    from quantlab.study import Grid

DRAWN = ("random", "latin_hypercube")
_RANGES = ("integers", "uniform", "log_uniform")
_EXAMPLE = '{ kind = "integers", low = 20, high = 300 }'


def _values(given: Any) -> Any:
    """The values of one parameter: a list as it is, or the range that a table describes."""
    if isinstance(given, list):
        return [_unchangeable(value) for value in given]
    if not isinstance(given, dict):
        hint = f"write [{given!r}]." if isinstance(given, (int, float)) else None
        raise InputError(f"it must be a list of values or a range such as {_EXAMPLE}, received {given!r}.", hint=hint)
    return _range(given)


def _unchangeable(value: Any) -> Any:
    # A list within the list is one value: Python's tuple.
    return tuple(_unchangeable(part) for part in value) if isinstance(value, list) else value


def _range(given: Mapping[str, Any]) -> Any:
    from quantlab import study

    kinds = {name: getattr(study, name) for name in _RANGES}
    kind = given.get("kind")
    if kind not in _RANGES:
        said = "has no `kind`" if kind is None else f"has the kind {kind!r}"
        raise InputError(f"a range {said}; it is one of {', '.join(_RANGES)}.", hint=f"such as {_EXAMPLE}.")
    takes = ("low", "high", "step") if kind == "integers" else ("low", "high")
    for key in given:
        if key not in (*takes, "kind"):
            raise InputError(f"a range of kind {kind} takes no `{key}`; it takes {', '.join(takes)}.")
    for key in ("low", "high"):
        if key not in given:
            raise InputError(f"a range of kind {kind} needs `{key}`.", hint=f"such as {_EXAMPLE}.")
    step = {"step": given["step"]} if "step" in given else {}
    try:
        return kinds[kind](given["low"], given["high"], **step)
    except KindError as error:
        # Pydantic catches a ValueError alone.
        raise InputError(error.message, hint=error.hint) from error


class SweepTable(Table):
    """Many variants of the strategy."""

    study: Text | None = Field(default=None, description="the name of a line of research, as text")
    log: Text | None = Field(default=None, description="a folder, or the URL of a database, as text")
    kind: Literal["product", "zipped", "random", "latin_hypercube"] = Field(
        default="product", description='"product", "zipped", "random" or "latin_hypercube"'
    )
    n: int | None = Field(default=None, ge=1, description="a whole number of variants, 1 or more")
    seed: int | None = Field(default=None, ge=0, lt=2**63, description="a whole number, 0 or more")
    grid: dict[str, Annotated[Any, BeforeValidator(_values)]] = Field(
        min_length=1, description="a table: for each parameter of the strategy a list of values, or a range"
    )
    scheduler: str = Field(
        default="threads",
        pattern=r"^(threads|processes|\w+://\S+)$",
        description='"threads", "processes" or the address of a Dask scheduler such as "tcp://host:8786"',
    )
    workers: int | None = Field(default=None, ge=1, description="a whole number of threads or processes, 1 or more")
    returns: bool = Field(default=False, description="true (keep the returns of every variant) or false")
    memory: float = Field(default=256.0, gt=0, description="a number of MiB above zero, for what variants share")
    top: int = Field(default=10, ge=1, description="a whole number of variants to print, 1 or more")
    by: Text = Field(default="sharpe", description='the name of a metric, such as "sharpe"')
    path: str | None = Field(
        default=None,
        pattern=r"\.(parquet|csv)$",
        description='a file name that ends in ".parquet" or ".csv", as text',
    )

    @model_validator(mode="after")
    def _fits(self) -> SweepTable:
        if self.workers is not None and "://" in self.scheduler:
            raise ValueError("`sweep.workers` is for threads and processes: a cluster has its own")
        if self.kind in DRAWN:
            if self.n is None:
                raise ValueError(f'`sweep.kind` "{self.kind}" needs `n`, how many variants to draw')
            return self
        for name in ("n", "seed"):
            if getattr(self, name) is not None:
                raise ValueError(f'`sweep.kind` "{self.kind}" takes no `{name}`: nothing is drawn')
        for name, values in self.grid.items():
            if not isinstance(values, list):
                raise ValueError(
                    f'`sweep.grid.{name}` is a range to draw from, and `sweep.kind` "{self.kind}" takes lists'
                )
        return self

    def value(self) -> Grid:
        """Return the grid; raises InputError and KindError as the functions of ``ql.study`` do."""
        from quantlab import study

        if self.kind == "random":
            return study.random_grid(self.grid, self.n or 0, seed=self.seed or 0)
        if self.kind == "latin_hypercube":
            return study.latin_hypercube(self.grid, self.n or 0, seed=self.seed or 0)
        return study.zipped(self.grid) if self.kind == "zipped" else study.product(self.grid)
