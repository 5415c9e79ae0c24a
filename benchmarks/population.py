"""How a parcellation copes with aged and wide heads: generated scans of the same label maps.

    python benchmarks/population.py root=<label maps> output=<folder> [run=parcellation]
        [cases=<id>,<id>] [draws=2] [threads=2]

Each label map gives `draws` T1-weighted scans of a whole head per population: as it is, aged (wider
ventricles and sulci, smaller hippocampi and amygdalae), and shorter and wider, at the strengths
that training draws and at twice these. Scans of all populations share their random numbers, so that
Dice is compared in pairs. Cases should be maps that the network was not trained on.
"""

import sys
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import torch

import neurotarget as nt
from neurotarget.cli.compose import compose_training
from neurotarget.data.augmentation.augment import read_transforms
from neurotarget.data.labels import class_of_id, to_file_ids
from neurotarget.data.sides.pairs import as_trained
from neurotarget.runs.network.objects import build
from neurotarget.synthesis.batches import SyntheticBatches
from neurotarget.synthesis.label_map import store_map
from neurotarget.synthesis.population import Population
from neurotarget.synthesis.synthesis_data import class_of_code

SIDES = (192, 224, 192)  # of 1 mm
LOOK = "{mprage: 1}"
SAME = Population(ageing=0, young=0, wide_head=0)
AGED, WIDE = replace(SAME, ageing=1.0), replace(SAME, wide_head=1.0)
POPULATIONS = {
    "as they are": SAME,
    "aged": AGED,
    "aged, twice": replace(AGED, ventricles_mm=8.0, medial_temporal_mm=2.4, sulci_mm=1.6),
    "wide": WIDE,
    "wide, twice": replace(WIDE, shorter=0.2, wider=0.16),
}


def main(arguments: dict[str, str]) -> None:
    """Print the scores of each population."""
    torch.set_num_threads(int(arguments.get("threads", 2)))
    root, output = Path(arguments["root"]), Path(arguments["output"])
    look = "data.synthesis.look"
    config = compose_training(
        [
            "experiment=parcellation",
            f"data.root={root}",
            f"paths.datasets={output}",
            f"{look}.contrasts={LOOK}",
            *(f"{look}.{key}=0" for key in ("stripped", "defaced")),
            *(f"data.synthesis.deformation.{key}=0" for key in ("degrees", "shear", "shift_mm")),
            "data.synthesis.deformation.scale=[1,1]",
            "data.synthesis.deformation.elastic=[]",
            "data.synthesis.deformation.flip=0",
        ]
    ).config
    target = replace(
        nt.read_target("parcellation"), spacing_mm=(1, 1, 1), patch_vox=SIDES, roi=None
    )
    table = build(config["data"]["source"]).obtain(str(root))
    cases = nt.read_manifest(table, target).cases
    if wanted := arguments.get("cases"):
        cases = [case for case in cases if case.case_id in wanted.split(",")]
    folders = [store_map(case, output / "cache") for case in cases]
    synthesis = build(config["data"]["synthesis"])
    trained, tables = as_trained(target), []
    for name, population in POPULATIONS.items():
        shape = replace(synthesis.deformation, population=population)
        batches = SyntheticBatches(
            folders,
            target=trained,
            class_of_code=class_of_code(class_of_id(target)),
            synthesis=replace(synthesis, deformation=shape),
            transforms=read_transforms(None, target=trained),
            seed=1,
        )
        place = output / name.replace(", ", "_").replace(" ", "_")
        tables.append(scored(batches, place, target, arguments, name))
    print(summary(pd.concat(tables)).to_string(index=False))


def scored(
    batches: SyntheticBatches, place: Path, target: nt.Target, arguments: dict[str, str], name: str
) -> pd.DataFrame:
    """Write scans and label maps of one population, segment and score them."""
    for part in ("scans", "labels"):
        (place / part).mkdir(parents=True, exist_ok=True)
    lines = ["case_id\tt1\tlabel"]
    for draw in range(int(arguments.get("draws", 2)) * len(batches.folders)):
        batch = batches[[draw]]
        ids = to_file_ids(batch.labels[0].numpy(), target)
        arrays = {"scans": batch.image[0, 0].numpy(), "labels": ids.astype(np.int16)}
        for part, array in arrays.items():
            nib.save(nib.Nifti1Image(array, np.eye(4)), place / part / f"{draw:02d}.nii.gz")
        lines.append(f"{draw:02d}\tscans/{draw:02d}.nii.gz\tlabels/{draw:02d}.nii.gz")
    (place / "manifest.tsv").write_text("\n".join(lines) + "\n")
    nt.predict(arguments.get("run", "parcellation"), place / "manifest.tsv", place / "masks")
    rows = nt.evaluate(place / "masks", place / "manifest.tsv", target)
    return rows.assign(population=name)


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean Dice per population, its paired change, and volumes of some structures."""
    dice = rows[rows["metric"] == "dice"].groupby(["population", "case_id"])["value"].mean()
    table = dice.unstack("population")[[*POPULATIONS]]
    change = table.sub(table["as they are"], axis=0)
    lines = pd.DataFrame(
        {
            "population": table.columns,
            "n": len(table),
            "dice": table.mean().round(3).values,
            "lowest": table.min().round(3).values,
            "change": change.mean().round(3).values,
            "change_sd": change.std().round(3).values,
        }
    )
    for label in ("Left-Hippocampus", "Left-Lateral-Ventricle", "Left-Amygdala"):
        own = rows[rows["label"] == label].pivot_table(
            index=["population", "case_id"], columns="metric", values="value"
        )
        share = own["volume_mm3"] / own["reference_volume_mm3"]
        lines[f"{label} found/true"] = (
            share.groupby("population").mean()[[*POPULATIONS]].round(2).values
        )
    return lines


if __name__ == "__main__":
    main(dict(argument.split("=", 1) for argument in sys.argv[1:]))
