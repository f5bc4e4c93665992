"""The configuration of a backtest or sweep: one TOML file, read once, refused whole at the first thing that it does not
mean.

Every field's description is its rule, and completes the sentence "`table.key` must be ...". Paths of the store and of
the report are relative to the current directory, since they belong to a run; the strategy's file is relative to the
configuration, since the two belong together. The tables that say how to trade stand in ``_trading``,
``_trading_account`` and ``_trading_costs``, that of a sweep in ``_sweep_config``.
"""

from __future__ import annotations

import difflib
import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from quantlab.cli._sweep_config import SweepTable
from quantlab.cli._table import Table, Text
from quantlab.cli._trading import BacktestTable, ExitTable, RebalancingTable
from quantlab.cli._trading_account import AccountTable
from quantlab.cli._trading_costs import CostTable
from quantlab.core import ConfigError, QuantlabError


def _day(value: Any) -> Any:
    if isinstance(value, str):
        return date.fromisoformat(value)
    if isinstance(value, datetime):
        raise ValueError("a date without a time")
    return value


Day = Annotated[date, BeforeValidator(_day)]


class Data(Table):
    """Which bars."""

    store: Text = Field(default="data", description="the folder of a store, as text")
    dataset: Text = Field(description="the name of a dataset in the store, as text")
    start: Day | None = Field(default=None, description="a date such as 1995-01-01")
    end: Day | None = Field(default=None, description="a date such as 2020-12-31")
    symbols: list[Text] | None = Field(default=None, min_length=1, description="a list of symbols, not empty")
    adjust: Literal["none", "split", "total_return"] | None = Field(
        default=None, description='"none", "split" or "total_return"'
    )
    known_at: Text | None = Field(default=None, description='a moment with its zone, as text: "2026-03-31T18:00:00Z"')

    @model_validator(mode="after")
    def _ordered(self) -> Data:
        if self.start is not None and self.end is not None and self.end < self.start:
            raise ValueError(f"`data.end` ({self.end}) is before `data.start` ({self.start})")
        return self


class Strategy(Table):
    """Which decisions."""

    function: str = Field(
        pattern=r"^[^:]+:[A-Za-z_]\w*$",
        description='"file.py:function" (the file beside the configuration) or "package.module:function"',
    )
    parameters: dict[str, Any] = Field(default_factory=dict, description="a table of keyword arguments of the strategy")


class WalkForwardTable(Table):
    """Choosing parameters on the past alone."""

    train: int = Field(ge=2, description="a whole number of bars, 2 or more")
    test: int = Field(ge=1, description="a whole number of bars, 1 or more")
    purge: int = Field(default=0, ge=0, description="a whole number of bars, 0 or more")
    anchored: bool = Field(
        default=False, description="true (training starts at the first bar) or false (a rolling window)"
    )
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(
        min_length=1, description="a table of lists: for each parameter of the strategy the values to try"
    )


class BootstrapTable(Table):
    """Intervals by resampling."""

    metrics: list[Text] = Field(
        default=["sharpe"], min_length=1, description='a list of metrics such as ["sharpe", "cagr"]'
    )
    # Every draw is kept, at 8 bytes: more than ten million would fill the memory, and no interval needs them.
    reps: int = Field(default=10_000, ge=40, le=10_000_000, description="a whole number of resamples, 40 to 10,000,000")
    seed: int = Field(default=0, ge=0, lt=2**63, description="a whole number, 0 or more")


class ReportTable(Table):
    """The tearsheet."""

    path: str = Field(pattern=r"\.html?$", description='a file name that ends in ".html", as text')
    title: Text | None = Field(default=None, description="text")


class Config(Table):
    """The whole file."""

    data: Data
    strategy: Strategy
    costs: CostTable = CostTable()
    account: AccountTable = AccountTable()
    backtest: BacktestTable = BacktestTable()
    exits: ExitTable | None = None
    rebalancing: RebalancingTable | None = None
    walk_forward: WalkForwardTable | None = None
    bootstrap: BootstrapTable | None = None
    report: ReportTable | None = None
    sweep: SweepTable | None = None


def load(path: Path) -> Config:
    """Return the configuration in a file.

    Raises
    ------
    ConfigError
        When the file is missing, is no TOML, or has an unknown key, a missing key or an impossible value.
    """
    try:
        content = tomllib.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError as error:
        near = sorted(str(found) for found in path.parent.glob("*.toml"))[:5] if path.parent.is_dir() else []
        hint = f"there is {', '.join(near)}." if near else "give the path of a TOML file."
        raise ConfigError(f"There is no configuration file {path}.", hint=hint) from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.", hint="give the path of a TOML file.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start}).", hint="save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{path} is not TOML: {error}.", hint='text values stand in quotes, as in: key = "text".'
        ) from error
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        # A misspelled key is both unknown and missing: say the former.
        found = sorted(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
        raise _refusal(path, found[0]) from error


def _refusal(path: Path, item: Any) -> ConfigError:
    """One validation error of pydantic as a sentence of ours."""
    place = [part for part in item["loc"] if isinstance(part, str)]
    if item["type"] == "extra_forbidden":
        return _unknown(path, place)
    rule, table = _rule(place)
    name = ".".join(place)
    if item["type"] == "missing":
        if table is not None:
            return ConfigError(f"{path}: the table [{name}] is missing.", hint=f"it holds {_keys(table)}.")
        return ConfigError(f"{path}: `{name}` is missing.", hint=f"it is {rule}.")
    if table is not None and item["type"] in ("model_type", "model_attributes_type"):
        return ConfigError(f"{path}: `{name}` must be a table, received {item['input']!r}.", hint=f"write [{name}].")
    error = item.get("ctx", {}).get("error")
    if isinstance(error, QuantlabError):
        return ConfigError(f"{path}: `{name}`: {error.message}", hint=error.hint)
    own = str(error)
    if own.startswith("`"):
        return ConfigError(f"{path}: {own}.")
    return ConfigError(f"{path}: `{name}` must be {rule}, received {_shown(item['input'])}.")


def _unknown(path: Path, place: list[str]) -> ConfigError:
    *table_place, key = place
    _, table = _rule(table_place)
    known = list((table or Config).model_fields)
    where = f"in [{'.'.join(table_place)}]" if table_place else "at the top"
    near = difflib.get_close_matches(key, known, n=1)
    homes = [name for name in Config.model_fields if key in _model(Config.model_fields[name].annotation).model_fields]
    if near:
        hint = f"did you mean `{near[0]}`?"
    elif homes:
        hint = f"`{key}` belongs in [{homes[0]}]."
    else:
        hint = f"the keys there are {', '.join(known)}."
    return ConfigError(f"{path}: unknown key `{key}` {where}.", hint=hint)


def _rule(place: list[str]) -> tuple[str, type[Table] | None]:
    """The description of the deepest known field on the way, and its table if it is one."""
    table: type[Table] | None = Config
    rule = ""
    for part in place:
        if table is None or part not in table.model_fields:
            return rule, None
        field = table.model_fields[part]
        rule = field.description or rule
        table = _model(field.annotation)
    return rule, table


def _model(annotation: Any) -> Any:
    """The Table in an annotation such as ``Commission | None``, or None."""
    options = getattr(annotation, "__args__", (annotation,))
    return next((option for option in options if isinstance(option, type) and issubclass(option, Table)), None)


def _keys(table: type[Table]) -> str:
    return ", ".join(
        f"{name} (required)" if field.is_required() else name for name, field in table.model_fields.items()
    )


def _shown(value: Any) -> str:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    text = {True: "true", False: "false"}.get(value, repr(value)) if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
