"""Commands name the files of others and leave them alone, unless `overwrite=true` is given."""

import pytest

from neurotarget.cli.main import run
from neurotarget.files.record import CLAIMED

THEIRS = ("report.html", "study/volumes.tsv", "pictures/best_a.png", "study/figures/ages.png")


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,v,age\na,1,20\nb,3,30\nc,6,40\nd,8,50\n")
    return path


def put(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("theirs")


def contents(folder):
    files = [one for one in folder.rglob("*") if one.is_file() and one.name[0] != "."]
    return {one.relative_to(folder).as_posix(): one.read_bytes() for one in files}


def test_a_study_replaces_no_file_of_somebody_else(table, tmp_path, capsys):
    out = tmp_path / "out"
    put(out, THEIRS)
    arguments = [
        "study",
        f"table={table}",
        "labels=v",
        "ask=volume ~ age: positive",
        f"output={out}",
    ]
    with pytest.raises(SystemExit, match="2"):
        run(arguments)
    assert "found 4 files in" in capsys.readouterr().err
    assert contents(out) == dict.fromkeys(THEIRS, b"theirs")
    assert run([*arguments, "overwrite=true"]) == 0
    after = contents(out)
    assert after["report.html"] != b"theirs"
    assert after["pictures/best_a.png"] == b"theirs"  # no file of ours has its name
    assert run(arguments) == 0


def test_a_table_that_was_corrected_is_named(table, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["study", f"table={table}", "labels=v", f"output={out}"]
    assert run(arguments) == 0
    (out / "study" / "volumes.tsv").write_text("corrected")
    before = contents(out)
    with pytest.raises(SystemExit, match="2"):
        run(arguments)
    assert "changed since (volumes.tsv)" in capsys.readouterr().err
    assert contents(out) == before


def test_a_study_of_an_older_version_is_made_again(table, tmp_path):
    out = tmp_path / "out"
    arguments = ["study", f"table={table}", "labels=v", f"output={out}"]
    assert run(arguments) == 0
    newer = [".neurotarget.sha256", ".neurotarget.lock", "study/methods.md", "study/references.bib"]
    for path in [*(out / name for name in newer), *out.glob("study/figures/flow.*")]:
        path.unlink()  # which that version did not write
    CLAIMED.clear()
    put(out, ["pictures/notes.png"])
    assert run([*arguments, "ask=volume ~ age: positive"]) == 0
    assert contents(out)["pictures/notes.png"] == b"theirs"


def test_a_table_of_models_replaces_no_file_of_somebody_else(tmp_path, capsys):
    path = tmp_path / "models.tsv"
    put(tmp_path, ["models.tsv", "notes.txt"])
    arguments = ["models", "model=unet", "patch=16,16,16", f"tsv={path}"]
    with pytest.raises(SystemExit, match="2"):
        run(arguments)
    assert "(models.tsv), wanted names that are free; move it, choose another tsv, or" in (
        capsys.readouterr().err
    )
    assert run([*arguments, "overwrite=true"]) == 0
    assert run(arguments) == 0
    assert contents(tmp_path)["notes.txt"] == b"theirs"
