"""The site of the documentation: every page is reached, and no link is broken."""

import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from hydra import compose, initialize_config_dir
from nbclient.exceptions import CellExecutionError

import neurotarget

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site, built with warnings as errors."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "NEUROTARGET_RUN": ""}
    subprocess.run(build, cwd=ROOT, check=True, env=environment)
    return folder


def test_the_navigation_has_every_page():
    """As the strict build wants it, but where MkDocs is not installed too."""
    listed = re.findall(
        r"(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE
    )
    patterns = ("*.md", "docs/*.md", "benchmarks/*.md", "experiments/*/*.md")
    pages = {path.relative_to(ROOT).as_posix() for one in patterns for path in ROOT.glob(one)}
    pages |= {f"notebooks/{path.stem}.md" for path in ROOT.glob("notebooks/*.ipynb")}
    assert sorted(listed) == sorted(pages | {"docs/reference.md"})


def test_every_page_of_the_documentation_is_on_the_site(site):
    pages = [path.relative_to(ROOT).with_suffix(".html") for path in ROOT.glob("docs/*.md")]
    assert pages
    assert [page for page in pages if not (site / page).is_file()] == []
    assert (site / "notebooks" / "look_at_a_run.html").is_file()
    assert "What it answers" in (site / "index.html").read_text(encoding="utf-8")


def test_the_reference_has_every_public_name(site):
    text = (site / "docs" / "reference.html").read_text(encoding="utf-8")
    names = [name for name in neurotarget.__all__ if not name.startswith("_")]
    assert names
    assert [name for name in names if f'.{name}"' not in text] == []


def test_pages_load_nothing_from_elsewhere(site):
    for page in ("index.html", "docs/targets.html", "docs/reference.html"):
        text = (site / page).read_text(encoding="utf-8")
        assert 'src="http' not in text
        assert "fonts.googleapis" not in text


def shown_notebook(folder: Path, *cells: str) -> tuple[str, dict[str, bytes]]:
    """Page and pictures that the hook makes of a notebook that it executes."""
    book = nbformat.v4.new_notebook()
    code = [nbformat.v4.new_code_cell(cell) for cell in cells]
    book.cells = [nbformat.v4.new_markdown_cell("# A title\n\nText"), *code]
    nbformat.write(book, folder / "tried.ipynb")
    hook = runpy.run_path(str(ROOT / "docs_site.py"))
    return hook["notebook_page"](folder / "tried.ipynb", is_executed=True)


def test_a_notebook_is_shown_with_what_its_cells_print_and_draw(tmp_path):
    printed = "import sys\nprint('some', 'where')\nprint('no', 'ise', file=sys.stderr)"
    drawn = "import matplotlib.pyplot as plt\nplt.plot([1, 2]);"
    page, pictures = shown_notebook(tmp_path, printed, drawn)
    assert page.startswith("# A title\n\nExecuted on [a short training]")
    assert "    some where\n" in page
    assert "no ise" not in page
    ((name, picture),) = pictures.items()
    assert picture.startswith(b"\x89PNG")
    assert f"]({name})" in page


def test_a_cell_that_fails_ends_the_build(tmp_path):
    with pytest.raises(CellExecutionError, match="it is broken"):
        shown_notebook(tmp_path, "raise ValueError('it is broken')")


def test_the_run_that_the_site_shows_can_be_trained():
    text = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", "")
    (rule,) = re.findall(r"train\.py (.*hydra\.run\.dir=\$\(SHOWN\))", text)
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("train", shlex.split(rule)[:-1])
    assert config.pretrained == "pituitary"
    assert config.budget.steps == 40
