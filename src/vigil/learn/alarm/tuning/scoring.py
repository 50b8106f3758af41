"""Scores clips by the scorer of each channel that raises the alarm, as the stages do."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.clips.evidence.embeddings import Embedding
from vigil.domain.clips.found import strongest_in_windows
from vigil.domain.clips.learnt.scorers import SCORERS, FitOptions
from vigil.domain.clips.learnt.speed_map import divide_by_map, fit_speed_map
from vigil.plumbing.errors import InputError
from vigil.settings.fit_alarm import AUTOENCODER, MAPPED, FitAlarm
from vigil.settings.predict_alarm import ClipScore

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


class ChannelScorer:
    """The scorer of a channel, fitted to the evidence in allowed training windows."""

    def __init__(
        self, channel: str, train: Embedding, val: Embedding, settings: FitAlarm, clips: Path
    ) -> None:
        """Fits the scorer.

        Args:
            train: the evidence in allowed training windows; `source` of each in its index.
            val: that in allowed validation windows, by which the training of an autoencoder stops.
            settings: with `speed_map` decided.
            clips: the folder of the videos.

        Raises:
            FieldError: the scorer needs more vectors.
        """
        rows = rows_to_learn(train, settings.num_vectors)
        self._speed_map: Floats | None = None
        if channel in MAPPED and settings.maps_speed:
            sources = train.index["source"].to_numpy()[train.windows[rows]]
            self._speed_map = fit_speed_map(train.pieces[rows], sources)
        scorer = settings.scorers.of(channel)[0]
        if scorer == AUTOENCODER:
            from vigil.learn.alarm.tuning.autoencoders import fit_autoencoder

            self._score = fit_autoencoder(
                channel, self._mapped(train), self._mapped(val), settings, clips
            )
            return
        options = FitOptions(settings.seed, settings.num_neighbours, settings.num_components)
        learnt = SCORERS[scorer].fit(self._vectors(train)[rows], options)
        self._score = lambda vectors: SCORERS[scorer].score(learnt, vectors)

    def score_clips(self, evidence: Embedding, clip_score: ClipScore) -> "pd.Series[float]":
        """The score of each clip, by `clip` of the index, in the order of first windows."""
        scores = strongest_in_windows(evidence, self._score(self._vectors(evidence)))
        if not np.isfinite(scores).all():
            raise InputError("expected finite scores of all windows, got others")
        by_clip = pd.Series(scores).groupby(evidence.index["clip"].to_numpy(), sort=False)
        return by_clip.agg(clip_score)

    def _mapped(self, evidence: Embedding) -> Embedding:
        if self._speed_map is None:
            return evidence
        vectors = divide_by_map(evidence.pieces, self._speed_map)
        return replace(evidence, pieces=replace(evidence.pieces, vectors=vectors))

    def _vectors(self, evidence: Embedding) -> Floats:
        return self._mapped(evidence).pieces.vectors.astype(np.float64)


def rows_to_learn(train: Embedding, most: int) -> Rows:
    """The pieces that a scorer learns from: each once, and at most so many, spread evenly.

    Windows of long videos overlap, so a piece may lie in several of them.
    """
    pieces = train.pieces
    places = pd.DataFrame(np.concatenate([pieces.spans_s, pieces.boxes_xyxy], axis=1))
    videos = train.index["video"].to_numpy()[train.windows]
    rows = np.flatnonzero(~places.assign(video=videos).duplicated().to_numpy())
    if len(rows) > most:
        rows = rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
    return rows.astype(np.int64)
