"""The grid sweeper, as Hydra looks for it."""

from collections.abc import Mapping
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class GridSweeper(Sweeper):
    """Runs every combination of the values listed; see `neurotarget.cli.grid_sweeper`."""

    def __init__(
        self, max_batch_size: int | None = None, params: Mapping[str, Any] | None = None
    ) -> None:
        self.max_batch_size, self.params = max_batch_size, dict(params or {})
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra hands over, and let it make the launcher."""
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> object:
        """Run the jobs of a command line."""
        # every program with Hydra in this environment imports its plugins when it starts
        from neurotarget.cli.grid_sweeper import sweep_grid

        return sweep_grid(
            arguments,
            launcher=self.launcher,
            config=self.config,
            context=self.hydra_context,
            params=self.params,
            max_batch_size=self.max_batch_size,
        )
