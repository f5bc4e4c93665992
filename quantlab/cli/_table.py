"""What every table of a configuration has in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from quantlab.core import InputError, KindError

Text = Annotated[str, Field(min_length=1)]


class Table(BaseModel):
    """A table of the file: no unknown keys, no conversion of one type into another."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def given(table: Table, *names: str) -> dict[str, object]:
    """Return the keys among ``names`` that the file holds, with their values; the values' own defaults hold for the
    others.
    """
    return {name: getattr(table, name) for name in names if name in table.model_fields_set}


def demand_keys(table: Any, name: str, keys: tuple[str, ...]) -> None:
    """Refuse a key that the model of a table does not take."""
    strange = [key for key in type(table).model_fields if key in table.model_fields_set - {"model", *keys}]
    if strange:
        takes = f"it takes {', '.join(keys)}" if keys else "it takes nothing"
        raise ValueError(f'`{name}.{strange[0]}` is no key of the model "{table.model}": {takes}')


def accepted(make: Callable[[], object]) -> None:
    """Make the value that a table stands for, so that what the value refuses is refused under the table's name."""
    try:
        make()
    except KindError as error:
        # Pydantic catches a ValueError alone.
        raise InputError(error.message, hint=error.hint) from error


def is_number(value: Any) -> bool:
    """Whether a value of TOML is a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
