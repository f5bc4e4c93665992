"""The page and its JSON twin, printed from one content: no number enters here that is not in the content."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from quantlab.report._format import show

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


def as_json(content: dict[str, Any]) -> bytes:
    """Return the JSON twin."""
    return (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def as_html(content: dict[str, Any]) -> bytes:
    """Return the page: styles, charts and the chart library inside, nothing to fetch.

    The page's own policy forbids every connection, and runs only the three scripts whose hashes it names.
    """
    from markupsafe import Markup

    environment = _environment()
    library, script = _library(), _source("charts.js")
    data = _embedded(content["charts"])
    page = environment.get_template("tearsheet.html.j2").render(
        content=content,
        number=_numbers(content),
        style=Markup(environment.get_template("tearsheet.css").render()),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        data=data,
        hashes=[_digest(library), _digest(script)],
        # Put in afterwards, so that the template engine need not chew 5 MB.
        library=_HOLE,
    )
    return page.replace(_HOLE, library, 1).encode()


_HOLE = "/*plotly*/"


def _embedded(value: Any) -> Markup:
    """JSON that can stand inside a script element: no byte of it can end the element or open another."""
    from markupsafe import Markup

    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - cannot close its element


def _numbers(content: dict[str, Any]) -> Any:
    """The template's function for a number: rounded text, the exact value, and its place in the content."""
    from markupsafe import Markup

    def number(path: str, unit: str = "") -> Markup:
        value = content
        for step in path.split("."):
            value = value[int(step)] if isinstance(value, list) else value[step]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return Markup('<data value="{}" data-path="{}">{}</data>').format(
                json.dumps(value), path, show(value, unit)
            )
        return Markup("{}").format(show(value, unit))

    return number


def heat(value: float | None, scale: float) -> str:
    """Return the class of a cell of the month table: gain or loss, and one of six strengths; "none" when missing.

    Examples
    --------
    >>> heat(0.02, 0.06), heat(-0.5, 0.06), heat(0.0, 0.06), heat(None, 0.06)
    ('gain-2', 'loss-6', '', 'none')
    """
    if value is None:
        return "none"
    step = min(6, math.ceil(6 * abs(value) / scale - 1e-9)) if scale > 0 else 0
    return "" if step == 0 else f"{'gain' if value > 0 else 'loss'}-{step}"


def strength(values: list[float | None]) -> float:
    """Return the size that gets the strongest color: one value in ten exceeds it, lest one month pale all others."""
    sizes = sorted(abs(value) for value in values if value is not None)
    return sizes[min(len(sizes) - 1, int(0.9 * len(sizes)))] if sizes else 0.0


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("quantlab.report"),
        autoescape=select_autoescape(["html", "html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(show=show, heat=heat, strength=strength)
    return environment


@lru_cache(maxsize=8)
def _source(name: str) -> str:
    return files("quantlab.report").joinpath("templates", name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _library() -> str:
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()


@lru_cache(maxsize=8)
def _digest(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
