"""`neurotarget train experiment=…`: run a job from its configuration."""

import gc
from importlib import import_module
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from neurotarget.cli.configs.check_config import check_train
from neurotarget.cli.configs.plain import plain
from neurotarget.files.memory_limits import breakdowns
from neurotarget.process.signals import resumable_with
from neurotarget.runs.folder.multirun import resume_command_of
from neurotarget.sweeps.command_overrides import overrides_of, repeated_overrides
from neurotarget.training import train as training
from neurotarget.training.training_parts import Start

# loaded only for jobs that need them
REPLAY = "neurotarget.training.replaying.replay"
RECONSTRUCTION = "neurotarget.reconstruction.experiment"
OF_PEOPLE = {  # jobs that study people
    "survival": "neurotarget.studies.survival.survival_experiment",
    "radiomics": "neurotarget.studies.radiomics.radiomics_experiment",
}
PRUNING = "neurotarget.sweeps.pruning"  # of the trials of a search


def train(cfg: DictConfig) -> dict[str, float]:
    """Run one experiment from files to tables; returns its best values by metric.

    The key `job` decides what runs: a training, a reconstruction, or a study of people. With
    `replay` a step of a recorded training is repeated, and no values are returned.

    Raises:
        DataError: a setting or the data are invalid.
    """
    gc.freeze()  # imported objects stay: garbage collections need not visit them
    hydra, config = HydraConfig.get(), plain(cfg)
    check_train(config)
    folder, overrides = Path(hydra.runtime.output_dir), overrides_of(hydra)
    if (study := OF_PEOPLE.get(config["job"])) is not None:
        return import_module(study).analyse(config, folder, overrides)
    if config["job"] != "train":
        experiment = import_module(RECONSTRUCTION)
        return experiment.reconstruct(config, folder, overrides)
    if config["replay"] is not None:
        import_module(REPLAY).replay(config, folder, config["replay"])
        return {}
    is_trial = "trial" in (config.get("sweep") or {})
    callbacks = import_module(PRUNING).pruning(config, folder) if is_trial else []
    start = Start(
        folder,
        overrides,
        resume_command_of(folder, repeated_overrides(hydra)),
        hydra.runtime.choices.get("model"),
        callbacks,
    )
    with resumable_with(start.resume_command), breakdowns(start.resume_command):
        return training.train(config, start)
