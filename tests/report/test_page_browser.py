"""The page in a browser: it draws, it fits, it is legible, it asks the network for nothing."""

from pathlib import Path

import pytest

import quantlab as ql

pytestmark = pytest.mark.browser

PROBES = Path(__file__).with_name("probes.js").read_text(encoding="utf-8").rstrip()


@pytest.fixture(scope="module")
def pages(result, walk, draws, ruined, idle, cash, brief, hourly, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    books = {"full": (result, [walk, *draws]), "ruined": (ruined, []), "idle": (idle, [])}
    books |= {"cash": (cash, []), "brief": (brief, []), "hourly": (hourly, [])}
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
        """Let the page draw."""
        self.ask("frames(4)")

    def ask(self, probe):
        """The answer of one of the probes."""
        return self.page.evaluate(f"{PROBES}.{probe}")

    def quiet(self):
        """Whether no error was printed and nothing but the file itself was asked for."""
        asked = [url for url in self.asked if not url.startswith(("data:", "blob:"))]
        return self.printed == [] and asked == [self.path.as_uri()]


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
LOOKS += [
    (book, *look) for book in ("ruined", "idle", "cash", "brief", "hourly") for look in ((1280, "light"), (390, "dark"))
]


@pytest.mark.parametrize(("book", "width", "scheme"), LOOKS)
def test_draws_fits_and_is_legible(sheets, book, width, scheme):
    sheet = sheets[book]
    page = sheet.look(width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for probe in ("blank()", "overlaps()", "clipped()", "spilled()", "pale()"):
        assert sheet.ask(probe) == [], probe
    assert page.evaluate("document.querySelectorAll('.chart').length") >= 2
    assert sheet.quiet(), (sheet.printed, sheet.asked)


def test_a_table_that_is_too_wide_scrolls_in_its_own_box(full):
    page = full.look(width=390)
    wider = "[...document.querySelectorAll('.scroll')].some((box) => box.scrollWidth > box.clientWidth)"
    assert page.evaluate(wider)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_table_that_goes_on_shows_a_shadow_at_that_edge(full, scheme):
    page = full.look(width=390, scheme=scheme)
    box = page.locator(".scroll", has=page.locator(".books"))
    box.evaluate("(box) => { box.scrollIntoView(); }")

    def shaded():
        """Whether the left and the right edge look other than without the shadow."""
        place = box.bounding_box()
        clips = [
            {"x": x, "y": place["y"], "width": 8, "height": 400} for x in (place["x"], place["x"] + place["width"] - 8)
        ]
        pictures = [page.screenshot(clip=clip) for clip in clips]
        box.evaluate("(box) => { box.style.background = 'none'; }")
        bare = [page.screenshot(clip=clip) for clip in clips]
        box.evaluate("(box) => { box.style.background = ''; }")
        return [one != other for one, other in zip(pictures, bare, strict=True)]

    assert shaded() == [False, True]
    box.evaluate("(box) => { box.scrollLeft = 200; }")
    assert shaded()[1]
    box.evaluate("(box) => { box.scrollLeft = box.scrollWidth; }")
    assert shaded() == [True, False]
    box.evaluate("(box) => { box.scrollLeft = 0; }")


@pytest.mark.parametrize("width", [1280, 800, 390, 320])
def test_keys_of_settings_break_at_their_dots(full, width):
    full.look(width=width)
    assert full.ask("broken()") == []


def test_colors_follow_the_theme_while_the_page_is_open(full):
    ground = "document.querySelector('.chart[data-chart=growth] .main-svg').style.backgroundColor"
    assert full.page.evaluate(ground) == "rgb(255, 255, 255)"
    assert full.look(scheme="dark").evaluate(ground) == "rgb(16, 19, 23)"


def test_a_drag_zooms_every_chart_over_time_and_a_double_click_undoes_it(full):
    height = "document.querySelector('[data-chart=growth]').layout.yaxis.range.join()"
    page = full.page
    spans, tall = full.ask("spans()"), page.evaluate(height)
    plot = page.locator("[data-chart=growth] .nsewdrag").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    middle = box["x"] + box["width"] * 0.5
    page.mouse.move(middle, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(middle + 80, box["y"] + 60, steps=4)
    page.mouse.up()
    full.settle()
    zoomed = full.ask("spans()")
    assert zoomed[0] != spans[0]
    assert len(set(zoomed)) == 1, "all charts over time show the same span"
    assert page.evaluate(height) != tall, "the height follows what is seen"
    assert full.ask("overlaps()") == full.ask("clipped()") == []
    # So long after the drag that the chart does not take it for the first of three clicks.
    full.ask("later(600)")
    page.mouse.dblclick(middle, box["y"] + 50)
    full.settle()
    assert full.ask("spans()") == spans
    assert page.evaluate(height) == tall


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
    assert full.ask("overlaps()") == []
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


def test_a_line_goes_with_its_drawdown(full):
    visible = "document.querySelector('[data-chart=growth]').data.map((line) => line.visible)"
    button = full.page.locator("[data-legend=growth] button", has_text="Walk-forward")
    button.click()
    assert full.page.evaluate(visible) == [True, False, True, False]
    button.click()
    assert full.page.evaluate(visible) == [True] * 4


def test_a_chart_can_be_saved_as_a_picture(full):
    full.page.locator("[data-chart=growth]").hover()
    with full.page.expect_download() as saved:
        full.page.locator("[data-chart=growth] .modebar-btn").first.click(force=True)
    assert saved.value.suggested_filename == "growth.png"
    assert Path(saved.value.path()).read_bytes()[:4] == b"\x89PNG"


def test_print_is_light_and_fits_the_paper(full):
    page = full.look(width=700, scheme="dark", media="print")
    ground = page.evaluate("document.querySelector('.chart .main-svg').style.backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    assert page.evaluate("document.documentElement.scrollWidth") <= 700
    assert full.ask("pale()") == full.ask("spilled()") == []
    assert page.pdf()[:4] == b"%PDF"


def test_a_finger_scrolls_the_page_and_not_the_chart(chromium, pages):
    context = chromium.new_context(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    sheet = Sheet(context, pages["brief"])
    assert sheet.page.evaluate("document.querySelector('[data-chart=growth]').layout.dragmode") is False
    assert sheet.quiet()
    context.close()


def test_every_table_chart_and_section_is_named(full):
    assert full.ask("unnamed()") == []
