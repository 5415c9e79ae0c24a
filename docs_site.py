"""Hook of MkDocs: the site has the paths of the repository, so links work on both.

Where NEUROTARGET_RUN names a run, the notebooks are executed on it, and an error ends the build.
"""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

ROOT = Path(__file__).parent
CELL_S = 240  # most seconds of a cell
EXECUTED = "Executed on [a short training](../docs/python.md#the-notebooks)"
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
    return Files([*kept, *added, reference, *notebook_files(config)])


def notebook_files(config: MkDocsConfig) -> Iterator[File]:
    """A page of each notebook, and its pictures."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        text, pictures = notebook_page(path, is_executed=bool(os.environ.get("NEUROTARGET_RUN")))
        for name, content in {f"{path.stem}.md": text, **pictures}.items():
            yield File.generated(config, f"notebooks/{name}", content=content)


def notebook_page(path: Path, *, is_executed: bool) -> tuple[str, dict[str, bytes]]:
    """Markdown of a notebook, and the pictures that its cells draw, by name.

    Raises:
        CellExecutionError: a cell failed.
    """
    book = nbformat.read(path, as_version=4)
    if is_executed:
        where = {"metadata": {"path": str(path.parent)}}
        NotebookClient(book, timeout=CELL_S, resources=where).execute()
    for cell in book.cells:
        if cell.cell_type == "code":  # warnings of packages name folders of this machine
            cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
    names = {"unique_key": path.stem, "output_files_dir": f"{path.stem}_files"}
    text, resources = MarkdownExporter().from_notebook_node(book, resources=names)
    title, _, rest = text.strip().partition("\n")
    state = EXECUTED if is_executed else "Not executed"
    return f"{title}\n\n{state}. [The notebook]({path.name})\n{rest}\n", resources["outputs"]


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
