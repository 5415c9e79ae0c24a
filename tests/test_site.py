"""The site of the documentation: every page is reached, and no link is broken."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import neurotarget

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site, built with warnings as errors."""
    pytest.importorskip("mkdocs", reason="make docs installs it")
    pytest.importorskip("mkdocstrings", reason="make docs installs it")
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    subprocess.run(build, cwd=ROOT, check=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"})
    return folder


def test_the_navigation_has_every_page():
    """As the strict build wants it, but where MkDocs is not installed too."""
    listed = re.findall(
        r"(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE
    )
    patterns = ("*.md", "docs/*.md", "benchmarks/*.md", "experiments/*/*.md")
    pages = {path.relative_to(ROOT).as_posix() for one in patterns for path in ROOT.glob(one)}
    assert sorted(listed) == sorted(pages | {"docs/reference.md"})


def test_every_page_of_the_documentation_is_on_the_site(site):
    pages = [path.relative_to(ROOT).with_suffix(".html") for path in ROOT.glob("docs/*.md")]
    assert pages
    assert [page for page in pages if not (site / page).is_file()] == []
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
