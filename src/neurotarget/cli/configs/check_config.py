"""Check a whole configuration: each setting, misspelt keys, and settings that conflict."""

import difflib
import math
from collections.abc import Iterator, Mapping
from typing import Any

from neurotarget.cli.configs.setting_table import ELSEWHERE, PREDICT, TRAIN
from neurotarget.cli.settings import ADVICE, check_settings
from neurotarget.problems import DataError, Problem

MOST_VOXELS = 2**28  # of a patch: 1 GiB per channel


def check_train(config: Mapping[str, Any]) -> None:
    """Check every setting of a training or reconstruction, and combinations of settings.

    Misspelt keys and conflicts are looked for only once each setting alone is valid.

    Raises:
        DataError: settings are invalid; the error lists all of them.
    """
    check_settings(config, TRAIN)
    if wrong := [*_misspelt(config), *_conflicts(config)]:
        raise DataError(wrong)


def check_predict(config: Mapping[str, Any]) -> None:
    """Check every setting of a prediction.

    Raises:
        DataError: settings are invalid; the error lists all of them.
    """
    check_settings(config, PREDICT)


CHECKS = {"train": check_train, "predict": check_predict}


def _misspelt(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield problems of unknown keys at the top level that are spelt like a known key.

    Other unknown keys may be values that the user's own files refer to.
    """
    known = [key for key in (*TRAIN, *ELSEWHERE) if "." not in key]
    for name in config:
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.8)
        if name not in known and near:
            yield Problem("error", "", str(name), "a key that nothing reads", near[0], ADVICE)


def _conflicts(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield problems of values that are valid alone, but not together."""

    def value_of(*keys: str) -> Any:  # noqa: ANN401
        node: Any = config
        for key in keys:
            node = node.get(key) if isinstance(node, Mapping) else None
        return node

    for place in (("patch_vox",), ("target", "patch_vox"), ("cascade", "patch_vox")):
        sides = value_of(*place)
        if isinstance(sides, list) and math.prod(sides) > MOST_VOXELS:
            found, wanted = f"{sides}", f"at most {MOST_VOXELS:,} voxels in all"
            yield Problem("error", "", ".".join(place), found, wanted, ADVICE)
    batch, epoch = value_of("data", "batch_size"), value_of("data", "patches_per_epoch")
    if isinstance(batch, int) and isinstance(epoch, int) and epoch < batch:
        found, wanted = f"{epoch}", f"at least one batch of data.batch_size={batch}"
        yield Problem("error", "", "data.patches_per_epoch", found, wanted, ADVICE)
    if value_of("replay") is not None and value_of("resume") is None:
        wanted = "replay= with resume=<folder of one run>"
        yield Problem("error", "", "replay", f"{value_of('replay')} alone", wanted, ADVICE)
    if value_of("loss", "dice_weight") == value_of("loss", "cross_entropy_weight") == 0:
        found, wanted = "dice_weight and cross_entropy_weight 0", "more than 0 for one of them"
        yield Problem("error", "", "loss", found, wanted, ADVICE)
