"""Predicted masks of pictures as PNG."""

import numpy as np
import pytest
from PIL import Image

from neurotarget.data.formats.picture import save_picture
from neurotarget.data.scans.volume import read_volume
from neurotarget.inference.segment import picture_path


def test_a_mask_is_read_back_as_it_was_written(tmp_path):
    ids = np.arange(12, dtype=np.uint8).reshape(4, 3, 1)
    save_picture(ids, tmp_path / "mask.png")
    assert (read_volume(tmp_path / "mask.png").array == ids).all()
    assert Image.open(tmp_path / "mask.png").size == (4, 3)
    many = ids.astype(np.uint16) * 1000  # ids of more than 8 bits
    save_picture(many, tmp_path / "many.png")
    assert (read_volume(tmp_path / "many.png").array == many).all()
    with pytest.raises(ValueError, match="wanted one slice; write NIfTI"):
        save_picture(np.zeros((4, 3, 2), np.uint8), tmp_path / "deep.png")


def test_a_picture_lies_next_to_its_label_map(tmp_path):
    assert picture_path(tmp_path / "f.1.nii.gz") == tmp_path / "f.1.png"
