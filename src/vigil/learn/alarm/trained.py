"""A fitted alarm: what is unusual about the frames it is shown, and where."""

import json
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from vigil.domain.clips.embeddings import Embedding
from vigil.domain.clips.evidence import Pieces, Vectors, piece_of_window
from vigil.domain.clips.scorers import SCORERS
from vigil.domain.clips.scores import column_of, raising_of, read_thresholds
from vigil.domain.clips.verdicts import Evidence, Verdict, WindowVerdict, ratio_of
from vigil.learn.alarm.network.embedding.embedder import NetworkEmbedder
from vigil.learn.alarm.network.scoring.data import batches
from vigil.learn.alarm.network.scoring.stored import StoredAlarm, load_alarm
from vigil.learn.alarm.network.scoring.tuned import put_into
from vigil.pixels.channels.channel import Channel
from vigil.pixels.channels.following import Awaited, Judged, VideoFollower
from vigil.pixels.channels.registry import build_channel
from vigil.pixels.flow.motion import LONGEST_GAP_S
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.windows import WHOLE, Window
from vigil.plumbing.errors import InputError, listed, shorten
from vigil.plumbing.folders import below
from vigil.settings.embed_clips import APPEARANCE, CHANNELS, MOTION_CHANNELS, EmbedClips
from vigil.settings.fit_alarm import AUTOENCODER

BATCH_SIZE = 1024
CPU = torch.device("cpu")
MOST_EVIDENCE = 20
"""Of a verdict."""

Scores = dict[str, npt.NDArray[np.float64]]


