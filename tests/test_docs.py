"""README and docs: links lead somewhere, commands exist, examples are valid, versions agree."""

import re
import shlex
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep
from packaging.version import Version

from neurotarget.process.programs import SCRIPTS, help_text
from neurotarget.types import Target

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKED = [*PAGES, *sorted(ROOT.glob("[C-S]*.md")), *sorted(ROOT.glob("experiments/*/*.md"))]
OF_READERS = {"<name>": "pituitary", "amygdala": "hippocampus", "mynet": "resunet"}
OF_READERS |= {"target=atrophy": "target=adrenal"}
OWN_PARTS = {"experiment=mine", "model=two_convolutions"}  # tests/api/test_own_package.py has them
# what starts neurotarget in a job or a container
STARTERS = re.compile(r"^(srun |(docker|apptainer) run .*? )neurotarget(:cuda|_cuda\.sif)? +")


def blocks(page: Path, language: str = "") -> list[str]:
    """Text of the page's code blocks in a language."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    return [text for name, text in fences if name == language]


def commands(start: str) -> list[tuple[str, ...]]:
    """Arguments of every command of the pages that begins so, with what a reader fills in."""
    inline = [code for page in PAGES for code in re.findall(r"`([^`\n]+)`", page.read_text())]
    shells = [block for page in PAGES for name in ("", "bash") for block in blocks(page, name)]
    fenced = [block.replace("\\\n", "") for block in shells]
    lines = [
        STARTERS.sub("neurotarget ", line)
        for one in (*inline, *fenced)
        for line in one.splitlines()
    ]
    shown = [shlex.split(filled(line), comments=True) for line in lines if line.startswith(start)]
    return sorted({tuple(arguments) for line in shown if (arguments := line[len(start.split()) :])})


def filled(line: str) -> str:
    """A command with names that exist in place of those that readers choose."""
    for name, chosen in OF_READERS.items():
        line = line.replace(name, chosen)
    return re.sub(r"<[^>]*>", "x", line)


def anchors(page: Path) -> set[str]:
    """Anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def broken(page: Path, link: str) -> bool:
    """Whether a relative link leads to no file, or to no heading of it."""
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return not target.exists() or bool(anchor and anchor not in anchors(target))


def one_choice(override: str) -> str:
    """The override with the first of the values that it sweeps over."""
    (parsed,) = OverridesParser.create().parse_overrides([override])
    if not parsed.is_sweep_override():
        return override
    sweep = parsed.value()
    is_range = isinstance(sweep, IntervalSweep)
    first = sweep.start if is_range else next(parsed.sweep_string_iterator())
    return f"{parsed.get_key_element()}={first}"


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and broken(page, link)] == []


def test_a_broken_link_is_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One heading, and more\n")
    links = ("page.md", "#one-heading-and-more", "other.md", "page.md#two")
    assert [link for link in links if broken(page, link)] == ["other.md", "page.md#two"]


def test_the_readme_is_short():
    assert len(PAGES[0].read_text(encoding="utf-8").splitlines()) <= 200


def test_the_readme_leads_to_every_page():
    text = PAGES[0].read_text(encoding="utf-8")
    assert [page.name for page in PAGES[1:] if f"(docs/{page.name})" not in text] == []


def test_the_citation_is_of_the_newest_release():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)  # what the format requires
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changes, re.M)
    coming = Version(version("neurotarget")).base_version  # before the first one
    # 0.1 is 0.1.0, as a clone without tags and history has it
    assert Version(str(citation["version"])) == Version((released or [coming])[0])


@pytest.mark.parametrize(
    ("script", "config"),
    [
        ("python train.py", "train"),
        ("python predict.py", "predict"),
        ("neurotarget train", "train"),
        ("neurotarget predict", "predict"),
    ],
)
def test_the_arguments_of_every_shown_command_exist(script, config):
    shown = commands(script)
    assert shown
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        single = {
            tuple(one_choice(word) for word in arguments if word[0].isalpha() and "=" in word)
            for arguments in shown
            if not OWN_PARTS & {*arguments}
        }
        for overrides in single:
            assert compose(config, list(overrides)), overrides


def test_every_shown_command_of_neurotarget_explains_its_arguments():
    shown = [
        (name, arguments)
        for name, *arguments in commands("neurotarget")
        if "--help" not in arguments
    ]
    assert shown
    for name, arguments in shown:
        if name in ("help", "--version", "<command>", *SCRIPTS):
            continue
        explained = help_text(name)
        keys = [word.partition("=")[0] for word in arguments if "=" in word]
        assert [key for key in keys if f"{key}=" not in explained] == [], arguments


SHOWN_LABELS = {"lungs": ("lungs",), "atrophy": ()}  # others are pairs


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_shown_target_is_valid(page):
    for example in map(yaml.safe_load, blocks(page, "yaml")):
        if example.pop("_target_", "") == "neurotarget.types.Target":
            target = Target(**example)
            assert target.label_names == SHOWN_LABELS.get(target.name, ("left", "right"))


def test_the_walk_of_a_voxel_names_as_many_files_as_it_counts():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    count, walk = re.search(r"A voxel passes (\d+) files (.*?) Only `cli", text, re.S).groups()
    files = [file for code in re.findall(r"`([^`]+)`", walk) for file in expanded(code)]
    assert len(files) + 1 == int(count)  # and the network
    source = ROOT / "src" / "neurotarget"
    assert [file for file in files if not (source / f"{file}.py").is_file()] == []


def expanded(code: str) -> list[str]:
    """Paths of `folder/{a, b}`."""
    head, _, names = code.rstrip("}").partition("{")
    return [head + name.strip() for name in names.split(",")]
