"""Fits an autoencoder to vectors of allowed clips, and tunes by choice what embeds them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from vigil.domain.clips.embeddings import Vectors, read_embeddings
from vigil.domain.clips.windows import label_windows, read_labels
from vigil.domain.sides import TRAIN, VAL
from vigil.learn.alarm.network.embedding.embedder import NetworkEmbedder
from vigil.learn.alarm.network.embedding.registry import imports_of_others
from vigil.learn.alarm.network.scoring.autoencoder import Autoencoder, build_autoencoder
from vigil.learn.alarm.network.scoring.data import batches
from vigil.learn.alarm.network.scoring.stored import ARCHITECTURE, stored_facts, stored_state
from vigil.learn.alarm.network.scoring.tuned import TunedAutoencoder
from vigil.learn.alarm.training.fine_tuning import FineTuningTraining
from vigil.learn.alarm.training.frames import MEMO, WindowFrames
from vigil.learn.alarm.training.module import MONITOR, AutoencoderTraining
from vigil.learn.networks.machine import choose_device, seed_torch
from vigil.learn.networks.weights import save_model
from vigil.learn.training.loop import Fitted, Plan, fit
from vigil.pixels.windows import Window
from vigil.plumbing.closure import imports_from
from vigil.plumbing.errors import InputError
from vigil.plumbing.fingerprints import code_fingerprint
from vigil.plumbing.folders import below
from vigil.plumbing.memo import Memo, tree_digest
from vigil.plumbing.trainings import train_once
from vigil.settings.fit_autoencoder import FitAutoencoder

Rows = npt.NDArray[np.int64]

ONLY_TO_TUNE = (
    "vigil.learn.alarm.network.embedding.embedder",
    "vigil.learn.alarm.network.embedding.registry",
    "vigil.learn.alarm.network.scoring.tuned",
    "vigil.learn.alarm.training.fine_tuning",
    "vigil.learn.alarm.training.frames",
)


@dataclass(frozen=True)
class Embedded:
    """Vectors of windows, and which of them are learnt from.

    Attributes:
        table: `video`, `start_s`, `stop_s`, `split`, `is_anomalous` and more, by window.
        vectors: (N, D), in the order of the table.
        facts: what embedded them.
        clips: the folder of the videos.
    """

    table: pd.DataFrame
    vectors: Vectors
    facts: dict[str, Any]
    clips: Path

    @classmethod
    def read(cls, clips: Path, embeddings: Path, labels: Path, splits: Path) -> "Embedded":
        """Reads embeddings, and joins labels and sides to them.

        Raises:
            InputError: a file is missing or damaged, or there are too few allowed windows.
        """
        windows, vectors, facts = read_embeddings(embeddings)
        table = label_windows(windows, read_labels(labels), splits)
        found = cls(table.assign(stop_s=windows["stop_s"]), vectors, facts, clips)
        train, val = found.allowed(TRAIN), found.allowed(VAL)
        if len(train) < 2 or len(val) < 1:
            raise InputError(
                f"{embeddings}: expected vectors of at least 2 allowed windows to train on and 1 "
                f"to validate, got {len(train)} and {len(val)}"
            )
        return found

    def allowed(self, side: str) -> Rows:
        """Rows of a side's allowed windows."""
        return np.flatnonzero(~self.table["is_anomalous"] & (self.table["split"] == side))

    def paths(self) -> list[Path]:
        """The video of each window."""
        return below(self.clips, self.table["video"])

    def windows(self, rows: Rows) -> list[Window]:
        """Where windows lie in their videos."""
        times = self.table.iloc[rows][["start_s", "stop_s"]]
        return [Window(*one) for one in times.itertuples(index=False)]


@dataclass(frozen=True)
class AlarmPlan:
    """A training, and what is trained.

    Attributes:
        embedder: what is tuned, None where nothing is.
    """

    training: Plan
    autoencoder: Autoencoder
    embedder: NetworkEmbedder | None


