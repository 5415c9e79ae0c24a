"""One bar over the whole training: share done, time left, loss and validation Dice."""

import time

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from tqdm import tqdm


class TrainingBar(Callback):
    """Shows the training's progress by steps or by its time budget, whichever ends first."""

    def __init__(self, monitor: str) -> None:
        self.monitor, self.bar = monitor, None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar where the run stands."""
        if trainer.is_global_zero:
            self.bar = tqdm(
                total=100.0,
                desc="train",
                bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining} {postfix}",
                initial=100 * pl_module.progress(),
                mininterval=1.0,
            )

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        *_: object,
    ) -> None:
        """Move the bar."""
        if self.bar is not None:
            self.bar.n = min(100 * pl_module.progress(), 100.0)
            shown = {"epoch": trainer.current_epoch}
            for name, key in (("loss", "train/loss"), ("val", self.monitor)):
                if key in trainer.callback_metrics:
                    shown[name] = f"{float(trainer.callback_metrics[key]):.3f}"
            self.bar.set_postfix(shown, refresh=False)
            self.bar.update(0)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()


class Stopwatch(Callback):
    """Seconds spent in training over all sittings of a run; resuming goes on counting."""

    def __init__(self) -> None:
        self.before_s, self.started_s = 0.0, None

    @property
    def seconds(self) -> float:
        """Time in `fit` so far."""
        now = 0.0 if self.started_s is None else time.monotonic() - self.started_s
        return self.before_s + now

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Start counting."""
        self.started_s = time.monotonic()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Stop counting."""
        self.before_s, self.started_s = self.seconds, None

    def state_dict(self) -> dict[str, float]:
        """Plain values for the checkpoint."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Go on from a checkpoint."""
        self.before_s = float(state_dict["seconds"])
