"""Fits the scorers of an alarm to allowed clips, and tunes by choice what embeds them."""

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from vigil.domain.clips.embeddings import Embedding, read_embeddings
from vigil.domain.clips.scorers import SCORERS, FitOptions
from vigil.domain.clips.windows import label_windows, read_labels
from vigil.domain.sides import TRAIN, VAL
from vigil.learn.alarm.network.embedding.embedder import NetworkEmbedder
from vigil.learn.alarm.network.embedding.registry import imports_of_others
from vigil.learn.alarm.network.scoring.autoencoder import Autoencoder, build_autoencoder
from vigil.learn.alarm.network.scoring.data import batches
from vigil.learn.alarm.network.scoring.stored import ARCHITECTURE, channel_config, channel_state
from vigil.learn.alarm.network.scoring.tuned import TunedAutoencoder
from vigil.learn.alarm.training.fine_tuning import FineTuningTraining
from vigil.learn.alarm.training.frames import MEMO, WindowFrames
from vigil.learn.alarm.training.module import MONITOR, AutoencoderTraining
from vigil.learn.networks.machine import seed_torch
from vigil.learn.networks.weights import read_state, save_model
from vigil.learn.training.loop import Fitted, Plan, fit
from vigil.pixels.windows import Window
from vigil.plumbing.closure import imports_from
from vigil.plumbing.errors import FieldError, InputError, listed
from vigil.plumbing.fingerprints import code_fingerprint
from vigil.plumbing.folders import below
from vigil.plumbing.memo import Memo, tree_digest
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import read_json, write_json
from vigil.plumbing.trainings import train_once
from vigil.settings.fit_alarm import AUTOENCODER, FitAlarm

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
    """The evidence of windows, and which of them are learnt from.

    Attributes:
        table: `video`, `start_s`, `stop_s`, `split`, `is_anomalous` and more, by window.
        channels: the evidence of each channel in the windows of the table.
        clips: the folder of the videos.
    """

    table: pd.DataFrame
    channels: Mapping[str, Embedding]
    clips: Path

    @classmethod
    def read(cls, clips: Path, embeddings: Path, labels: Path, splits: Path) -> "Embedded":
        """Reads evidence, and joins labels and sides to its windows.

        Raises:
            InputError: a file is missing or damaged, or there are too few allowed windows.
        """
        channels = read_embeddings(embeddings)
        windows = next(iter(channels.values())).index
        table = label_windows(windows, read_labels(labels), splits)
        found = cls(table.assign(stop_s=windows["stop_s"]), channels, clips)
        train, val = found.allowed(TRAIN), found.allowed(VAL)
        if len(train) < 2 or len(val) < 1:
            raise InputError(
                f"{embeddings}: expected evidence of at least 2 allowed windows to train on and 1 "
                f"to validate, got {len(train)} and {len(val)}"
            )
        return found

    def allowed(self, side: str) -> Rows:
        """Rows of a side's allowed windows."""
        return np.flatnonzero(~self.table["is_anomalous"] & (self.table["split"] == side))

    def pieces(self, channel: str, side: str, most: int) -> Rows:
        """Rows of a channel's pieces in a side's allowed windows, spread evenly over all of them.

        Windows overlap: a piece that lies in several of them counts once.

        Args:
            most: pieces.
        """
        own = self.channels[channel]
        rows: Rows = np.flatnonzero(np.isin(own.windows, self.allowed(side)))
        videos = self.table["video"].to_numpy()[own.windows[rows]]
        keys = pd.DataFrame(np.concatenate([own.pieces.spans_s, own.pieces.boxes_xyxy], 1)[rows])
        is_first: npt.NDArray[np.bool_] = ~keys.assign(video=videos).duplicated().to_numpy()
        rows = rows[is_first]
        if len(rows) > most:
            rows = rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
        return rows

    def paths(self) -> list[Path]:
        """The video of each window."""
        return below(self.clips, self.table["video"])

    def windows(self, rows: Rows) -> list[Window]:
        """Where windows lie in their videos."""
        times = self.table.iloc[rows][["start_s", "stop_s"]]
        return [Window(*one) for one in times.itertuples(index=False)]


