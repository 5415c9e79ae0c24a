import json

from neurotarget.studies.run_origin import commit_text, run_facts


def test_a_run_tells_its_steps_software_commit_and_command(tmp_path):
    record = {
        "versions": {"python": "3.11.7", "torch": "2.13.0+cpu"},
        "code": {"commit": "abc", "changed": True},
        "hardware": {"argv": ["experiment=pituitary", "data.root=my scans"]},
    }
    (tmp_path / "run.json").write_text(json.dumps(record))
    facts = run_facts({"seed": 2, "fold": None, "training": {"steps": 40}}, tmp_path)
    assert facts == {
        "seed": "2",
        "commit": "abc, with changes that are not committed",
        "trained by": "train.py experiment=pituitary 'data.root=my scans'",
        "training steps": "40",
        "trained with": "python 3.11.7, torch 2.13.0+cpu",
    }


def test_what_a_run_has_not_recorded_is_absent(tmp_path):
    assert run_facts({"training": None, "hypotheses": []}, tmp_path) == {}
    assert commit_text({}) == ""
