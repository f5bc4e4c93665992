"""Names in a store: which are legal for a dataset, and how a version's file is called."""

from __future__ import annotations

import re

from quantlab.core import InputError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_VERSION = re.compile(r"(\d{8,})\.json")


def legal(name: object) -> bool:
    """Whether ``name`` can be the name of a dataset."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def demand_legal(name: object) -> None:
    """Raise InputError unless ``name`` can be the name of a dataset."""
    if not legal(name):
        raise InputError(
            f"A dataset's name has letters, digits, `_` and `-`, at most 64 and no other signs, received {name!r}."
        )


def version_file(number: int) -> str:
    """Return the place of a version's manifest in the dataset's folder."""
    return f"versions/{number:08d}.json"


def number_of(file: str) -> int | None:
    """Return the number of the version whose manifest has this file name, or None for another file."""
    match = _VERSION.fullmatch(file)
    return int(match[1]) if match else None
