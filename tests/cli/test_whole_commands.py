from pathlib import Path

import pytest

from neurotarget.cli.whole_commands import is_dry, with_whole_commands
from neurotarget.problems import DataError

OWN = ["target=ball", "data.root=x.tsv"]


def test_cv_stands_for_all_folds_as_a_multirun():
    folds = ["cv=3", "data.n_folds=3", "data.fold=0,1,2"]
    assert with_whole_commands([*OWN, "cv=3"]) == ["-m", *OWN, *folds]
    assert with_whole_commands(["-m", *OWN, "cv=3"]) == ["-m", *OWN, *folds]
    assert with_whole_commands([*OWN, "cv=null"]) == [*OWN, "cv=null"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("data.fold=1", r"cv=3: found data\.fold=1 too"),
        ("data.n_folds=4", r"cv=3: found data\.n_folds=4 too"),
        ("sweep=optuna", r"cv=3: found sweep=optuna too"),
    ],
)
def test_cv_goes_with_no_folds_of_ones_own_and_no_search(argument, message):
    with pytest.raises(DataError, match=message):
        with_whole_commands([*OWN, "cv=3", argument])


@pytest.mark.parametrize("value", ["1", "five", "2.5"])
def test_cv_is_a_number_of_folds(value):
    with pytest.raises(DataError, match=r"cv: (got|found)"):
        with_whole_commands([*OWN, f"cv={value}"])


def test_a_dry_run_has_a_folder_that_goes_with_the_process():
    arguments = with_whole_commands([*OWN, "--dry-run", "cv=3", "hydra.run.dir=mine"])
    assert is_dry(arguments)
    assert arguments[:5] == [*OWN, "dry_run=true", "cv=3", "data.n_folds=3"]
    assert not any(one in ("-m", "hydra.run.dir=mine") for one in arguments)
    place = Path(arguments[-2].partition("=")[2].strip('"'))
    assert place.parent.is_dir()


@pytest.mark.parametrize("argument", ["-m", "resume=runs/a"])
def test_a_dry_run_is_that_of_one_new_training(argument):
    with pytest.raises(DataError, match=f"--dry-run: found {argument} too"):
        with_whole_commands([*OWN, "dry_run=true", argument])
