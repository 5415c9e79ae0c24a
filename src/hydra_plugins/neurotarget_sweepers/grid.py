"""The grid sweeper, as Hydra looks for it."""

from collections.abc import Mapping
from typing import Any

from hydra_plugins.neurotarget_sweepers.launching import LaunchingSweeper


class GridSweeper(LaunchingSweeper):
    """Runs every combination of the values listed; see `neurotarget.sweeps.grid_sweeper`."""

    def __init__(
        self, max_batch_size: int | None = None, params: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.max_batch_size, self.params = max_batch_size, dict(params or {})

    def sweep(self, arguments: list[str]) -> object:
        """Run the jobs of a command line."""
        # every program with Hydra in this environment imports its plugins when it starts
        from neurotarget.sweeps.grid_sweeper import sweep_grid

        return sweep_grid(
            arguments,
            launcher=self.launcher,
            config=self.config,
            context=self.hydra_context,
            params=self.params,
            max_batch_size=self.max_batch_size,
        )