@dataclass(frozen=True)
class AutoencoderPlan:
    """A training, and what is trained.

    Attributes:
        embedder: what is tuned, None where nothing is.
    """

    training: Plan
    autoencoder: Autoencoder
    embedder: NetworkEmbedder | None


def plan_training(data: Embedded, channel: str, settings: FitAlarm) -> AutoencoderPlan:
    """Puts the training of a channel's autoencoder together, its weights drawn by the seed.

    Raises:
        FieldError: fine-tuning that the network cannot do.
        InputError: weights of the network that are other ones now.
    """
    own = data.channels[channel]
    is_tuned = settings.tunes(channel)
    embedder = NetworkEmbedder.again(own.facts) if is_tuned else None
    seed_torch(settings.seed)
    autoencoder = build_autoencoder(_configure(own, settings))
    module: Any = AutoencoderTraining(autoencoder, settings.optimisation)
    if embedder:
        model = TunedAutoencoder(autoencoder, embedder.model, settings.fine_tuning.num_tensors)
        every = np.arange(len(data.table))
        frames = WindowFrames(embedder, data.paths(), data.windows(every))
        module = FineTuningTraining(model, frames, settings.fine_tuning, settings.optimisation)
    size, seed, most = settings.fitting.batch_size, settings.seed, settings.num_vectors
    vectors = own.pieces.vectors
    training = Plan(
        module,
        batches(vectors, data.pieces(channel, TRAIN, most), size, shuffle_seed=seed),
        batches(vectors, data.pieces(channel, VAL, most), size, shuffle_seed=None),
        settings.fitting,
        monitor=MONITOR,
        mode="min",
        seed=seed,
        first_epoch=max(1, settings.fine_tuning.from_epoch) if is_tuned else 1,
    )
    return AutoencoderPlan(training, autoencoder, embedder)


def first_autoencoder(data: Embedded, settings: FitAlarm) -> str:
    """The first channel that an autoencoder scores.

    Raises:
        FieldError: there is none.
    """
    for name in data.channels:
        if AUTOENCODER in settings.scorers.of(name):
            return name
    raise FieldError(
        "scorers",
        f"expected an autoencoder for one of {listed(data.channels)}, found none to train",
    )


def fit_alarm(
    data: Embedded, settings: FitAlarm, *, weights: Path, card: Path, curves: Path
) -> None:
    """Fits every scorer of every channel, and writes the alarm.

    Args:
        weights, card: the two files of the alarm.
        curves: a folder with one of values by epoch, as DVCLive writes them, for each
            autoencoder, and `channels.json`, which lists these.

    Raises:
        FieldError: as `plan_training`, or a scorer that the vectors are too few for.
        InputError: as `plan_training` and `fit`.
    """
    options = FitOptions(settings.seed, settings.num_neighbours, settings.num_components)
    state: dict[str, torch.Tensor] = {}
    config: dict[str, Any] = {}
    trainings: dict[str, Any] = {}
    with whole(curves) as all_curves:
        all_curves.mkdir()
        for name, own in data.channels.items():
            scorers = settings.scorers.of(name)
            rows = data.pieces(name, TRAIN, settings.num_vectors)
            allowed = own.pieces.vectors[rows].astype(np.float64)
            learnt: dict[str, dict[str, npt.NDArray[np.float64]]] = {
                scorer: SCORERS[scorer].fit(allowed, options)
                for scorer in scorers
                if scorer != AUTOENCODER
            }
            trained: dict[str, torch.Tensor] = {}
            trainings[name] = {"num_vectors": len(rows)}
            if AUTOENCODER in scorers:
                trained, facts = _train(data, name, settings, all_curves / name)
                trainings[name] |= facts
            tuned = {
                key.removeprefix("tuned.").replace("/", "."): tensor
                for key, tensor in trained.items()
                if key.startswith("tuned.")
            }
            autoencoder = {
                key.removeprefix("autoencoder."): tensor
                for key, tensor in trained.items()
                if key.startswith("autoencoder.")
            }
            for key, tensor in channel_state(autoencoder, tuned, learnt).items():
                state[f"channels.{name}.{key}"] = tensor
            shape = _configure(own, settings) if autoencoder else None
            width = own.pieces.vectors.shape[1]
            config[name] = channel_config(scorers, width, shape, tuned, learnt)
        with_curves = [name for name in data.channels if AUTOENCODER in settings.scorers.of(name)]
        write_json({"autoencoders": with_curves}, all_curves / "channels.json")
    widths = [own.pieces.vectors.shape[1] for _, own in sorted(data.channels.items())]
    state["widths"] = torch.tensor(widths, dtype=torch.float64)
    described = {
        "architecture": ARCHITECTURE,
        "config": config,
        "embeddings": {name: dict(own.facts) for name, own in data.channels.items()},
        "training": trainings,
    }
    save_model(state, described, weights, card)


