"""From plain settings to objects: the only place that calls a `_target_`."""

import difflib
import functools
import importlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from neurotarget.problems import DataError
from neurotarget.process.programs import command_for
from neurotarget.runs.folder.foreign import refuse_foreign
from neurotarget.types import Target

# errors of constructors on invalid values: our own, Python's and torch's
REFUSALS = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RuntimeError)
ADVICE = "correct the setting in conf or on the command line"
RESTORE = "restore the file, or use the version that wrote it"
FOREIGN = "a config that is not this program's own"


def build(cfg: Mapping[str, Any], **values: object) -> Any:  # noqa: ANN401
    """Call a node's `_target_` with its own plain values and further arguments of any type.

    Nested nodes with a `_target_` are called first; those with `_partial_: true` become callables
    that take the remaining arguments, as in Hydra.

    Raises:
        DataError: a setting is unknown (the nearest one is named), or has an invalid value.
    """
    try:
        return _called(cfg, values)
    except REFUSALS as error:
        if isinstance(error, DataError):
            raise
        raise DataError(refused(cfg, error)) from error


def _called(node: Mapping[str, Any], values: Mapping[str, object]) -> object:
    """Result of a node's `_target_` for its settings and further arguments."""
    return _waiting(node)(**values)


def _waiting(node: Mapping[str, Any]) -> functools.partial:
    """A node's `_target_` with its settings, to be called."""
    given = {str(key): _built(node[key]) for key in node if not str(key).startswith("_")}
    return functools.partial(located(str(node.get("_target_", ""))), **given)


def function_of(node: Mapping[str, Any]) -> Callable[..., Any]:
    """Return the function that a node's `_target_` names, with the node's settings.

    A class is made with the node's settings and its object is called; a function gets the settings
    with the arguments of the call.

    Raises:
        DataError: it cannot be imported or called, or a setting is unknown or refused.
    """
    kind = located(str(node["_target_"]))
    if inspect.isclass(kind):
        made = build(node)
    else:
        made = _built({**node, "_partial_": True})
        _refuse_unknown(node, made)
    if not callable(made):
        raise DataError(
            f"{node['_target_']}: found an object that cannot be called, wanted a function or a "
            "class with the method __call__; add it"
        )
    return made


def _refuse_unknown(node: Mapping[str, Any], made: functools.partial) -> None:
    """Refuse settings that a function would refuse when it is called."""
    try:
        inspect.signature(made.func).bind_partial(**made.keywords)
    except TypeError as error:
        name = str(node["_target_"]).rpartition(".")[2]
        raise DataError(refused(node, TypeError(f"{name}() {error}"))) from error
    except ValueError:  # some functions in C have no signature
        return


def _built(value: object) -> object:
    """A setting with every nested node replaced by the object that it describes."""
    if isinstance(value, Mapping) and "_target_" in value:
        try:
            return _waiting(value) if value.get("_partial_") is True else _called(value, {})
        except REFUSALS as error:
            if isinstance(error, DataError):
                raise
            raise DataError(refused(value, error)) from error
    if isinstance(value, Mapping):
        return {key: _built(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_built(inner) for inner in value]
    return value


def located(path: str) -> Callable[..., Any]:
    """Import the class or function that a `_target_` names.

    Raises:
        DataError: there is no such module, or no such name in it.
    """
    module, _, name = path.rpartition(".")
    if not module:
        raise DataError(f"_target_: found {path!r}, wanted a class such as torch.optim.AdamW")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):  # a package that the module needs
            raise DataError(f"{path}: it needs {error.name}; install it") from error
        outer, _, inner = module.rpartition(".")  # a method of a class
        holder = importlib.import_module(outer) if outer and error.name == module else None
        if (kind := getattr(holder, inner, None)) is not None:
            return getattr(kind, name)
        raise DataError(
            f"_target_: found {path!r}, and there is no module {error.name}; check the name, "
            "install its package, or add its folder to PYTHONPATH"
        ) from error
    except AttributeError as error:
        names = [one for one in vars(importlib.import_module(module)) if one[:1] != "_"]
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {module}.{near[0]}?" if near else ""
        raise DataError(f"_target_: found {path!r}, and {module} has no {name}{hint}") from error


