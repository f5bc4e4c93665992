"""The page in a browser: it draws, it fits, it is legible, it asks the network for nothing."""

import pytest

import quantlab as ql

pytestmark = pytest.mark.browser

# Pairs of texts of one chart whose boxes meet by more than one pixel; texts of the hover layer are not part of it.
OVERLAPS = """
() => [...document.querySelectorAll('.chart')].flatMap((chart) => {
  const texts = [...chart.querySelectorAll('svg text')].filter((t) => t.textContent.trim() && !t.closest('.hoverlayer'))
    .map((t) => [t.textContent, t.getBoundingClientRect()]).filter(([, b]) => b.width && b.height);
  const found = [];
  texts.forEach(([one, a], i) => texts.slice(i + 1).forEach(([two, b]) => {
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left), high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 1 && high > 1) found.push(`${chart.dataset.chart}: ${one} | ${two}`);
  }));
  return found;
})
"""
# Texts of a chart that reach beyond it, where they would be cut off.
CLIPPED = """
() => [...document.querySelectorAll('.chart')].flatMap((chart) => {
  const box = chart.getBoundingClientRect();
  return [...chart.querySelectorAll('svg text')].filter((t) => t.textContent.trim() && !t.closest('.hoverlayer')).filter((t) => {
    const b = t.getBoundingClientRect();
    return b.width && (b.left < box.left - 1 || b.right > box.right + 1 || b.top < box.top - 1 || b.bottom > box.bottom + 1);
  }).map((t) => chart.dataset.chart + ': ' + t.textContent);
})
"""
# Paths of lines, areas and bars by chart, counting those with an extent.
DRAWN = """
() => Object.fromEntries([...document.querySelectorAll('.chart')].map((chart) => [chart.dataset.chart,
  [...chart.querySelectorAll('.scatterlayer path.js-line, .barlayer path')].filter((p) => {
    const b = p.getBoundingClientRect();
    return b.width > 0 || b.height > 0;
  }).length]))
"""
# Texts with less than 4.5 contrast to what lies behind them (WCAG 2.1, success criterion 1.4.3).
PALE = """
() => {
  const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const behind = (e) => {
    if (!e) return [255, 255, 255];
    const own = parse(getComputedStyle(e).backgroundColor);
    return own[3] === 1 ? own : over(own, behind(e.parentElement));
  };
  const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    const style = getComputedStyle(e);
    const inside = e.closest('svg');
    if (inside && (e.tagName !== 'text' || e.closest('.hoverlayer'))) continue;
    if (!inside && ![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    if (['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(e.tagName) || !e.getBoundingClientRect().width) continue;
    const ground = behind(inside ? inside.closest('.chart') : e);
    const r = ratio(over(parse(inside ? style.fill : style.color), ground), ground);
    if (r < 4.5) found.push(`${e.textContent.trim().slice(0, 30)}: ${r.toFixed(2)}`);
  }
  return found;
}
"""


