"""The page: the numbers of its JSON twin, nothing to fetch, and nothing of a user's text taken for markup."""

import base64
import dataclasses
import hashlib
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from quantlab import report
from quantlab.core import Panel
from quantlab.report._format import show
from quantlab.report._render import _source, as_html, as_json, heat, strength

VOID = {"meta", "br", "wbr", "link", "img", "input"}


class Page(HTMLParser):
    """Numbers, texts, scripts and attributes of a page."""

    def __init__(self, source):
        super().__init__()
        self.numbers, self.texts, self.scripts, self.attributes, self.open = [], [], [], [], []
        self.feed(source.decode())
        self.close()
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag, attributes):
        self.attributes += [(tag, key, value) for key, value in attributes]
        if tag not in VOID:
            self.open.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        tag, attributes = self.open[-1] if self.open else ("", {})
        if tag == "script":
            self.scripts.append((attributes, data))
        elif tag == "data":
            self.numbers.append((attributes["data-path"], attributes["value"], data))
            self.texts.append(data)
        elif tag != "style":
            self.texts.append(data)


def looked_up(content, path):
    for step in path.split("."):
        content = content[int(step)] if isinstance(content, list) else content[step]
    return content


@pytest.fixture(scope="module")
def page(told):
    return Page(as_html(told))


def test_every_number_on_the_page_is_the_twins(told, page):
    twin = json.loads(as_json(told))
    assert len(page.numbers) > 250
    for path, value, text in page.numbers:
        assert json.loads(value) == looked_up(twin, path), path
        # What is read is a rounding of what stands in the twin.
        digits = text.replace("\u2212", "-").replace(",", "").rstrip("%").rstrip("\u202f")
        assert math.isfinite(float(digits)), text
    paths = [path for path, _, _ in page.numbers]
    for place, row in enumerate(told["headline"]["rows"]):
        for column, cell in enumerate(row["cells"]):
            for key in ("value", "low", "high"):
                if cell[key] is not None:
                    assert f"headline.rows.{place}.cells.{column}.{key}" in paths


def test_rounded_text_is_that_of_the_number(told, page):
    units = {row["name"]: row["cells"][0]["unit"] for row in told["headline"]["rows"]}
    shown = {path: text for path, _, text in page.numbers}
    for place, row in enumerate(told["headline"]["rows"]):
        path = f"headline.rows.{place}.cells.0.value"
        assert shown[path] == show(row["cells"][0]["value"], units[row["name"]])


def test_the_charts_draw_the_twins_points(told, page):
    embedded = [json.loads(text) for attributes, text in page.scripts if attributes.get("id") == "charts"]
    assert embedded == [told["charts"]]


def test_only_the_named_scripts_may_run(page):
    policy = next(
        value for tag, key, value in page.attributes if tag == "meta" and key == "content" and "default-src" in value
    )
    assert policy.startswith("default-src 'none'")
    assert "unsafe-eval" not in policy
    assert "unsafe-inline" not in policy.split("style-src")[0]
    run = [text for attributes, text in page.scripts if "type" not in attributes]
    assert len(run) == 2
    for text in run:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_nothing_is_fetched(page):
    for tag, key, value in page.attributes:
        assert key not in ("src", "href", "srcset", "action", "poster", "background"), (tag, key, value)
    source = " ".join(page.texts)
    assert "http://" not in source
    assert "https://" not in source


def test_no_bare_nan_or_none(request):
    for book in ("result", "ruined", "idle", "cash", "brief"):
        page = Page(as_html(report.content(request.getfixturevalue(book), seed=1)))
        for text in page.texts:
            assert not re.search(r"\b(nan|None|null|inf|NaT)\b", text), (book, text)


def test_an_undefined_metric_shows_its_reason(ruined):
    told = report.content(ruined, seed=1)
    text = " ".join(Page(as_html(told)).texts)
    assert "Ruined on" in text
    for row in told["headline"]["rows"]:
        if row["cells"][0]["reason"]:
            assert f"undefined: {row['cells'][0]['reason']}" in text


