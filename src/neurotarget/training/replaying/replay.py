"""`resume=<run> replay=<step>`: make the patches of one training step of a run again.

Nothing is trained. Random samples are numbered, so that a step's patches follow from the settings
and the data alone.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning_fabric.utilities import move_data_to_device
from numpy import ndarray

from neurotarget.data.augmentation.warp import DRAWN
from neurotarget.data.batches.batch_cuts import seeds_of
from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.batches.draws import Draws
from neurotarget.data.batches.patches import to_batch
from neurotarget.data.batches.prepare import content_hashes
from neurotarget.data.tables.named_labels import target_settings
from neurotarget.files.reading import read_plain
from neurotarget.problems import DataError
from neurotarget.runs.folder.jobs import ACCEPT
from neurotarget.runs.network.fitting import fit_patch
from neurotarget.runs.network.localiser_files import read_localised
from neurotarget.runs.network.objects import build_target
from neurotarget.runs.network.task_class import task_class
from neurotarget.runs.network.trained_network import LOCALISER
from neurotarget.runs.tracking.metrics_log import read_metrics
from neurotarget.runs.tracking.stalls import EPOCH_KEY
from neurotarget.shapes import Batch
from neurotarget.synthesis.synthesis_data import SynthesisData
from neurotarget.training.data_record import check_contents
from neurotarget.training.localising import located
from neurotarget.training.replaying.drawn_transforms import Drawn, drawn_in_batch, drawn_in_queue
from neurotarget.training.replaying.replay_files import Patch, Replayed, write_replay
from neurotarget.training.resources.devices import num_devices
from neurotarget.training.resources.plan_auto import as_planned
from neurotarget.training.training_parts import build_data

Config = Mapping[str, Any]


class Place(NamedTuple):
    """Position of a training step: its epoch, and its batches in this epoch, from 0."""

    epoch: int
    batches: range


def replay(config: Config, folder: Path, step: int) -> Path:
    """Write the patches of a step, counted from 1, into `replay/step_<step>/` of a run's folder.

    Nothing else in the folder changes. Returns the new folder.

    Raises:
        DataError: the folder is no run, its data have changed, or the patches cannot be made again.
    """
    if config["data"]["patches_per_region"] > 1:
        raise DataError(
            f"replay: found data.patches_per_region={config['data']['patches_per_region']}, wanted "
            "1: a queue with several patches of a region is shuffled by the random numbers of the "
            "whole training"
        )
    data = run_data(config, folder)
    hashes = content_hashes(data.manifest, data.target, data.cache)
    check_contents(folder, hashes, accepted=config[ACCEPT] is True)
    place = place_of(
        step,
        batches=_batches_per_epoch(data, config["trainer"]),
        together=config["trainer"].get("accumulate_grad_batches") or 1,
        ends=epoch_ends(folder),
    )
    device = _device(config, data, folder)
    ranks = num_devices(config["trainer"])
    patches = [
        patch
        for batch in place.batches
        for rank in range(ranks)
        for patch in replayed_patches(
            data, indices_of(data, place.epoch, batch, rank=rank, ranks=ranks), device, rank=rank
        )
    ]
    made = Replayed(step, place.epoch, patches, tuple(data.target.label_names))
    return write_replay(folder / "replay" / f"step_{step}", made)


def run_data(config: Config, folder: Path) -> TargetData:
    """Load the prepared data of a run, with patch, region and localised boxes of its training.

    Raises:
        DataError: a setting or the data are invalid, or the boxes of a cascade are lost.
    """
    settings = target_settings(config["target"], config["data"]["root"])
    data = build_data(config, build_target(settings))
    config, target, _ = located(config, data, folder, resumed=True)
    data.change(target=target)
    if config["cascade"]["localise"]:
        try:
            data.change(boxes=read_localised(folder / LOCALISER).boxes)
        except (OSError, ValueError) as error:
            raise DataError(
                f"{folder / LOCALISER}: found no boxes of the cases ({error}), wanted those that "
                "the run was trained with; restore the folder"
            ) from error
    if config["plan"]["auto"]:
        config = as_planned(config, folder)
    kind = task_class(config)
    net, fitted, _ = fit_patch(config["patch_vox"], config["model"], target, task=kind)
    data.change(
        target=fitted,
        margin_vox=getattr(net, "margin_vox", 0),
        batch_size=config["data"]["batch_size"],
    )
    data.prepare_data()
    return data


def place_of(step: int, *, batches: int, together: int, ends: Mapping[int, int]) -> Place:
    """Find the epoch and the batches of a step, which is counted from 1.

    Args:
        step: number of the step.
        batches: number of batches in a whole epoch.
        together: batches per step; the last step of an epoch may have fewer.
        ends: steps done at the ends of epochs; needed where an epoch ended early, at the last step
            of a training that was continued with more steps.
    """
    before = [(done, epoch + 1) for epoch, done in ends.items() if done < step]
    first, epoch = max(before, default=(0, 0))
    more, within = divmod(step - 1 - first, math.ceil(batches / together))
    low = within * together
    return Place(epoch + more, range(low, min(low + together, batches)))


def epoch_ends(folder: Path) -> dict[int, int]:
    """Read from logs/metrics.csv the steps done at the end of each epoch, by epoch from 0.

    Without the file, the mapping is empty.
    """
    path = folder / "logs" / "metrics.csv"
    if not path.is_file():
        return {}
    _, rows, _ = read_metrics(path.read_bytes())
    ends = [row for row in rows if row.get(EPOCH_KEY) and row.get("epoch")]
    return {int(row["epoch"]): int(row["step"]) + 1 for row in ends}


def indices_of(data: TargetData, epoch: int, batch: int, *, rank: int, ranks: int) -> list[int]:
    """Return the sample numbers of a batch of one rank; empty after the last batch of the epoch.

    They are sampled as in training, from the seed of the data and the epoch.
    """
    draws = data.draw_sampler(rank, ranks)
    draws.set_epoch(epoch)
    first = batch * data.batch_size
    return list(draws)[first : first + data.batch_size]


def replayed_patches(
    data: TargetData, indices: Sequence[int], device: torch.device, *, rank: int = 0
) -> Iterator[Patch]:
    """Make the patches of a batch on a device, before and after augmentation.

    Before augmentation, patches of synthetic scans are label maps.
    """
    if isinstance(data, SynthesisData):
        yield from _synthetic(data, indices, device, rank=rank)
        return
    make = _direct if data.patches == "direct" else _queued
    draws, before, after, drawn = make(data, indices, device)
    for place, index in enumerate(indices):
        entry, low = draws.place(index)
        yield Patch(
            after.case_ids[place],
            draws.split(index)[0],
            rank,
            tuple(low.tolist()),
            entry.grid.work_affine,
            before[place],
            _array(after.image[place]),
            None if after.labels is None else _array(after.labels[place]),
            None if after.outcomes is None else tuple(after.outcomes[place].tolist()),
            drawn[place],
        )


def _synthetic(
    data: SynthesisData, indices: Sequence[int], device: torch.device, *, rank: int
) -> Iterator[Patch]:
    batches = data.synthetic_batches(is_finished=False)
    samples = batches.draw(indices)
    after = batches.finish(move_data_to_device(samples, device))
    draws = [batches.split(index)[0] for index in indices]
    drawn = drawn_in_batch(batches.augmenter, [seeds_of(data.seed, draw) for draw in draws])
    affine = np.diag([*data.target.spacing_mm, 1.0])  # rotated: no position in a scan
    for place, draw in enumerate(draws):
        mirrored = {"flip": {"axes": [0]}} if samples.mirrored[place] else {}
        numbers = batches.numbers(samples, place)
        yield Patch(
            after.case_ids[place],
            draw,
            rank,
            (0, 0, 0),
            affine,
            np.repeat(numbers[None].astype(np.float32), after.image.shape[1], axis=0),
            _array(after.image[place]),
            _array(after.labels[place]),
            None,
            mirrored | drawn[place],
        )


Made = tuple[Draws, list[ndarray], Batch, list[Drawn]]


def _direct(data: TargetData, indices: Sequence[int], device: torch.device) -> Made:
    cuts = data.batch_cuts(is_finished=device.type == "cpu")
    batch = cuts[indices]
    if not isinstance(batch, Batch):
        batch = cuts.finish(move_data_to_device(batch, device))
    plain = data.batch_cuts(is_augmented=False)[indices]
    seeds = [seeds_of(data.seed, cuts.split(index)[0]) for index in indices]
    drawn = drawn_in_batch(cuts.augmenter, seeds)
    return cuts, [_array(image) for image in plain.image], batch, drawn


def _queued(data: TargetData, indices: Sequence[int], _: torch.device) -> Made:
    regions, plain = data.regions(), data.regions(is_augmented=False)
    subjects = [regions[index] for index in indices]
    before = [plain[index]["image"].data.numpy() for index in indices]
    drawn = [drawn_in_queue(one[DRAWN], one.applied_transforms) for one in subjects]
    return regions, before, to_batch(subjects), drawn


def _array(tensor: torch.Tensor) -> ndarray:
    return tensor.cpu().numpy()


def _batches_per_epoch(data: TargetData, trainer: Config) -> int:
    """Return the number of batches per rank and epoch, within Lightning's limits."""
    batches = data.patches_per_epoch // num_devices(trainer) // data.batch_size
    limit = trainer.get("limit_train_batches")
    if limit is None:
        return batches
    return int(batches * limit) if isinstance(limit, float) else min(batches, limit)


def _device(config: Config, data: TargetData, folder: Path) -> torch.device:
    """Return the device of the training's augmentation; warn if this machine lacks it."""
    hardware = read_plain(folder / "run.json").get("hardware") or {}
    was_on_gpu = data.patches == "direct" and config["trainer"]["accelerator"] != "cpu"
    was_on_gpu = was_on_gpu and bool(hardware.get("gpus"))
    if was_on_gpu and torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    if was_on_gpu:
        print(
            "  LOOK      the training drew its noise on a GPU, and here is none: augment.noise "
            "differs, all else is the same",
            flush=True,
        )
    return torch.device("cpu")
