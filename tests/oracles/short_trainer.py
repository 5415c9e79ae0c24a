"""A training of some epochs that only a callback watches, with a checkpoint after each epoch."""

from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, ModelCheckpoint


def trainer_of(
    folder: Path, meter: Callback, *, epochs: int, resumed: bool = False, **settings: object
) -> tuple[pl.Trainer, dict[str, object]]:
    """A trainer on the CPU, and arguments of its `fit` that resume from the folder if wanted."""
    last = ModelCheckpoint(
        folder, "last", save_on_train_epoch_end=True, enable_version_counter=False
    )
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[meter, last],
        **{"logger": False, **settings},
    )
    return trainer, {"ckpt_path": folder / "last.ckpt" if resumed else None, "weights_only": True}