class TrainedAlarm:
    """A fitted alarm from its files, ready to be shown windows of frames.

    >>> weights, card = "models/alarm.safetensors", "models/alarm.json"
    >>> alarm = TrainedAlarm.from_files(weights, card, "models/threshold.json")
    >>> verdict = alarm(frames, times_s)
    >>> sorted(verdict.ratios)
    ['local_speed', 'motion_cells']

    Attributes:
        facts: by channel, what measures its evidence, as its card tells.
        thresholds: by scorer, named `<channel>.<scorer>`.
        scorers: by channel, in order: the first raises the alarm.
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
        self.facts, self.scorers, self.thresholds = facts, scorers, thresholds
        self._stored, self._device = stored, device
        self._channels = {name: _channel_of(facts[name]) for name in facts if name != APPEARANCE}
        self._network: NetworkEmbedder | None = None

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
            threshold: the thresholds of all scorers; needed for verdicts alone.

        Raises:
            InputError: a file is missing, damaged, or they do not fit each other.
        """
        stored, content = load_alarm(Path(weights), Path(card))
        config: Any = content["config"]
        facts: Any = content.get("embeddings")
        try:
            if facts.keys() != config.keys() or not set(facts) <= set(CHANNELS):
                raise ValueError("other channels")
            for name in set(facts) & set(MOTION_CHANNELS):
                if _channel_of(facts[name]).width != config[name]["width"]:
                    raise ValueError("vectors of another width")
            order = [name for name in CHANNELS if name in facts]
            scorers = {str(name): tuple(config[name]["scorers"]) for name in order}
            facts = {name: facts[name] for name in order}
        except (AttributeError, KeyError, TypeError, ValueError):
            raise InputError(
                f"{card}: expected what measures the windows, got {shorten(facts)}"
            ) from None
        thresholds = read_thresholds(Path(threshold)) if threshold else {}
        names = {column_of(name, one) for name, own in scorers.items() for one in own}
        if threshold and (missing := names - thresholds.keys()):
            raise InputError(
                f"{threshold}: expected a threshold of each scorer, found none of {listed(missing)}"
            )
        return cls(stored, facts, scorers, thresholds, device=device)

    @property
    def is_tuned(self) -> bool:
        """Whether a network that embeds was tuned, so that stored vectors are not its own."""
        return APPEARANCE in self.facts and len(self._stored.channel(APPEARANCE).tuned) > 0

    @property
    def network(self) -> NetworkEmbedder:
        """The network of `appearance`, tuned weights and all.

        Raises:
            InputError: its weights are not there any more.
        """
        if self._network is None:
            self._network = NetworkEmbedder.again(self.facts[APPEARANCE])
            put_into(self._network.model, self._stored.channel(APPEARANCE).tuned_state())
        return self._network

    def __call__(self, frames: Sequence[Picture], times_s: npt.NDArray[np.float64]) -> Verdict:
        """Judges one window.

        Args:
            frames: (H, W, 3) RGB uint8 each, at least two, in order.
            times_s: (T,) when each is shown, in seconds, ascending.

        Raises:
            InputError: too few frames, times that do not ascend, or no thresholds.
            FieldError: a window that is shorter than a channel asks for.
        """
        return self.judge(self.measure(frames, times_s))

    def stream(self, window_s: float, stride_s: float) -> "AlarmStream":
        """Judges the windows of a stream as its frames come.

        Args:
            window_s: length of the windows.
            stride_s: from the start of one of them to the start of the next; at most `window_s`.

        Raises:
            InputError: no thresholds, or lengths that are none.
        """
        self._check_thresholds()
        return AlarmStream(self, window_s, stride_s)

    def measure(
        self, frames: Sequence[Picture], times_s: npt.NDArray[np.float64]
    ) -> dict[str, Pieces]:
        """The evidence of one window, by channel; arguments and errors as those of a call."""
        times = np.asarray(times_s, np.float64)
        if len(frames) < 2 or times.shape != (len(frames),) or not (np.diff(times) > 0).all():
            raise InputError(
                f"expected at least 2 frames and as many ascending times, got {len(frames)} and "
                f"times of the shape {times.shape}"
            )
        for frame in frames:
            check_frame(frame, frames[0].shape)
        found: dict[str, Pieces] = {}
        if self._channels:
            follower = VideoFollower(self._channels, iter([Awaited(WHOLE, 0.0)]))
            for frame, time_s in zip(frames, times.tolist(), strict=True):
                follower.see(to_bgr(frame), time_s - times[0])
            (judged,) = follower.finish()
            found = {name: one.moved(float(times[0])) for name, one in judged.evidence.items()}
        if APPEARANCE in self.facts:
            fitted = [self.network.fit(to_bgr(frame)) for frame in frames]
            found[APPEARANCE] = self.measure_appearance(fitted, times, frames[0].shape)
        return found

    def measure_appearance(
        self,
        fitted: Sequence[Picture],
        times_s: npt.NDArray[np.float64],
        shape: tuple[int, ...],
    ) -> Pieces:
        """The evidence of the network. Args: fitted: frames as it sees them. shape: of a frame."""
        vector = self.network.embed_fitted(fitted)
        return piece_of_window(vector, (shape[1], shape[0]), float(times_s[0]), float(times_s[-1]))

    def judge(self, evidence: Mapping[str, Pieces]) -> Verdict:
        """The verdict on the evidence of one window.

        Raises:
            InputError: no thresholds, or vectors of another width.
        """
        self._check_thresholds()
        scores: dict[str, float] = {}
        found: list[Evidence] = []
        for name, pieces in evidence.items():
            own = self.score(name, pieces.vectors)
            scores |= {scorer: float(each.max()) for scorer, each in own.items()}
            raising = next(iter(own))
            found += _strongest(name, pieces, own[raising], self.thresholds[raising])
        found.sort(key=lambda one: -one.ratio)
        return Verdict(scores, self.thresholds, raising_of(scores), tuple(found[:MOST_EVIDENCE]))

    def score(self, channel: str, vectors: Vectors) -> Scores:
        """How unusual vectors (N, D) of a channel are, by each of its scorers.

        Raises:
            InputError: vectors of another width.
        """
        width = self._width(channel)
        if vectors.ndim != 2 or vectors.shape[1] != width:
            raise InputError(
                f"expected vectors of {width} numbers for {channel}, got an array of "
                f"{vectors.shape}"
            )
        stored = self._stored.channel(channel)
        every = vectors.astype(np.float64)
        found: Scores = {}
        for name in self.scorers[channel]:
            scores: npt.NDArray[np.float64] = np.empty(0)
            if not len(vectors):
                pass
            elif name == AUTOENCODER:
                scores = self._reconstruction_errors(channel, vectors)
            else:
                scores = SCORERS[name].score(stored.arrays(name), every)
            found[column_of(channel, name)] = scores
        return found

    def score_pieces(self, embeddings: Mapping[str, Embedding], clips: Path) -> dict[str, Scores]:
        """As `score`, of the stored evidence of each channel.

        Args:
            embeddings: by channel; of an alarm that tuned its network, vectors are made anew.
            clips: the folder of the videos.

        Raises:
            InputError: other channels, vectors of another width, or a video that cannot be read.
        """
        if embeddings.keys() != self.facts.keys():
            raise InputError(
                f"expected evidence of the channels {listed(self.facts)}, got that of "
                f"{listed(embeddings)}"
            )
        found = {}
        for name in self.facts:
            vectors = embeddings[name].pieces.vectors
            if name == APPEARANCE and self.is_tuned:
                vectors = self._embed_anew(embeddings[name].index, clips)
            found[name] = self.score(name, vectors)
        return found

    def _embed_anew(self, windows: pd.DataFrame, clips: Path) -> Vectors:
        videos: list[tuple[Path, list[Window]]] = []
        for video, own in windows.groupby("video", sort=False):
            times = own[["start_s", "stop_s"]].itertuples(index=False)
            videos.append((below(clips, [str(video)])[0], [Window(*one) for one in times]))
        return np.concatenate(list(self.network.embed(videos)))

    def follow(self, windows: "count[int]", window_s: float, stride_s: float) -> VideoFollower:
        """Begins to follow a stream. Args: windows: their numbers from the first frame on."""
        starts = (number * stride_s for number in windows)
        awaited = (Awaited(Window(start, start + window_s), start) for start in starts)
        return VideoFollower(self._channels, awaited)

    def _width(self, channel: str) -> int:
        return self._stored.channel(channel).width

    def _check_thresholds(self) -> None:
        if not self.thresholds:
            raise InputError("expected thresholds for a verdict, got none")

    @torch.inference_mode()
    def _reconstruction_errors(self, channel: str, vectors: Vectors) -> npt.NDArray[np.float64]:
        """(N,), without dropout."""
        model = self._stored.channel(channel).autoencoder
        assert model is not None
        model = model.to(self._device).eval()
        loader = batches(vectors, np.arange(len(vectors)), BATCH_SIZE, shuffle_seed=None)
        errors = [model.errors(part.to(self._device)).double().cpu() for part, _ in loader]
        return torch.cat(errors).numpy()


