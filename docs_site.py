"""Hook of MkDocs: the site has the paths of the repository, so links work on both."""

import ast
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent
SHOWN = (
    "*.md",
    "docs/*.md",
    "benchmarks/*.md",
    "experiments/*/*.md",
    "experiments/*/*.png",
    "notebooks/*.ipynb",
    "CITATION.cff",
    "LICENSE",
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the repository to the files of the theme."""
    shown = {path for pattern in SHOWN for path in ROOT.glob(pattern)}
    docs = Path(config.docs_dir)
    kept = [file for file in files if not Path(file.abs_src_path or ROOT).is_relative_to(docs)]
    added = [
        File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path))
        for path in sorted(shown)
    ]
    reference = File.generated(config, "docs/reference.md", content=reference_text())
    return Files([*kept, *added, reference])


def reference_text() -> str:
    """A page with every public name, whose docstrings mkdocstrings fills in."""
    tree = ast.parse((ROOT / "src" / "neurotarget" / "__init__.py").read_text(encoding="utf-8"))
    (places,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_PLACES"
    )
    lines = [f"::: neurotarget.{places[name]}.{name}" for name in sorted(places, key=str.lower)]
    return "\n\n".join(["# Reference", *lines]) + "\n"
