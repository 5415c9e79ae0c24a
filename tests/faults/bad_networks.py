"""Exported networks of strangers: broken, changed, of a newer version, and attacks by them."""

import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from faults.attack import CANARY, Attack
from faults.bad_input import Bad, Write
from faults.input_files import PREDICT
from neurotarget.runs.network.exported_networks import kept_config, prefixed
from neurotarget.runs.network.network_file import write_network_file
from neurotarget.runs.network.trained_network import read_run

FILE = "net.safetensors"
USE = [PREDICT[0], f"run={FILE}", *PREDICT[2:]]
SHOW = ["neurotarget", "weights", FILE]
ODD_CARD = "# \x1b]0;title\x07 \u202e\n<script>alert(1)</script> \x1b[2J\n"

Change = Callable[[dict[str, Any]], object]  # of the document


def bad_networks() -> Iterator[Bad]:
    """Files that `predict run=<file>` must refuse with one sentence."""
    yield Bad("network that is good", USE, exported(), accepted=True)
    yield Bad("network without a suffix", [*EXPORT[:-1], "output=net"], _nothing, "net")
    for name, end in (("empty", 0), ("cut in its header", 200), ("cut", -1)):
        yield Bad(f"network {name}", USE, _spoilt(lambda raw, end=end: raw[:end]), FILE)
    for name, place in (("length", 2), ("header", 60), ("weights", -5)):
        yield Bad(f"network with a changed {name}", USE, _spoilt(_flipped(place)), FILE)
    yield Bad("network with a header of exabytes", USE, _spoilt(_huge_header), FILE)
    yield Bad("network with a deep header", USE, _spoilt(_deep_header), FILE)
    yield Bad("safetensors of others", USE, _foreign, FILE)
    yield Bad("card of others", SHOW, _foreign, FILE)
    for name, change in (
        ("a newer format", lambda document: document.update(format=99)),
        ("unknown keys", lambda document: document.update(extra=1)),
        ("no networks", lambda document: document.update(members=[])),
        ("no config", lambda document: document["members"][0].update(config=None)),
        ("an unknown setting", _config(extra=1)),
        ("another network", _config(model={"_target_": "neurotarget.models.nets.vnet.VNet"})),
        ("terabytes of weights", _widths([200_000, 400_000])),
        ("no target", _config(target=None)),
        ("bad steps", lambda document: document["members"][0].update(steps={"burn": True})),
        ("bad limits", lambda document: document.update(localiser={"config": {}, "limits": {}})),
    ):
        yield Bad(f"network with {name}", USE, exported(change), FILE)


def attacking_networks() -> Iterator[Attack]:
    """Files that try to run code, read secrets or write text that a terminal obeys."""
    evil = pickle.dumps(_Evil())
    yield Attack("pickle as an exported network", USE, {FILE: evil}, refused=FILE)
    yield Attack("pickle in an exported network", USE, {}, write=_spoilt(lambda raw: raw + evil),
                 refused=FILE)  # fmt: skip
    yield Attack("exported network is a secret", USE, {}, links={FILE: "../secret.txt"},
                 refused=FILE)  # fmt: skip
    for key in ("target", "model", "data", "task"):
        for name, call in (("os.system", "touch"), ("builtins.open", "w")):
            yield Attack(
                f"exported network, {key}: {name}", USE, {}, write=_calling(key, name, call)
            )
    for form in ("${oc.env:NEUROTARGET_SECRET}", "{canary}", "../../escaped"):
        named = exported(lambda document, form=form: document.update(name=form))
        yield Attack(f"exported network called {form}", USE, {}, write=named)
        maps = [*USE, "probabilities=true"]
        yield Attack(f"exported label {form}", maps, {}, write=exported(_labels(form)))
    yield Attack("card that moves the cursor", SHOW, {}, write=exported(card=ODD_CARD))


EXPORT = ["neurotarget", "export", "run=run", f"output={FILE}"]


def exported(change: Change | None = None, card: str = "# balls\n") -> Write:
    """Writes the network of the run into one file, with another document."""

    def write(folder: Path) -> None:
        network = read_run(folder / "run")
        member = {"config": kept_config(network.config), "steps": None}
        document = {"format": 1, "neurotarget": "0.1.0", "name": "balls", "members": [member]}
        document = json.loads(json.dumps(document | {"localiser": None}))
        if change is not None:
            change(document)
        write_network_file(folder / FILE, document, card, prefixed(0, network.weights))

    return write


class _Evil:
    """Writes the canary where it is unpickled."""

    def __reduce__(self) -> tuple:
        return (exec, ("import pathlib; pathlib.Path('../canary').touch()",))


def _nothing(folder: Path) -> None:
    """The files are as they should be."""


def _foreign(folder: Path) -> None:
    """Safetensors that another program wrote."""
    weights = {name: one.contiguous() for name, one in read_run(folder / "run").weights.items()}
    save_file(weights, folder / FILE, {"format": "pt"})


def _spoilt(change: Callable[[bytes], bytes]) -> Write:
    def write(folder: Path) -> None:
        exported()(folder)
        (folder / FILE).write_bytes(change((folder / FILE).read_bytes()))

    return write


def _flipped(place: int) -> Callable[[bytes], bytes]:
    def change(raw: bytes) -> bytes:
        spoilt = bytearray(raw)
        spoilt[place] ^= 1
        return bytes(spoilt)

    return change


def _huge_header(raw: bytes) -> bytes:
    return (1 << 60).to_bytes(8, "little") + raw[8:]


def _deep_header(raw: bytes) -> bytes:
    text = b"[" * 1_000_000
    return len(text).to_bytes(8, "little") + text


def _config(**values: object) -> Change:
    return lambda document: document["members"][0]["config"].update(values)


def _widths(widths: list[int]) -> Change:
    return lambda document: document["members"][0]["config"]["model"].update(widths=widths)


def _labels(name: str) -> Change:
    labels = {name: 1, "shell": 2}
    return lambda document: document["members"][0]["config"]["target"].update(labels=labels)


def _calling(key: str, name: str, call: str) -> Write:
    """A config with a call that would write the canary."""

    def write(folder: Path) -> None:
        canary = str(folder.parent / CANARY)
        words = [f"touch {canary}"] if call == "touch" else [canary, call]
        payload = {"_target_": name, "_args_": words}
        part = {"preparation": payload} if key == "data" else payload
        exported(_config(**{key: part if key != "task" else {"_target_": name}}))(folder)

    return write
