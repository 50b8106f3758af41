"""Writes the pictures of a source: the annotated video, and a picture and a video of each event.

The source is decoded a second time for them, since the judgements of tracks and the ends of events
are known only at the end of the source. Drawing and encoding have a thread each.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vigil.domain.boxes import CORNERS
from vigil.domain.events.event import SIGNAL_LOST
from vigil.domain.pictures.annotated import COUNTS
from vigil.pixels.drawing.on_pictures import write_picture
from vigil.pixels.pictures.picture import Picture, swap_red_and_blue
from vigil.pixels.video.source import Frame
from vigil.pixels.video_writing import VideoWriter
from vigil.pixels.watched_frames import (
    Banner,
    draw_strip,
    draw_watched,
    explain,
    shown_size,
    with_strip,
)
from vigil.plumbing.background import Background
from vigil.settings.watch import Watch
from vigil.watch.results.findings import Findings

CODEC = "h264_quick"
UNIT_S = Fraction(1, 90_000)
"""The unit of the videos' time stamps, fine enough for the times of any source."""
MOST_WAITING = 16
"""How many drawn frames may wait for the encoder, over all videos."""
ANNOTATED, EVENTS = "annotated.mp4", "events"

Record = Mapping[str, Any]
"""An entry of `events.json`."""


def clock_text(time_s: float) -> str:
    """Minutes, seconds and tenths; with hours from one hour on."""
    tenths = int(time_s * 10 + 1e-6)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    text = f"{minutes:02d}:{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{text}" if hours else text


class FramePainter:
    """Draws boxes, paths, scores and alarms on the frames of a source."""

    def __init__(self, findings: Findings, events: Sequence[Record], settings: Watch) -> None:
        self._facts, self._settings = findings.facts, settings
        kept = findings.kept_tracks(settings.judging.least_probability)
        self._by_frame = {int(index): boxes for index, boxes in kept.groupby("frame_index")}
        self._masks = _by_track(findings.masks)
        self._events = [event for event in events if event["kind"] != SIGNAL_LOST]
        self._evidence = findings.evidence
        scores = findings.scores
        middles = ((scores["start_s"] + scores["stop_s"]) / 2).to_numpy(np.float64)
        spans = [(e["start_s"], e["end_s"], not e["suppressed"]) for e in self._events]
        self._strip = draw_strip(
            shown_size(self._facts.size_wh)[0],
            self._facts.duration_s,
            middles,
            scores["ratio"].to_numpy(np.float64),
            spans,
        )
        self._paths: dict[int, list[tuple[float, float, float]]] = {}

    def draw(self, frame: Frame) -> tuple[Picture, Picture]:
        """An annotated frame, BGR, without and with the strip. Frames must come in order."""
        rows = self._by_frame.get(frame.index)
        ids, boxes = ([], np.empty((0, 4))) if rows is None else _boxes_of(rows)
        drawn = draw_watched(
            frame.picture,
            boxes,
            ids,
            self._paths_of(ids, boxes, frame.time_s),
            clock=clock_text(frame.time_s),
            banner=self._banner_at(frame.time_s),
            places=self._places_at(frame.time_s),
            masks=[self._masks.get((one, frame.index)) for one in ids],
            masks_hw=self._facts.size_wh[::-1],
        )
        return drawn, with_strip(drawn, self._strip, frame.time_s, self._facts.duration_s)

    def _paths_of(self, ids: Sequence[int], boxes: np.ndarray, time_s: float) -> list[np.ndarray]:
        paths = []
        for track_id, (x1, _, x2, y2) in zip(ids, boxes.tolist(), strict=True):
            path = self._paths.setdefault(track_id, [])
            path.append((time_s, (x1 + x2) / 2, y2))
            while time_s - path[0][0] > self._settings.pictures.trail_s:
                path.pop(0)
            paths.append(np.array(path)[:, 1:])
        # The paths of tracks that are not in this frame are dropped.
        self._paths = {track_id: self._paths[track_id] for track_id in ids}
        return paths

    def _banner_at(self, time_s: float) -> Banner | None:
        for event in self._events:
            if event["start_s"] <= time_s < event["end_s"]:
                name = "unusual" if not event["suppressed"] else f"no alarm: {event['suppressed']}"
                text = f"{name}   peak {event['peak_score']:.1f} x threshold"
                return Banner(text, not event["suppressed"])
        return None

    def _places_at(self, time_s: float) -> np.ndarray:
        near = self._evidence[(self._evidence["time_s"] - time_s).abs() <= 0.5 / self._facts.fps]
        unusual = near[near["ratio"] > self._settings.raising.raise_at]
        return np.asarray(unusual[CORNERS].to_numpy(np.float64))