class AlarmStream:
    """Judges the windows of one stream, causally: a window as soon as a frame after it comes.

    The motion between frames is measured once, whatever the windows that it counts in. Memory
    holds what the open windows need: cells of motion, and no frames but the last, or those of a
    window as the network of `appearance` sees them.

    Attributes:
        num_restarts: how often a gap of more than `LONGEST_GAP_S` between two frames made the
            stream begin anew. Windows that were open then have no verdict.
    """

    def __init__(self, alarm: TrainedAlarm, window_s: float, stride_s: float) -> None:
        """See `TrainedAlarm.stream`."""
        if not 0 < stride_s <= window_s < np.inf:
            raise InputError(
                "expected a stride of more than 0 s and at most the length of a window, got "
                f"{stride_s:g} and {window_s:g}"
            )
        self.num_restarts = 0
        self._alarm, self._window_s, self._stride_s = alarm, window_s, stride_s
        self._first_s: float | None = None
        self._last_s = -np.inf
        self._shape: tuple[int, ...] = ()
        self._follower: VideoFollower | None = None
        self._fitted: list[tuple[float, Picture]] = []

    def push(self, frame: Picture, time_s: float) -> list[WindowVerdict]:
        """Takes the next frame; returns the verdicts of the windows that ended before it.

        Args:
            frame: (H, W, 3) RGB uint8, of the size of those before it.
            time_s: when it is shown, later than those before it.

        Raises:
            InputError: another kind of frame, or a time that does not ascend.
            FieldError: windows that are shorter than a channel asks for.
        """
        check_frame(frame, self._shape or frame.shape)
        if not self._last_s < time_s < np.inf:
            raise InputError(f"expected times that ascend, got {time_s} s after {self._last_s} s")
        if self._follower is None or time_s - self._last_s > LONGEST_GAP_S:
            self.num_restarts += self._follower is not None
            self._first_s = time_s
            self._follower = self._alarm.follow(count(), self._window_s, self._stride_s)
            self._fitted = []
        assert self._first_s is not None
        self._shape, self._last_s = frame.shape, time_s
        picture = to_bgr(frame)
        judged = self._follower.see(picture, time_s - self._first_s)
        found = [self._judge(one, self._first_s) for one in judged]
        if APPEARANCE in self._alarm.facts:
            self._fitted.append((time_s, self._alarm.network.fit(picture)))
        return found

    def _judge(self, judged: Judged, first_s: float) -> WindowVerdict:
        start_s, stop_s = (first_s + edge for edge in judged.window)
        evidence = {name: one.moved(first_s) for name, one in judged.evidence.items()}
        if APPEARANCE in self._alarm.facts:
            own = [(at, frame) for at, frame in self._fitted if start_s <= at < stop_s]
            times = np.array([at for at, _ in own])
            frames = [frame for _, frame in own]
            evidence[APPEARANCE] = self._alarm.measure_appearance(frames, times, self._shape)
            self._fitted = [one for one in self._fitted if one[0] >= start_s + self._stride_s]
        return WindowVerdict(start_s, stop_s, self._alarm.judge(evidence))


