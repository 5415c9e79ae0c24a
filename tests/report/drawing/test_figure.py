import re
import warnings
from html.parser import HTMLParser
from xml.etree import ElementTree

import matplotlib
import matplotlib.image
import pytest

from neurotarget.report.drawing.figure import (
    DARK,
    LIGHT,
    SERIES,
    finished,
    look,
    new_figure,
    save_figure,
    saved_svg,
    svg_text,
)
from neurotarget.report.figures.bland_altman import bland_altman_figure
from neurotarget.report.figures.scatter import scatter_figure

SVG = "{http://www.w3.org/2000/svg}"


@look()
def drawn(name="one", title="a title", case="#case-p1"):
    figure = new_figure(name, 3.0, 2.0)
    axes = figure.subplots()
    axes.scatter([1, 2], [1, 2], color=SERIES[0]).set_urls([case, "#case-p2"])
    axes.fill_between([1, 2], [0, 1], [1, 2], color=SERIES[1], alpha=0.2)
    axes.set_title(title)
    return finished(figure)


def ids(svg):
    return set(re.findall(r'\bid="([^"]+)"', svg))


def test_colours_are_left_to_the_page_with_ours_where_it_has_none():
    svg = svg_text(drawn())
    for name in ("ink", "muted", "c1", "c2"):
        assert f"var(--{name},{LIGHT[name]})" in svg
    bare = re.sub(r"var\([^)]*\)", "", svg)
    assert not re.search(r"#[0-9a-f]{6}\b", bare)


def test_every_light_colour_has_a_dark_one():
    assert DARK.keys() == LIGHT.keys()
    assert len(set(LIGHT.values())) == len(LIGHT)


def test_it_scales_and_takes_the_font_of_the_page():
    root = ElementTree.fromstring(svg_text(drawn()))
    assert root.get("viewBox") == "0 0 216 144"
    assert (root.get("width"), root.get("height")) == ("360", None)
    assert "max-width:100%" in root.get("style")
    assert "font-family:inherit" in root.get("style")
    assert not any(
        "font-family" in element.get("style", "") for element in root.iter() if element != root
    )


def test_nothing_from_elsewhere_is_asked_for_and_no_style_leaks_into_the_page():
    svg = svg_text(drawn())
    assert "<!DOCTYPE" not in svg
    assert not re.search("<(?:style|metadata|script|image)|@import", svg)
    assert set(re.findall(r"https?://[^\"<> ]+", svg)) == {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_the_same_figure_gives_the_same_bytes(study, tmp_path):
    assert svg_text(scatter_figure(study)) == svg_text(scatter_figure(study))
    for name in ("a", "b"):
        save_figure(scatter_figure(study), tmp_path / name)
    for kind in ("svg", "png"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_drawing_twice_changes_nothing():
    figure = drawn()
    assert svg_text(figure) == svg_text(figure)


def test_no_id_comes_twice_in_a_page(study):
    pages = [svg_text(scatter_figure(study)), svg_text(bland_altman_figure(study))]
    first, second = (re.findall(r'\bid="([^"]+)"', page) for page in pages)
    assert first
    assert len({*first, *second}) == len(first) + len(second)


def test_every_reference_leads_to_an_id_of_the_figure():
    svg = svg_text(drawn())
    used_ids = {*re.findall(r"url\(#([^)]+)\)", svg), *re.findall(r'use xlink:href="#([^"]+)', svg)}
    assert used_ids == ids(svg)
    assert all(name.startswith("one-") for name in used_ids)


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "$x$ & $\\frac", "a&amp;b", '"><img src=x>', "]]>"]
)
def test_names_come_out_as_text(name):
    class Tags(HTMLParser):
        seen, texts = set(), ""

        def handle_starttag(self, tag, attrs):
            self.seen = {*self.seen, tag, *(key for key, _ in attrs if key.startswith("on"))}

        def handle_data(self, data):
            self.texts += data

    parser = Tags()
    parser.feed(svg_text(drawn(title=name)))
    assert parser.seen <= {"svg", "g", "path", "defs", "use", "clippath", "rect", "text", "a",
                           "title"}  # fmt: skip
    assert name in parser.texts


def test_control_characters_of_a_case_leave_the_svg_whole():
    svg = svg_text(drawn(case="#case-a%00b%0Ac"))
    titles = [element.text for element in ElementTree.fromstring(svg).iter(f"{SVG}title")]
    assert titles == ["a\ufffdb c", "p2"]


def test_points_link_to_their_cases_and_say_which_but_take_no_tab_stop():
    root = ElementTree.fromstring(svg_text(drawn(case="#case-a%20b%2Fc")))
    links = list(root.iter(f"{SVG}a"))
    assert [link.get("{http://www.w3.org/1999/xlink}href") for link in links] == [
        "#case-a%20b%2Fc",
        "#case-p2",
    ]
    assert links[0].find(f"{SVG}title").text == "a b/c"
    assert {link.get("tabindex") for link in links} == {"-1"}
    assert {link.get("target") for link in links} == {None}


def test_files_are_light_and_stand_alone(tmp_path):
    save_figure(drawn(), tmp_path / "new" / "one")
    svg = (tmp_path / "new" / "one.svg").read_text(encoding="utf-8")
    ElementTree.fromstring(svg)
    assert "var(" not in svg
    assert LIGHT["c1"] in svg
    assert "font-family:Arial," in svg
    assert "#case" not in svg
    assert svg.partition("</g>")[0].count('style="fill: #ffffff"') == 1  # its background
    picture = matplotlib.image.imread(tmp_path / "new" / "one.png")
    assert picture.shape[:2] == (400, 600)
    assert picture[0, 0, :3] == pytest.approx(1)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["one.png", "one.svg"]


def test_a_figure_that_is_drawn_once_is_the_same_in_a_page_and_in_files(tmp_path):
    save_figure(drawn(), tmp_path / "one")
    assert saved_svg(drawn(), tmp_path / "two") == svg_text(drawn())
    for ending in ("svg", "png"):
        one, two = (tmp_path / f"{name}.{ending}" for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_a_users_settings_are_kept_and_without_effect():
    plain = svg_text(drawn())
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.grid": True}):
        assert svg_text(drawn()) == plain
        assert matplotlib.rcParams["font.size"] == 30


def test_letters_that_our_font_lacks_are_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "垂体" in svg_text(drawn(title="垂体"))