def _train(
    data: Embedded, channel: str, settings: FitAlarm, curves: Path
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Trains a channel's autoencoder, or takes what the same training wrote before.

    Returns:
        Its weights, those that were tuned too, and facts of the training.
    """
    own, most = data.channels[channel], settings.num_vectors
    sides = [data.pieces(channel, side, most) for side in (TRAIN, VAL)]

    def train_and_save(run: str, results: Mapping[str, Path]) -> None:
        plan = plan_training(data, channel, settings)
        fitted = fit(plan.training, branch="alarm", fingerprint=run, curves=results["curves"])
        _save(settings, channel, plan, fitted, sides, results["weights"], results["card"])

    untaken = imports_from(Path(__file__), *ONLY_TO_TUNE)
    clips: list[str] = []
    if settings.tunes(channel):
        untaken = imports_of_others(own.facts["backbone"])
        paths = data.paths()
        clips = [tree_digest(paths[row]) for rows in sides for row in own.windows[rows]]
    with tempfile.TemporaryDirectory() as folder:
        results = {"weights": Path(folder, "w.safetensors"), "card": Path(folder, "w.json")}
        train_once(
            "alarm",
            {
                "code": code_fingerprint(fit_alarm, untaken),
                "params": settings.used(channel),
                "embeddings": dict(own.facts),
                "vectors": [
                    hashlib.sha256(own.pieces.vectors[rows].tobytes()).hexdigest() for rows in sides
                ],
                "clips": clips,
            },
            train_and_save,
            {**results, "curves": curves},
        )
        return read_state(results["weights"]), read_json(results["card"])["training"]


def _configure(own: Embedding, settings: FitAlarm) -> dict[str, Any]:
    """What an autoencoder is built from, but for its weights."""
    return {"width": own.pieces.vectors.shape[1], **settings.network.model_dump(mode="json")}


def _save(
    settings: FitAlarm,
    channel: str,
    plan: AutoencoderPlan,
    fitted: Fitted,
    sides: list[Rows],
    weights: Path,
    card: Path,
) -> None:
    model: torch.nn.Module = plan.training.module.model  # type: ignore[assignment]
    model.load_state_dict(fitted.state)
    tuned = {}
    if plan.embedder and isinstance(model, TunedAutoencoder):
        Memo(MEMO).prune()
        tuned = model.tuned_state()
    facts = {
        "training": {
            "params": settings.used(channel),
            "num_train": len(sides[0]),
            "num_val": len(sides[1]),
            **fitted.facts(),
        },
    }
    save_model(channel_state(plan.autoencoder.state_dict(), tuned, {}), facts, weights, card)
