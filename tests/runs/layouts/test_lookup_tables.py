import shlex

import pandas as pd
import pytest

from neurotarget.data.tables.label_tables import read_label_table
from neurotarget.report.drawing.figure import COLOURS
from neurotarget.runs.layouts.lookup_tables import (
    FILES,
    fsleyes,
    labels_of,
    slicer,
    write_label_table,
    write_lookup_tables,
)
from neurotarget.runs.layouts.viewing import viewing_commands
from neurotarget.types import Target

NAMED = {"Right-Hippocampus": 53, "Left-Hippocampus": 17}
OWN = {"core": (7, 8), "shell": 12}


def target_of(labels):
    return Target("two", ["t1"], labels, [1, 1, 1], [8, 8, 8])


@pytest.mark.parametrize("name", ["freesurfer_lut.txt", "slicer.ctbl", "itksnap.label"])
@pytest.mark.parametrize("labels", [NAMED, OWN])
def test_tables_are_read_with_the_ids_of_the_label_maps(name, labels, tmp_path):
    target = target_of(labels)
    write_lookup_tables(target, tmp_path)
    read = read_label_table(tmp_path / "lookup" / name)
    expected = {one: (ids[0],) for one, ids in target.labels.items()}
    assert {one: read[one] for one in expected} == expected
    assert set(read) - set(expected) <= {"Unknown", "background", "Clear Label"}


def test_structures_have_freesurfers_colours():
    colours = {one.name: one.colour for one in labels_of(target_of(NAMED))}
    assert colours["Left-Hippocampus"] == (220, 216, 20)  # FreeSurferColorLUT.txt
    assert f"17     {'Left-Hippocampus':<40s} 220 216  20 255" in slicer(
        labels_of(target_of(NAMED))
    )


def test_fsleyes_gets_ascending_numbers_and_colours_up_to_1():
    lines = [line.split() for line in fsleyes(labels_of(target_of(NAMED))).splitlines()]
    assert [line[0] for line in lines] == ["17", "53"]
    assert lines[0][1:] == ["0.8627", "0.8471", "0.0784", "Left-Hippocampus"]


def test_the_first_labels_have_the_colours_of_figures():
    colours = [f"#{bytes(one.colour).hex().upper()}" for one in labels_of(target_of(OWN))]
    assert colours == [*COLOURS[:2]]


def test_no_two_of_many_labels_share_a_colour():
    many = labels_of(target_of({f"part{number}": number for number in range(1, 140)}))
    assert len({one.colour for one in many}) == 139


def test_the_bids_table_is_not_written_again(tmp_path):
    write_label_table(target_of(OWN), tmp_path)
    before = (tmp_path / "dseg.tsv").stat().st_mtime_ns
    write_label_table(target_of(OWN), tmp_path)
    assert (tmp_path / "dseg.tsv").stat().st_mtime_ns == before
    assert pd.read_csv(tmp_path / "dseg.tsv", sep="\t")["index"].tolist() == [7, 12]


def test_commands_name_scan_label_map_and_table(tmp_path):
    scan, labels = tmp_path / "my scan.nii.gz", tmp_path / "out" / "my scan.nii.gz"
    plain = viewing_commands(scan, labels, tmp_path / "out")
    assert shlex.split(plain["itksnap"]) == ["itksnap", "-g", str(scan), "-s", str(labels)]
    write_lookup_tables(target_of(OWN), tmp_path / "out")
    tables = viewing_commands(scan, labels, tmp_path / "out")
    assert [*tables] == ["freeview", "fsleyes", "itksnap"]
    for command, name in zip(
        tables.values(), ("freesurfer_lut.txt", "fsleyes.lut", "itksnap.label"), strict=True
    ):
        assert str(scan) in shlex.split(command)
        assert name in command
        assert name in FILES