def plan_training(data: Embedded, settings: FitAutoencoder) -> AlarmPlan:
    """Puts a training together, its weights drawn by the seed.

    Raises:
        FieldError: fine-tuning that the backbone cannot do.
        InputError: weights of the backbone that are other ones now.
    """
    is_tuned = settings.fine_tuning.from_epoch > 0
    embedder = NetworkEmbedder.again(data.facts) if is_tuned else None
    seed_torch(settings.seed)
    autoencoder = build_autoencoder(_configure(data, settings))
    module: Any = AutoencoderTraining(autoencoder, settings.optimisation)
    if embedder:
        model = TunedAutoencoder(autoencoder, embedder.model, settings.fine_tuning.num_tensors)
        every = np.arange(len(data.table))
        frames = WindowFrames(embedder, data.paths(), data.windows(every))
        module = FineTuningTraining(model, frames, settings.fine_tuning, settings.optimisation)
    size, seed = settings.fitting.batch_size, settings.seed
    training = Plan(
        module,
        batches(data.vectors, data.allowed(TRAIN), size, shuffle_seed=seed),
        batches(data.vectors, data.allowed(VAL), size, shuffle_seed=None),
        settings.fitting,
        monitor=MONITOR,
        mode="min",
        seed=seed,
        first_epoch=max(1, settings.fine_tuning.from_epoch),
    )
    return AlarmPlan(training, autoencoder, embedder)


def fit_autoencoder(
    data: Embedded, settings: FitAutoencoder, *, weights: Path, card: Path, curves: Path
) -> None:
    """Fits an autoencoder and writes it, or takes what the same training wrote before.

    Args:
        weights, card: the two files of the alarm.
        curves: a folder of values by epoch, as DVCLive writes them.

    Raises:
        InputError: as `plan_training` and `fit`.
    """
    train, val = data.allowed(TRAIN), data.allowed(VAL)

    def train_and_save(run: str, results: Mapping[str, Path]) -> None:
        plan = plan_training(data, settings)
        fitted = fit(plan.training, branch="alarm", fingerprint=run, curves=results["curves"])
        _save(data, settings, plan, fitted, results["weights"], results["card"])

    untaken = imports_from(Path(__file__), *ONLY_TO_TUNE)
    clips: list[str] = []
    if settings.fine_tuning.from_epoch:
        untaken = imports_of_others(data.facts["backbone"])
        paths = data.paths()
        clips = [tree_digest(paths[row]) for row in (*train, *val)]
    train_once(
        "alarm",
        {
            "code": code_fingerprint(fit_autoencoder, untaken),
            "params": settings.used(),
            "embeddings": data.facts,
            "vectors": [
                hashlib.sha256(data.vectors[rows].tobytes()).hexdigest() for rows in (train, val)
            ],
            "clips": clips,
        },
        train_and_save,
        {"weights": weights, "card": card, "curves": curves},
    )


def _configure(data: Embedded, settings: FitAutoencoder) -> dict[str, Any]:
    """What an autoencoder is built from, but for its weights."""
    return {"width": data.vectors.shape[1], **settings.network.model_dump(mode="json")}


def _save(
    data: Embedded,
    settings: FitAutoencoder,
    plan: AlarmPlan,
    fitted: Fitted,
    weights: Path,
    card: Path,
) -> None:
    model: torch.nn.Module = plan.training.module.model  # type: ignore[assignment]
    model.load_state_dict(fitted.state)
    rows, tuned = data.allowed(TRAIN), {}
    allowed = torch.from_numpy(data.vectors[rows])
    if plan.embedder and isinstance(model, TunedAutoencoder):
        Memo(MEMO).prune()
        tuned = model.tuned_state()
        plan.embedder.model.to(choose_device())
        paths, windows = data.paths(), data.windows(rows)
        videos = ((paths[row], [window]) for row, window in zip(rows, windows, strict=True))
        allowed = torch.from_numpy(np.concatenate(list(plan.embedder.embed(videos))))
    facts = {
        "architecture": ARCHITECTURE,
        "config": _configure(data, settings),
        **stored_facts(tuned, allowed),
        "embeddings": data.facts,
        "training": {
            "params": settings.used(),
            "num_train": len(rows),
            "num_val": len(data.allowed(VAL)),
            **fitted.facts(),
        },
    }
    save_model(stored_state(plan.autoencoder.state_dict(), tuned, allowed), facts, weights, card)
