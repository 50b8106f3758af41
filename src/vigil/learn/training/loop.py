"""The training loop: early stopping, best weights, learning curves, and resuming after a kill.

Lightning runs the epochs. A run that is killed and started again ends with the same bytes as an
uninterrupted run, for two reasons. Random numbers depend only on the seed and the step. One
checkpoint, replaced by a rename after each epoch, holds the whole state, with the best weights.
"""

import errno
import itertools
import logging
import math
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from dvclive import Live
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from scmrepo.exceptions import SCMError
from torch import Tensor
from torch.utils.data import DataLoader

from vigil.learn.networks.machine import (
    Arithmetic,
    choose_device,
    choose_precision,
    describe_machine,
    prepare_torch,
    seed_torch,
)
from vigil.learn.training.sharding import (
    ShardedTraining,
    broadcast,
    open_shards,
    shard_loader,
)
from vigil.plumbing.arithmetic import arithmetic_facts
from vigil.plumbing.errors import FieldError, InputError, listed, shorten
from vigil.plumbing.outputs import whole
from vigil.plumbing.ranks import Batches, this_rank
from vigil.plumbing.trainings import checkpoint_folder
from vigil.settings.training import Fitting

LONE_VALUE = "Expected more than 1 value per channel when training"
"""How torch refuses a batch whose norm would divide by a standard deviation of zero."""
REMEDY = "a lower learning rate or another precision may help"


@dataclass(frozen=True)
class Plan:
    """A training that is set up but not started.

    Attributes:
        module: it logs `monitor` in validation; the weights of its attribute `model` are kept.
        train, val: the batches for training, and those for validation.
        fitting: the settings for the number of epochs and the precision.
        monitor: the logged value that selects the best epoch.
        mode: whether a small (`min`) or a large (`max`) value of `monitor` is better.
        seed: the seed of all random numbers.
        first_epoch: the first epoch that can be the best, counted from 1. Early stopping counts its
            patience from there.
        num_shards: the number of parts that each batch is cut into; see `sharding`.
    """

    module: LightningModule
    train: DataLoader[Any]
    val: DataLoader[Any]
    fitting: Fitting
    monitor: str
    mode: Literal["min", "max"]
    seed: int
    first_epoch: int = 1
    num_shards: int = 1


@dataclass(frozen=True)
class Fitted:
    """The result of a training. Epochs are counted from 1.

    Attributes:
        state: the weights of the best epoch.
        values: the values logged in the best epoch.
        precision: the arithmetic of the training; `auto` is resolved for the device.
    """

    state: dict[str, Tensor]
    best_epoch: int
    num_epochs: int
    values: dict[str, float]
    num_parameters: int
    precision: Arithmetic

    def facts(self) -> dict[str, Any]:
        """The entries of a model's card: everything but the weights."""
        return {
            **arithmetic_facts(),
            "num_epochs": self.num_epochs,
            "best_epoch": self.best_epoch,
            "values_at_best_epoch": self.values,
            "num_parameters": self.num_parameters,
            "precision": self.precision,
        }


def fit(plan: Plan, *, branch: str, fingerprint: str, curves: Path) -> Fitted:
    """Trains a module. A run that was killed is resumed after its last finished epoch.

    Args:
        branch: the branch that the checkpoints belong to.
        fingerprint: the fingerprint of everything the result depends on. A run is resumed only
            with the same fingerprint.
        curves: the folder for DVCLive's curves, which must not exist.

    Raises:
        FieldError: see `_prepare_batches` and `norms_explained`.
        InputError: the loss is not finite, the device is missing, or it lacks the precision; or
            the project is in a git repository without a commit.
    """
    _check_curves()
    prepare_torch()
    train = _prepare_batches(plan)
    is_first = this_rank().number == 0
    own = checkpoint_folder(branch, fingerprint, describe_machine()) if is_first else None
    checkpoints: Path = broadcast(own)
    best = BestWeights(plan.monitor, plan.mode, plan.first_epoch)
    curve = Curves(curves)
    callbacks = [
        SeedEachBatch(plan.seed),
        StopOnNonFinite(),
        ResumableEarlyStopping(
            plan.first_epoch,
            plan.monitor,
            patience=plan.fitting.patience_epochs,
            mode=plan.mode,
            min_delta=plan.fitting.min_delta,
        ),
        best,
        curve,
        *([EpochCheckpoint(checkpoints)] if is_first else []),
    ]
    with quiet_lightning():
        # Without a checkpoint of its own, a trainer has Lightning's, and then all processes but the
        # first would write and remove the same files.
        trainer = build_trainer(
            plan.fitting, callbacks, default_root_dir=checkpoints, enable_checkpointing=is_first
        )
        last = checkpoints / EpochCheckpoint.NAME
        num_epochs = _num_epochs(last)
        if num_epochs != (of_first := broadcast(num_epochs)):
            raise InputError(
                f"{last}: expected the checkpoint of epoch {of_first}, which the first process "
                f"sees, found that of epoch {num_epochs}; all processes need the same state folder"
            )
        if num_epochs and is_first:
            print(f"training resumes after epoch {num_epochs} of an interrupted run")
        with norms_explained():
            trainer.fit(plan.module, train, plan.val, ckpt_path=last if num_epochs else None)
    if not trainer.state.finished:  # Lightning returns normally after an interruption
        raise KeyboardInterrupt
    if is_first:
        curve.write()
    else:
        curves.mkdir(parents=True)
    state = {name: tensor.cpu() for name, tensor in best.state.items()}
    model: torch.nn.Module = plan.module.model  # type: ignore[assignment]
    return Fitted(
        state,
        best.epoch,
        len(curve.rows),
        curve.rows[best.epoch - 1],
        sum(weight.numel() for weight in model.parameters()),
        choose_precision(plan.fitting.precision, choose_device()),
    )


