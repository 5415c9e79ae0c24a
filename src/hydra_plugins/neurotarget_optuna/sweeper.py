"""What Hydra finds and starts; the search itself is `neurotarget.cli.optuna_sweeper`."""

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class OptunaSweep(Sweeper):
    """Asks Optuna for overrides and hands them to the launcher, until all trials are done."""

    def __init__(self) -> None:
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra hands over, and make the launcher."""
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the whole search."""
        # Hydra reads all plugins at every start, also where nothing is searched
        from neurotarget.cli.optuna_sweeper import search

        search(self.launcher, self.config, arguments)
