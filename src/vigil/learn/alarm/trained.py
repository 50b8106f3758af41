"""A trained alarm: how unusual windows of frames are, by which evidence, and where."""

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from vigil.domain.clips.evidence.embeddings import Embedding
from vigil.domain.clips.evidence.pieces import Pieces, Vectors
from vigil.domain.clips.learnt.by_feature import score_by_feature
from vigil.domain.clips.learnt.scorers import SCORERS
from vigil.domain.clips.learnt.speed_map import divide_by_map
from vigil.domain.clips.scores import column_of, read_thresholds
from vigil.domain.clips.verdicts import Evidence, Verdict, WindowVerdict
from vigil.learn.alarm.network.embedding.embedder import NetworkEmbedder
from vigil.learn.alarm.network.scoring.data import batches
from vigil.learn.alarm.network.scoring.stored import StoredAlarm, load_alarm
from vigil.learn.alarm.network.scoring.tuned import put_into
from vigil.pixels.channels.behaviour import UNITS, columns_of, width_of
from vigil.pixels.channels.channel import Channel
from vigil.pixels.channels.objects import AS_TRACKED, ObjectsFollower
from vigil.pixels.channels.registry import build_channel, check_revision
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.windows import Window
from vigil.plumbing.errors import InputError, listed, shorten
from vigil.plumbing.folders import below
from vigil.runtime.judging import AlarmStream, JudgingAlarm, Scores
from vigil.settings.embed_clips import (
    APPEARANCE,
    CHANNELS,
    MOTION_CHANNELS,
    OBJECTS,
    EmbedClips,
    Objects,
    ShortClips,
)
from vigil.settings.fit_alarm import AUTOENCODER, BY_FEATURE, SPEED_MAP

BATCH_SIZE = 1024
AT_ONCE = 65_536
"""Vectors that are scored at once: the arrays of a scorer are several times as large as these."""
CPU = torch.device("cpu")


