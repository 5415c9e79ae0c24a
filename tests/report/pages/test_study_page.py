import base64
import gzip
import hashlib
import re
import time
from dataclasses import replace
from importlib.resources import files
from urllib.parse import quote

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neurotarget.files.writing import write_text
from neurotarget.printable import one_line
from neurotarget.problems import DataError
from neurotarget.report.drawing.figure import DARK, LIGHT
from neurotarget.report.pages import study_page as page_module
from neurotarget.report.pages.study_page import PageCase, PageFigure, page_html
from neurotarget.report.sections.plain_page import DARK_PAGE
from neurotarget.stats.study.analysis import analyse
from oracles.pages import Page

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    '"]]></script><script>alert(1)</script>',
    "a'b&amp;\u2028c",
)
SVG = '<?xml version="1.0"?><!DOCTYPE svg><svg viewBox="0 0 9 9"><text>here</text></svg>'
LARGEST = 25_000_000


@pytest.fixture(scope="module")
def found(analysed):
    return analysed


def a_case(case_id="p01", rank="worst", side=12, *, seed=0, png=b"png"):
    image = np.random.default_rng(seed).normal(100, 10, (side,) * 3)
    truth = np.zeros((side,) * 3, np.uint8)
    truth[3:7, 3:7, 3:7] = 1
    return PageCase(case_id, rank, f"{case_id} ({rank}), Dice 0.9", ("cut off",), png, image,
                    truth, np.roll(truth, 1, 0), np.eye(4))  # fmt: skip


def read(study, figures=(), cases=(), title="gland"):
    return Page(page_html(study, figures, cases, title=title))


def hostile(study, text):
    """A study in which every name that a user gives is this text."""
    tables = {
        name: table.assign(**{key: text for key in ("reason", "detail", "claim") if key in table})
        for name, table in study.tables.items()
    }
    tables["cases"] = tables["cases"].assign(case_id=text, site=text)
    target = replace(study.measured.target, question=text)
    measured = replace(study.measured, target=target)
    return replace(study, measured=measured, tables=tables, notes=(text,), facts={text: text})


@pytest.mark.parametrize("text", HOSTILE)
def test_names_with_markup_are_text_everywhere(found, text):
    figure = PageFigure("f", text, text, None)
    case = a_case(text)._replace(rank=text, caption=text, flags=(text,))
    bad = read(hostile(found, text), [figure], [case], title=text)
    plain = read(found, [PageFigure("f", "t", "c", None)], [a_case()])
    assert [tag for tag, _ in bad.elements].count("img") == 1  # the case's picture
    assert len(bad.scripts) == len(plain.scripts)
    assert not any(name.startswith("on") for _, found in bad.elements for name in found)
    assert bad.text.count(one_line(text)) >= 8
    assert bad.json("page-data")["cases"][0]["id"] == text
    anchors = [found.get("id") for _, found in bad.elements]
    assert f"case-{quote(text, safe='')}" in anchors


def test_no_element_asks_for_anything_outside(found):
    page = read(found, [PageFigure("f", "t", "c", SVG)], [a_case()])
    for tag, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "action", "srcset", "data"):
            link = attributes.get(name) or ""
            allowed = link.startswith(("#", "data:image/png;base64,"))
            assert not link or allowed or (tag == "a" and link.startswith("https://doi.org/"))
    css = (files("neurotarget.report") / "assets" / "page.css").read_text()
    assert "url(" not in css
    assert "@import" not in css


def test_only_our_scripts_may_run_and_nothing_is_fetched(found):
    page = read(found, cases=[a_case()])
    policy = next(found["content"] for tag, found in page.elements
                  if found.get("http-equiv") == "Content-Security-Policy")  # fmt: skip
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in rules["script-src"]
    assert "connect-src" not in rules
    code = [text for name, text in page.scripts.items() if name.startswith("code-")]
    digests = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in code}
    assert set(re.findall(r"'sha256-([^']+)'", rules["script-src"])) == digests
    assert len(code) == 2


def test_a_page_without_volumes_does_not_carry_the_viewer(found):
    assert len(page_html(found, [], [], title="x")) < 600_000
    bare = a_case()._replace(image=None, truth=None, pred=None)
    page = read(found, cases=[bare])
    assert "dialog" not in [tag for tag, _ in page.elements]
    assert not any("data-opens" in found for _, found in page.elements)


def test_volumes_are_what_the_case_holds(found):
    case = a_case()
    page = read(found, cases=[case])
    (known,) = page.json("page-data")["cases"]
    assert known["parts"] == ["image", "truth", "pred"]
    assert known["caption"] == "Dice 0.9"
    content = base64.b64decode(page.scripts["volume-0-truth"])
    truth = nib.Nifti1Image.from_bytes(gzip.decompress(content))
    np.testing.assert_array_equal(np.asarray(truth.dataobj), case.truth)


def test_a_figure_stands_inline_and_one_without_data_is_a_line_with_its_reason(found):
    figures = [PageFigure("b", "B", "no sex", None), PageFigure("a", "A", "words", SVG)]
    text = page_html(found, figures, [], title="x")
    assert '<svg viewBox="0 0 9 9">' in text
    assert "<?xml" not in text
    assert "DOCTYPE svg" not in text
    assert '<li id="figure-b">B: no sex</li>' in text
    assert text.count('class="drawing"') == 1


def test_the_montage_of_the_data_set_follows_the_cases(found):
    text = page_html(found, [], [a_case()], title="x", montage=b"jpeg")
    content = base64.b64encode(b"jpeg").decode()
    assert text.index('id="cases"') < text.index('id="montage"') < text.index(content)
    assert 'id="montage"' not in page_html(found, [], [a_case()], title="x")


