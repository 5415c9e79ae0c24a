"""Settings of a training whose network keeps its convolutions frozen."""

from typing import Any

from neurotarget.problems import DataError


def settle_frozen(config: dict[str, Any]) -> list[str]:
    """Turn augmentation off for a network with frozen layers, in place; return a sentence on it.

    Features of a case are computed once, from its image as it is, so that augmentation would have
    no effect. Other networks keep their settings.

    Raises:
        DataError: the frozen layers would have random weights.
    """
    if not (config["model"] or {}).get("frozen"):
        return []
    if not config["pretrained"]:
        raise DataError(
            "model.frozen: found true without pretrained weights, wanted weights for the layers "
            "that are not trained; set pretrained=imagenet, or model.frozen=false"
        )
    is_augmented = any(config["augment"].values())
    config["augment"] = {}
    text = "frozen    features are computed once for each case, only the last layer is trained"
    return [f"{text}; without augmentation" if is_augmented else text]
