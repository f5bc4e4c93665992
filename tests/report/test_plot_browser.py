"""The figure of a result in a browser: its title is not cut, and its axis has labels."""

import numpy as np
import pytest

from quantlab.backtest import simulate
from quantlab.core import Panel, as_bars

DAYS = np.arange("2024-01-01", "2024-01-05", dtype="datetime64[D]")


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 420])
@pytest.mark.parametrize("top", [10.8, 45.0, 5e4])
def test_title_and_labels_fit_in_a_browser(chromium, tmp_path, width, top):
    bars = as_bars(Panel([[10.0], [10.0], [10.0], [top]], DAYS, ["A"]), name="us_equity_av_raw_total_return")
    drawn = simulate(Panel([[1.0]], DAYS[1:2], ["A"]), bars, fill="next_close").plot()
    path = tmp_path / "plot.html"
    drawn.write_html(path, include_plotlyjs=True, config={"responsive": True})
    page = chromium.new_page(viewport={"width": width, "height": 560})
    page.goto(path.as_uri())
    page.wait_for_selector(".gtitle")
    box = "node => { const r = node.getBoundingClientRect(); return [r.left, r.right]; }"
    left, right = page.eval_on_selector(".gtitle", box)
    assert left >= 0
    assert right <= width
    labels = page.eval_on_selector_all(".yaxislayer-above .ytick text", f"nodes => nodes.map({box})")
    assert len(labels) >= 3
    assert all(left >= 0 for left, _ in labels)
    page.close()
