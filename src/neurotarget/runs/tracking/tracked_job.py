"""A job that trains nothing: its run folder is opened, and its loggers are closed at the end."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger

from neurotarget.runs.folder.run_folder import begin_run, open_run, run_record
from neurotarget.runs.tracking.trackers import finish, loggers


@contextmanager
def tracked_job(
    folder: Path, config: Mapping[str, Any], overrides: Sequence[str]
) -> Iterator[list[Logger]]:
    """Open a run folder and yield its loggers; an error within marks the run as failed.

    The loggers are closed when the block ends.

    Args:
        folder: run folder to write.
        config: the job's own part of the configuration, with `name`, `job` and `logger`.
        overrides: those of the command line, for the record of the run.
    """
    begin_run(folder, [*overrides])
    record = run_record(folder)
    open_run(folder, config, record, [*overrides])
    made = loggers(
        folder,
        config["logger"],
        run_id=record["id"],
        name=f"{config['name']}/{folder.name}",
        config={**config, "versions": record["versions"], "code": record["code"]},
        job_type=str(config["job"]),
    )
    failed = True
    try:
        yield made
        failed = False
    finally:
        finish(made, failed=failed)
