"""Conversion of label numbers: ids in files to classes of the network, and back."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy import ndarray
from scipy.ndimage import binary_dilation

from neurotarget.anatomy.structures import find, owners_of, structures
from neurotarget.data.nearest_class import give_to_nearest
from neurotarget.problems import DataError, Problem, error, some, warning
from neurotarget.target_fields import OTHER_ID, OTHERS
from neurotarget.target_relations import IGNORE
from neurotarget.types import Target

ClassOfId = Mapping[int, int | tuple[int, ...]]  # of two classes the nearer one

WHOLE = 1e-3  # a label this close to a whole number is that number
TUMOUR = ("tumour", "tumor")  # left out of names: MSD has "non-enhancing tumor"
WHITE = 255  # the only label of masks that pictures and many editors write
LONGEST_TABLE = 2**20  # FreeSurfer's largest ids are about 15,000


def class_of_id(target: Target, label_ids: Mapping[str, int] | None = None) -> ClassOfId:
    """Class of each id that a label file may contain; 0 and the background ids are class 0.

    `label_ids` are the data set's own label names: for a name that the target shares (in any case,
    with blanks, `-` and `_` equal) its id is used. The other labels keep the target's ids. The data
    set's label `ignore` (nnU-Net) and the target's `ignore_ids` map to the target's
    `ignored_class`. The key `OTHER_ID` stands for all other ids. An id with two classes, such as
    the corpus callosum of a target of both white matters, has each voxel in the nearer one.

    Raises:
        DataError: the data set has neither the name nor the ids of a label, an id maps to two
            labels, or the target uses an id of ignored voxels for something else.
    """
    named = {_key(name): int(value) for name, value in (label_ids or {}).items()}
    ignored = {*target.ignore_ids, named.pop(IGNORE)} if IGNORE in named else {*target.ignore_ids}
    mapping = dict.fromkeys((0, *target.background_ids), 0)
    problems, taken = [], {}
    for number, (name, own) in enumerate(target.labels.items(), start=1):
        theirs = named.get(_key(name))
        ids = own if theirs is None or theirs in own else (theirs,)
        if named and not set(ids) & set(named.values()):
            problems.append(_unknown_label(name, own, label_ids))
        for value in ids:
            if value in taken:
                problems.append(_shared_id(value, taken[value], name))
            taken[value] = name
            mapping[value] = number
    problems += [
        _not_ignored(value, taken.get(value, "background"))
        for value in sorted(ignored & {*mapping})
    ]
    mapping |= dict.fromkeys(ignored, target.ignored_class)
    if problems:
        raise DataError(problems)
    return mapping if named else {**_classes_of_parts(target), **mapping}


def outside_table(
    array: ndarray, mapping: ClassOfId, target: Target, *, case_id: str = "", file: str = ""
) -> list[Problem]:
    """Warn about values that are read as background and are no structure of FreeSurfer's table.

    The check applies only where labels are named structures and every other value counts as
    background. `array` has the ids of a label file, and `mapping` is that of `class_of_id`.
    """
    if OTHER_ID not in mapping or not _structure_classes(target):
        return []
    values = label_values(array, case_id=case_id, file=file).tolist()
    strange = [one for one in values if one not in mapping and one not in structures()]
    if not strange:
        return []
    found = f"label values {some(strange)} (in {_counts(array, strange)} voxels)"
    todo = "they are read as background; `neurotarget relabel` converts other numberings"
    return [warning(found, "numbers of FreeSurfer's table", todo, case_id=case_id, file=file)]


def _counts(array: ndarray, values: Sequence[int]) -> str:
    """Number of voxels of each value, for a message."""
    return some(np.count_nonzero(np.abs(array - value) <= WHOLE) for value in values[:9])


def _structure_classes(target: Target) -> dict[int, int]:
    """Class of each structure that a label has the name and the number of."""
    return {
        one.id: number
        for number, (name, ids) in enumerate(target.labels.items(), start=1)
        if (one := find(name)) and one.id in ids
    }


def _classes_of_parts(target: Target) -> ClassOfId:
    """Classes of structures that are part of two labels, where labels are structures by name."""
    classes = _structure_classes(target)
    owners = {number: owners_of(number, classes) for number in (structures() if classes else ())}
    return {
        number: tuple(classes[owner] for owner in both)
        for number, both in owners.items()
        if len(both) > 1
    }


def label_values(array: ndarray, *, case_id: str = "", file: str = "") -> ndarray:
    """Ids in a label array, sorted, as int64; values within `WHOLE` of a whole number are rounded.

    Raises:
        DataError: a value is not a whole number.
    """
    if array.dtype.kind in "iu" and array.size and array.min() >= 0 and array.max() < LONGEST_TABLE:
        return np.flatnonzero(np.bincount(array.ravel(order="K")))  # five times faster than sorting
    values = np.unique(array)
    if values.dtype.kind != "f":
        return values.astype(np.int64)
    near = np.abs(values - np.rint(values)) <= WHOLE
    if not near.all():
        found = f"label values {some(f'{value:g}' for value in values[~near])}"
        todo = "resample masks with nearest neighbour, not linearly"
        wanted = f"whole numbers (within {WHOLE:g})"
        raise DataError(error(found, wanted, todo, case_id=case_id, file=file))
    return np.unique(np.rint(values).astype(np.int64))


def rounded_labels(array: ndarray, *, case_id: str = "", file: str = "") -> list[Problem]:
    """Warn about labels that are only close to whole numbers, within `WHOLE`.

    scl_slope, or resampling in float32, leaves labels such as 0.9999999. Labels further from a
    whole number are an error of `label_values`.
    """
    deviation = (
        float(np.abs(array - np.rint(array)).max(initial=0)) if array.dtype.kind == "f" else 0
    )
    if not 0 < deviation <= WHOLE:
        return []
    found = f"label values up to {deviation:.1g} off whole numbers"
    todo = f"up to {WHOLE:g} they are rounded; write the mask as whole numbers"
    return [warning(found, "whole numbers", todo, case_id=case_id, file=file)]


def to_classes(array: ndarray, mapping: ClassOfId, *, case_id: str = "", file: str = "") -> ndarray:
    """Convert the ids of a label file to classes, as uint8 (uint16 above 255 classes).

    `mapping` is that of `class_of_id`.

    Raises:
        DataError: a value is not a whole number or has no class.
    """
    values = label_values(array, case_id=case_id, file=file)
    mapping = _with_white(mapping, values)
    rest = mapping.get(OTHER_ID)
    if unknown := [value for value in values.tolist() if mapping.get(value, rest) is None]:
        known = sorted(value for value, number in mapping.items() if number)
        found = f"label values {some(unknown)} that the target does not define"
        found += f" (in {_counts(array, unknown)} voxels)"
        todo = (
            "add them to the target's labels, to its background_ids where they are background "
            f"(background_ids: {OTHERS} means all), or to its ignore_ids where no rater labelled "
            "these voxels"
        )
        todo = _numbered_otherwise(unknown, known) or todo
        wanted = f"0 or one of {some(known)}"
        raise DataError(error(found, wanted, todo, case_id=case_id, file=file))
    wanted = [mapping.get(value, rest) for value in values.tolist()]
    shared = list(dict.fromkeys(one for one in wanted if isinstance(one, tuple)))
    last = max(one for one in mapping.values() if not isinstance(one, tuple))
    wanted = [last + 1 + shared.index(one) if isinstance(one, tuple) else one for one in wanted]
    classes = np.array(wanted).astype(np.min_scalar_type(last + len(shared)))
    result = looked_up(array, values, classes)
    for number, owners in enumerate(shared, start=last + 1):
        give_to_nearest(result, number, owners)
    return result


def _numbered_otherwise(unknown: Sequence[int], known: Sequence[int]) -> str:
    """Advice if ids differ as those of BraTS before and since 2023 do; else ""."""
    if {*unknown} not in ({3}, {4}) or {*known} != {1, 2, 7 - unknown[0]}:
        return ""
    return (
        "BraTS numbers the enhancing tumour 4 until 2021 and 3 since 2023: set "
        f"target.labels.enhancing={unknown[0]}; in MSD's Task01 1 is oedema and 3 is enhancing"
    )


def looked_up(array: ndarray, values: ndarray, classes: ndarray) -> ndarray:
    """Class of every voxel, from the sorted ids in the array and their classes.

    Args:
        array: ids of a label file, of any type; floats are rounded.
        values: all ids that occur, sorted; see `label_values`.
        classes: class of each of `values`; its type is that of the result.
    """
    if array.dtype.kind not in "iu":
        array = np.rint(array).astype(np.int64)
    if not values.size or values[0] < 0 or values[-1] >= LONGEST_TABLE:
        return classes[np.searchsorted(values, array)]
    table = np.zeros(values[-1] + 1, dtype=classes.dtype)  # twenty times faster than the search
    table[values] = classes
    return table[array]


def _with_white(mapping: ClassOfId, values: ndarray) -> ClassOfId:
    """Add 255 to the mapping, as the only class, if the mask has only the values 0 and 255."""
    classes = {number for number in mapping.values() if number}
    is_black_and_white = values.size and values[-1] == WHITE and {*values.tolist()} <= {0, WHITE}
    if not is_black_and_white or WHITE in mapping or len(classes) != 1:
        return mapping
    return {**mapping, WHITE: classes.pop()}


def cut_labels(classes: ndarray, target: Target) -> tuple[str, ...]:
    """Labels with a voxel next to an ignored one: the structure may continue there.

    `classes` are those of `to_classes` (I, J, K); voxels are neighbours if they share a face.
    Volumes of these labels are lower bounds. Without ignored voxels the tuple is empty.
    """
    ignored = classes == target.ignored_class
    if not ignored.any():
        return ()
    neighbours = set(np.unique(classes[binary_dilation(ignored)]).tolist())
    return tuple(name for number, name in enumerate(target.labels, 1) if number in neighbours)


def to_file_ids(classes: ndarray, target: Target) -> ndarray:
    """Convert classes to the ids written to files, in the smallest unsigned type.

    Merged ids are not restored: each class gets the first id of its label.
    """
    ids = np.array(target.file_ids, dtype=np.min_scalar_type(max(target.file_ids)))
    return ids[classes]


def _key(name: str) -> str:
    words = name.casefold().replace("_", " ").replace("-", " ").split()
    return " ".join(word for word in words if word not in TUMOUR) or name.casefold()


def _unknown_label(name: str, ids: tuple[int, ...], label_ids: Mapping[str, int]) -> Problem:
    has = some(f"{key} = {value}" for key, value in label_ids.items())
    found = f"no label {name} (id {some(ids)}) in the data set, which has {has}"
    todo = "use the same label names in conf/target and in dataset.json"
    return error(found, "the target's labels", todo)


def _shared_id(value: int, first: str, second: str) -> Problem:
    found = f"id {value} for the labels {first} and {second}"
    return error(found, "one label per id", "name the target's labels as the data set does")


def _not_ignored(value: int, read_as: str) -> Problem:
    found = f"id {value}, whose voxels the data set ignores, read as {read_as}"
    todo = (
        f"remove {value} from the target's background_ids and labels: no rater labelled these "
        "voxels, and a structure may extend into them; no score counts them"
    )
    return error(found, "ignored voxels that are neither label nor background", todo)