def test_every_table_is_there_in_full(found):
    page = read(found)
    shown = [found["data-name"] for _, found in page.elements if "data-table" in found]
    assert set(shown) == {name for name, table in found.tables.items() if len(table)}
    place = shown.index("effects")
    sheet = page.json(f"table-{place}")
    assert sheet["data"]["estimate"] == found.tables["effects"]["estimate"].tolist()


@pytest.mark.parametrize("tables", ["none", "empty", "undefined"])
def test_a_study_with_nothing_in_it_has_a_page(found, undefined, tables):
    if tables == "undefined":
        study = undefined(found)
    else:
        rest = {name: table.iloc[:0] for name, table in found.tables.items()}
        study = replace(found, tables={} if tables == "none" else rest)
    page = read(study, cases=[a_case()])
    text = " ".join(page.text)
    assert "nan" not in text.lower().split()
    expected = {"none": "nothing to test", "empty": "Without any row:",
                "undefined": "could not be estimated: constant volumes"}  # fmt: skip
    assert expected[tables] in text


def test_notes_and_facts_are_reported(found):
    study = replace(found, notes=("3 cases have no age.",), facts={"commit": "abc", "seed": "7"})
    text = read(study).text
    assert {"3 cases have no age.", "commit", "abc", "seed", "7"} <= set(text)


def luminance(colour):
    parts = np.array(list(bytes.fromhex(colour.removeprefix("#")))) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ [
        0.2126, 0.7152, 0.0722
    ]  # fmt: skip


def contrast(*colours):
    low, high = sorted(luminance(colour) for colour in colours)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_its_ground(theme):
    css = (files("neurotarget.report") / "assets" / "page.css").read_text()
    light = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", css.partition("\n}")[0]))
    page = light | LIGHT if theme == "light" else DARK | DARK_PAGE
    pairs = [(ink, ground) for ink in ("ink", "muted", "accent") for ground in ("paper", "panel")]
    pairs += [("yes", "yes-back"), ("no", "no-back"), ("open", "open-back"), ("ink", "mark"),
              ("yes", "panel"), ("no", "panel"), ("on-accent", "accent")]  # fmt: skip
    for ink, ground in pairs:  # WCAG 2.2, 1.4.3, level AA
        assert contrast(page[ink], page[ground]) >= 4.5, (ink, ground)


def test_what_does_not_fit_is_counted(found, monkeypatch):
    cases = [a_case(f"p{number}", seed=number, png=bytes(3000)) for number in range(9)]
    size = sum(len(text) for name, text in read(found, cases=cases[:1]).scripts.items()
               if name.startswith("volume"))  # fmt: skip
    monkeypatch.setattr(page_module, "VOLUMES_BYTES", int(2.5 * size))
    monkeypatch.setattr(page_module, "PICTURES_BYTES", 13_000)
    message = " ".join(read(found, cases=cases).text)
    assert "The viewer holds 2 of 9 cases; the others were left out" in message
    assert "6 of 9 pictures of cases were left out to keep the page small." in message
    assert message.count("The picture was left out, to keep this page small.") == 6


def test_a_page_is_written_whole_or_not_at_all(found, tmp_path):
    write_text(tmp_path / "report.html", page_html(found, [], [a_case()], title="gland"))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert text.rstrip().endswith("</html>")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        write_text(tmp_path / "file" / "report.html", page_html(found, [], [], title="gland"))


def test_the_same_study_gives_the_same_page(found):
    assert page_html(found, [], [a_case()], title="x") == page_html(
        found, [], [a_case()], title="x"
    )


def test_the_viewer_of_others_cannot_end_its_script():
    text = (files("neurotarget.report") / "assets" / "niivue.umd.js").read_text(encoding="utf-8")
    assert not re.search(r"</script|<!--|\r|\0", text, re.IGNORECASE)
    assert len(text) < 3_000_000
    known = (files("neurotarget.report") / "assets" / "README.md").read_text()
    assert hashlib.sha256(text.encode()).hexdigest() in known
    assert "BSD 2-Clause" in (files("neurotarget.report") / "assets" / "niivue.LICENSE").read_text()


def test_200_cases_fit_in_25_mb_and_10_s(make_study):
    study = analyse(make_study(n=200).measured)
    rng = np.random.default_rng(0)
    noise = rng.normal(100, 20, (110, 110, 110)).astype(np.float32)
    truth = np.zeros(noise.shape, np.uint8)
    truth[45:62, 45:70, 45:60] = 1
    truth[45:62, 70:80, 45:60] = 2
    png = rng.bytes(150_000)  # of one picture; random bytes cannot be made smaller
    cases = [
        PageCase(f"p{number:03}", ("worst", "median", "best")[number % 3], "", (), png,
                 np.roll(noise, number, 0), truth, np.roll(truth, 1, 1), np.eye(4))
        for number in range(200)
    ]  # fmt: skip
    figures = [PageFigure(f"f{number}", "", "", "<svg>" + "x" * 200_000 + "</svg>")
               for number in range(8)]  # fmt: skip
    start = time.perf_counter()
    text = page_html(study, figures, cases, title="large")
    assert time.perf_counter() - start < 10
    assert len(text.encode()) < LARGEST
    page = Page(text)
    assert len({name.split("-")[1] for name in page.scripts if name.startswith("volume")}) > 10


def test_tables_of_a_hundred_labels_leave_room_for_cases(found):
    rows = 20_000
    wide = pd.DataFrame(
        {"label": [f"label{number % 100}" for number in range(rows)],
         **{key: np.random.default_rng(0).normal(size=rows) for key in ("value", "low", "high")}}
    )  # fmt: skip
    study = replace(found, tables={**found.tables, "agreement": wide})
    text = page_html(study, [], [a_case()], title="x")
    assert len(text.encode()) < LARGEST
    assert 'id="volume-0-image"' in text
