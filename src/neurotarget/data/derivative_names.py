"""Names of label maps in a folder of BIDS-Derivatives.

A case named by BIDS' entities, `sub-01_ses-02_run-1`, keeps them. Any other case counts as one
person: `scan 7` becomes `sub-scan7`, since values of entities consist of letters and digits.

Source: BIDS 1.11, Derivatives, Imaging data types; Gorgolewski et al. 2016,
doi:10.1038/sdata.2016.44.
"""

import re
from pathlib import Path

from neurotarget.files.hashes import hash_of_value

# entities of `dseg` and `probseg` in the order of the standard; other entities are left out
ENTITIES = ("sub", "ses", "task", "acq", "ce", "rec", "run", "echo", "part", "chunk", "space")
DESCRIPTION = "desc-neurotarget"
ENTITY = re.compile(r"([a-z]+)-([a-zA-Z0-9]+)")
SUFFIX = re.compile(r"[a-zA-Z0-9]+")


def entities_in(case_id: str) -> dict[str, str]:
    """Entities in the name of a case, in the order of the standard; at least `sub`.

    A suffix at the end (`sub-01_T1w`) is left out.

    Returns:
        Value of each entity by its short name. A name of another form counts as one person:
        `sub` holds its letters and digits, so names that differ only in other characters have
        equal entities.
    """
    *parts, last = case_id.split("_")
    if not SUFFIX.fullmatch(last):
        parts = [*parts, last]
    pairs = [ENTITY.fullmatch(part) for part in parts]
    found = {pair[1]: pair[2] for pair in pairs if pair}
    if None in pairs or "sub" not in found:
        return {"sub": plain_value(case_id)}
    return {name: found[name] for name in ENTITIES if name in found}


def plain_value(text: str) -> str:
    """Letters and digits of a text, as the value of an entity; the hash of a text without any."""
    return re.sub(r"[^a-zA-Z0-9]", "", text) or hash_of_value(text, 8)


def derivative_path(folder: Path, case_id: str, ending: str, *, label: str = "") -> Path:
    """File of a case: `sub-01/ses-02/anat/sub-01_ses-02_desc-neurotarget_<ending>`.

    Args:
        folder: top of the derivatives.
        case_id: of the scan.
        ending: suffix and extension, such as `dseg.nii.gz`.
        label: structure of a `probseg`, which becomes the entity `label-`; "" for none.
    """
    entities = entities_in(case_id)
    parts = [f"{name}-{value}" for name, value in entities.items()]
    place = folder / f"sub-{entities['sub']}"
    if "ses" in entities:
        place /= f"ses-{entities['ses']}"
    label = f"label-{plain_value(label)}" if label else ""
    name = "_".join(filter(None, (*parts, label, DESCRIPTION, ending)))
    return place / "anat" / name


def label_map_path(folder: Path, case_id: str) -> Path:
    """Label map of a case in a folder of predictions: `<case_id>.nii.gz`, or its name in BIDS."""
    path = folder / f"{case_id}.nii.gz"
    derived = derivative_path(folder, case_id, "dseg.nii.gz")
    return derived if derived.is_file() and not path.is_file() else path
