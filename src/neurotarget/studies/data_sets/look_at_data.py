"""Pages to look at a data set before training: every scan with its mask, and augmented patches."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np

from neurotarget.data.attempts import reason_of
from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.batches.prepare import Preparation
from neurotarget.data.cases.lint import lint
from neurotarget.data.cases.manifest import scan_manifest
from neurotarget.data.cases.sources import Files
from neurotarget.data.scans.volume import Volume
from neurotarget.data.sides.pairs import as_trained
from neurotarget.files.ownership import claim
from neurotarget.files.writing import write_text, written
from neurotarget.metrics.masks.volume_error import voxel_mm3
from neurotarget.problems import DataError, Problem
from neurotarget.report.drawing.small_picture import Colour, small_picture
from neurotarget.report.pages.qc_page import QCCase, QCColumn, QCPage, qc_html
from neurotarget.runs.layouts.lookup_tables import labels_of
from neurotarget.runs.qc.qc_pictures import picture_name, read_shown, shown_picture
from neurotarget.types import Case, Manifest, Target

PAGE, PATCHES = "look.html", "augmentation.html"
PICTURES = "pictures"
DRAWS = 12  # augmented patches that are shown


class Looked(NamedTuple):
    """The pages, and the problems of the data set."""

    page: Path
    patches: Path | None  # None where no patch could be made
    problems: list[Problem]


def look_at_data(
    source: Path | str,
    target: Target,
    output: Path,
    *,
    augmentation: Mapping[str, object] | None = None,
    cache: Path | None = None,
    seed: int = 1,
    overwrite: bool = False,
) -> Looked:
    """Write look.html, every scan with its mask and its problems, and augmentation.html.

    Cases with problems come first. Volumes are those of the masks; ranges those of the target.

    Args:
        source: a manifest or data set.
        target: whose labels are outlined.
        output: new or empty folder.
        augmentation: transforms as in `conf/augment`, whose patches are shown; None for no page of
            patches.
        cache: folder of prepared cases; by default `cache/<target>`.
        seed: of patches and transforms.
        overwrite: whether files that neurotarget did not write may be replaced.

    Raises:
        DataError: the data set cannot be read at all, or the folder is not free.
    """
    manifest, problems = scan_manifest(source, target)
    if manifest is None:
        raise DataError(problems)
    problems = list(dict.fromkeys([*problems, *lint(manifest, target)]))
    claim(output, overwrite=overwrite)
    colours = [one.colour for one in labels_of(target)] if target.labels else []
    cases = [_case(case, manifest, target, output, colours, problems) for case in manifest.cases]
    unit, ranges = target.size_units.unit, target.size_ranges
    page = QCPage(
        title=target.name,
        question=target.question,
        cases=cases,
        columns=[QCColumn(name, unit, *ranges.get(name, ())) for name in target.label_names],
        table=Path(source).name,
        key=f"{target.name} data",
        usual="the plausible range of the target" if ranges else "",
        about="Scans to check",
        ask="Which scans and masks can be used?",
        made="read",
        numbers="Sizes of the masks",
        facts={"data": Path(source).name, "program": f"neurotarget {version('neurotarget')}"},
    )
    write_text(output / PAGE, qc_html(page))
    patches = None
    if augmentation is not None and not any(one.level == "error" for one in problems):
        place = cache or Path("cache") / target.name
        data = TargetData(
            target,
            Files(),
            cache=place,
            preparation=Preparation(),
            root=str(source),
            augmentation=augmentation,
            workers=0,
            batch_size=1,
            patches_per_epoch=DRAWS,
            seed=seed,
            learns_from="labels" if target.labels else "outcomes",
        )
        patches = _patches(data, output, colours)
    return Looked(output / PAGE, patches, problems)


def _case(
    case: Case,
    manifest: Manifest,
    target: Target,
    output: Path,
    colours: Sequence[Colour],
    problems: Sequence[Problem],
) -> QCCase:
    """Draw a case; a case that cannot be read counts as failed, with the reason."""
    own = [one for one in problems if one.case_id == case.case_id]
    note = "; ".join(f"found {one.found}, wanted {one.wanted}" for one in own)
    scan = next(iter(case.images.values()), None)
    if scan is None:
        return QCCase(case.case_id, "failed", note or "no scan")
    try:
        ids = manifest.label_ids
        shown = read_shown(case.case_id, scan, case.label, target, label_ids=ids)
        content = shown_picture(shown, target, colours)
    except (DataError, ValueError, OSError, MemoryError) as error:
        return QCCase(case.case_id, "failed", note or reason_of(error))
    path = output / PICTURES / picture_name(case.case_id)
    _save(path, content)
    return QCCase(case.case_id, "done", note, _sizes(shown.classes, target), _link(path))


def _sizes(classes: Volume | None, target: Target) -> dict[str, float]:
    """Size of each label in a mask, in the target's unit; nothing without a mask."""
    if classes is None:
        return {}
    counts = np.bincount(classes.array.ravel(), minlength=len(target.label_names) + 1)
    size = voxel_mm3(classes.affine)
    return {name: float(counts[n] * size) for n, name in enumerate(target.label_names, start=1)}


def _patches(data: TargetData, output: Path, colours: Sequence[Colour]) -> Path:
    """Write the page of augmented patches of training cases, in the order of a training."""
    data.prepare_data()
    cuts, shown = data.batch_cuts(), []
    target = as_trained(data.target)
    draws = list(data.draw_sampler(0, 1))
    affine = np.diag([*target.spacing_mm, 1.0])
    for number, draw in enumerate(draws, start=1):
        batch = cuts[[draw]]
        classes = None if batch.labels is None else batch.labels[0].numpy().astype(np.int16)
        name = f"{number:02d} {batch.case_ids[0]}"
        path = output / PICTURES / picture_name(f"patch {name}")
        _save(path, small_picture(batch.image[0, 0].numpy(), classes, affine, colours))
        shown.append(QCCase(name, "done", "", {}, _link(path)))
    page = QCPage(
        title=data.target.name,
        question="What does the network see in training?",
        cases=shown,
        columns=[],
        table="",
        key=f"{data.target.name} patches",
        about="Augmented patches",
        ask="Do these patches look like scans?",
        made="drawn",
        noun="patch",
        facts={"transforms": ", ".join(data.augmentation or {}), "seed": str(data.seed)},
    )
    write_text(output / PATCHES, qc_html(page))
    return output / PATCHES


def _save(path: Path, content: bytes) -> None:
    with written(path) as draft:
        draft.write_bytes(content)


def _link(path: Path) -> str:
    return f"{quote(path.parent.name)}/{quote(path.name)}"
