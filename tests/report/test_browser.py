"""The report in a real browser: what it draws, asks for and does, opened as a file."""

import re
from dataclasses import replace
from io import BytesIO, StringIO
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from neurotarget.files.writing import write_text
from neurotarget.report.pages.study_page import PageCase, PageFigure, page_html

sync_api = pytest.importorskip("playwright.sync_api")

LOCAL = ("file:", "data:", "blob:")
HOSTILE = '"]]></script><img src=x onerror=alert(1)>'
REFERENCE, PREDICTED = (230, 159, 0), (86, 180, 233)  # outlines
SVG = (
    '<svg viewBox="0 0 100 20" width="720" xmlns:xlink="http://www.w3.org/1999/xlink">'
    '<a xlink:href="#case-p02" id="open"><rect width="20" height="20" fill="var(--c1)"/></a>'
    '<a xlink:href="#case-p09" id="row"><rect x="40" width="20" height="20"/></a></svg>'
)


def ball(centre, radius, shape=(24, 26, 22)):
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    return (np.linalg.norm(grid - np.array(centre), axis=-1) < radius).astype(np.uint8)


def a_case(case_id, rank, seed):
    """Smooth noise with a ball as reference; the prediction lies 3 voxels further to the right."""
    rng = np.random.default_rng(seed)
    image = np.cumsum(rng.normal(size=(24, 26, 22)), axis=1)
    masks = ball((10, 13, 11), 5) + ball((10, 15, 11), 2), ball((13, 13, 11), 5)
    return PageCase(case_id, rank, f"{case_id} ({rank}), Dice 0.5", ("low Dice",), None, image,
                    *masks, np.diag([1, 1, 1.5, 1]))  # fmt: skip


@pytest.fixture(scope="module")
def study(analysed):
    many = pd.DataFrame({"name": [f"r{number}" for number in range(1200)], "value": range(1200)})
    return replace(analysed, tables={**analysed.tables, "long": many})


