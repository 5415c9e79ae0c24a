"""BraTS folders, whose files are named by case and contrast, flat or in one folder per case.

Names end in `_t1 _t1ce _t2 _flair _seg` until 2021, and in `-t1n -t1c -t2w -t2f -seg` since 2023.
The masks number the parts of a tumour 1 (core without enhancement), 2 (oedema) and 4 (enhancing),
since 2023 with 3 in place of 4. Source: Baid et al. 2021, arXiv:2107.02314.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from neurotarget.data.layouts.nnunet_raw import ALIASES
from neurotarget.data.reading_results import ReadResult
from neurotarget.data.tables.participants import add_participants
from neurotarget.problems import Problem, error, some
from neurotarget.types import Case, Target

NAME = re.compile(r"(.+)([_-])(t1|t1n|t1c|t1ce|t1gd|t2|t2w|t2f|flair|seg)\.nii(?:\.gz)?", re.I)
DEPTHS = ("*", "*/*", "*/*/*")  # flat, one folder per case, and such folders in HGG and LGG
GRADES = ("HGG", "LGG")
SINCE_2023 = {"non_enhancing": 1, "edema": 2, "enhancing": 3}
SESSION = re.compile(r"(BraTS-[A-Za-z]+-\d+)-\d+")  # person and time point
MASK = "seg"

Found = dict[str, dict[str, list[Path]]]  # case → contrast or mask → files


def is_brats(folder: Path) -> bool:
    """Return whether a folder has a mask that is named as in BraTS."""
    return any(ending == MASK for *_, ending in _files(folder))


def scan_brats(folder: Path, target: Target | None, *, images_only: bool = False) -> ReadResult:
    """Read the cases of a folder; a folder HGG or LGG becomes the covariate `grade`.

    Further covariates come from a `participants.tsv` in the folder. A missing contrast,
    several files for a contrast, and names of both kinds in one folder are problems.

    Args:
        folder: holds the cases, up to two folders below.
        target: its contrasts, by any of their names (t1ce, t1c and t1gd are the same); without it
            the endings of the files are contrasts.
        images_only: read neither masks nor covariates.

    Returns:
        Cases and problems; for names since 2023 also the label names of that year, in which the
        enhancing tumour has another number than before.
    """
    known = {_usual(name): name for name in (target.contrasts if target else ())}
    found: Found = {}
    signs = set()
    for path, case_id, sign, ending in _files(folder):
        signs.add(sign)
        usual = _usual(ending)
        name = usual if ending == MASK else known.get(usual, None if target else ending)
        if name is not None:
            found.setdefault(case_id, {}).setdefault(name, []).append(path)
    problems = _problems(found, [*known.values()], folder)
    if len(signs) > 1 and not images_only:
        text = "names with _ and with -, of BraTS until 2021 and since 2023"
        todo = "keep them apart: the masks number the enhancing tumour 4 and 3"
        problems.append(error(text, "names of one kind", todo, file=folder))
    cases = [_case(name, files, images_only=images_only) for name, files in sorted(found.items())]
    label_ids = SINCE_2023 if signs == {"-"} else None
    if images_only:
        return ReadResult(cases, problems, label_ids)
    cases, wrong = add_participants(cases, folder, target)
    return ReadResult(cases, [*problems, *wrong], label_ids)


def _problems(found: Found, contrasts: list[str], folder: Path) -> list[Problem]:
    """Find missing contrasts and contrasts with several files."""
    problems = []
    for case_id, files in found.items():
        for name, paths in files.items():
            if len(paths) > 1:
                text = f"{len(paths)} files for {name} ({some(path.name for path in paths)})"
                todo = "keep one file, and move the others away"
                problems.append(error(text, "one file per contrast", todo, case_id=case_id))
        if absent := [name for name in contrasts if name not in files]:
            wanted = f"the contrasts {', '.join(contrasts)}"
            todo = "add the files, move the case away, or set target.contrasts to those you have"
            text = f"no {', '.join(absent)} image"
            problems.append(error(text, wanted, todo, case_id=case_id, file=folder))
    return problems


def _files(folder: Path) -> Iterator[tuple[Path, str, str, str]]:
    """Yield files with BraTS names, each with its case, separator and ending."""
    for depth in DEPTHS:
        for path in sorted(folder.glob(depth)):
            match = NAME.fullmatch(path.name)
            if match and not path.name.startswith(".") and not path.is_dir():
                yield path, match[1], match[2], match[3].casefold()


def _case(case_id: str, files: dict[str, list[Path]], *, images_only: bool) -> Case:
    images = {name: paths[0] for name, paths in files.items() if name != MASK}
    masks = [] if images_only else files.get(MASK, [])
    session = SESSION.fullmatch(case_id)
    first = next(iter(files.values()))[0]
    grade = next((part for part in first.parts[-3:-1] if part in GRADES), None)
    return Case(
        case_id,
        session[1] if session else case_id,
        images,
        masks[0] if masks else None,
        covariates={"grade": grade} if grade and not images_only else {},
    )


def _usual(name: str) -> str:
    plain = re.sub(r"[\s_-]", "", name.casefold())
    return ALIASES.get(plain, plain)
