"""The page of quality control in a real browser, opened as a file."""

import re

import numpy as np
import pytest

from neurotarget.files.writing import write_text
from neurotarget.report.drawing.small_picture import small_picture
from neurotarget.report.pages.qc_page import QCCase, QCColumn, QCPage, qc_html
from neurotarget.studies.excluded_cases import read_exclusions

sync_api = pytest.importorskip("playwright.sync_api")

HOSTILE = '"]]></script><img src=x onerror=alert(1)>'
COUNT = 130  # more than two pages of the grid


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("qc")
    (folder / "qc").mkdir()
    image = np.random.default_rng(0).normal(size=(20, 20, 20))
    (folder / "qc" / "a.jpg").write_bytes(small_picture(image, None, np.eye(4), []))
    cases = [QCCase(f"sub-{n:03d}", "done", "", {"left": 150.0}, "qc/a.jpg") for n in range(COUNT)]
    cases.append(QCCase(HOSTILE, "failed", f"{HOSTILE}; not a scan"))
    cases.append(QCCase("small", "done", "left: empty", {"left": 10.0}, "qc/a.jpg"))
    columns = [QCColumn("left", "mm3", 100.0, 200.0)]
    write_text(folder / "qc.html", qc_html(QCPage("ball", "", cases, columns, "volumes.tsv", "k")))
    return folder / "qc.html"


@pytest.fixture
def page(browser, path):
    context = browser.new_context(viewport={"width": 1000, "height": 700}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(60_000)
    wrong = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append("dialog"), dialog.dismiss()))
    page.on("request", lambda one: one.url.startswith(("file:", "blob:")) or wrong.append(one.url))
    page.goto(path.as_uri())
    yield page
    context.close()
    assert wrong == []


def names(page):
    return page.locator(".qc-case h3").all_inner_texts()


def saved(page, tmp_path):
    with page.expect_download() as download:
        page.click('[data-part="save"]')
    download.value.save_as(tmp_path / "ratings.tsv")
    return (tmp_path / "ratings.tsv").read_text()


def test_failed_and_flagged_cases_stand_first_and_pictures_are_files(page):
    assert names(page)[:3] == [f"failed {HOSTILE}", "look small", "sub-000"]
    picture = page.locator(".qc-case img").first
    picture.scroll_into_view_if_needed()
    # the page forbids the `eval` that `wait_for_function` would poll with
    assert (
        picture.evaluate("async image => { await image.decode(); return image.naturalWidth }") > 0
    )
    assert page.locator(".qc-size.out .value").all_inner_texts() == ["10 mm³"]


def test_keys_rate_case_by_case_and_the_table_excludes_what_is_rated_3(page, tmp_path):
    for key in ("ArrowRight", "3", "2", "1"):
        page.keyboard.press(key)
    page.locator(".qc-case.current input").fill("cut\toff")
    page.keyboard.press("Enter")
    text = saved(page, tmp_path)
    assert text.splitlines()[0] == "case_id\trating\tnote"
    assert text.splitlines()[2:] == ["small\t2\tn/a", "sub-000\t1\tn/a", "sub-001\tn/a\tcut off"]
    assert read_exclusions(tmp_path / "ratings.tsv").case_ids == (HOSTILE,)


def test_the_browser_keeps_ratings_and_takes_those_of_a_file(page, tmp_path):
    page.keyboard.press("ArrowRight")
    page.keyboard.press("3")
    page.reload()
    assert page.locator('[data-part="count"]').inner_text() == "132 of 132 shown, 1 rated"
    (tmp_path / "theirs.tsv").write_text("case_id\trating\tnote\nsmall\t2\tn/a\nother\t3\tn/a\n")
    page.set_input_files('[data-part="load"]', tmp_path / "theirs.tsv")
    page.locator('[data-part="count"]', has_text=re.compile("2 rated$")).wait_for()
    assert page.locator('[data-part="warning"]').inner_text().startswith("theirs.tsv: 1 of 2 cases")


def test_arrows_turn_the_pages_of_many_cases(page):
    for _ in range(61):
        page.keyboard.press("ArrowRight")
    assert page.locator(".qc-case.current h3").inner_text() == "sub-058"
    assert "61 to 120 of 132" in page.locator('[data-part="pager"]').inner_text()


def test_choices_and_search_show_some_cases(page):
    page.select_option('[data-part="show"]', label="To look at")
    assert names(page) == [f"failed {HOSTILE}", "look small"]
    page.select_option('[data-part="show"]', label="All cases")
    page.fill('[data-part="search"]', "sub-12")
    assert names(page) == [f"sub-12{number}" for number in range(10)]


def test_a_link_leads_to_its_case(page, path):
    page.goto(f"{path.as_uri()}#case-sub-129")
    page.reload()
    assert page.locator(".qc-case.current h3").inner_text() == "sub-129"