def refused(cfg: Mapping, error: BaseException, todo: str = ADVICE) -> str:
    """Message about the error of a constructor, taken from the innermost exception.

    Args:
        cfg: node with the `_target_` and its settings.
        error: that it raised.
        todo: advice where the message has none.
    """
    while error.__cause__ is not None:
        error = error.__cause__
    message = " ".join(str(error).split())
    unknown = re.search(r"([\w.]+)\(\) got an unexpected keyword argument '(\w+)'", message)
    absent = re.search(r"([\w.]+)\(\) missing \d+ required positional arguments?: (.+)", message)
    if absent is not None:
        return f"{absent[1].split('.')[0]}: found no setting {absent[2]}, wanted a value; add it"
    if unknown is None:
        advice = "" if "; " in message else f"; {todo}"
        name = str(cfg.get("_target_", "")).rpartition(".")[2]
        return (
            f"{message}{advice}" if message.startswith(f"{name}:") else f"{name}: {message}{advice}"
        )
    owner, key = unknown[1].split(".")[0], unknown[2]
    near = difflib.get_close_matches(key, _parameters(cfg, owner), n=1)
    hint = f"did you mean {near[0]}?" if near else "remove it"
    return f"{owner}: no such setting {key!r}; {hint}"


def _parameters(cfg: object, owner: str) -> list[str]:
    """Parameters of the class `owner`, which this node or a nested one names."""
    if not isinstance(cfg, Mapping):
        return []
    module, _, name = str(cfg.get("_target_", "")).rpartition(".")
    if name == owner:
        return list(inspect.signature(getattr(importlib.import_module(module), name)).parameters)
    return next((parameters for key in cfg if (parameters := _parameters(cfg.get(key), owner))), [])


def build_foreign(cfg: Mapping[str, Any], **values: object) -> Any:  # noqa: ANN401
    """Call a `_target_` from an untrusted run folder or file; `values` go before its settings.

    Only classes that are defined in the shareable modules are called, nothing that these modules
    import, so a config cannot run code of its own.

    Raises:
        DataError: the config names other code at any level, or settings are refused.
    """
    node = cfg if isinstance(cfg, Mapping) and "_target_" in cfg else {"_target_": ""}
    refuse_foreign(node, FOREIGN)
    module, _, name = str(node["_target_"]).rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    plain_keys = [key for key in node if not str(key).startswith("_")]
    given = {str(key): _foreign_value(node[key]) for key in plain_keys}
    try:
        return kind(**{**given, **values})
    except REFUSALS as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{FOREIGN}: {refused(node, error, RESTORE)}") from error


def recorded_target(config: Mapping[str, Any], folder: Path) -> Target:
    """The target of an untrusted run, from its config.yaml.

    Raises:
        DataError: it has none, or an invalid one.
    """
    path = folder / "config.yaml"
    with read_from(path):
        target = build_foreign(config["target"]) if config.get("target") else None
    if not isinstance(target, Target):
        raise DataError(f"{path}: found no target, wanted that of a run; set target=<name>")
    return target


@contextmanager
def read_from(path: Path) -> Iterator[None]:
    """Add the path of a run's configuration to the messages of errors in the block."""
    try:
        yield
    except DataError as error:
        reason = str(error).removeprefix(f"{FOREIGN}: ")
        raise DataError(reason if str(path) in reason else f"{path}: {reason}") from error


def _foreign_value(value: object) -> object:
    nested = isinstance(value, Mapping) and "_target_" in value
    return build_foreign(value) if nested else value


def build_target(cfg: Mapping[str, Any] | None) -> Target:
    """The target of a run.

    Raises:
        DataError: the run names none.
    """
    if not cfg:
        raise DataError(
            "no target: set experiment=<name> or target=<name>, "
            f"such as {' '.join(command_for('train'))} experiment=pituitary"
        )
    return build(cfg)