def _by_track(masks: pd.DataFrame | None) -> dict[tuple[int, int], str]:
    """The mask of each track on each frame with one."""
    if masks is None:
        return {}
    keys = zip(masks["track_id"].tolist(), masks["frame_index"].tolist(), strict=True)
    return dict(zip(keys, masks[COUNTS].tolist(), strict=True))


def _boxes_of(rows: pd.DataFrame) -> tuple[list[int], np.ndarray]:
    return rows["track_id"].tolist(), rows[CORNERS].to_numpy(np.float64)


@dataclass
class _Film:
    """An unfinished video."""

    start_s: float
    stop_s: float
    writer: VideoWriter

    def write(self, picture: Picture, time_s: float) -> None:
        stamp = round((time_s - self.start_s) / UNIT_S)
        self.writer.write(swap_red_and_blue(picture), max(stamp, 0))


class FilmWriter:
    """Writes the videos and pictures of a source and its events into an existing folder."""

    def __init__(
        self, findings: Findings, events: Sequence[Record], settings: Watch, folder: Path
    ) -> None:
        self._painter = FramePainter(findings, events, settings)
        self._size_wh = shown_size(findings.facts.size_wh)
        self._fps = Fraction(findings.facts.fps).limit_denominator(10_000)
        self._folder, self._settings = folder, settings.pictures
        self._waiting = sorted(
            (event for event in events if event["kind"] != SIGNAL_LOST),
            key=lambda event: (event["start_s"], event["id"]),
        )
        self._peaks = list(self._waiting)
        self._films: list[_Film] = []
        self._encoding: Background[None] = Background(MOST_WAITING)

    def film(self, frames: Iterator[Frame]) -> None:
        """Writes all videos and pictures, from all frames of the source."""
        if self._waiting:
            (self._folder / EVENTS).mkdir()
        with self._encoding:
            try:
                if self._settings.annotated:
                    self._start(0.0, float("inf"), self._folder / ANNOTATED)
                for frame in frames:
                    self._add(frame)
            finally:
                self._end_films(float("inf"))

    def _start(self, start_s: float, stop_s: float, path: Path) -> None:
        writer = VideoWriter(
            path, codec=CODEC, fps=self._fps, size_wh=self._size_wh, time_base=UNIT_S
        )
        self._films.append(_Film(start_s, stop_s, writer))

    def _end_films(self, time_s: float) -> None:
        finished = [film for film in self._films if film.stop_s <= time_s]
        self._films = [film for film in self._films if film.stop_s > time_s]
        for film in finished:
            self._encoding.call(film.writer.close)

    def _add(self, frame: Frame) -> None:
        for event in list(self._waiting):
            start_s = max(0.0, event["start_s"] - self._settings.before_s)
            if frame.time_s < start_s:
                break
            length_s = self._settings.longest_s + self._settings.before_s
            stop_s = min(event["end_s"] + self._settings.after_s, start_s + length_s)
            path = self._folder / EVENTS / f"{event['id']}.mp4"
            self._start(frame.time_s, stop_s, path)
            self._waiting.remove(event)
        self._end_films(frame.time_s)
        due = [event for event in self._peaks if frame.time_s >= event["peak_s"] - 0.5 / self._fps]
        if not self._films and not due:
            return
        annotated, with_scores = self._painter.draw(frame)
        for event in due:
            write_picture(explain(annotated), self._folder / EVENTS / f"{event['id']}.jpg")
            self._peaks.remove(event)
        for film in self._films:
            self._encoding.call(film.write, with_scores, frame.time_s)
