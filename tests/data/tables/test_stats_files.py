"""Statistics of FreeSurfer, FastSurfer and neurotarget, and SynthSeg's volumes, become methods."""

import numpy as np
import pytest

from neurotarget.data.scans.volume import read_volume
from neurotarget.data.tables.stats_files import read_stats
from neurotarget.data.tables.volume_table import read_volume_table
from neurotarget.problems import DataError

ASEG = """# Title Segmentation Statistics
# generating_program {program}
# cvs_version {release}
# subjectname {subject}
# Measure lhCortex, lhCortexVol, Left hemisphere cortical gray matter volume, 250000.5, mm^3
# Measure EstimatedTotalIntraCranialVol, eTIV, Estimated Total Intracranial Volume, {etiv}, mm^3
# ColHeaders  Index SegId NVoxels Volume_mm3 StructName normMean
  1  17  4000  {volume}  Left-Hippocampus 80.0
  2  10  7000  7000.0  Left-Thalamus-Proper 90.0
"""
APARC = """# Table of FreeSurfer cortical parcellation anatomical statistics
# generating_program mris_anatomical_stats
# subjectname {subject}
# hemi lh
# ColHeaders StructName NumVert SurfArea GrayVol ThickAvg
cuneus  2772 1797 3229 1.7
"""
LABELS = ["Left-Hippocampus", "Left-Thalamus"]


def aseg(path, *, subject="a", volume=4000.0, program="mri_segstats", release="7.4.1", etiv=1.5e6):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(ASEG.format(**{**locals()}), encoding="utf-8")
    return path


def subjects(folder, *names, **facts):
    for name in names:
        aseg(folder / name / "stats" / "aseg.stats", subject=name, **facts)
        (folder / name / "stats" / "lh.aparc.stats").write_text(APARC.format(subject=name))
    return folder


def test_a_folder_of_subjects_is_a_table_of_structures_cortex_and_intracranial_volume(tmp_path):
    folder = subjects(tmp_path / "subjects", "a", "b")
    labels = [*LABELS, "ctx-lh-cuneus", "Left-Cerebral-Cortex"]
    read = read_volume_table([folder], labels=labels)
    assert read.volumes["measured"].loc["b"].tolist() == [4000, 7000, 3229, 250000.5]
    assert read.covariates["etiv_mm3"].tolist() == [1.5e6, 1.5e6]
    with pytest.raises(DataError, match="set labels=Left-Cerebral-Cortex,Left-Hippocampus"):
        read_volume_table([folder])


def test_tools_and_releases_are_methods_of_the_same_cases(tmp_path):
    one = subjects(tmp_path / "one", "a", volume=4100.0)
    two = subjects(tmp_path / "two", "a", release="$Id: old", etiv=1.6e6)
    fast = aseg(tmp_path / "a_fast.stats", program="/opt/segstats.py", release="", volume=3900.0)
    synthseg = tmp_path / "vol.csv"
    synthseg.write_text(
        "subject,total intracranial,left hippocampus,left thalamus,csf\na,1400000,3800,6900,9\n"
    )
    ours = tmp_path / "volumes.tsv"
    ours.write_text(
        "case_id\tstatus\tLeft-Hippocampus_mm3\tLeft-Thalamus_mm3\tnote\tmade_from\n"
        "a\tdone\t3700.0\t6800.0\t\tx\n"
    )
    people = tmp_path / "people.tsv"
    people.write_text("case_id\tage\na\t70\n")
    read = read_volume_table([one, two, fast, synthseg, ours, people], labels=LABELS)
    found = {name: table.loc["a"].tolist() for name, table in read.volumes.items()}
    assert found == {
        "FreeSurfer-7.4.1": [4100, 7000],
        "FreeSurfer": [4000, 7000],
        "FastSurfer": [3900, 7000],
        "SynthSeg": [3800, 6900],
        "neurotarget": [3700, 6800],
    }
    assert read.covariates.loc["a", ["etiv_mm3", "age"]].tolist() == [1.5e6, 70]  # of the first


def test_tables_of_freesurfers_own_tools_have_other_names_for_the_same(tmp_path):
    path = tmp_path / "aparc.tsv"
    path.write_text("lh.aparc.volume\tlh_cuneus_volume\tLeft-Thalamus-Proper\na\t3200\t7000\n")
    read = read_volume_table([path], labels=["ctx-lh-cuneus", "Left-Thalamus"])
    assert read.volumes["measured"].loc["a"].tolist() == [3200, 7000]


@pytest.mark.parametrize(
    "text", ["", "# ColHeaders a b\n1 2\n", "# ColHeaders StructName Volume_mm3\nx 1 2\n"]
)
def test_a_file_without_volumes_is_refused(tmp_path, text):
    (tmp_path / "aseg.stats").write_text(text)
    (problem,) = read_stats(tmp_path).table.problems
    assert "aseg.stats: found no table of volumes, wanted statistics; give aseg.stats" in str(
        problem
    )


def test_our_counts_of_a_freesurfer_label_map_are_those_of_its_statistics(shared_data):
    folder = shared_data / "bert_freesurfer" / "fs72"
    volume = read_volume(folder / "aseg.mgz")
    counts = np.bincount(np.asarray(volume.array).ravel())
    lines = (folder / "aseg.stats").read_text().splitlines()
    rows = [line.split() for line in lines if not line.startswith("#")]
    stated = {row[4]: (int(row[1]), int(row[2]), float(row[3])) for row in rows}
    table = read_stats(folder / "aseg.stats").table.rows[0]
    for name, (number, voxels, corrected_mm3) in stated.items():
        found = int(counts[number]) if number < len(counts) else 0
        assert found == voxels, name
        assert float(table[name]) == corrected_mm3
        if found > 2000:  # FreeSurfer adds shares of voxels at borders, which mostly cancel
            assert found == pytest.approx(corrected_mm3, rel=0.1), name
