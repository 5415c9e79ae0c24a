from neurotarget.runs.folder.jobs import LOG, JobResult
from neurotarget.runs.folder.multirun_overview import overview


def test_the_overview_names_jobs_whose_network_has_not_learnt(tmp_path):
    def job(name, dice):
        return JobResult(tmp_path / name, "done", (), {"val/dice_mean": dice}, "", tmp_path / LOG)

    result = overview(tmp_path, [job("a", 0.8), job("b", 0.016)], set()).splitlines()
    assert result[:2] == ["2 jobs: 2 done now", "  NOT LEARNT: b"]
    assert "NOT LEARNT" not in overview(tmp_path, [job("a", 0.8)], set())