@pytest.fixture(scope="module")
def pages(result, walk, draws, ruined, idle, cash, brief, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    books = {"full": (result, [walk, *draws]), "alone": (result, []), "ruined": (ruined, []), "idle": (idle, [])}
    books |= {"cash": (cash, []), "brief": (brief, [])}
    return {
        name: ql.tearsheet(book, validation=validation, path=folder / f"{name}.html", seed=7)
        for name, (book, validation) in books.items()
    }


class Sheet:
    """An open page: what it printed, what it asked for, and how to look at it."""

    def __init__(self, context, path):
        self.page = context.new_page()
        self.printed, self.asked, self.path = [], [], path
        self.page.on("console", lambda message: self.printed.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.printed.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-drawn]")

    def look(self, *, width=1280, scheme="light", media="screen"):
        # A page in the background gets one frame a second.
        self.page.bring_to_front()
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.emulate_media(color_scheme=scheme, media=media)
        self.settle()
        return self.page

    def settle(self):
        """Let the page draw: what it does on a change of size it does in the next frame."""
        self.page.evaluate("async () => { for (let i = 0; i < 4; i++) await new Promise(requestAnimationFrame); }")

    def quiet(self):
        """Whether no error was printed and nothing but the file itself was asked for."""
        return self.printed == [] and [url for url in self.asked if not url.startswith(("data:", "blob:"))] == [self.path.as_uri()]


@pytest.fixture(scope="module")
def sheets(chromium, pages):
    context = chromium.new_context()
    yield {name: Sheet(context, path) for name, path in pages.items()}
    context.close()


@pytest.fixture
def full(sheets):
    """The full page at 1280 in light, as after loading; nothing may be printed or asked for meanwhile."""
    sheet = sheets["full"]
    sheet.look()
    yield sheet
    assert sheet.quiet(), (sheet.printed, sheet.asked)


LOOKS = [("full", width, scheme) for width in (1280, 800, 390) for scheme in ("light", "dark")]
LOOKS += [(book, *look) for book in ("alone", "ruined", "idle", "cash", "brief") for look in ((1280, "light"), (390, "dark"))]


@pytest.mark.parametrize(("book", "width", "scheme"), LOOKS)
def test_draws_fits_and_is_legible(sheets, book, width, scheme):
    page = sheets[book].look(width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OVERLAPS) == []
    assert page.evaluate(CLIPPED) == []
    drawn = page.evaluate(DRAWN)
    assert drawn
    assert all(drawn.values()), drawn
    assert page.evaluate(PALE) == []
    assert sheets[book].quiet(), (sheets[book].printed, sheets[book].asked)


def test_a_table_that_is_too_wide_scrolls_in_its_own_box(full):
    page = full.look(width=390)
    assert page.evaluate("[...document.querySelectorAll('.scroll')].some((box) => box.scrollWidth > box.clientWidth)")


def test_colors_follow_the_theme_while_the_page_is_open(full):
    ground = "document.querySelector('.chart[data-chart=growth] .main-svg').style.backgroundColor"
    assert full.page.evaluate(ground) == "rgb(255, 255, 255)"
    assert full.look(scheme="dark").evaluate(ground) == "rgb(16, 19, 23)"


def test_a_drag_zooms_every_chart_over_time_and_a_double_click_undoes_it(full):
    ranges = "['growth', 'rolling', 'exposure'].map((n) => document.querySelector(`[data-chart=${n}]`).layout.xaxis.range.join())"
    heights = "document.querySelector('[data-chart=growth]').layout.yaxis.range.join()"
    page = full.page
    before, height = page.evaluate(ranges), page.evaluate(heights)
    plot = page.locator("[data-chart=growth] .nsewdrag").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 60, steps=4)
    page.mouse.up()
    full.settle()
    after = page.evaluate(ranges)
    assert after[0] != before[0]
    assert len(set(after)) == 1, "all charts over time show the same span"
    assert page.evaluate(heights) != height, "the height follows what is seen"
    assert page.evaluate(OVERLAPS) == []
    assert page.evaluate(CLIPPED) == []
    # So long after the drag that the chart does not take it for the first of three clicks.
    page.evaluate("async () => { const start = performance.now(); while (performance.now() - start < 600) await new Promise(requestAnimationFrame); }")
    page.mouse.dblclick(box["x"] + box["width"] * 0.5, box["y"] + 50)
    full.settle()
    assert page.evaluate(ranges) == before
    assert page.evaluate(heights) == height


def test_hovering_shows_date_and_values(full, told):
    plot = full.page.locator("[data-chart=growth] .nsewdrag").first
    plot.scroll_into_view_if_needed()
    plot.hover(position={"x": 400, "y": 100})
    full.page.wait_for_selector("[data-chart=growth] .hoverlayer text")
    text = full.page.locator("[data-chart=growth] .hoverlayer").text_content()
    assert text[:10] in told["charts"]["growth"]["panels"][0]["x"]
    assert "Backtest" in text
    assert "Drawdown" in text, "one crosshair for both panels"
    full.page.mouse.move(1, 1)


def test_the_axis_switch(full, sheets):
    kind = "document.querySelector('[data-chart=growth]').layout.yaxis.type"
    assert full.page.evaluate(kind) == "log"
    full.page.get_by_role("button", name="Linear").click()
    assert full.page.evaluate(kind) == "linear"
    assert full.page.evaluate(OVERLAPS) == []
    full.page.get_by_role("button", name="Log").click()
    assert full.page.evaluate(kind) == "log"
    assert sheets["ruined"].page.get_by_role("button", name="Linear").count() == 0


def test_the_legend_hides_and_shows_a_line(full):
    visible = "document.querySelector('[data-chart=exposure]').data.map((line) => line.visible)"
    button = full.page.locator("[data-legend=exposure] button", has_text="Gross")
    button.click()
    assert full.page.evaluate(visible) == [True, True, False, True]
    assert button.get_attribute("aria-pressed") == "false"
    button.click()
    assert full.page.evaluate(visible) == [True] * 4


def test_print_is_light_and_fits_the_paper(full):
    page = full.look(width=700, scheme="dark", media="print")
    assert page.evaluate("document.querySelector('.chart .main-svg').style.backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("document.documentElement.scrollWidth") <= 700
    assert page.evaluate(PALE) == []
    assert page.pdf()[:4] == b"%PDF"


def test_a_finger_scrolls_the_page_and_not_the_chart(chromium, pages):
    context = chromium.new_context(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    sheet = Sheet(context, pages["brief"])
    assert sheet.page.evaluate("document.querySelector('[data-chart=growth]').layout.dragmode") is False
    assert sheet.quiet()
    context.close()


def test_every_table_and_chart_is_named(full):
    unnamed = """[
      ...[...document.querySelectorAll('table')].filter((t) => !t.caption || !t.caption.textContent.trim()),
      ...[...document.querySelectorAll('.chart')].filter((c) => !c.getAttribute('aria-label')),
      ...[...document.querySelectorAll('section')].filter((s) => !document.getElementById(s.getAttribute('aria-labelledby'))),
    ].length"""
    assert full.page.evaluate(unnamed) == 0
    ids = full.page.evaluate("[...document.querySelectorAll('main [id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