def test_a_users_text_is_never_markup(bars, simulate):
    evil = "<script>alert(1)</script>"
    symbols = [evil, "</script><b>", '"onload="x', "a&b", "S4"]
    holes = bars.close.values[:300].copy()
    holes[100, :4] = np.nan
    named = type(bars)(Panel(holes, bars.dates[:300], symbols, frequency=bars.frequency), name="<img src=x onerror=y>")
    result = simulate(Panel([[0.2] * 5], named.dates[10:11], symbols), named)
    told = report.content(result, title="</title><script>alert(2)</script>", seed=1)
    source = as_html(told)
    page = Page(source)
    assert len(page.scripts) == 3, "the data, the library and the charts"
    assert not [tag for tag, _, _ in page.attributes if tag in ("b", "img")]
    assert not [key for _, key, _ in page.attributes if key.startswith("on")]
    assert b"<script>alert" not in source
    assert evil in " ".join(page.texts), "shown as text"
    assert json.loads(as_json(told))["title"] == "</title><script>alert(2)</script>"


def test_the_datasets_note_is_a_notice_and_text(bars, simulate):
    weights = Panel([[0.2] * 5], bars.dates[9:10], bars.symbols)
    noted = dataclasses.replace(bars, note="<img src=x> & survivors only")
    told = report.content(simulate(weights, noted), seed=1)
    source = as_html(told)
    assert b'<div class="banner">About the data: &lt;img src=x&gt; &amp; survivors only</div>' in source
    assert source.index(b"About the data") < source.index(b'<dl class="cards">')
    assert json.loads(as_json(told))["notices"][0] == "About the data: <img src=x> & survivors only"
    assert b"About the data" not in as_html(report.content(simulate(weights, bars), seed=1))


def test_every_interval_of_a_card_stands_with_its_method(told, page):
    for card in told["cards"]:
        assert not card["how"] or card["how"] in page.texts
    assert sum(bool(card["how"]) for card in told["cards"]) == 5


def test_keys_of_settings_may_wrap_after_their_dots(told):
    assert b"<dt>costs.<wbr>commission.<wbr>kind</dt>" in as_html(told)
    evil = {**told, "footer": {**told["footer"], "settings": [{"key": "a.<b>", "value": 1}]}}
    assert b"<dt>a.<wbr>&lt;b&gt;</dt>" in as_html(evil)


def test_a_template_is_read_as_it_stands():
    script = _source("charts.js")
    assert script == (Path(report.__file__).parent / "templates" / "charts.js").read_text(encoding="utf-8")
    with pytest.raises(FileNotFoundError):
        _source("nothing.js")


def test_chart_data_cannot_end_their_element(told):
    growth = {**told["charts"]["growth"], "caption": "</script><script>alert(1)</script><!--"}
    evil = {**told, "charts": {**told["charts"], "growth": growth}}
    page = Page(as_html(evil))
    assert len(page.scripts) == 3
    assert json.loads(page.scripts[0][1]) == evil["charts"]


def test_same_content_same_bytes(told, result, walk, draws):
    again = report.content(result, [walk, *draws], seed=7)
    assert as_json(again) == as_json(told)
    assert as_html(again) == as_html(told)


def test_no_clock_is_read(told):
    source = as_html(told).replace(_library(), b"")
    assert not re.search(rb"\b\d\d:\d\d:\d\d\b", source)


def _library():
    from plotly.offline import get_plotlyjs

    return get_plotlyjs().encode()


def test_all_but_the_library_is_small(told):
    # 900 bars: tables and points of a page without the library that draws them.
    assert len(as_html(told)) - len(_library()) < 400_000


@pytest.mark.parametrize(
    ("value", "scale", "expected"),
    [
        (None, 1.0, "none"),
        (0.0, 1.0, ""),
        (0.01, 0.0, ""),
        (1.0, 6.0, "gain-1"),
        (-6.0, 6.0, "loss-6"),
        (9.0, 6.0, "gain-6"),
    ],
)
def test_heat(value, scale, expected):
    assert heat(value, scale) == expected


def test_the_strongest_tone_ignores_the_largest_tenth():
    assert strength([0.01] * 8 + [-0.02, 0.9, None]) == 0.9
    assert strength([0.01] * 18 + [-0.02, 0.9]) == -0.02 * -1
    assert strength([]) == 0.0
