"""Fits the scorers of an alarm to allowed clips; optionally fine-tunes a network."""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from vigil.domain.clips.evidence.embeddings import Embedding, read_embeddings
from vigil.domain.clips.learnt.by_feature import fit_by_feature
from vigil.domain.clips.learnt.scorers import SCORERS, FitOptions
from vigil.domain.clips.learnt.speed_map import divide_by_map, fit_speed_map
from vigil.domain.clips.windows import label_windows, read_labels
from vigil.domain.sides import TRAIN, VAL
from vigil.learn.alarm.network.embedding.embedder import NetworkEmbedder
from vigil.learn.alarm.network.embedding.registry import imports_of_others
from vigil.learn.alarm.network.scoring.autoencoder import Autoencoder, build_autoencoder
from vigil.learn.alarm.network.scoring.data import batches
from vigil.learn.alarm.network.scoring.stored import ARCHITECTURE, channel_config, channel_state
from vigil.learn.alarm.network.scoring.tuned import TunedAutoencoder
from vigil.learn.alarm.training.deciding import decide_speed_map
from vigil.learn.alarm.training.fine_tuning import FineTuningTraining
from vigil.learn.alarm.training.frames import MEMO, WindowFrames
from vigil.learn.alarm.training.module import MONITOR, AutoencoderTraining
from vigil.learn.networks.machine import seed_torch
from vigil.learn.networks.weights import read_state, save_model
from vigil.learn.training.loop import Fitted, Plan, fit
from vigil.pixels.channels.behaviour import UNITS, columns_of
from vigil.pixels.windows import Window
from vigil.plumbing.arithmetic import arithmetic_facts
from vigil.plumbing.closure import imports_from
from vigil.plumbing.errors import FieldError, InputError, listed
from vigil.plumbing.fingerprints import code_fingerprint
from vigil.plumbing.folders import below
from vigil.plumbing.memo import Memo, tree_digest
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import read_json, write_json
from vigil.plumbing.trainings import train_once
from vigil.settings.embed_clips import APPEARANCE, OBJECTS
from vigil.settings.fit_alarm import AUTOENCODER, MAPPED, SPEED_MAP, FitAlarm

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

ONLY_TO_TUNE = (
    "vigil.learn.alarm.network.embedding.embedder",
    "vigil.learn.alarm.network.embedding.registry",
    "vigil.learn.alarm.network.scoring.tuned",
    "vigil.learn.alarm.training.fine_tuning",
    "vigil.learn.alarm.training.frames",
)


@dataclass(frozen=True)
class Embedded:
    """The evidence in windows, and the labels and sides of the windows.

    Attributes:
        table: `video`, `start_s`, `stop_s`, `split`, `is_anomalous` and more, for each window.
        channels: the evidence of each channel in the windows of the table.
        clips: the folder of the videos.
    """

    table: pd.DataFrame
    channels: Mapping[str, Embedding]
    clips: Path

    @classmethod
    def read(cls, clips: Path, embeddings: Path, labels: Path, splits: Path) -> "Embedded":
        """Reads evidence, and joins it with the labels and sides of windows.

        Raises:
            InputError: a file is missing or damaged, or there are too few allowed windows.
        """
        channels = read_embeddings(embeddings)
        windows = next(iter(channels.values())).index
        table = label_windows(windows, read_labels(labels), splits)
        data = cls(table.assign(stop_s=windows["stop_s"]), channels, clips)
        train, val = data.allowed(TRAIN), data.allowed(VAL)
        if len(train) < 2 or len(val) < 1:
            raise InputError(
                f"{embeddings}: expected evidence of at least 2 allowed windows to train on and 1 "
                f"to validate, got {len(train)} and {len(val)}"
            )
        return data

    def allowed(self, side: str) -> Rows:
        """The rows of the allowed windows of a side."""
        return np.flatnonzero(~self.table["is_anomalous"] & (self.table["split"] == side))

    def pieces(self, channel: str, side: str, max_pieces: int) -> Rows:
        """The rows of a channel's pieces in the allowed windows of a side.

        Windows overlap. A piece that lies in several windows is taken once. If there are more than
        `max_pieces` pieces, the rows are spread evenly over all of them. Those of a network are
        drawn: its cells repeat at equal distances, so even steps would leave cells out.
        """
        embedding = self.channels[channel]
        rows: Rows = np.flatnonzero(np.isin(embedding.windows, self.allowed(side)))
        videos = self.table["video"].to_numpy()[embedding.windows[rows]]
        places = [embedding.pieces.spans_s, embedding.pieces.boxes_xyxy]
        keys = pd.DataFrame(np.concatenate(places, axis=1)[rows])
        is_first: npt.NDArray[np.bool_] = ~keys.assign(video=videos).duplicated().to_numpy()
        rows = rows[is_first]
        if len(rows) > max_pieces and channel == APPEARANCE:
            rows = np.sort(np.random.default_rng(0).choice(rows, max_pieces, replace=False))
        elif len(rows) > max_pieces:
            rows = rows[np.linspace(0, len(rows) - 1, max_pieces).astype(np.int64)]
        return rows

    def decide(self, settings: FitAlarm) -> tuple[FitAlarm, dict[str, Any]]:
        """Replaces `speed_map: auto` by a value, and prints it; see `decide_speed_map`.

        Returns:
            The settings, and facts of the decision.
        """
        videos = self.table["video"].iloc[self.allowed(TRAIN)].unique()
        decision = decide_speed_map(settings, self.channels, below(self.clips, videos))
        if decision.line:
            print(decision.line)
        return decision.settings, decision.facts

    def by_place(self, settings: FitAlarm) -> tuple["Embedded", dict[str, Floats]]:
        """Divides vectors by the usual speed at their places, learnt from allowed training windows.

        Args:
            settings: with `speed_map` decided.

        Returns:
            The evidence with new vectors, and the map of each channel that has one.
        """
        channels, maps = dict(self.channels), {}
        mapped = channels.keys() & set(MAPPED)
        for name in mapped if mapped and settings.maps_speed else ():
            own = channels[name]
            rows = self.pieces(name, TRAIN, settings.num_vectors)
            sources = self.table["source"].to_numpy()[own.windows[rows]]
            maps[name] = fit_speed_map(own.pieces[rows], sources)
            vectors = divide_by_map(own.pieces, maps[name])
            channels[name] = replace(own, pieces=replace(own.pieces, vectors=vectors))
        return replace(self, channels=channels), maps

    def paths(self) -> list[Path]:
        """The video of each window."""
        return below(self.clips, self.table["video"])

    def windows(self, rows: Rows) -> list[Window]:
        """The windows of these rows."""
        times = self.table.iloc[rows][["start_s", "stop_s"]]
        return [Window(*one) for one in times.itertuples(index=False)]