@pytest.fixture(scope="module")
def report(study, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    cases = [a_case("p02", "worst", 1), a_case("p03", "best", 2), a_case(HOSTILE, HOSTILE, 3)]
    lost = cases[0]._replace(case_id="p04", image=None, truth=None, pred=None)
    figures = [PageFigure("f", "Effects", "words", SVG)]
    write_text(path, page_html(study, figures, [*cases, lost], title=HOSTILE))
    return path


@pytest.fixture(scope="module")
def plain(study, tmp_path_factory):
    """The report without cases, which opens faster."""
    path = tmp_path_factory.mktemp("plain") / "report.html"
    write_text(path, page_html(study, [], [], title="gland"))
    return path


class Opened:
    """A page with what went wrong on it."""

    def __init__(self, browser, report, *, width=860, height=460, script="", **options):
        self.page = browser.new_page(viewport={"width": width, "height": height}, **options)
        self.page.set_default_timeout(60_000)
        sync_api.expect.set_options(timeout=60_000)
        self.wrong, self.asked = [], []
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.wrong.append("dialog"), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        if script:
            self.page.add_init_script(script)
        self.page.goto(report.as_uri())

    def __enter__(self):
        return self.page

    def __exit__(self, *error):
        self.page.close()
        if error[0] is None:
            assert self.wrong == []
            assert [
                url for url in self.asked if not url.startswith(("file:", "data:", "blob:"))
            ] == []


@pytest.fixture
def page(browser, plain):
    with Opened(browser, plain) as opened:
        yield opened


@pytest.fixture(scope="module")
def with_cases(browser, report):
    """One page for all tests of the viewer: a shader takes a while to compile.

    Half as many pixels a side, as the processor paints them.
    """
    with Opened(browser, report, device_scale_factor=0.5) as opened:
        yield opened


@pytest.fixture
def viewer(with_cases):
    """The page with its viewer closed and its controls as they were at first."""
    yield with_cases
    dialog = with_cases.locator("#viewer")
    if dialog.is_visible():
        for box in (
            '[data-part="truth"] input',
            '[data-part="pred"] input',
            '[data-part="outline"]',
        ):
            dialog.locator(box).first.check()
        dialog.locator('[data-part="scan3d"]').uncheck()
        for slider in dialog.locator("input[type=range]").all():
            slider.fill("20")
        dialog.locator("select").select_option("method")
        dialog.locator('[data-view="multi"]').click()
        with_cases.keyboard.press("Escape")


def pixels(page):
    """What the viewer shows, as the browser paints it: (rows, columns, red green blue)."""
    page.wait_for_selector("#viewer[open]:not([aria-busy])")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    picture = imread(BytesIO(page.locator("#viewer canvas").screenshot()))
    return np.rint(255 * picture[..., :3]).astype(int)


def share(picture, colour, *, tolerance=12):
    return float((np.abs(picture - np.array(colour)).max(axis=-1) <= tolerance).mean())


def open_case(page, place=0):
    page.locator("button[data-opens]").nth(place).click()
    page.wait_for_selector("#viewer[data-shown]")
    return pixels(page)


def is_wide(page):
    return page.evaluate("document.documentElement.scrollWidth > window.innerWidth")


def table(page, name):
    return page.locator(f'details[data-name="{name}"]')


def opened_table(page, name):
    found = table(page, name)
    found.locator("summary").click()
    found.locator("tbody tr").first.wait_for()
    return found


def cells(page, name, column):
    return table(page, name).locator(f"tbody td:nth-child({column})").all_inner_texts()


def test_the_viewer_draws_the_scan_and_both_masks(viewer):
    picture = open_case(viewer)
    greys = picture[(np.ptp(picture, axis=-1) <= 2)]
    assert len(np.unique(greys[:, 0])) > 60
    assert share(picture, REFERENCE) > 0.001
    assert share(picture, PREDICTED) > 0.001


def test_masks_can_be_switched_off_and_filled(viewer):
    picture = open_case(viewer)
    viewer.keyboard.press("2")
    without = pixels(viewer)
    assert share(without, PREDICTED) == 0
    assert share(without, REFERENCE) > 0.001
    viewer.locator('[data-part="truth"] input[type=range]').fill("100")
    assert share(pixels(viewer), REFERENCE) > 3 * share(picture, REFERENCE)
    viewer.keyboard.press("1")
    assert share(pixels(viewer), REFERENCE, tolerance=40) == 0


def test_keys_scroll_slices_and_change_the_case(viewer):
    first = open_case(viewer)
    place = viewer.locator('[data-part="place"]').inner_text()
    assert viewer.locator('[data-part="truth"] .here').inner_text() == "anterior"
    for _ in range(2):
        viewer.keyboard.press("ArrowUp")
    assert viewer.locator('[data-part="place"]').inner_text() != place
    scrolled = pixels(viewer)
    assert (scrolled != first).mean() > 0.01
    viewer.keyboard.press("n")
    viewer.wait_for_selector('#viewer[data-shown="p03"]')
    assert (pixels(viewer) != scrolled).mean() > 0.05
    viewer.keyboard.press("p")
    viewer.wait_for_selector('#viewer[data-shown="p02"]')
    viewer.keyboard.press("Escape")
    assert not viewer.locator("#viewer").is_visible()


def test_views_change_what_is_drawn(viewer):
    seen = [open_case(viewer)]
    for name in ("render", "axial", "sagittal"):
        viewer.locator(f'[data-view="{name}"]').click()
        seen.append(pixels(viewer))
    assert all((one != other).mean() > 0.05 for one, other in pairwise(seen))
    assert share(seen[1], (0, 0, 0)) > 0.5  # surfaces on black, without the scan
    viewer.locator('[data-part="scan3d"]').check()
    viewer.locator('[data-view="render"]').click()
    assert share(pixels(viewer), (0, 0, 0)) < share(seen[1], (0, 0, 0)) - 0.05


def test_labels_can_have_colours_of_their_own(viewer):
    open_case(viewer)
    viewer.select_option('[data-part="by"]', "label")
    picture = pixels(viewer)
    assert share(picture, REFERENCE) > 0.001  # the first label
    assert viewer.locator(".label-legend").is_visible()


def test_a_hostile_name_is_text_in_the_viewer(viewer):
    assert viewer.title() == f"{HOSTILE}: study report"
    open_case(viewer, 2)
    assert viewer.locator('[data-part="title"]').inner_text() == HOSTILE
    assert viewer.locator("img[src=x]").count() == 0


def test_figures_lead_to_cases(viewer):
    viewer.locator("#open rect").click()
    viewer.wait_for_selector('#viewer[open][data-shown="p02"]')
    viewer.keyboard.press("Escape")
    viewer.locator("#row rect").click()  # has no volumes and no picture: its row is shown
    marked = viewer.locator("tr.marked")
    marked.first.wait_for()
    assert "p09" in marked.first.inner_text()


FLASHED = """new Promise(done => {
  new MutationObserver((_, observer) => {
    if (document.querySelector('[data-case="p04"].flash')) { observer.disconnect(); done(); }
  }).observe(document.body, {subtree: true, attributes: true});
  location.hash = '#case-p04';
})"""


def test_an_address_leads_to_a_case(viewer):
    viewer.evaluate("location.hash = '#case-p03'")
    viewer.wait_for_selector('#viewer[data-shown="p03"]')
    viewer.keyboard.press("Escape")
    sync_api.expect(viewer).to_have_url(re.compile("html$"))
    viewer.evaluate(FLASHED)  # for a second, which a busy machine could miss by looking
    viewer.evaluate("location.hash = '#case-%E0%A4'")  # is no text


def test_a_table_sorts_by_click_and_by_keyboard(page, study):
    opened_table(page, "cases")
    head = table(page, "cases").locator("th")
    place = head.all_inner_texts().index(
        next(text for text in head.all_inner_texts() if text.startswith("Age"))
    )
    ages = study.measured.covariates["age"]
    head.nth(place).locator("button").click()
    assert head.nth(place).get_attribute("aria-sort") == "ascending"
    assert cells(page, "cases", place + 1)[0] == f"{ages.min():.1f}"
    page.keyboard.press("Enter")
    assert head.nth(place).get_attribute("aria-sort") == "descending"
    assert cells(page, "cases", place + 1)[0] == f"{ages.max():.1f}"
    head.nth(0).locator("button").focus()
    page.keyboard.press("Space")
    assert head.nth(place).get_attribute("aria-sort") is None


def test_undefined_values_come_last_whichever_way(page):
    opened_table(page, "cases")
    names = table(page, "cases").locator("th").all_inner_texts()
    place = next(at for at, name in enumerate(names) if name.startswith("Total predicted"))
    for _ in range(2):
        table(page, "cases").locator("th").nth(place).locator("button").click()
        assert cells(page, "cases", place + 1)[-1] == "–"  # case 5 has no prediction


def test_a_downloaded_table_is_the_table(page, study):
    opened_table(page, "agreement")
    with page.expect_download() as download:
        table(page, "agreement").get_by_text("Download TSV").click()
    assert download.value.suggested_filename == "gland_agreement.tsv"
    text = download.value.path().read_text(encoding="utf-8")
    read = pd.read_csv(StringIO(text), sep="\t", na_values="n/a", keep_default_na=False)
    pd.testing.assert_frame_equal(
        read, study.tables["agreement"], check_dtype=False, rtol=0, atol=0
    )


def test_rows_are_filtered_found_and_paged(page):
    agreement = opened_table(page, "agreement")
    rows = agreement.locator("tbody tr")
    sync_api.expect(rows).to_have_count(45)  # of the whole cohort: 3 labels, 15 statistics
    agreement.locator("select").first.select_option(index=1)
    sync_api.expect(rows).to_have_count(15)
    agreement.locator("input[type=search]").fill("icc")
    sync_api.expect(rows).to_have_count(3)
    many = opened_table(page, "long")
    sync_api.expect(many.locator("tbody tr")).to_have_count(500)
    many.get_by_text("Next rows").click()
    assert cells(page, "long", 1)[0] == "r500"


def test_no_page_scrolls_sideways(viewer):
    before = viewer.viewport_size

    def widths():
        for width in (1280, 390):
            viewer.set_viewport_size({"width": width, "height": 460})
            yield is_wide(viewer)

    assert not any(widths())
    viewer.locator("#open-tables").click()
    assert not any(widths())
    viewer.set_viewport_size(before)
    open_case(viewer)
    assert not any(widths())
    viewer.set_viewport_size(before)


def test_the_theme_follows_the_system_and_the_button(browser, report):
    def ground(page):
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    with Opened(browser, report, color_scheme="dark") as page:
        assert ground(page) == "rgb(16, 20, 26)"
        page.locator("#theme").click()
        assert ground(page) == "rgb(255, 255, 255)"
        page.locator("#theme").click()
        assert ground(page) == "rgb(16, 20, 26)"
        page.emulate_media(media="print")
        assert (
            page.evaluate(
                "getComputedStyle(document.documentElement).getPropertyValue('--paper')"
            ).strip()
            == "#ffffff"
        )


def test_print_shows_the_tables_that_matter(page):
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert table(page, "effects").locator("tbody tr").count() == 4
    assert not table(page, "agreement").is_visible()
    assert not page.locator(".top").is_visible()
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[data-table][open]").count() == 0


def test_the_short_report_keeps_what_is_first_and_fits_six_sheets(browser, report):
    with Opened(browser, report) as page:
        page.locator("#short").click()
        assert page.locator("#verdicts").is_visible()
        assert page.locator("#figures, #cases").first.is_visible()
        assert not page.locator("#tables").is_visible()
        assert page.locator(".definitions").count() == 1
        assert not page.locator(".definitions").is_visible()
        sheets = re.findall(rb"/Type\s*/Page[^s]", page.pdf(format="A4", print_background=True))
        assert 1 <= len(sheets) <= 6
        page.locator("#short").click()
        assert page.locator("#tables").is_visible()


def test_the_address_of_a_report_can_ask_for_the_short_one(browser, plain):
    with Opened(browser, plain) as page:
        page.goto(f"{plain.as_uri()}#short")
        page.reload()
        assert page.locator("#short").get_attribute("aria-pressed") == "true"
        assert not page.locator("#tables").is_visible()


def test_without_webgl_the_page_says_so(browser, report):
    script = "HTMLCanvasElement.prototype.getContext = () => null;"
    with Opened(browser, report, script=script) as page:
        assert page.locator("[data-no-webgl]").is_visible()
        assert page.locator("button[data-opens]").first.is_disabled()
        page.locator("#open rect").click()
        page.wait_for_selector('[data-case="p02"].flash')


def test_the_keyboard_reaches_the_findings_first(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