def _prepare_batches(plan: Plan) -> DataLoader[Any]:
    """The batches for training: whole, or the shards that this process computes.

    Raises:
        FieldError: see `open_shards`.
    """
    fitting = plan.fitting
    shared = Batches(plan.num_shards, fitting.batch_size, fitting.precision)
    shards = open_shards(shared, plan.seed)
    if shards is None:
        return plan.train
    assert isinstance(plan.module, ShardedTraining)
    plan.module.shards = shards
    return shard_loader(plan.train, shards)


def build_trainer(fitting: Fitting, callbacks: list[Callback], **options: Any) -> Trainer:
    """Builds a deterministic trainer without logs on the chosen device.

    Call `prepare_torch` first.

    Args:
        options: further options of Lightning's Trainer.

    Raises:
        InputError: the device is missing, or it lacks the precision.
    """
    device = choose_device()
    if fitting.precision == "16-mixed" and device.type == "cpu":
        raise FieldError(
            "fitting.precision",
            "expected auto, 32-true or bf16-mixed on a CPU, got 16-mixed, which needs a GPU",
        )
    return Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=[device.index or 0] if device.type == "cuda" else 1,
        precision=choose_precision(fitting.precision, device),
        max_epochs=fitting.max_epochs,
        gradient_clip_val=fitting.gradient_clip or None,
        callbacks=callbacks,
        logger=False,
        deterministic=True,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_progress_bar=sys.stderr.isatty(),
        plugins=[LightningEnvironment()],  # else Lightning would start its own distributed training
        **options,
    )


@contextmanager
def norms_explained() -> Iterator[None]:
    """Says what helps where a norm cannot learn from a batch, in place of torch's traceback.

    Raises:
        FieldError: a norm sees one value per channel: that of one sample, in a map of one cell.
    """
    try:
        yield
    except ValueError as error:
        if LONE_VALUE not in str(error):
            raise
        raise FieldError(
            "fitting.batch_size",
            "expected batches in which each norm of the network sees more than one value per "
            "channel, got one with a single sample on a map of one cell; more training samples, "
            "a batch size that leaves no single sample for the last batch, or a larger input helps",
        ) from None