@dataclass(frozen=True)
class AutoencoderPlan:
    """A training, and the networks that it trains.

    Attributes:
        embedder: the network that is fine-tuned; None without fine-tuning.
    """

    training: Plan
    autoencoder: Autoencoder
    embedder: NetworkEmbedder | None


def plan_training(data: Embedded, channel: str, settings: FitAlarm) -> AutoencoderPlan:
    """Sets up the training of a channel's autoencoder, with random weights from the seed.

    Raises:
        FieldError: the network cannot be fine-tuned in this way.
        InputError: the weights of the network have changed.
    """
    embedding = data.channels[channel]
    is_tuned = settings.tunes(channel)
    embedder = NetworkEmbedder.from_facts(embedding.facts) if is_tuned else None
    seed_torch(settings.seed)
    autoencoder = build_autoencoder(_configure(embedding, settings))
    module: Any = AutoencoderTraining(autoencoder, settings.optimisation)
    if embedder:
        model = TunedAutoencoder(autoencoder, embedder.model, settings.fine_tuning.num_tensors)
        rows = np.arange(len(data.table))
        frames = WindowFrames(embedder, data.paths(), data.windows(rows))
        module = FineTuningTraining(model, frames, settings.fine_tuning, settings.optimisation)
    size, seed, num = settings.fitting.batch_size, settings.seed, settings.num_vectors
    vectors = embedding.pieces.vectors
    training = Plan(
        module,
        batches(vectors, data.pieces(channel, TRAIN, num), size, shuffle_seed=seed),
        batches(vectors, data.pieces(channel, VAL, num), size, shuffle_seed=None),
        settings.fitting,
        monitor=MONITOR,
        mode="min",
        seed=seed,
        first_epoch=max(1, settings.fine_tuning.from_epoch) if is_tuned else 1,
        num_shards=settings.optimisation.num_shards,
    )
    return AutoencoderPlan(training, autoencoder, embedder)


