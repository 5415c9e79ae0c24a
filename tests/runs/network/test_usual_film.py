import numpy as np
import pandas as pd
import pytest
from PIL import Image

from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.batches.prepare import Preparation
from neurotarget.data.cases.sources import Files
from neurotarget.runs.network.usual_film import FILE, read_usual, write_usual
from neurotarget.types import Target


def data_of(folder, count=14):
    """Films with a bright spot at the top left, on which a label lies."""
    rng, lines = np.random.default_rng(0), []
    spot = np.zeros((40, 40), np.uint8)
    spot[5:15, 6:18] = 1
    for number in range(count):
        film = 40 + 150 * spot + rng.integers(0, 20, (40, 40)).astype(np.uint8)
        Image.fromarray(film.astype(np.uint8)).save(folder / f"f{number}.png")
        Image.fromarray(spot * 255).save(folder / f"m{number}.png")
        lines.append({"case_id": f"c{number}", "film": f"f{number}.png", "label": f"m{number}.png"})
    pd.DataFrame(lines).to_csv(folder / "films.csv", index=False)
    target = Target("spot", ("film",), {"spot": (1,)}, spacing_px=(1, 1), patch_vox=(32, 32))
    data = TargetData(
        target, Files(), cache=folder / "cache", root=str(folder / "films.csv"),
        preparation=Preparation("none", None), val_fraction=0.1, workers=0,
    )  # fmt: skip
    data.prepare_data()
    return data


def test_a_run_keeps_what_is_usual_in_its_training_films(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    write_usual(data_of(tmp_path), run)
    usual = read_usual(run / "config.yaml")
    assert usual.small.shape == (16, 16)
    assert (usual.is_framed, usual.is_deep) == (False, False)
    assert usual.small[3:5, 2:5].min() > usual.small[10:, 10:].max()
    assert read_usual(run / "network.safetensors") is None


def test_few_films_leave_nothing(tmp_path):
    write_usual(data_of(tmp_path, count=8), tmp_path)
    assert not (tmp_path / FILE).exists()
    assert read_usual(tmp_path / "config.yaml") is None


@pytest.mark.parametrize("content", ["", "[]", '{"small": [[1]], "is_framed": 0, "is_deep": null}'])
def test_a_broken_file_is_reported_and_films_are_not_judged(tmp_path, caplog, content):
    (tmp_path / FILE).write_text(content)
    assert read_usual(tmp_path / "config.yaml") is None
    assert "films are not judged" in caplog.text