class TrainedAlarm(JudgingAlarm):
    """A trained alarm from its files, ready for windows of frames.

    >>> weights, card = "models/alarm.safetensors", "models/alarm.json"
    >>> alarm = TrainedAlarm.from_files(weights, card, "models/threshold.json")
    >>> verdict = alarm(frames, times_s)
    >>> sorted(verdict.ratios)
    ['local_disorder', 'local_speed', 'motion_cells']

    Attributes:
        facts: by channel, the facts on which its evidence depends, from the card.
        thresholds: by scorer, named `<channel>.<scorer>`.
        scorers: by channel; the first scorer raises the alarm.
    """

    def __init__(
        self,
        stored: StoredAlarm,
        facts: Mapping[str, Mapping[str, Any]],
        scorers: Mapping[str, Sequence[str]],
        thresholds: Mapping[str, float],
        *,
        device: torch.device = CPU,
    ) -> None:
        motion = [name for name in facts if name not in (APPEARANCE, OBJECTS)]
        channels = {name: _channel_of(facts[name]) for name in motion}
        super().__init__(channels, thresholds)
        self.facts, self.scorers = facts, scorers
        self._stored, self._device = stored, device
        self._network: NetworkEmbedder | None = None
        self._objects: Objects | None = None
        if OBJECTS in facts:
            self._objects = Objects.model_validate_json(json.dumps(facts[OBJECTS]["options"]))
            self._columns = columns_of(self._objects.features)

    @classmethod
    def from_files(
        cls,
        weights: Path | str,
        card: Path | str,
        threshold: Path | str | None = None,
        *,
        device: torch.device = CPU,
    ) -> "TrainedAlarm":
        """Loads an alarm.

        Args:
            threshold: the file with the thresholds of all scorers; only verdicts need it.

        Raises:
            InputError: a file is missing or damaged, or the files do not belong together.
        """
        stored, content = load_alarm(Path(weights), Path(card))
        config: Any = content["config"]
        facts: Any = content.get("embeddings")
        try:
            if facts.keys() != config.keys() or not set(facts) <= set(CHANNELS):
                raise ValueError("other channels")
            for name in sorted(set(facts) & set(MOTION_CHANNELS)):
                check_revision(facts[name], card)
                if _channel_of(facts[name]).width != config[name]["width"]:
                    raise ValueError("vectors of another width")
            if OBJECTS in facts:
                _check_objects(facts[OBJECTS], config[OBJECTS])
            order = [name for name in CHANNELS if name in facts]
            scorers = {str(name): tuple(config[name]["scorers"]) for name in order}
            facts = {name: facts[name] for name in order}
            if not {*chain(*scorers.values())} <= {*SCORERS, AUTOENCODER}:
                raise ValueError("other scorers")
        except (AttributeError, KeyError, TypeError, ValueError):
            raise InputError(
                f"{card}: expected what measures the windows, got {shorten(facts)}"
            ) from None
        thresholds = read_thresholds(Path(threshold)) if threshold else {}
        names = {column_of(name, scorer) for name in scorers for scorer in scorers[name]}
        if threshold and (missing := names - thresholds.keys()):
            raise InputError(
                f"{threshold}: expected a threshold of each scorer, found none of {listed(missing)}"
            )
        return cls(stored, facts, scorers, thresholds, device=device)

    @property
    def is_tuned(self) -> bool:
        """Whether the network of `appearance` was tuned, so that stored vectors are outdated."""
        return APPEARANCE in self.facts and len(self._stored.channel(APPEARANCE).tuned) > 0

    @property
    def network(self) -> NetworkEmbedder:
        """The network of `appearance`, with its tuned weights.

        Raises:
            InputError: the file of its weights is missing or has changed.
        """
        if self._network is None:
            facts = self.facts[APPEARANCE]
            self._network = NetworkEmbedder.from_facts(facts, as_embedded=not self.is_tuned)
            put_into(self._network.model, self._stored.channel(APPEARANCE).tuned_state())
        return self._network

    def fit_frame(self, frame: Picture) -> Picture | None:
        """See `JudgingAlarm`."""
        return self.network.fit(frame) if APPEARANCE in self.facts else None

    def measure_fitted(
        self,
        fitted: Sequence[Picture],
        times_s: npt.NDArray[np.float64],
        shape: tuple[int, ...],
    ) -> dict[str, Pieces]:
        """See `JudgingAlarm`."""
        if APPEARANCE not in self.facts:
            return {}
        vectors = self.network.embed_fitted(fitted)
        return {APPEARANCE: self.network.place(vectors, times_s, (shape[1], shape[0]))}

    @property
    def tracked(self) -> dict[str, Any] | None:
        """How the tracks came about that `objects` learnt from; None: the alarm needs no tracks."""
        return dict(self.facts[OBJECTS]["tracked"]) if OBJECTS in self.facts else None

    def follow_objects(self) -> ObjectsFollower | None:
        """See `JudgingAlarm`."""
        if self._objects is None:
            return None
        return ObjectsFollower(self._objects, self.facts[OBJECTS]["short_clips"])

    def features(self, channel: str, vectors: Vectors) -> list[str]:
        """See `JudgingAlarm`."""
        if channel != OBJECTS:
            return [""] * len(vectors)
        ratios = self._ratios(self.scorers[OBJECTS][0], vectors.astype(np.float64))
        names = list(self._columns)
        return [str(names[at]) for at in ratios.argmax(axis=1).tolist()]

    def features_of(self, embeddings: Mapping[str, Embedding]) -> dict[str, list[str]]:
        """What is most unusual in each stored piece, for channels with several features."""
        own = embeddings.keys() & {OBJECTS}
        return {name: self.features(name, embeddings[name].pieces.vectors) for name in own}

    def _ratios(self, scorer: str, vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The ratios (N, F) of the features of `objects`."""
        learnt = self._stored.channel(OBJECTS).arrays(scorer)
        return score_by_feature(scorer, learnt, vectors, self._columns, UNITS)

    def by_place(self, channel: str, pieces: Pieces) -> Vectors:
        """The vectors of pieces, divided by the usual speed at their places if it was learnt."""
        learnt = self._stored.channel(channel).arrays(SPEED_MAP)
        return divide_by_map(pieces, learnt["ratios"]) if learnt else pieces.vectors

    def score(self, channel: str, vectors: Vectors) -> Scores:
        """The scores of vectors (N, D) of a channel by each of its scorers, after `by_place`.

        Raises:
            InputError: the vectors have another width.
        """
        width = self._width(channel)
        if vectors.ndim != 2 or vectors.shape[1] != width:
            raise InputError(
                f"expected vectors of {width} numbers for {channel}, got an array of "
                f"{vectors.shape}"
            )
        parts = [vectors[start : start + AT_ONCE] for start in range(0, len(vectors), AT_ONCE)]
        return {
            column_of(channel, name): np.concatenate(
                [np.empty(0), *(self._score_part(channel, name, part) for part in parts)]
            )
            for name in self.scorers[channel]
        }

    def _score_part(self, channel: str, scorer: str, vectors: Vectors) -> npt.NDArray[np.float64]:
        """The scores of at least one vector."""
        if scorer == AUTOENCODER:
            return self._reconstruction_errors(channel, vectors)
        doubles = vectors.astype(np.float64)
        if channel == OBJECTS:
            scores: npt.NDArray[np.float64] = self._ratios(scorer, doubles).max(axis=1)
            return scores
        return SCORERS[scorer].score(self._stored.channel(channel).arrays(scorer), doubles)

    def score_pieces(self, embeddings: Mapping[str, Embedding], clips: Path) -> dict[str, Scores]:
        """The scores of the stored evidence of each channel; see `score`.

        Args:
            embeddings: by channel; a tuned network embeds the windows again.
            clips: the folder of the videos.

        Raises:
            InputError: the channels or the width of vectors differ, or a video cannot be read.
        """
        if embeddings.keys() != self.facts.keys():
            raise InputError(
                f"expected evidence of the channels {listed(self.facts)}, got that of "
                f"{listed(embeddings)}"
            )
        return {
            name: self.score(name, self.scored_vectors(name, embeddings[name], clips))
            for name in self.facts
        }

    def scored_vectors(self, channel: str, embedding: Embedding, clips: Path) -> Vectors:
        """The vectors of stored evidence as they are scored.

        Args:
            embedding, clips: see `score_pieces`.

        Raises:
            InputError: a video cannot be read.
        """
        if channel == APPEARANCE and self.is_tuned:
            return self._embed_anew(embedding.index, clips)
        return self.by_place(channel, embedding.pieces)

    def _embed_anew(self, windows: pd.DataFrame, clips: Path) -> Vectors:
        videos: list[tuple[Path, list[Window]]] = []
        for video, rows in windows.groupby("video", sort=False):
            times = rows[["start_s", "stop_s"]].itertuples(index=False)
            videos.append((below(clips, [str(video)])[0], [Window(*one) for one in times]))
        return np.concatenate(list(self.network.embed(videos)))

    def _width(self, channel: str) -> int:
        return self._stored.channel(channel).width

    @torch.inference_mode()
    def _reconstruction_errors(self, channel: str, vectors: Vectors) -> npt.NDArray[np.float64]:
        """The reconstruction errors (N,), without dropout."""
        model = self._stored.channel(channel).autoencoder
        assert model is not None
        model = model.to(self._device).eval()
        loader = batches(vectors, np.arange(len(vectors)), BATCH_SIZE, shuffle_seed=None)
        errors = [model.errors(part.to(self._device)).double().cpu() for part, _ in loader]
        return torch.cat(errors).numpy()


def _check_objects(facts: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Raises KeyError, TypeError or ValueError for facts that are not those of `objects`."""
    objects = Objects.model_validate_json(json.dumps(facts["options"]))
    if not width_of(objects.features) == facts["width"] == config["width"]:
        raise ValueError("vectors of another width")
    if facts["short_clips"] not in get_args(ShortClips) or not set(AS_TRACKED) <= set(
        facts["tracked"]
    ):
        raise ValueError("no facts of tracks")
    if not set(config["scorers"]) <= set(BY_FEATURE):
        raise ValueError("other scorers")


def _channel_of(facts: Mapping[str, Any]) -> Channel:
    """Builds a channel of motion from its facts.

    Raises:
        KeyError, TypeError, ValueError: these are not the facts of a channel.
    """
    name = facts["channel"]
    kind = EmbedClips.model_fields[name].annotation
    assert kind is not None
    # From JSON, pydantic accepts a list as a tuple.
    options = kind.model_validate_json(json.dumps(facts["options"]))
    return build_channel(name, options, facts["short_clips"])


__all__ = ["AlarmStream", "Evidence", "TrainedAlarm", "Verdict", "WindowVerdict"]