def first_autoencoder(data: Embedded, settings: FitAlarm) -> str:
    """The name of the first channel with an autoencoder.

    Raises:
        FieldError: no channel has an autoencoder.
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
        curves: a folder. For each autoencoder, it gets a folder of values by epoch, as DVCLive
            writes them. `channels.json` lists the channels with an autoencoder.

    Raises:
        FieldError: see `plan_training`; or a scorer needs more vectors.
        InputError: see `plan_training` and `fit`.
    """
    settings, decided = data.decide(settings)
    data, maps = data.by_place(settings)
    state: dict[str, torch.Tensor] = {}
    config: dict[str, Any] = {}
    trainings: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        all_curves = Path(temporary, "curves")
        all_curves.mkdir()
        for name, embedding in data.channels.items():
            scorers = settings.scorers.of(name)
            rows = data.pieces(name, TRAIN, settings.num_vectors)
            learnt = _fit_scorers(data, name, settings, rows)
            if name in maps:
                learnt[SPEED_MAP] = {"ratios": maps[name]}
            trained: dict[str, torch.Tensor] = {}
            trainings[name] = {"num_vectors": len(rows)}
            if AUTOENCODER in scorers:
                trained, facts = _train(data, name, settings, all_curves / name)
                trainings[name] |= facts
            autoencoder = _below("autoencoder.", trained)
            tuned = {
                key.replace("/", "."): tensor for key, tensor in _below("tuned.", trained).items()
            }
            for key, tensor in channel_state(autoencoder, tuned, learnt).items():
                state[f"channels.{name}.{key}"] = tensor
            shape = _configure(embedding, settings) if autoencoder else None
            width = embedding.pieces.vectors.shape[1]
            config[name] = channel_config(scorers, width, shape, tuned, learnt)
        with_curves = [name for name in data.channels if AUTOENCODER in settings.scorers.of(name)]
        write_json({"autoencoders": with_curves}, all_curves / "channels.json")
        with whole(curves) as folder:
            shutil.copytree(all_curves, folder)
    widths = [data.channels[name].pieces.vectors.shape[1] for name in sorted(data.channels)]
    state["widths"] = torch.tensor(widths, dtype=torch.float64)
    described = {
        "architecture": ARCHITECTURE,
        "config": config,
        "embeddings": {name: dict(each.facts) for name, each in data.channels.items()},
        "training": trainings,
        **arithmetic_facts(),
    } | ({"chosen": decided} if decided else {})
    save_model(state, described, weights, card)


def _below(prefix: str, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors whose names have the prefix, by the rest of their names."""
    return {
        key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)
    }


def _fit_scorers(
    data: Embedded, channel: str, settings: FitAlarm, rows: Rows
) -> dict[str, dict[str, Floats]]:
    """The parameters of a channel's scorers without a network. Args: rows: allowed vectors."""
    options = FitOptions(settings.seed, settings.num_neighbours, settings.num_components)
    embedding = data.channels[channel]
    allowed = embedding.pieces.vectors[rows].astype(np.float64)
    scorers = [name for name in settings.scorers.of(channel) if name != AUTOENCODER]
    if channel != OBJECTS:
        return {name: SCORERS[name].fit(allowed, options) for name in scorers}
    windows = data.table.iloc[embedding.windows[rows]]
    return {
        name: fit_by_feature(
            name,
            allowed,
            columns_of(embedding.facts["options"]["features"]),
            UNITS,
            windows["video"].to_numpy(),
            windows["source"].to_numpy(),
            options=options,
            quantile=settings.feature_quantile,
        )
        for name in scorers
    }


def _train(
    data: Embedded, channel: str, settings: FitAlarm, curves: Path
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Trains a channel's autoencoder, or reads the results of the same earlier training.

    Returns:
        Its weights and the tuned weights, and facts of the training.
    """
    embedding, num = data.channels[channel], settings.num_vectors
    sides = [data.pieces(channel, side, num) for side in (TRAIN, VAL)]

    def train_and_save(run: str, results: Mapping[str, Path]) -> None:
        plan = plan_training(data, channel, settings)
        fitted = fit(plan.training, branch="alarm", fingerprint=run, curves=results["curves"])
        _save(settings, channel, plan, fitted, sides, results["weights"], results["card"])

    unused = imports_from(Path(__file__), *ONLY_TO_TUNE)
    clips: list[str] = []
    if settings.tunes(channel):
        unused = imports_of_others(embedding.facts["backbone"])
        paths = data.paths()
        clips = [tree_digest(paths[row]) for rows in sides for row in embedding.windows[rows]]
    with tempfile.TemporaryDirectory() as folder:
        results = {"weights": Path(folder, "w.safetensors"), "card": Path(folder, "w.json")}
        train_once(
            "alarm",
            {
                "code": code_fingerprint(fit_alarm, unused),
                "params": settings.used(channel),
                "embeddings": dict(embedding.facts),
                "vectors": [
                    hashlib.sha256(embedding.pieces.vectors[rows].tobytes()).hexdigest()
                    for rows in sides
                ],
                "clips": clips,
            },
            train_and_save,
            {**results, "curves": curves},
        )
        return read_state(results["weights"]), read_json(results["card"])["training"]


def _configure(embedding: Embedding, settings: FitAlarm) -> dict[str, Any]:
    """The config of an autoencoder."""
    return {"width": embedding.pieces.vectors.shape[1], **settings.network.model_dump(mode="json")}


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
