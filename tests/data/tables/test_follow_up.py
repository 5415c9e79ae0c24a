from collections import Counter

import pytest

from neurotarget.data.tables.follow_up import read_follow_up
from neurotarget.problems import DataError


@pytest.fixture
def read(tmp_path):
    def read(text, **names):
        path = tmp_path / "people.csv"
        path.write_text(text)
        return read_follow_up(path, **{"time": "days", **names})

    return read


def test_a_time_with_alive_is_the_end_of_follow_up(read):
    found = read("id,days\na,289\nb,ALIVE (361 days later)\nc,12\n")
    assert found.days.tolist() == [289, 361, 12]
    assert found.event.tolist() == [1, 0, 1]
    assert found.case_ids == ["a", "b", "c"]


@pytest.mark.parametrize("codes", ["10", "dead alive", "Deceased Living", "yes no", "TRUE FALSE"])
def test_events_have_many_codes(read, codes):
    yes, no = codes.split() if " " in codes else codes
    found = read(f"id,days,event\na,5,{yes}\nb,6,{no}\n", event="event")
    assert found.event.tolist() == [1, 0]


def test_who_is_left_out_is_counted_with_the_reason(read):
    rows = "id,days,died,arm\na,5,1,x\nb,0,1,x\nc,-3,1,x\nd,n/a,1,x\ne,7,,x\nf,8,1,y\na,5,1,x\n"
    rows += "g,soon,1,x\nh,ALIVE,0,x\n"
    found = read(rows, event="died", where="arm=x")
    assert found.case_ids == ["a"]
    assert Counter(reason for _, reason in found.left_out) == {
        "zero days": 1,
        "negative days": 1,
        "no days": 1,
        "no died": 1,
        "not arm=x": 1,
        "another row of the same person": 1,
        "days is no number (soon)": 1,
        "days says alive without a time": 1,
    }


def test_times_in_months_become_days(read):
    assert read("id,days\na,12\n", unit="months").days == pytest.approx([365.25])


def test_rows_without_ids_are_named_by_their_line(read):
    assert read("days,x\n5,1\n6,2\n").case_ids == ["row 2", "row 3"]


@pytest.mark.parametrize(
    ("text", "names", "message"),
    [
        ("id,days\na,2019-03-01\n", {}, "the date 2019-03-01 in days, wanted days; give the days"),
        ("id,days\na,3.12.2019\n", {}, "the date 3.12.2019"),
        ("id,day\na,2\n", {}, "no column days, wanted it among the columns; did you mean day"),
        ("id,days,e\na,2,0\nb,3,0\n", {"event": "e"}, "no event, wanted some people"),
        ("id,days,e\na,2,1\nb,3,2\n", {"event": "e"}, "the values 1, 2 in e, wanted 1 and 0, or"),
        ("id,days,alive\na,2,1\nb,3,0\n", {"event": "alive"}, "reads as if 0 were the event"),
        ("id,days,0=dead\na,2,1\nb,3,0\n", {"event": "0=dead"}, "reads as if 0 were the event"),
        ("id,days\na,2\na,3\n", {"case_id": "id"}, "rows of one person with other times"),
        ("id,days\na,0\n", {}, r"nobody to analyse: zero days \(1\)"),
        ("id,days\na,2\n", {"where": "arm=x"}, "no column arm"),
        ("id,days\na,2\n", {"where": "id=x"}, "no row with id=x, wanted a value of the column"),
        ("id,days\na,2\n", {"where": "id"}, "the condition 'id', wanted column=value"),
        ("id,days,e\na,2,1\n", {"event": "e", "event_is": "5"}, "no 5 in e, wanted event_is="),
        (
            "id,days,e,vital\na,2,0,Dead\nb,3,1,Alive\nc,4,0,Dead\n",
            {"event": "e"},
            "3 of 3 people whose vital contradicts e, wanted the same in both; the coding is rev",
        ),
    ],
)
def test_bad_input_is_one_sentence(read, text, names, message):
    with pytest.raises(DataError, match=message):
        read(text, **names)


def test_a_reversed_column_is_read_where_the_event_is_named(read):
    found = read("id,days,alive\na,2,1\nb,3,0\n", event="alive", event_is="0")
    assert found.event.tolist() == [0, 1]


def test_a_name_that_defines_both_codes_is_trusted(read):
    found = read("id,days,1-dead 0-alive\na,2,1\nb,3,0\n", event="1-dead 0-alive")
    assert found.event.tolist() == [1, 0]


def test_events_that_come_late_are_doubted(read):
    rows = "".join(f"a{day},{day},{int(day > 10)}\n" for day in range(1, 21))
    (problem,) = read(f"id,days,e\n{rows}", event="e").problems
    assert "events that are later than ends of follow-up in 100 % of pairs" in str(problem)


def test_people_with_a_reason_are_left_out_later(read):
    found = read("id,days\na,5\nb,6\n").without({"a": "no age"})
    assert (found.n, found.case_ids, found.days.tolist()) == (1, ["b"], [6])
    assert found.left_out == [("a", "no age")]


def test_real_tables_are_read(shared_data):
    upenn = read_follow_up(
        shared_data / "upenn_gbm" / "clinical_info_v1.1.csv",
        time="Survival_from_surgery_days",
        where="Time_since_baseline_preop=0",
    )
    assert upenn.n == 452
    tcga = read_follow_up(
        shared_data / "tcga_glioma" / "tcga_cdr_gbm_lgg.csv", time="OS.time", event="OS"
    )
    assert (tcga.n, tcga.event.sum()) == (1106, 616)
    assert len(tcga.left_out) == 5
    brats = read_follow_up(shared_data / "brats_tables" / "survival_brats2019.csv", time="Survival")
    assert (brats.event == 0).sum() == 2
    ucsf = read_follow_up(
        shared_data / "ucsf_pdgm" / "metadata_v2.csv",
        time="OS",
        event="1-dead 0-alive",
        where="Final pathologic diagnosis (WHO 2021)=Glioblastoma, IDH-wildtype",
    )
    assert (ucsf.n, ucsf.event.sum(), len(ucsf.problems)) == (373, 226, 0)
