"""Pictures of two sizes from files to a report: all sizes and distances are in pixels."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from neurotarget.data.cases.manifest import read_manifest
from neurotarget.scoring import evaluate
from neurotarget.types import Target

ROOT = Path(__file__).resolve().parents[2]

TARGET = """
_target_: neurotarget.types.Target
name: ellipse
contrasts: [film]
labels: {ellipse: 1}
spacing_px: [2, 2]
patch_vox: [32, 32]
area_range_px: {ellipse: [100, 3000]}
hypotheses: {larger: {claim: "area ~ group: ill > well"}}
"""
MM = re.compile(r"\bmm[23³²]?\b|volume")


def ellipse(columns, rows, radii, shift):
    down, across = np.mgrid[:rows, :columns]
    middle = columns / 2 + shift, rows / 2
    return ((across - middle[0]) / radii[0]) ** 2 + ((down - middle[1]) / radii[1]) ** 2 < 1


def write_films(folder, cases=12):
    rng = np.random.default_rng(1)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    lines = ["case_id\tgroup"]
    for number in range(cases):
        columns, group = (64, 80)[number % 2], ("ill", "well")[number // 2 % 2]
        radii = (14 + 4 * (group == "ill") + rng.normal(0, 1), 20)
        mask = ellipse(columns, 64, radii, rng.normal(0, 4))
        film = 60 + 120 * mask + rng.normal(0, 15, mask.shape)
        Image.fromarray(film.clip(0, 255).astype(np.uint8)).save(folder / f"images/f{number}.png")
        Image.fromarray(np.uint8(255 * mask)).save(folder / f"masks/f{number}.png")
        lines.append(f"f{number}\t{group}")
    (folder / "participants.tsv").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def films(tmp_path_factory, command):
    folder = tmp_path_factory.mktemp("films")
    (folder / "conf" / "target").mkdir(parents=True)
    (folder / "conf" / "target" / "ellipse.yaml").write_text(TARGET)
    settings = ["target=ellipse", "model.widths=[4,8]", "data.patches_per_epoch=24"]
    settings += ["data.batch_size=4", "trainer.max_epochs=6", "trainer.accelerator=cpu"]
    settings += ["optimizer.lr=0.02", "logger.wandb=disabled", "logger.pictures=1"]
    settings += ["hydra.run.dir=run"]
    root = f"data.root={write_films(folder / 'data')}"
    done = command(
        ROOT / "train.py", f"--config-dir={folder / 'conf'}", root, *settings, cwd=folder
    )
    return folder, done


def test_rows_and_tables_are_in_pixels(films):
    folder, _ = films
    rows = pd.read_csv(folder / "run" / "rows.csv")
    assert {"area_px", "reference_area_px", "hd95_px", "area_error_percent"} <= set(rows["metric"])
    assert not [name for name in {*rows["metric"], *rows["unit"].dropna()} if MM.search(name)]
    sizes = rows[rows["metric"] == "reference_area_px"].set_index("case_id")["value"]
    for case_id, size in sizes.items():
        mask = np.asarray(Image.open(folder / "data" / "masks" / f"{case_id}.png"))
        assert size == (mask > 0).sum()
    table = pd.read_csv(folder / "run" / "predictions" / "areas.tsv", sep="\t")
    assert {"ellipse_px", "total_px"} <= {*table}
    assert rows[rows["metric"] == "dice"]["value"].mean() > 0.6


def test_masks_are_pictures_too_and_score_as_the_label_maps(films):
    folder, _ = films
    predictions = folder / "run" / "predictions"
    table = pd.read_csv(predictions / "areas.tsv", sep="\t").set_index("case_id")
    for case_id, line in table.iterrows():
        mask = np.asarray(Image.open(predictions / f"{case_id}.png"))
        film = np.asarray(Image.open(folder / "data" / "images" / f"{case_id}.png"))
        assert mask.shape == film.shape
        assert {*np.unique(mask)} <= {0, 255}
        assert (mask > 0).sum() == line["ellipse_px"]
    only = folder / "only"
    only.mkdir()
    for path in predictions.glob("*.png"):
        (only / path.name).write_bytes(path.read_bytes())
    settings = yaml.safe_load(TARGET)
    del settings["_target_"]
    target = Target(**settings)
    manifest = read_manifest(folder / "run" / "cases.tsv", target)
    splits = {case.case_id: case.split for case in manifest.cases}
    again = pd.DataFrame(evaluate(manifest, only, target, splits)).fillna("")
    ours = pd.read_csv(folder / "run" / "rows.csv").fillna("")
    assert again[["case_id", "metric", "value"]].equals(ours[["case_id", "metric", "value"]])


def test_page_terminal_and_summary_speak_of_areas_in_pixels(films):
    folder, done = films
    summary = json.loads((folder / "run" / "summary.json").read_text())
    assert (summary["quantity"], summary["unit"]) == ("area", "px")
    assert summary["surface_tolerance_px"] == 1
    assert summary["hd95_px"]["ellipse"] >= 0
    assert not {key for key in summary if MM.search(key)}
    assert "Areas" in done.stdout
    assert "HD95 px" in done.stdout
    tables = done.stdout.partition("larger")[0]
    assert not MM.search(tables.partition("Masks")[2])
    page = (folder / "run" / "report.html").read_text()
    words = re.sub(r"<script.*?</script>|<style.*?</style>|data:[^\"']+", "", page, flags=re.S)
    text = re.sub(r"<[^>]+>", " ", words)
    assert [text[at.start() - 60 : at.end() + 30] for at in MM.finditer(text)] == []
    assert re.findall(r"[^.]*\b(?:volumes?|voxels?|marching cubes)\b[^.]*", text) == []
