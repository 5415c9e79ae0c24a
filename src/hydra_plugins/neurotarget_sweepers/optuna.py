"""The sweeper of searches, as Hydra looks for it."""

from hydra_plugins.neurotarget_sweepers.launching import LaunchingSweeper


class OptunaSweeper(LaunchingSweeper):
    """Asks Optuna for the overrides of each job; see `neurotarget.sweeps.optuna_sweeper`."""

    def sweep(self, arguments: list[str]) -> None:
        """Run the whole search."""
        # every program with Hydra in this environment imports its plugins when it starts
        from neurotarget.sweeps.optuna_sweeper import search

        search(self.launcher, self.config, arguments)
