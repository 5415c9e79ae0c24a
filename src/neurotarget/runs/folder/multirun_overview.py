"""Text that a multirun prints at its end: the state of its jobs, and possible next commands."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from neurotarget.runs.folder.jobs import JobResult, read_job
from neurotarget.runs.folder.multirun import read_record, resume_command_of
from neurotarget.stats.cohort.learning import NOT_LEARNT, judge_validation

ROWS = "rows.csv"  # scores of held-out cases, read by a comparison


def overview(folder: Path, results: Sequence[JobResult], before: set[str]) -> str:
    """Summary of the jobs, and possible next commands.

    Args:
        folder: of the multirun.
        results: of its jobs in this command.
        before: names of jobs that were done by an earlier command.

    Returns:
        Lines for the terminal: counts by status, jobs that have not learnt or failed with their
            logs, and commands to compare and to resume.
    """
    counts = {
        "done now": sum(one.status == "done" and one.folder.name not in before for one in results),
        "done before": sum(one.folder.name in before for one in results),
        "pruned": sum(one.status == "pruned" and one.folder.name not in before for one in results),
        "failed": sum(one.status == "failed" for one in results),
        "not run": sum(one.status == "missing" for one in results),
    }
    summary = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    lines = [f"{len(results)} jobs: {summary}"]
    for one in results:
        if one.status == "done" and judge_validation(one.values).verdict == NOT_LEARNT:
            lines.append(f"  NOT LEARNT: {one.folder.name}")
    for one in results:
        if one.status in ("failed", "missing"):
            lines.append(f"  {one.status}: {one.folder.name}: {one.reason}")
            lines += [f"    log {one.log}"] if one.log.is_file() else []
    lines.append(f"  results   {folder}")
    if sum((one.folder / ROWS).is_file() for one in results) > 1:
        lines.append(f"  next      {shlex.join(['neurotarget', 'compare', str(folder)])}")
    if counts["failed"] + counts["not run"]:
        lines.append(f"  resume    {resume_command_of(folder)}")
    if others := _unfinished_others(folder, {one.folder.name for one in results}):
        lines.append(
            f"  earlier   {len(others)} jobs of an earlier command in this folder are not done: "
            f"{', '.join(others)}; run that command again with hydra.sweep.dir"
        )
    return "\n".join(lines)


def _unfinished_others(folder: Path, names: set[str]) -> list[str]:
    listed = [line["name"] for line in read_record(folder).get("jobs") or []]
    over = ("done", "pruned")
    return [one for one in listed if one not in names and read_job(folder / one).status not in over]
