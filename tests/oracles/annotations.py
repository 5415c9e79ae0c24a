"""Run the array annotations of the package: kind, axes and their sizes, in every call.

`install()` decorates a function that is imported afterwards and whose annotations name an array of
jaxtyping, and the dataclasses that hold such arrays. Other functions stay as they are, which keeps
the tests fast. Nothing is written to `__pycache__`.
"""

import ast
import re
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder, SourceFileLoader
from pathlib import Path

PACKAGE = "neurotarget"
KINDS = "Float|Integer|Int16|UInt8|Bool|Num|Complex|Shaped|Image|Logits|Labels|Mask"
ARRAY = re.compile(rf"\b({KINDS})\b")
SOURCES = ("from jaxtyping import", "from neurotarget.shapes import")  # of these names
DECORATOR = "jaxtyped(typechecker=beartype(conf=BeartypeConf(is_pep484_tower=True)))"
IMPORTS = "from beartype import BeartypeConf, beartype\nfrom jaxtyping import jaxtyped"


class Loader(SourceFileLoader):
    """Compile a module with the decorator on each function that takes or returns arrays."""

    def get_code(self, fullname: str):  # noqa: ARG002
        tree = ast.parse(self.get_data(self.path), self.path)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and has_arrays(node):
                node.decorator_list.append(decorator(node))
        after = next(i for i, node in enumerate(tree.body) if not is_head(node))
        tree.body[after:after] = ast.parse(IMPORTS).body
        return compile(ast.fix_missing_locations(tree), self.path, "exec", dont_inherit=True)


class Finder(MetaPathFinder):
    """Find the modules of the package whose source imports names of arrays."""

    def find_spec(self, fullname: str, path=None, target=None):
        if fullname.partition(".")[0] != PACKAGE:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        source = Path(spec.loader.path).read_text(encoding="utf-8")
        if not any(imported in source for imported in SOURCES):
            return None
        spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec


def has_arrays(function: ast.FunctionDef) -> bool:
    """Whether an annotation of the function names an array."""
    parameters = function.args
    every = [*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs]
    every += [one for one in (parameters.vararg, parameters.kwarg) if one]
    hints = [one.annotation for one in every] + [function.returns]
    return any(hint is not None and ARRAY.search(ast.unparse(hint)) for hint in hints)


def decorator(function: ast.FunctionDef) -> ast.expr:
    """Return the decorator at the line of its function."""
    made = ast.parse(DECORATOR, mode="eval").body
    for node in ast.walk(made):
        ast.copy_location(node, function)
    return made


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
