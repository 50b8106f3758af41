"""A trained alarm: how unusual windows of frames are, by which evidence, and where."""

import json
from collections.abc import Mapping, Sequence
from itertools import chain, count
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
from vigil.domain.clips.speed_map import divide_by_map
from vigil.domain.clips.verdicts import Evidence, Verdict, WindowVerdict, ratio_of
from vigil.learn.alarm.network.embedding.embedder import NetworkEmbedder
from vigil.learn.alarm.network.scoring.data import batches
from vigil.learn.alarm.network.scoring.stored import StoredAlarm, load_alarm
from vigil.learn.alarm.network.scoring.tuned import put_into
from vigil.pixels.channels.channel import Channel
from vigil.pixels.channels.following import PlannedWindow, VideoFollower, WindowEvidence
from vigil.pixels.channels.registry import build_channel
from vigil.pixels.flow.motion import LONGEST_GAP_S
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.windows import WHOLE, Window
from vigil.plumbing.errors import InputError, listed, shorten
from vigil.plumbing.folders import below
from vigil.settings.embed_clips import APPEARANCE, CHANNELS, MOTION_CHANNELS, EmbedClips
from vigil.settings.fit_alarm import AUTOENCODER, SPEED_MAP

BATCH_SIZE = 1024
CPU = torch.device("cpu")
MAX_EVIDENCE = 20
"""The largest number of pieces of evidence in a verdict."""

Scores = dict[str, npt.NDArray[np.float64]]


class TrainedAlarm:
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
            for name in set(facts) & set(MOTION_CHANNELS):
                if _channel_of(facts[name]).width != config[name]["width"]:
                    raise ValueError("vectors of another width")
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
            self._network = NetworkEmbedder.from_facts(self.facts[APPEARANCE])
            put_into(self._network.model, self._stored.channel(APPEARANCE).tuned_state())
        return self._network

    def __call__(self, frames: Sequence[Picture], times_s: npt.NDArray[np.float64]) -> Verdict:
        """Returns the verdict on one window.

        Args:
            frames: at least two frames in order, (H, W, 3) RGB uint8 each.
            times_s: (T,) the time of each frame in seconds, ascending.

        Raises:
            InputError: there are too few frames, times do not ascend, or there are no thresholds.
            FieldError: the window is shorter than a channel needs.
        """
        return self.judge(self.measure(frames, times_s))

    def stream(self, window_s: float, stride_s: float) -> "AlarmStream":
        """Returns a stream, which gives the verdicts on its windows frame by frame.

        Args:
            window_s: the length of the windows.
            stride_s: the time from the start of a window to the start of the next; at most
                `window_s`.

        Raises:
            InputError: there are no thresholds, or a length is not valid.
        """
        self._check_thresholds()
        return AlarmStream(self, window_s, stride_s)

    def measure(
        self, frames: Sequence[Picture], times_s: npt.NDArray[np.float64]
    ) -> dict[str, Pieces]:
        """The evidence in one window, by channel; arguments and errors are those of a call."""
        times = np.asarray(times_s, np.float64)
        if len(frames) < 2 or times.shape != (len(frames),) or not (np.diff(times) > 0).all():
            raise InputError(
                f"expected at least 2 frames and as many ascending times, got {len(frames)} and "
                f"times of the shape {times.shape}"
            )
        for frame in frames:
            check_frame(frame, frames[0].shape)
        evidence: dict[str, Pieces] = {}
        if self._channels:
            follower = VideoFollower(self._channels, iter([PlannedWindow(WHOLE, 0.0)]))
            for frame, time_s in zip(frames, times.tolist(), strict=True):
                follower.see(to_bgr(frame), time_s - times[0])
            (window,) = follower.finish()
            start_s = float(times[0])
            evidence = {name: pieces.moved(start_s) for name, pieces in window.evidence.items()}
        if APPEARANCE in self.facts:
            fitted = [self.network.fit(to_bgr(frame)) for frame in frames]
            evidence[APPEARANCE] = self.measure_appearance(fitted, times, frames[0].shape)
        return evidence

    def measure_appearance(
        self,
        fitted: Sequence[Picture],
        times_s: npt.NDArray[np.float64],
        shape: tuple[int, ...],
    ) -> Pieces:
        """The evidence by the network. Args: fitted: frames fitted to it. shape: of a frame."""
        vector = self.network.embed_fitted(fitted)
        return piece_of_window(vector, (shape[1], shape[0]), float(times_s[0]), float(times_s[-1]))

    def judge(self, evidence: Mapping[str, Pieces]) -> Verdict:
        """Returns the verdict on the evidence in one window.

        Raises:
            InputError: there are no thresholds, or vectors have another width.
        """
        self._check_thresholds()
        scores: dict[str, float] = {}
        strongest: list[Evidence] = []
        for name, pieces in evidence.items():
            by_scorer = self.score(name, self.by_place(name, pieces))
            scores |= {scorer: float(each.max()) for scorer, each in by_scorer.items()}
            raising = next(iter(by_scorer))
            strongest += _strongest(name, pieces, by_scorer[raising], self.thresholds[raising])
        strongest.sort(key=lambda piece: -piece.ratio)
        shown = tuple(strongest[:MAX_EVIDENCE])
        return Verdict(scores, self.thresholds, raising_of(scores), shown)

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
        stored = self._stored.channel(channel)
        doubles = vectors.astype(np.float64)
        by_scorer: Scores = {}
        for name in self.scorers[channel]:
            scores: npt.NDArray[np.float64] = np.empty(0)
            if not len(vectors):
                pass
            elif name == AUTOENCODER:
                scores = self._reconstruction_errors(channel, vectors)
            else:
                scores = SCORERS[name].score(stored.arrays(name), doubles)
            by_scorer[column_of(channel, name)] = scores
        return by_scorer

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
        scores = {}
        for name in self.facts:
            vectors = self.by_place(name, embeddings[name].pieces)
            if name == APPEARANCE and self.is_tuned:
                vectors = self._embed_anew(embeddings[name].index, clips)
            scores[name] = self.score(name, vectors)
        return scores

    def _embed_anew(self, windows: pd.DataFrame, clips: Path) -> Vectors:
        videos: list[tuple[Path, list[Window]]] = []
        for video, rows in windows.groupby("video", sort=False):
            times = rows[["start_s", "stop_s"]].itertuples(index=False)
            videos.append((below(clips, [str(video)])[0], [Window(*one) for one in times]))
        return np.concatenate(list(self.network.embed(videos)))

    def follow(self, windows: "count[int]", window_s: float, stride_s: float) -> VideoFollower:
        """Begins to follow a stream. Args: windows: the numbers of windows from its first frame."""
        starts = (number * stride_s for number in windows)
        planned = (PlannedWindow(Window(start, start + window_s), start) for start in starts)
        return VideoFollower(self._channels, planned)

    def _width(self, channel: str) -> int:
        return self._stored.channel(channel).width

    def _check_thresholds(self) -> None:
        if not self.thresholds:
            raise InputError("expected thresholds for a verdict, got none")

    @torch.inference_mode()
    def _reconstruction_errors(self, channel: str, vectors: Vectors) -> npt.NDArray[np.float64]:
        """The reconstruction errors (N,), without dropout."""
        model = self._stored.channel(channel).autoencoder
        assert model is not None
        model = model.to(self._device).eval()
        loader = batches(vectors, np.arange(len(vectors)), BATCH_SIZE, shuffle_seed=None)
        errors = [model.errors(part.to(self._device)).double().cpu() for part, _ in loader]
        return torch.cat(errors).numpy()


