"""A fitted alarm: what is unusual about the frames it is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from vigil.domain.clips.scorers import mahalanobis_distances, neighbour_distances
from vigil.domain.clips.scores import AUTOENCODER, SCORERS, read_thresholds
from vigil.learn.alarm.network.embedding.embedder import NetworkEmbedder
from vigil.learn.alarm.network.scoring.data import batches
from vigil.learn.alarm.network.scoring.stored import StoredAlarm, load_alarm
from vigil.learn.alarm.network.scoring.tuned import put_into
from vigil.pixels.flow.histogram import FlowHistogram
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.windows import Window
from vigil.plumbing.errors import InputError, listed, shorten
from vigil.plumbing.folders import below
from vigil.settings.embed_clips import FLOW_HISTOGRAM
from vigil.settings.embed_clips import FlowHistogram as FlowSettings

BATCH_SIZE = 1024
NUM_NEIGHBOURS = 5
CPU = torch.device("cpu")
RATE_LIMIT = 100_000  # of the denominator of a rate measured by time stamps

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Verdict:
    """What the alarm says of a window.

    Attributes:
        scores: by scorer; the higher, the more unusual.
        thresholds: by scorer.
    """

    scores: Mapping[str, float]
    thresholds: Mapping[str, float]

    @property
    def ratios(self) -> dict[str, float]:
        """Scores in terms of their thresholds: more than 1 raises the alarm."""
        return {
            name: score / self.thresholds[name] if self.thresholds[name] > 0 else np.inf
            for name, score in self.scores.items()
        }

    @property
    def is_alarm(self) -> bool:
        """Whether the autoencoder raises the alarm."""
        return self.scores[AUTOENCODER] > self.thresholds[AUTOENCODER]


class TrainedAlarm:
    """A fitted alarm from its files, ready to be shown windows of frames.

    >>> weights, card = "models/alarm.safetensors", "models/alarm.json"
    >>> alarm = TrainedAlarm.from_files(weights, card, "models/threshold.json")
    >>> verdict = alarm(frames, times_s)
    >>> sorted(verdict.ratios)
    ['autoencoder', 'mahalanobis', 'nearest_neighbours']

    Attributes:
        facts: what embeds, as its card tells.
        thresholds: by scorer.
    """

    def __init__(
        self,
        stored: StoredAlarm,
        facts: Mapping[str, Any],
        thresholds: Mapping[str, float],
        *,
        num_neighbours: int = NUM_NEIGHBOURS,
        device: torch.device = CPU,
    ) -> None:
        """Args: num_neighbours: of the nearest-neighbour distance."""
        self.facts, self.thresholds = facts, thresholds
        self._stored, self._num_neighbours, self._device = stored, num_neighbours, device
        self._network: NetworkEmbedder | None = None

    @classmethod
    def from_files(
        cls,
        weights: Path | str,
        card: Path | str,
        threshold: Path | str | None = None,
        *,
        num_neighbours: int = NUM_NEIGHBOURS,
        device: torch.device = CPU,
    ) -> "TrainedAlarm":
        """Loads an alarm.

        Args:
            threshold: the thresholds of all scorers; needed for verdicts alone.

        Raises:
            InputError: a file is missing, damaged, or they do not fit each other.
        """
        stored, content = load_alarm(Path(weights), Path(card))
        facts: Any = content.get("embeddings")
        try:
            is_flow = facts["backbone"] == FLOW_HISTOGRAM
            if is_flow and _flow_of(facts).width != stored.autoencoder.width:
                raise ValueError("vectors of another width")
        except (KeyError, TypeError, ValueError):
            raise InputError(
                f"{card}: expected what embeds the windows, got {shorten(facts)}"
            ) from None
        thresholds = read_thresholds(Path(threshold)) if threshold else {}
        if threshold and (missing := set(SCORERS) - thresholds.keys()):
            raise InputError(
                f"{threshold}: expected a threshold of each scorer, found none of {listed(missing)}"
            )
        return cls(stored, facts, thresholds, num_neighbours=num_neighbours, device=device)

    @property
    def width(self) -> int:
        """Numbers of a vector, D."""
        return self._stored.autoencoder.width

    @property
    def is_tuned(self) -> bool:
        """Whether the network that embeds was tuned, so that stored vectors are not its own."""
        return len(self._stored.tuned) > 0

    @property
    def network(self) -> NetworkEmbedder:
        """The network that embeds, tuned weights and all.

        Raises:
            InputError: its weights are not there any more.
        """
        if self._network is None:
            self._network = NetworkEmbedder.again(self.facts)
            put_into(self._network.model, self._stored.tuned_state())
        return self._network

    def __call__(self, frames: Sequence[Picture], times_s: npt.NDArray[np.float64]) -> Verdict:
        """Judges one window.

        Args:
            frames: (H, W, 3) RGB uint8 each, at least two, in order.
            times_s: (T,) when each is shown, in seconds, ascending.

        Raises:
            InputError: too few frames, times that do not ascend, or no thresholds.
        """
        if not self.thresholds:
            raise InputError("expected thresholds for a verdict, got none")
        scores = self.score(self.embed(frames, times_s)[None])
        return Verdict({name: float(scores[name].iloc[0]) for name in scores}, self.thresholds)

    def embed(self, frames: Sequence[Picture], times_s: npt.NDArray[np.float64]) -> Vectors:
        """(D,) of one window; arguments and errors as those of a call."""
        times = np.asarray(times_s, np.float64)
        if len(frames) < 2 or times.shape != (len(frames),) or not (np.diff(times) > 0).all():
            raise InputError(
                f"expected at least 2 frames and as many ascending times, got {len(frames)} and "
                f"times of the shape {times.shape}"
            )
        for frame in frames:
            is_rgb = frame.ndim == 3 and frame.shape[2] == 3 and frame.dtype == np.uint8
            if not is_rgb or not frame.size or frame.shape != frames[0].shape:
                raise InputError(
                    f"expected frames (H, W, 3) uint8, all of one size, got {frame.shape} "
                    f"{frame.dtype}"
                )
        if self.facts["backbone"] != FLOW_HISTOGRAM:
            return self.network.embed_frames(frames)
        fps = Fraction((len(times) - 1) / float(times[-1] - times[0])).limit_denominator(RATE_LIMIT)
        return _flow_of(self.facts).describe_frames(frames, fps)

    def score(self, vectors: Vectors) -> pd.DataFrame:
        """How unusual vectors (N, D) are: a column for each of `SCORERS`.

        Raises:
            InputError: vectors of another width.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self.width:
            raise InputError(
                f"expected vectors of {self.width} numbers, got an array of {vectors.shape}"
            )
        if not len(vectors):
            return pd.DataFrame({name: np.empty(0) for name in SCORERS})
        allowed = self._stored.allowed_vectors.numpy().astype(np.float64)
        every = vectors.astype(np.float64)
        scores = (
            self._reconstruction_errors(vectors),
            mahalanobis_distances(allowed, every),
            neighbour_distances(allowed, every, self._num_neighbours),
        )
        return pd.DataFrame(dict(zip(SCORERS, scores, strict=True)))

    def score_windows(self, windows: pd.DataFrame, vectors: Vectors, clips: Path) -> pd.DataFrame:
        """As `score`, of stored windows.

        Args:
            windows: `video`, `start_s` and `stop_s` of each, those of a video together.
            vectors: (N, D) that were stored; an alarm that tuned its network embeds anew.
            clips: the folder of the videos.

        Raises:
            InputError: vectors of another width, or a video that cannot be read.
        """
        if self.is_tuned:
            videos: list[tuple[Path, list[Window]]] = []
            for video, own in windows.groupby("video", sort=False):
                times = own[["start_s", "stop_s"]].itertuples(index=False)
                videos.append((below(clips, [str(video)])[0], [Window(*one) for one in times]))
            vectors = np.concatenate(list(self.network.embed(videos)))
        return self.score(vectors)

    @torch.inference_mode()
    def _reconstruction_errors(self, vectors: Vectors) -> npt.NDArray[np.float64]:
        """(N,), without dropout."""
        model = self._stored.autoencoder.to(self._device).eval()
        loader = batches(vectors, np.arange(len(vectors)), BATCH_SIZE, shuffle_seed=None)
        errors = [model.errors(part.to(self._device)).double().cpu() for part, _ in loader]
        return torch.cat(errors).numpy() if errors else np.empty(0)


def _flow_of(facts: Mapping[str, Any]) -> FlowHistogram:
    """What described the windows, from what is told of it."""
    return FlowHistogram(FlowSettings(**facts["options"]), facts["short_clips"])
