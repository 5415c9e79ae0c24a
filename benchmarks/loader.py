"""Making training patches: our direct loader, our queue of regions, and a stock TorchIO queue.

    python benchmarks/loader.py [patch=32] [batch=8] [patches=96] [rounds=3] [cases=12]
                                [samples=8] [stock=1] [workers=0] [root=<folder>]

`root` has images in `t1/` and label maps of the same names in `labels/`; without it, volumes of
noise with 96³ voxels are generated. Every round makes `patches` patches of `patch`³ voxels with the
transforms of conf/augment/default.yaml by each loader in turn, in one process with one thread. The
stock queue transforms whole volumes with TorchIO's own transforms of the same kinds, and takes
`samples` patches of each. CPU time of the process is printed, which a busy machine changes little.

With `workers`, patches per second of the direct loader with one worker process and with so many
are printed as well, by the clock: `patches` of each in turn, once the workers run.
"""

import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
import torchio as tio
import yaml
from scipy import ndimage
from torch.utils.data import DataLoader

from neurotarget.data.augmentation.augment import build_augmentation, read_transforms
from neurotarget.data.batches.batch_cuts import BatchCuts
from neurotarget.data.batches.cache import ensure
from neurotarget.data.batches.direct_loader import DirectLoader
from neurotarget.data.batches.draws import DrawSampler
from neurotarget.data.batches.patches import PatchQueue, Regions, patch_loader
from neurotarget.data.scans.geometry import whole_grid
from neurotarget.process.allocator import keep_freed_memory
from neurotarget.types import Target

DEFAULTS = {
    **{"patch": 32, "batch": 8, "patches": 96, "rounds": 3, "cases": 12, "samples": 8},
    "workers": 0,
}
SETTINGS = Path(__file__).resolve().parents[1] / "conf" / "augment" / "default.yaml"
SIDE = 96  # of generated volumes

Step = Callable[[], int]  # makes some patches, and returns how many


def scans(root: Path | None, count: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, image in float32 with mean 0 and SD 1, and two classes of each volume."""
    if root is None:
        for number in range(count):
            cloud = ndimage.gaussian_filter(
                np.random.default_rng(number).normal(size=[SIDE] * 3), 3
            )
            yield f"cloud{number}", (cloud / cloud.std()).astype(np.float32), cloud > cloud.std()
        return
    for file in sorted((root / "t1").glob("*.nii.gz"))[:count]:
        image, label = (
            nib.as_closest_canonical(nib.load(root / folder / file.name)).get_fdata()
            for folder in ("t1", "labels")
        )
        scaled = (image - image.mean()) / image.std()
        yield file.name.partition(".")[0], scaled.astype(np.float32), label > 100


def write_cases(
    root: Path | None, folder: Path, count: int
) -> tuple[list[Path], list[tio.Subject]]:
    """Prepared cases for our loaders, and subjects of NIfTI files for the stock queue."""
    folders, subjects = [], []
    for name, image, mask in scans(root, count):

        def make(draft: Path, name: str = name, image: np.ndarray = image, mask=mask) -> dict:  # noqa: ANN001
            np.save(draft / "image.npy", image[None].astype(np.float16))
            np.save(draft / "label.npy", mask.astype(np.uint8))
            voxels = np.argwhere(mask)[:: max(mask.sum() // 5000, 1)]
            marked = np.column_stack([np.ones(len(voxels), int), voxels]).astype(np.int16)
            np.save(draft / "foreground.npy", marked)
            grid = whole_grid(image.shape, np.eye(4), (1, 1, 1))
            return {"case_id": name, "grid": grid.as_dict(), "minimum": [float(image.min())]}

        folders.append(ensure(folder / name, make))
        files = [folder / f"{name}_{kind}.nii.gz" for kind in ("image", "label")]
        for file, array in zip(files, (image, mask.astype(np.uint8)), strict=True):
            nib.save(nib.Nifti1Image(array, np.eye(4)), file)
        subjects.append(tio.Subject(image=tio.ScalarImage(files[0]), label=tio.LabelMap(files[1])))
    return folders, subjects


def stock_queue(subjects: list[tio.Subject], given: dict[str, int]) -> Step:
    """A queue as in TorchIO's documentation, over transforms of the same kinds as ours."""
    transforms = [
        tio.RandomAffine(scales=0.15, degrees=15, p=0.5),
        tio.RandomElasticDeformation(p=0.2),
        tio.RandomFlip(axes=0, flip_probability=0.5),
        tio.RandomBiasField(p=0.2),
        tio.RandomMotion(p=0.02),
        tio.RandomGhosting(p=0.03),
        tio.RandomAnisotropy(p=0.1),
        tio.RandomBlur(p=0.1),
        tio.RandomNoise(p=0.15),
        tio.RandomGamma(p=0.2),
    ]
    samples = given["samples"]
    queue = tio.Queue(
        tio.SubjectsDataset(subjects, transform=tio.Compose(transforms)),
        max_length=2 * samples,
        samples_per_volume=samples,
        sampler=tio.UniformSampler(given["patch"]),
        start_background=False,
    )
    batches = forever(lambda: tio.SubjectsLoader(queue, batch_size=given["batch"]))
    return lambda: len(next(batches)["image"][tio.DATA])


def forever(loader_of: Callable[[], DataLoader]) -> Iterator:
    """Batches of one epoch after the other."""
    return itertools.chain.from_iterable(loader_of() for _ in itertools.count())


def common_of(given: dict[str, int]) -> tuple[dict, Target, dict]:
    """Settings of the transforms, the target, and what all loaders of ours have in common."""
    settings = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))
    patch = (given["patch"],) * 3
    target = Target("benchmark", ("t1",), {"region": 1}, (1, 1, 1), patch)
    common = {"patch_vox": patch, "foreground_share": 0.5, "margin_share": 0.25, "seed": 1}
    return settings, target, common