class AlarmStream:
    """Gives verdicts on the windows of one stream, causally: with the first frame after a window.

    Motion between frames is measured once for all windows. The memory holds what the open windows
    need: cells of motion and the last frame, and for `appearance` the fitted frames of the windows.

    Attributes:
        num_restarts: how often the stream restarted after a gap of more than `LONGEST_GAP_S`
            between two frames. Windows that were open at a gap have no verdict.
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
        """Takes the next frame; returns the verdicts on the windows that ended before it.

        Args:
            frame: (H, W, 3) RGB uint8, of the same size as earlier frames.
            time_s: the time of the frame, later than those of earlier frames.

        Raises:
            InputError: the frame is of another kind, or its time does not ascend.
            FieldError: windows are shorter than a channel needs.
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
        closed = self._follower.see(picture, time_s - self._first_s)
        verdicts = [self._judge(window, self._first_s) for window in closed]
        if APPEARANCE in self._alarm.facts:
            self._fitted.append((time_s, self._alarm.network.fit(picture)))
        return verdicts

    def end(self, stop_s: float) -> list[WindowVerdict]:
        """Ends the stream; returns the verdicts on the open windows that end by `stop_s`.

        A window that would end later has no verdict: it would be shorter than the others.

        Args:
            stop_s: the end of the last frame. The next frame begins a new stream.

        Raises:
            FieldError: windows are shorter than a channel needs.
        """
        if self._follower is None or self._first_s is None:
            return []
        first_s, closed = self._first_s, self._follower.finish(stop_s - self._first_s)
        verdicts = [self._judge(window, first_s) for window in closed]
        self._follower, self._fitted = None, []
        return verdicts

    def _judge(self, measured: WindowEvidence, first_s: float) -> WindowVerdict:
        start_s, stop_s = (first_s + edge for edge in measured.window)
        evidence = {name: pieces.moved(first_s) for name, pieces in measured.evidence.items()}
        if APPEARANCE in self._alarm.facts:
            within = [(at, frame) for at, frame in self._fitted if start_s <= at < stop_s]
            times = np.array([at for at, _ in within])
            frames = [frame for _, frame in within]
            evidence[APPEARANCE] = self._alarm.measure_appearance(frames, times, self._shape)
            self._fitted = [one for one in self._fitted if one[0] >= start_s + self._stride_s]
        return WindowVerdict(start_s, stop_s, self._alarm.judge(evidence))


def check_frame(frame: Picture, shape: tuple[int, ...]) -> None:
    """Checks the type and size of a frame.

    Raises:
        InputError: the frame is not (H, W, 3) uint8, or has another size.
    """
    is_rgb = frame.ndim == 3 and frame.shape[2] == 3 and frame.dtype == np.uint8
    if not is_rgb or not frame.size or frame.shape != shape:
        raise InputError(
            f"expected frames (H, W, 3) uint8, all of one size, got {frame.shape} {frame.dtype}"
        )


def to_bgr(frame: Picture) -> Picture:
    """Converts a frame (H, W, 3) from RGB to BGR, the order of decoded videos."""
    return np.ascontiguousarray(frame[..., ::-1])


def _strongest(
    channel: str, pieces: Pieces, scores: npt.NDArray[np.float64], threshold: float
) -> list[Evidence]:
    """The piece with the highest score at each moment."""
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
