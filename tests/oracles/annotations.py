"""Run the array annotations of the package: kind, axes and their sizes.

`install()` decorates each function that is imported afterwards and whose annotations have an array
of jaxtyping. Other functions stay as they are, which keeps the tests fast. Nothing is written to
`__pycache__`.
"""

import ast
import functools
import inspect
import itertools
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder, SourceFileLoader
from pathlib import Path
from typing import Any, get_args

from beartype import BeartypeConf, beartype
from jaxtyping import AbstractArray, jaxtyped

PACKAGE = "neurotarget"
ARRAYS = ("jaxtyping", "ndarray", "Tensor", "neurotarget.shapes")  # in a module with such functions
IMPORT = "from oracles.annotations import checked as _checked_arrays"
ALL, EVERY = 100, 25  # calls of a function that are all checked, and of which one later is
TOWER = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float too


class Loader(SourceFileLoader):
    """Compile a module with the decorator on each function."""

    def get_code(self, fullname: str):  # noqa: ARG002
        tree = ast.parse(self.get_data(self.path), self.path)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                name = ast.Name("_checked_arrays", ast.Load())
                node.decorator_list.append(ast.copy_location(name, node))
        after = next(i for i, node in enumerate(tree.body) if not is_head(node))
        tree.body[after:after] = ast.parse(IMPORT).body
        return compile(ast.fix_missing_locations(tree), self.path, "exec", dont_inherit=True)


class Finder(MetaPathFinder):
    """Find the modules of the package whose source has names of arrays."""

    def find_spec(self, fullname: str, path=None, target=None):
        if fullname.partition(".")[0] != PACKAGE:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        source = Path(spec.loader.path).read_text(encoding="utf-8")
        if not any(name in source for name in ARRAYS):
            return None
        spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec


def checked(function: Callable) -> Callable:
    """Check the arguments and the result where an annotation has an array.

    The first calls of a process are all checked, of the later ones some, as they repeat them.

    Other annotations are for readers: an array, say, serves where a sequence is expected.
    """
    stated = function.__annotations__
    arrays = {name: hint if has_array(hint) else Any for name, hint in stated.items()}
    if all(hint is Any for hint in arrays.values()):
        return function
    function.__annotations__ = arrays
    with_check = jaxtyped(typechecker=TOWER)(function)
    function.__annotations__ = with_check.__annotations__ = stated
    numbers = itertools.count()

    @functools.wraps(function)
    def sampled(*arguments: Any, **named: Any) -> Any:
        number = next(numbers)
        is_checked = number < ALL or number % EVERY == 0
        return (with_check if is_checked else function)(*arguments, **named)

    return sampled


def has_array(hint: object) -> bool:
    """Whether an annotation is an array or contains one."""
    if inspect.isclass(hint) and issubclass(hint, AbstractArray):
        return True
    return any(map(has_array, get_args(hint)))


def is_head(node: ast.stmt) -> bool:
    """Whether the statement has to come before any other: docstring and `__future__`."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def install() -> None:
    """Check the annotations of all modules of the package that are imported from now on."""
    loaded = [name for name in sys.modules if name.startswith(f"{PACKAGE}.")]
    assert not loaded, f"loaded before the check of annotations: {loaded}"
    sys.meta_path.insert(0, Finder())
