"""The page in a real browser: Chromium without a window, driven by playwright.

Skips, and says why, where there is no Chromium; ``.ci/run`` installs Debian's.
"""

from __future__ import annotations

import re
import shutil

import pytest

from embedsmith.reports import write_report
from tests.unit.reports.conftest import enriched, full_result, plain_result, renamed

__all__ = ["full_result", "plain_result"]

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
NARROW, WIDE = {"width": 375, "height": 800}, {"width": 1180, "height": 900}


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium on PATH (apt-get install chromium)")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as driver:
        try:
            # The superuser of a container has no sandbox to be in.
            opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        except api.Error as error:
            pytest.skip(f"{CHROMIUM} does not start here: {str(error).splitlines()[0]}")
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(full_result, tmp_path_factory):
    long = "a-name-that-no-screen-is-wide-enough-for-" * 4
    result = renamed(
        enriched(full_result, "<img src=x onerror=alert(1)> \u202etxet"),
        ["first", f"{long}\u202eevil", "<script>fetch('http://example.org')</script>"],
    )
    return write_report(result, tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture
def open_page(browser, report):
    contexts = []

    def opened(*, viewport=WIDE, **options):
        context = browser.new_context(viewport=viewport, **options)
        contexts.append(context)
        page = context.new_page()
        page.said, page.asked = [], []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("dialog", lambda dialog: page.said.append(dialog.message))
        page.goto(report.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()


def test_the_page_asks_for_nothing_and_complains_of_nothing(open_page, report):
    page = open_page()
    page.wait_for_load_state("networkidle")
    assert page.said == []
    assert [url for url in page.asked if not url.startswith("data:")] == [report.as_uri()]
    assert page.evaluate("performance.getEntriesByType('resource').length") == 0


def test_the_policy_stops_a_script_a_style_and_a_request_that_slipped_in(open_page):
    page = open_page()
    page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.slipped = true";
          document.body.append(script);
          const image = document.createElement("img");
          image.src = "http://127.0.0.1:9/x.png";
          document.body.append(image);
        }"""
    )
    assert page.evaluate("window.slipped") is None
    assert any("Content Security Policy" in said for said in page.said)


def test_the_verdict_is_seen_first_without_scrolling(open_page):
    page = open_page()
    lead = page.locator("#verdict .best")
    box = lead.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < WIDE["height"]
    assert "nDCG@10" in lead.inner_text()
    first = page.evaluate("document.querySelector('main section').id")
    assert first == "verdict"


def background(page) -> str:
    value = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert isinstance(value, str)
    return value


def test_dark_follows_the_system_and_the_button_turns_it(open_page):
    light, dark = background(open_page(color_scheme="light")), open_page(color_scheme="dark")
    assert background(dark) != light
    dark.click("#theme")
    assert background(dark) == light
    dark.click("#theme")
    assert background(dark) != light
    assert dark.said == []


def test_the_page_is_whole_without_scripts(open_page):
    page = open_page(java_script_enabled=False)
    assert page.locator("#tools").is_hidden()
    assert page.locator("#verdict .best").is_visible()
    summary = page.locator("#worst details summary").first
    summary.click()
    assert page.locator("#worst details .inside").first.is_visible()


def test_the_keyboard_reaches_skip_link_buttons_and_details_in_order(open_page):
    page = open_page()
    reached: list[str] = []
    for _ in range(200):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            """() => {
              const e = document.activeElement;
              const style = getComputedStyle(e);
              return [e.id || e.className || e.tagName, style.outlineStyle, style.outlineWidth];
            }"""
        )
        if focused[0] == "BODY":
            break
        assert focused[1] != "none", focused
        assert focused[2] != "0px", focused
        reached.append(focused[0])
    assert reached[0] == "skip"
    assert reached.index("unfold") < reached.index("theme") < reached.index("SUMMARY")


def test_the_keyboard_skips_turns_the_theme_and_opens_details(open_page):
    page = open_page()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#verdict"
    assert page.evaluate("document.activeElement.id") == "verdict"
    before = background(page)
    page.focus("#theme")
    page.keyboard.press("Space")
    assert background(page) != before
    page.focus("#unfold")
    page.keyboard.press("Enter")
    assert page.evaluate("[...document.querySelectorAll('details')].every(one => one.open)")
    page.keyboard.press("Enter")
    assert not page.evaluate("[...document.querySelectorAll('details')].some(one => one.open)")


def test_on_paper_everything_is_open_and_light(open_page):
    page = open_page(color_scheme="dark", java_script_enabled=False)
    page.emulate_media(media="print", color_scheme="dark")
    for hidden in ("nav", ".tools", ".skip"):
        assert page.locator(hidden).is_hidden()
    cells = page.locator("#worst td")
    assert cells.count() > 0
    assert cells.last.is_visible()
    assert background(page) == "rgb(255, 255, 255)"


def test_the_page_prints_to_several_pages(open_page):
    page = open_page()
    content = page.pdf(prefer_css_page_size=True)
    assert content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", content)) > 2


@pytest.mark.parametrize("width", [320, 375, 768, 1180])
def test_nothing_reaches_beyond_the_screen(open_page, width):
    page = open_page(viewport={"width": width, "height": 800})
    page.click("#unfold")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_words_on_a_plot_are_large_enough_on_a_telephone(open_page):
    page = open_page(viewport=NARROW)
    sizes = page.evaluate(
        """() => [...document.querySelectorAll('.plot text')].map(text => {
          const {a, b} = text.getScreenCTM();
          return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(a, b);
        })"""
    )
    assert min(sizes) > 9


def test_words_on_a_plot_stay_on_the_sheet(open_page):
    page = open_page()
    beyond = page.evaluate(
        """() => [...document.querySelectorAll('.plot')].flatMap(plot => {
          const sheet = plot.getBoundingClientRect();
          return [...plot.querySelectorAll('text')].filter(text => {
            const box = text.getBoundingClientRect();
            return box.left < sheet.left - 1 || box.right > sheet.right + 1
              || box.top < sheet.top - 1 || box.bottom > sheet.bottom + 1;
          }).map(text => text.textContent);
        })"""
    )
    assert beyond == []


CONTRAST = """() => {
  const light = colour => {
    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map(Number).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (!/, 0\\)$/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const ratio = (a, b) => {
    const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
  };
  document.querySelectorAll("details").forEach(one => { one.open = true; });
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || element.closest("script, style, title, desc"))
      continue;
    const style = getComputedStyle(element);
    const ink = element.closest(".plot") ? style.fill : style.color;
    found.push(["text", walker.currentNode.textContent.slice(0, 30), ratio(ink, ground(element))]);
  }
  document.querySelectorAll(".mark, .plot polyline").forEach(shape => {
    const ink = getComputedStyle(shape).stroke;
    found.push(["mark", shape.getAttribute("class"), ratio(ink, ground(shape))]);
  });
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_and_marks_stand_out(open_page, scheme):
    """WCAG 2: 4.5 for text, 3 for the marks of a plot."""
    found = open_page(color_scheme=scheme).evaluate(CONTRAST)
    assert {kind for kind, _, _ in found} == {"text", "mark"}
    least = {"text": 4.5, "mark": 3.0}
    assert [one for one in found if one[2] < least[one[0]]] == []


def test_all_model_colours_stand_out_and_differ(open_page):
    for scheme in ("light", "dark"):
        colours = open_page(color_scheme=scheme).evaluate(
            """() => Array.from({length: 8}, (_, i) => {
              const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
              path.setAttribute("class", `mark c${i}`);
              document.querySelector(".plot g").append(path);
              return getComputedStyle(path).stroke;
            })"""
        )
        assert len(set(colours)) == 8


def test_every_plot_and_table_has_a_name_for_those_who_do_not_see_it(open_page):
    page = open_page()
    plots = page.locator("svg[role=img]")
    assert plots.count() >= 5
    for i in range(plots.count()):
        labels = (plots.nth(i).get_attribute("aria-labelledby") or "").split()
        assert len(labels) == 2
        for label in labels:
            assert page.locator(f"[id='{label}']").text_content()
    assert page.locator("table:not(:has(caption))").count() == 0
    assert page.locator("th:not([scope])").count() == 0
    assert page.locator("figure:not(:has(table))").count() == 0


def test_twenty_models_fit_a_telephone(browser, full_result, tmp_path):
    result = renamed(full_result, [f"model-{i}" for i in range(20)])
    place = write_report(result, tmp_path / "many.html")
    context = browser.new_context(viewport=NARROW)
    page = context.new_page()
    page.goto(place.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    context.close()


def test_a_report_is_written_as_pdf(browser, full_result, tmp_path):
    """The browser of the other tests is there, so that the library finds it too."""
    assert browser
    place = write_report(full_result, tmp_path / "report.pdf")
    content = place.read_bytes()
    assert content.startswith(b"%PDF")
    assert b"/StructTreeRoot" in content