class SeedEachBatch(Callback):
    """Seeds torch by the seed and the step before each batch.

    Seeding each epoch is not enough, since a resumed run draws random numbers before its first
    batch.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        seed_torch(self._seed, trainer.global_step)


class StopOnNonFinite(Callback):
    """Raises an error if the loss, or a value logged in validation, is not finite.

    Later epochs would not recover, and Lightning's early stopping would count the run as finished.
    """

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        loss = float(outputs["loss"])
        if not math.isfinite(loss):
            raise InputError(
                f"epoch {trainer.current_epoch + 1}, batch {batch_idx + 1}"
                f"{_names_in(trainer.train_dataloader, batch_idx)}: expected a finite loss, got "
                f"{loss}; {REMEDY}"
            )

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for name, value in sorted(trainer.callback_metrics.items()):
            if not math.isfinite(value):
                raise InputError(
                    f"epoch {trainer.current_epoch + 1}: expected a finite {name}, got "
                    f"{float(value)}; {REMEDY}"
                )


class ResumableEarlyStopping(EarlyStopping):
    """Early stopping that stays stopped if a run is resumed after it was stopped."""

    def __init__(self, first_epoch: int, monitor: str, **options: Any) -> None:
        """Args: first_epoch: the first epoch that is checked, counted from 1."""
        super().__init__(monitor, **options)
        self._first_epoch = first_epoch

    def _should_skip_check(self, trainer: Trainer) -> bool:
        is_early = trainer.current_epoch + 1 < self._first_epoch
        return is_early or super()._should_skip_check(trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.stopped_epoch:
            trainer.should_stop = True


class BestWeights(Callback):
    """Keeps a copy of the weights of the best epoch so far.

    Of epochs with the same score, it is the first. But a score of 0 so far, as of a detector that
    finds nothing yet, says nothing of the epochs: then it is the last.
    """

    def __init__(self, monitor: str, mode: Literal["min", "max"], first_epoch: int) -> None:
        """Args: first_epoch: the first epoch that can be the best, counted from 1."""
        self._monitor = monitor
        self._first_epoch = first_epoch
        self._sign = 1.0 if mode == "min" else -1.0
        self._score = math.inf
        self.epoch = 0
        self.state: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch + 1 < self._first_epoch:
            return
        score = self._sign * float(trainer.callback_metrics[self._monitor])
        if score < self._score or score == self._score == 0 or not self.state:
            self._score, self.epoch = score, trainer.current_epoch + 1
            model: torch.nn.Module = pl_module.model  # type: ignore[assignment]
            self.state = {name: t.detach().clone() for name, t in model.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        return {"score": self._score, "epoch": self.epoch, "state": self.state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._score, self.epoch = state_dict["score"], state_dict["epoch"]
        self.state = state_dict["state"]


class Curves(Callback):
    """Collects the values of each epoch. `write` writes all of them with DVCLive, or nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        values = {name: round(float(v), 6) for name, v in sorted(trainer.callback_metrics.items())}
        self.rows.append(values)
        if not sys.stderr.isatty() and this_rank().number == 0:
            summary = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
            print(f"epoch {len(self.rows)}/{trainer.max_epochs}: {summary}", flush=True)

    def write(self) -> None:
        """Writes one table for each value. The column `step` is the epoch, counted from 1.

        Raises:
            InputError: see `_open_curves`.
        """
        with whole(self._folder) as partial, _quiet_dvclive():
            live = _open_curves(partial)
            for epoch, values in enumerate(self.rows, start=1):
                live.step = epoch
                for name, value in values.items():
                    live.log_metric(name.replace("_", "/", 1), value)
                live.make_summary()
            live.end()

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]


class EpochCheckpoint(ModelCheckpoint):
    """Keeps one checkpoint. After each epoch, a completely written new one replaces it."""

    NAME = "last.ckpt"

    def __init__(self, folder: Path) -> None:
        super().__init__(
            folder,
            filename="last",
            save_top_k=1,
            every_n_epochs=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        partial = f"{filepath}.partial"
        super()._save_checkpoint(trainer, partial)
        Path(partial).replace(filepath)


def _names_in(loader: Any, batch_idx: int) -> str:
    """The names of the samples in a batch of the current epoch, if the data set can name them."""
    name = getattr(loader.dataset, "name", None)
    if name is None:
        return ""
    keys = next(itertools.islice(loader.batch_sampler, batch_idx, None))
    return f" ({listed((name(key) for key in keys), 3)})"


def _num_epochs(checkpoint: Path) -> int:
    """The number of finished epochs in a checkpoint; 0 if there is none that can be read."""
    if not checkpoint.exists():
        return 0
    try:
        content: Mapping[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=False)
        return int(content["epoch"]) + 1
    except MemoryError:
        raise
    except Exception as error:  # damaged pickles raise exceptions of any type
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise  # a fault of the disk, not of the checkpoint
        print(f"{checkpoint}: cannot be read ({shorten(str(error))}); training starts anew")
        return 0


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silences Lightning's advice on machines, and its messages about settings chosen here."""
    loggers = [logging.getLogger(f"lightning.{name}") for name in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        warnings.filterwarnings("ignore", message=".*(num_workers|Checkpoint directory).*")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _check_curves() -> None:
    """Refuses a place where DVCLive would fail, before the training instead of after it.

    Raises:
        InputError: see `_open_curves`.
    """
    if this_rank().number == 0:  # only this process writes curves
        with tempfile.TemporaryDirectory() as folder, _quiet_dvclive():
            _open_curves(Path(folder, "curves")).end()


def _open_curves(folder: Path) -> Live:
    """Opens DVCLive, which asks git for the current commit.

    Raises:
        InputError: the project is in a git repository without a commit.
    """
    try:
        return Live(str(folder), dvcyaml=False, save_dvc_exp=False, report=None)
    except SCMError as error:
        raise InputError(
            f"DVCLive expected a git repository with a first commit, got: {error}; commit the "
            "project: git add . && git commit -m start"
        ) from None


@contextmanager
def _quiet_dvclive() -> Iterator[None]:
    logger = logging.getLogger("dvclive")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