def check_frame(frame: Picture, shape: tuple[int, ...]) -> None:
    """Refuses what is no frame of a stream, or one of another size.

    Raises:
        InputError: it is refused.
    """
    is_rgb = frame.ndim == 3 and frame.shape[2] == 3 and frame.dtype == np.uint8
    if not is_rgb or not frame.size or frame.shape != shape:
        raise InputError(
            f"expected frames (H, W, 3) uint8, all of one size, got {frame.shape} {frame.dtype}"
        )


def to_bgr(frame: Picture) -> Picture:
    """(H, W, 3) RGB to BGR, as videos are read."""
    return np.ascontiguousarray(frame[..., ::-1])


def _strongest(
    channel: str, pieces: Pieces, scores: npt.NDArray[np.float64], threshold: float
) -> list[Evidence]:
    """The piece with the highest score of each moment."""
    best: dict[float, int] = {}
    for at, time_s in enumerate(pieces.spans_s[:, 1].tolist()):
        if time_s not in best or scores[at] > scores[best[time_s]]:
            best[time_s] = at
    return [
        Evidence(
            channel,
            tuple(pieces.boxes_xyxy[at].tolist()),
            ratio_of(float(scores[at]), threshold),
            time_s,
        )
        for time_s, at in best.items()
    ]


def _channel_of(facts: Mapping[str, Any]) -> Channel:
    """A channel of motion from what is told of it.

    Raises:
        KeyError, TypeError, ValueError: not what is told of a channel.
    """
    name = facts["channel"]
    kind = EmbedClips.model_fields[name].annotation
    assert kind is not None
    # By way of JSON, pydantic takes a list for a tuple.
    options = kind.model_validate_json(json.dumps(facts["options"]))
    return build_channel(name, options, facts["short_clips"])


__all__ = ["AlarmStream", "Evidence", "TrainedAlarm", "Verdict", "WindowVerdict"]
