"""Segmentations of DICOM series, read back by pydicom and highdicom."""

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.uid import SegmentationStorage

from neurotarget.problems import DataError
from neurotarget.runs.layouts import dicom_seg
from neurotarget.runs.layouts.dicom_seg import seg_path
from neurotarget.runs.network.predict_scans import predict_scans
from oracles.runs import TARGET, write_images, write_run

highdicom = pytest.importorskip("highdicom")
COUNT = 5
KNOWN = {
    "PatientID": "p1",
    "PatientName": "Doe^Jane",
    "PatientBirthDate": "",
    "PatientSex": "F",
    "StudyDate": "20260101",
    "StudyTime": "",
    "StudyID": "1",
    "AccessionNumber": "",
    "ReferringPhysicianName": "",
    "SeriesNumber": 1,
    "SliceThickness": 2.5,
    "FrameOfReferenceUID": "1.2.3.4",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(
        tmp_path_factory.mktemp("run") / "run",
        images=write_images(tmp_path_factory.mktemp("own"), ["sub-00"]),
        config={"target": TARGET | {"labels": {"core": 7, "shell": [12, 13]}}},
    )


@pytest.fixture(scope="module")
def series(tmp_path_factory, mr):
    folder = tmp_path_factory.mktemp("scans")
    slices = [mr.slice_of(number) for number in range(COUNT)]
    for number, one in enumerate(slices):
        for name, value in KNOWN.items():
            setattr(one, name, value)
        one.InstanceNumber = number + 1
        rows = np.random.default_rng(number).integers(0, 900, (mr.rows, mr.columns))
        one.PixelData = rows.astype(np.uint16).tobytes()
    mr.write(folder / "anna", slices)
    return folder


@pytest.fixture(scope="module")
def done(run, series, tmp_path_factory):
    output = tmp_path_factory.mktemp("out") / "out"
    predicted = predict_scans(run, series, output, device="cpu", dicom_seg=True, qc=False)
    assert [one.status for one in predicted.results] == ["done"], predicted.results
    return output


def by_position(folder):
    """Slices of a series by their place along the normal."""
    read = [pydicom.dcmread(path) for path in folder.iterdir()]
    normal = np.cross(*np.reshape(read[0].ImageOrientationPatient, (2, 3)).astype(float))
    return sorted(read, key=lambda one: float(np.dot(one.ImagePositionPatient, normal)))


def test_pydicom_reads_a_segmentation_of_the_study(done):
    seg = pydicom.dcmread(done / "anna_seg.dcm")
    assert seg.SOPClassUID == SegmentationStorage
    assert (seg.PatientID, seg.StudyInstanceUID) == ("p1", "1.2.3")
    assert seg.FrameOfReferenceUID == "1.2.3.4"
    assert seg.SeriesInstanceUID != "1.2.3.1"
    segments = [(one.SegmentNumber, one.SegmentLabel) for one in seg.SegmentSequence]
    assert segments == [(1, "core"), (2, "shell")]
    codes = [one.SegmentedPropertyTypeCodeSequence[0].CodeValue for one in seg.SegmentSequence]
    assert codes == ["7", "12"]
    assert {one.SegmentAlgorithmType for one in seg.SegmentSequence} == {"AUTOMATIC"}


def test_each_slice_has_the_voxels_of_the_label_map(done, series):
    seg = highdicom.seg.segread(done / "anna_seg.dcm")
    slices = by_position(series / "anna")
    labels = np.asanyarray(nib.load(done / "anna.nii.gz").dataobj).astype(int)
    found = seg.get_pixels_by_source_instance(
        source_sop_instance_uids=[one.SOPInstanceUID for one in slices],
        combine_segments=True,
        assert_missing_frames_are_empty=True,
    )
    expected = np.vectorize({0: 0, 7: 1, 12: 2}.get)(labels)
    assert len(np.unique(expected)) > 1
    np.testing.assert_array_equal(found, expected.transpose(2, 1, 0))


def test_a_segmentation_is_made_up_later_and_is_gone_with_its_label_map(run, series, tmp_path):
    output = tmp_path / "out"
    settings = {"device": "cpu", "qc": False}
    predict_scans(run, series, output, **settings)
    path = seg_path(output / "anna.nii.gz")
    assert not path.exists()
    predict_scans(run, series, output, dicom_seg=True, **settings)
    assert path.is_file()
    predict_scans(run, series, output, overwrite=True, **settings)
    assert not path.exists()


def test_scans_of_other_forms_have_none(run, tmp_path, capsys):
    images = write_images(tmp_path / "images", ["sub-00"])
    (images / "sub-00_seg.nii.gz").unlink()
    settings = {"device": "cpu", "qc": False, "dicom_seg": True}
    (result,) = predict_scans(run, images, tmp_path / "out", **settings).results
    assert result.status == "done"
    assert not [*(tmp_path / "out").glob("*.dcm")]
    assert "is a DICOM series, so none was written" in capsys.readouterr().out


def test_a_series_without_what_dicom_asks_for_is_a_failed_case(run, tmp_path, mr):
    mr.write(tmp_path / "scans" / "anna", [mr.slice_of(number) for number in range(COUNT)])
    settings = {"device": "cpu", "qc": False, "dicom_seg": True}
    (result,) = predict_scans(run, tmp_path / "scans", tmp_path / "out", **settings).results
    assert result.status == "failed"
    assert "wanted the original images of the scanner" in result.note


def test_without_the_package_one_sentence_says_how_to_install_it(
    run, series, tmp_path, monkeypatch
):
    monkeypatch.setattr(dicom_seg, "find_spec", lambda _: None)
    with pytest.raises(DataError, match=r"pip install 'neurotarget\[dicom\]'"):
        predict_scans(run, series, tmp_path / "out", device="cpu", dicom_seg=True)


def test_another_grid_than_that_of_the_series_is_refused(run, series, tmp_path):
    with pytest.raises(DataError, match="layout=deepparcellation, whose label maps are on another"):
        predict_scans(
            run,
            series,
            tmp_path / "out",
            device="cpu",
            dicom_seg=True,
            layout="deepparcellation",
        )


def test_uids_of_two_segmentations_differ(done, run, series, tmp_path):
    predict_scans(run, series, tmp_path / "out", device="cpu", dicom_seg=True, qc=False)
    both = [pydicom.dcmread(one / "anna_seg.dcm") for one in (done, tmp_path / "out")]
    assert both[0].SOPInstanceUID != both[1].SOPInstanceUID
