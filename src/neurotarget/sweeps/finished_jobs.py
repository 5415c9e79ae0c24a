"""Warn about jobs that are not run again although configuration or code have changed."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from hydra.core.config_loader import ConfigLoader
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from neurotarget.files.reading import read_plain
from neurotarget.runs.folder.jobs import INVOCATION_KEYS, Job
from neurotarget.runs.folder.run_folder import code
from neurotarget.training.resumed import flat

CHECKED = 50  # jobs; composing a configuration takes a tenth of a second
SHOWN = 3  # settings named in a message


def outdated_jobs(
    loader: ConfigLoader, config: DictConfig, jobs: Sequence[Job], folder: Path
) -> Iterator[str]:
    """Yield messages about jobs done with the same overrides, but other config files or code.

    Such jobs are kept, as their results are valid for the settings that they had.

    Args:
        loader: Hydra's config loader.
        config: Hydra's configuration before the overrides of any job.
        jobs: finished jobs; the first fifty are checked.
        folder: folder of the multirun.
    """
    changed = {
        job.name: keys
        for job in jobs[:CHECKED]
        if (keys := _changed(loader, config, job, folder / job.name))
    }
    if changed:
        keys = list(dict.fromkeys(key for several in changed.values() for key in several))
        named = ", ".join(keys[:SHOWN]) + (", …" if len(keys) > SHOWN else "")
        yield (
            f"  {len(changed)} of them with other settings than the config files have now "
            f"({named}); to run one again, delete its folder: {', '.join(changed)}"
        )
    now = code()["commit"]
    commits = Counter(_commit(folder / job.name) for job in jobs)
    for commit, count in commits.items():
        if commit and now and commit != now:
            yield f"  {count} of them by the code of commit {commit[:8]}; it is {now[:8]} now"


def _changed(loader: ConfigLoader, config: DictConfig, job: Job, folder: Path) -> list[str]:
    """Return the settings whose values would differ if the job was run now."""
    try:
        before = OmegaConf.load(folder / ".hydra" / "config.yaml")
        now = loader.load_sweep_config(config, list(job.overrides))
    except (OSError, yaml.YAMLError, UnicodeDecodeError, HydraException, OmegaConfBaseException):
        return []
    then, this = _settings(before), _settings(now)
    keys = [*this, *(key for key in then if key not in this)]
    return [key.replace("/", ".") for key in keys if then.get(key) != this.get(key)]


def _settings(config: DictConfig) -> dict[str, object]:
    plain = OmegaConf.to_container(config, resolve=False)
    return dict(flat({key: plain[key] for key in plain if key not in ("hydra", *INVOCATION_KEYS)}))


def _commit(folder: Path) -> str:
    code = read_plain(folder / "run.json").get("code")
    return str(code.get("commit") or "") if isinstance(code, dict) else ""
