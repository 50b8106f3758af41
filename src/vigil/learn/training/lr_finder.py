"""Finds a learning rate for a training stage: `make find-lr STAGE=train_detector`.

The stage runs as DVC runs it, on what the stages before it made, up to its training. In place of
that, the rate rises geometrically from batch to batch while the loss is watched (Smith, "Cyclical
Learning Rates for Training Neural Networks", 2017). The rate at which the smoothed loss falls
fastest is suggested. Nothing that the stage made before is touched.
"""

import argparse
import runpy
import shlex
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from lightning.pytorch import LightningModule
from lightning.pytorch.tuner.tuning import Tuner
from torch.utils.data import DataLoader

from vigil.learn.networks.machine import prepare_torch
from vigil.learn.training import loop
from vigil.learn.training.loop import Fitting, build_trainer, quiet_lightning
from vigil.pixels.drawing.figures import PALETTE, figure
from vigil.plumbing import trainings
from vigil.plumbing.errors import InputError
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import write_csv
from vigil.plumbing.stages import use_own_source

LEAST_RATE, MOST_RATE = 1e-6, 1.0
NUM_STEPS = 100
NUM_SKIPPED = 10  # the first losses say more about the smoothing than about the rate
DIVERGED = 4.0  # times the least loss so far ends the sweep


def sweep(module: LightningModule, train: DataLoader[Any], fitting: Fitting) -> pd.DataFrame:
    """Trains a module with a rising rate: `learning_rate` and smoothed `loss`, step by step."""
    prepare_torch()
    with tempfile.TemporaryDirectory() as folder, quiet_lightning():
        enough = replace(fitting, max_epochs=NUM_STEPS)
        trainer = build_trainer(enough, [], default_root_dir=folder, enable_checkpointing=False)
        found = Tuner(trainer).lr_find(
            module,
            train_dataloaders=train,
            min_lr=LEAST_RATE,
            max_lr=MOST_RATE,
            num_training=NUM_STEPS,
            early_stop_threshold=DIVERGED,
            update_attr=False,
        )
    assert found is not None
    table = pd.DataFrame({"learning_rate": found.results["lr"], "loss": found.results["loss"]})
    return table[np.isfinite(table["loss"])]


def suggest(table: pd.DataFrame) -> float:
    """The rate at which the loss falls fastest.

    Raises:
        InputError: too few steps, or a loss that never falls.
    """
    steps = table.iloc[NUM_SKIPPED:]
    slopes = np.gradient(steps["loss"]) if len(steps) > 1 else np.zeros(1)
    if slopes.min() >= 0:
        raise InputError(
            f"find-lr: expected a loss that falls at some rate, got {len(table)} steps without"
        )
    return float(steps["learning_rate"].iloc[int(slopes.argmin())])


def _sweep_instead(
    module: LightningModule,
    train: DataLoader[Any],
    val: DataLoader[Any],
    fitting: Fitting,
    *,
    stage: str,
    **_: Any,
) -> NoReturn:
    table = sweep(module, train, fitting)
    rate = suggest(table)
    folder = Path("lr_finder") / stage
    with whole(folder) as partial:
        partial.mkdir()
        write_csv(table.round(9), partial / "losses.csv")
        _draw(table, rate, stage, partial / "curve.png")
    print(f"{stage}.learning_rate: {rate:.1e} is suggested; {folder / 'curve.png'} shows why")
    sys.exit(0)


def _train_anyway(
    stage: str, facts: Mapping[str, Any], train: trainings.Train, results: Mapping[str, Path]
) -> None:
    """The sweep ends the process before any result is written."""
    train("", results)


def _draw(table: pd.DataFrame, rate: float, stage: str, path: Path) -> None:
    with figure(path, title=stage, x_label="learning rate", y_label="loss, smoothed") as axes:
        steps = table.iloc[NUM_SKIPPED:]
        axes.plot(steps["learning_rate"], steps["loss"])
        axes.axvline(rate, color=PALETTE[1], label=f"falls fastest: {rate:.1e}")
        axes.set_xscale("log")
        axes.legend()


def main() -> None:
    """Runs a stage with the sweep in place of its training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=["train_classifier", "train_detector", "fit_autoencoder"])
    name: str = parser.parse_args().stage
    use_own_source(["-m", "vigil.learn.training.lr_finder", name])
    from dvc.repo import Repo

    (stage,) = Repo().stage.collect(name)
    _, script, *words = shlex.split(str(stage.cmd))
    loop.fit, trainings.train_once = _sweep_instead, _train_anyway
    sys.argv = [script, *words]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
