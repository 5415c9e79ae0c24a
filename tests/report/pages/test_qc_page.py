import json
import math
import re

from neurotarget.report.pages.qc_page import QCCase, QCColumn, QCPage, outside, qc_html

HOSTILE = '"]]></script><img src=x onerror=alert(1)>'
COLUMNS = [QCColumn("left", "mm3", 100.0, 200.0), QCColumn("right", "mm3", 100.0, math.inf)]


def case(name, left=150.0, **further):
    return QCCase(name, "done", values={"left": left, "right": 150.0}, **further)


def page_of(*cases, columns=COLUMNS, **further):
    settings = {"title": "ball", "question": "", "table": "volumes.tsv", "key": "k"}
    return qc_html(QCPage(cases=cases, columns=columns, **settings | further))


def data_of(html):
    return json.loads(re.search(r'id="page-data">(.*?)</script>', html, re.DOTALL)[1])


def names_in(html):
    return [row[0] for row in data_of(html)["cases"]]


def test_failed_cases_come_first_then_flagged_ones_then_those_outside_the_usual_range():
    failed = QCCase("broken", "failed", "no file")
    cases = [case("a"), case("small", left=10.0), case("flagged", note="left: empty"), failed]
    assert names_in(page_of(*cases)) == ["broken", "flagged", "small", "a"]


def test_the_notes_name_the_failed_cases_which_have_no_numbers():
    html = page_of(case("a"), QCCase("broken", "failed", "no file"))
    assert "Check first: broken." in html
    assert "<li>No numbers of failed cases: broken.</li>" in html
    assert "No numbers of failed cases" not in page_of(case("a"))


def test_values_below_and_above_the_range_count_and_open_ends_do_not():
    assert outside(case("a", left=99.0), COLUMNS) == 1
    assert outside(case("a", left=201.0), COLUMNS) == 1
    assert outside(case("a", left=200.0), COLUMNS) == 0
    assert outside(QCCase("a", "done", values={"right": 1e9}), COLUMNS) == 0
    assert outside(QCCase("a", "failed"), COLUMNS) == 0


def test_the_table_of_numbers_counts_the_cases_outside():
    html = page_of(case("a", left=10.0), case("b"), usual="plausible range of the target")
    row = re.search(r"<tr><th[^>]*>left,<wbr> mm³</th>(.*?)</tr>", html)[1]
    assert re.findall(r">([^<]+)</td>", row) == ["80.0", "10.0", "150", "100 to 200", "1"]
    assert "Usual: plausible range of the target." in html


def test_what_comes_from_files_is_escaped():
    html = page_of(
        case(HOSTILE, note=HOSTILE, picture=HOSTILE),
        columns=[QCColumn("left"), QCColumn(HOSTILE)],
        title=HOSTILE,
        question=HOSTILE,
        notes=[HOSTILE],
    )
    assert "<img src=x" not in html
    assert html.count("</script>") == 2  # the data, and our own
    assert names_in(html) == [HOSTILE]


def test_only_pictures_beside_the_page_may_be_loaded():
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page_of(case("a")))
    policy = policy.replace("&#39;", "'")
    assert "default-src 'none'" in policy
    assert re.search(r"img-src ([^;]+);", policy)[1] == "'self' file: data: blob:"


def test_a_row_of_the_page_takes_few_bytes():
    few, many = (
        len(page_of(*(case(f"sub-{number:04d}", picture=f"qc/sub-{number:04d}.jpg")
                      for number in range(count))))
        for count in (10, 1010)
    )  # fmt: skip
    assert (many - few) / 1000 < 100
