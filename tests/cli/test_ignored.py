"""Training on masks whose voxels were judged in part, from the command line."""

import json

import pandas as pd

ROWS = ["dice", "volume_mm3", "reference_volume_mm3", "reference_borders_on_ignored"]


def test_a_network_is_trained_and_scored_outside_of_ignored_voxels(tmp_path, cases_folder, command):
    conf, run = tmp_path / "conf", tmp_path / "run"
    (conf / "target").mkdir(parents=True)
    text = (cases_folder / "hip_ign.yaml").read_text().replace("background_ids", "ignore_ids")
    (conf / "target" / "hip.yaml").write_text(text)
    arguments = [
        f"--config-dir={conf}",
        f"data.root={cases_folder / 'ignore_label'}",
        "target=hip",
        "patch_vox=[16,16,16]",
        "model.widths=[4,8]",
        "data.patches_per_epoch=8",
        "trainer.max_epochs=1",
        "trainer.accelerator=cpu",
        "logger.wandb=disabled",
        "logger.pictures=1",
    ]
    done = command("train.py", *arguments, f"hydra.run.dir={run}", cwd=tmp_path)
    assert "anterior, posterior next to ignored voxels in 12 of 12 cases" in done.stderr
    rows = pd.read_csv(run / "rows.csv")
    wide = rows[rows["metric"].isin(ROWS)].pivot(
        index=["case_id", "label"], columns="metric", values="value"
    )
    assert (wide["reference_borders_on_ignored"] == 1).all()
    # voxels of 1 mm³, counted in the file
    assert wide.loc[("hip_001", "anterior"), "reference_volume_mm3"] == 650
    assert json.loads((run / "summary.json").read_text())["label_ids"]["ignore"] == 3
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "3 cases have ignored voxels" in page
    assert "without ignored voxels" in page
