from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from neurotarget.report.drawing.montage import GAP_PX, NAME_PX, TILE_PX, montage


def picture(grey, size=(60, 30)):
    buffer = BytesIO()
    Image.new("RGB", size, (grey,) * 3).save(buffer, "PNG")
    return buffer.getvalue()


def test_pictures_stand_in_rows_of_four_in_their_order():
    sheet = Image.open(BytesIO(montage({f"c{n}": picture(40 * n) for n in range(6)})))
    high = TILE_PX // 2 + NAME_PX
    assert sheet.size == (4 * TILE_PX + 3 * GAP_PX, 2 * high + GAP_PX)
    greys = np.asarray(sheet.convert("L")).astype(int)
    for place, grey in ((1, 40), (3, 120)):
        left = place * (TILE_PX + GAP_PX)
        assert abs(greys[60, left + 100] - grey) < 5
    assert abs(greys[high + GAP_PX + 60, 100] - 160) < 5
    assert greys[high + GAP_PX + 60, 900] < 5  # no seventh case


def test_a_name_is_written_under_each_picture():
    greys = np.asarray(Image.open(BytesIO(montage({"case": picture(0)}))).convert("L"))
    assert greys[-NAME_PX:].max() > 150
    assert greys[:-NAME_PX].max() < 60


def test_no_picture_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        montage({})
