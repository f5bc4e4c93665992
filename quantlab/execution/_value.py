"""What all values of this room have in common: they are compared, hashed and written down by what they hold.

A Panel inside a value stands for its content, as SHA-256; two values are equal when everything they hold is.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields
from typing import Any

import numpy as np

from quantlab.core import Panel


class Value:
    """Base of the values: equality, hash and a plain description from the fields of the dataclass.

    Examples
    --------
    >>> from quantlab.execution import PerShare
    >>> PerShare(0.005, minimum=1.0).parameters()
    {'kind': 'PerShare', 'rate': 0.005, 'minimum': 1.0, 'maximum': None}
    """

    __slots__ = ()

    def parameters(self) -> dict[str, Any]:
        """Return the value as plain JSON types: its kind and its fields, Panels as their shape and SHA-256."""
        return {"kind": type(self).__name__} | {name: _plain(content) for name, content in self._contents()}

    def _contents(self) -> list[tuple[str, Any]]:
        return [(field.name, getattr(self, field.name)) for field in fields(self)]  # type: ignore[arg-type]

    def _key(self) -> tuple[Any, ...]:
        return tuple(digest(part) if isinstance(part, Panel) else part for _, part in self._contents())

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((type(self).__name__, self._key()))


def digest(panel: Panel) -> str:
    """Return the SHA-256 of a Panel's labels and values, hexadecimal."""
    found = hashlib.sha256(f"{panel.shape} {panel.dates.dtype}".encode())
    found.update(panel.dates.view(np.int64).tobytes())
    for symbol in panel.symbols:
        text = symbol.encode()
        found.update(b"%d:%s" % (len(text), text))
    values = panel.values.astype(np.float64)
    # Equal numbers count as equal, whatever their bits: every NaN, and -0.0 + 0.0 is 0.0.
    found.update((np.where(np.isnan(values), np.nan, values) + 0.0).tobytes())
    return found.hexdigest()


def _plain(content: Any) -> Any:
    if isinstance(content, Value):
        return content.parameters()
    if isinstance(content, Panel):
        return {"kind": "Panel", "shape": list(content.shape), "sha256": digest(content)}
    if isinstance(content, tuple):
        return [_plain(part) for part in content]
    return content
