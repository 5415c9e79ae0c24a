"""Pages without a viewer in a real browser: a comparison and a search, opened as files."""

import base64
import hashlib
import re

import pytest

from neurotarget.files.writing import write_text
from neurotarget.report.comparison.comparison_figures import all_figures
from neurotarget.report.comparison.comparison_page import compare_html
from neurotarget.report.search.search_page import sweep_html
from neurotarget.report.sections.plain_page import page_figures
from oracles.comparisons import ODD, a_comparison
from oracles.pages import Page
from oracles.sweeps import a_sweep

sync_api = pytest.importorskip("playwright.sync_api")

KINDS = ("compare", "sweep")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    comparison = a_comparison(6)
    figures = page_figures(all_figures(comparison))
    write_text(folder / "compare.html", compare_html(comparison, figures, title=ODD))
    write_text(folder / "sweep.html", sweep_html(a_sweep(("dice", "volume_icc")), title="search"))
    return {kind: folder / f"{kind}.html" for kind in KINDS}


@pytest.fixture
def open_page(browser, files):
    """Opens a page; at the end nothing may have gone wrong on it or left the file."""
    opened, wrong, requests = [], [], []

    def open_one(kind, *, width=1280, **options):
        page = browser.new_page(viewport={"width": width, "height": 800}, **options)
        opened.append(page)
        page.set_default_timeout(15_000)
        page.on("console", lambda expected: wrong.append(expected.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append("dialog"), dialog.dismiss()))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(files[kind].as_uri())
        return page

    yield open_one
    for page in opened:
        page.close()
    assert wrong == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_scrolls_sideways(open_page, kind, width):
    page = open_page(kind, width=width)
    wide = "document.documentElement.scrollWidth > window.innerWidth"
    assert not page.evaluate(wide)
    page.locator("#open-tables").click()
    page.locator("details[data-table] tbody tr").nth(20).wait_for()
    assert not page.evaluate(wide)


@pytest.mark.parametrize("kind", KINDS)
def test_dark_is_dark_and_print_is_light(open_page, kind):
    page = open_page(kind, color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(16, 20, 26)"
    page.locator("#theme").click()
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.locator(".top").is_visible()


@pytest.mark.parametrize("kind", KINDS)
def test_print_fits_the_sheet_with_the_tables_that_matter(open_page, kind):
    page = open_page(kind, width=688)  # A4 without its margins
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    table = {"compare": "spread", "sweep": "trials"}[kind]
    page.locator(f'details[data-name="{table}"] tbody tr').first.wait_for()
    for drawing in page.locator(".drawing svg").all():
        assert drawing.bounding_box()["width"] <= 688


def test_numbers_are_shown_in_their_units_and_whole_in_the_download(open_page):
    page = open_page("compare")
    costs = page.locator('details[data-name="costs"]')
    costs.locator("summary").click()
    costs.locator("tbody tr").first.wait_for()  # a table is made when it is opened
    heads = costs.locator("th").all_inner_texts()
    first = costs.locator("tbody tr").first.locator("td").all_inner_texts()
    shown = dict(zip(heads, first, strict=True))
    assert shown["Parameters, millions"] == "1.20"
    assert shown["Training, min"] == "1.67"
    assert shown["Learning rate"] == "0.0001"
    assert shown["Steps"] == "2000"
    with page.expect_download() as download:
        costs.get_by_text("Download TSV").click()
    assert download.value.suggested_filename == "gland_costs.tsv"
    lines = download.value.path().read_text(encoding="utf-8").splitlines()
    row = dict(zip(lines[0].split("\t"), lines[1].split("\t"), strict=True))
    assert (row["parameters"], row["train_s"]) == ("1200000", "100")


def test_settings_sort_by_their_size(open_page):
    page = open_page("sweep")
    trials = page.locator('details[data-name="trials"]')
    trials.locator("summary").click()
    trials.get_by_role("button", name="optimizer.lr").click()
    rates = [float(text) for text in trials.locator("tbody td:nth-child(3)").all_inner_texts()]
    assert len(rates) == 30
    assert rates == sorted(rates)


def test_a_point_leads_to_its_case(open_page):
    page = open_page("compare")
    page.evaluate("location.hash = '#case-p09'")
    marked = page.locator("tr.marked")
    marked.wait_for()
    assert marked.locator("td").first.inner_text() == "p09"


def test_whether_arms_are_told_apart_reads_as_yes_or_no(open_page):
    page = open_page("compare")
    differences = page.locator('details[data-name="differences"]')
    differences.locator("summary").click()
    differences.locator("tbody tr").first.wait_for()
    place = differences.locator("th").all_inner_texts().index("Different")
    cells = differences.locator(f"tbody td:nth-child({place + 1})").all_inner_texts()
    assert set(cells) == {"yes", "no"}


@pytest.mark.parametrize("kind", KINDS)
def test_only_our_script_may_run(files, kind):
    page = Page(files[kind].read_text(encoding="utf-8"))
    policy = next(found["content"] for tag, found in page.elements
                  if found.get("http-equiv") == "Content-Security-Policy")  # fmt: skip
    (code,) = [text for name, text in page.scripts.items() if name.startswith("code-")]
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    assert re.findall(r"'sha256-([^']+)'", policy) == [digest]
    assert "default-src 'none'" in policy