def direct_cuts(given: dict[str, int], folders: list[Path]) -> BatchCuts:
    """Batches of the direct loader."""
    settings, target, common = common_of(given)
    transforms = read_transforms(settings, target=target)
    return BatchCuts(folders, num_contrasts=1, transforms=transforms, **common)


def loaders(given: dict[str, int], folders: list[Path]) -> dict[str, Step]:
    """Steps of our two loaders."""
    settings, target, common = common_of(given)
    cuts = direct_cuts(given, folders)
    indices = iter(DrawSampler(len(folders), 10**9, seed=1))
    augmentation = build_augmentation(settings, target=target)
    regions = Regions(folders, augmentation=augmentation, **common)
    queue = PatchQueue(regions, DrawSampler(len(folders), 10**9, seed=1), length=16, workers=0)
    batches = iter(patch_loader(queue, batch_size=given["batch"]))
    return {
        "direct": lambda: len(cuts[list(itertools.islice(indices, given["batch"]))].image),
        "queue": lambda: len(next(batches).image),
    }


def milliseconds(step: Step, patches: int) -> float:
    """CPU time of the process per patch, over at least this many patches."""
    made, started = 0, time.process_time()
    while made < patches:
        made += step()
    return (time.process_time() - started) / made * 1e3


def with_workers(given: dict[str, int], folders: list[Path]) -> dict[int, list[float]]:
    """Patches per second of the direct loader by number of workers, in each round."""
    rates: dict[int, list[float]] = {1: [], given["workers"]: []}
    for _, workers in itertools.product(range(given["rounds"]), rates):
        loader = DirectLoader(
            direct_cuts(given, folders),
            DrawSampler(len(folders), 10**9, seed=1),
            batch_size=given["batch"],
            workers=workers,
        )
        batches = iter(loader)
        for _ in range(4 * workers):  # what the workers made while they began
            next(batches)
        made, started = 0, time.perf_counter()
        while made < given["patches"]:
            made += len(next(batches).image)
        rates[workers].append(made / (time.perf_counter() - started))
        batches.close()
    return rates


def main(arguments: list[str]) -> None:
    """Print CPU milliseconds a patch of each loader, and ratios to the direct one."""
    pairs = dict(argument.split("=", 1) for argument in arguments)
    root = Path(pairs.pop("root")) if "root" in pairs else None
    has_stock = pairs.pop("stock", "1") == "1"
    if unknown := {*pairs} - {*DEFAULTS}:
        raise SystemExit(f"unknown {', '.join(sorted(unknown))}; known are {', '.join(DEFAULTS)}")
    given = DEFAULTS | {name: int(value) for name, value in pairs.items()}
    torch.set_num_threads(1)
    keep_freed_memory()  # as training does
    with tempfile.TemporaryDirectory() as folder:
        folders, subjects = write_cases(root, Path(folder), given["cases"])
        steps = loaders(given, folders)
        if has_stock:
            steps["stock TorchIO"] = stock_queue(subjects, given)
        found: dict[str, list[float]] = {name: [] for name in steps}
        for turn in range(given["rounds"] + 1):
            for name, step in steps.items():
                # the stock queue is filled at once, with two volumes
                count = 2 * given["samples"] if name == "stock TorchIO" else given["patches"]
                value = milliseconds(step, count)
                found[name] += [value] if turn else []  # the first turn reads the files
        rates = with_workers(given, folders) if given["workers"] > 1 else {}
    print(f"patches of {given['patch']}³ voxels, batches of {given['batch']}, one thread")
    for name, values in found.items():
        ratio = np.median(values) / np.median(found["direct"])
        each = ", ".join(f"{value:.2f}" for value in values)
        print(f"{name:14} {np.median(values):9.2f} ms CPU a patch ({each}), {ratio:.1f} × direct")
    if rates:
        one, several = (np.median(rates[count]) for count in rates)
        each = f"{one:.0f} patches a second with one worker, {several:.0f} with {given['workers']}"
        print(f"direct loader: {each}, {several / one:.2f} times")


if __name__ == "__main__":
    main(sys.argv[1:])
