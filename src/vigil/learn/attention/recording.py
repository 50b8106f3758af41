"""Writes what a network attends to in a picture or a video: arrays, a sheet, a video."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vigil.domain.attention import brightest
from vigil.learn.attention.sources import Source
from vigil.learn.attention.viewer import Seen, Viewer
from vigil.pixels.attention import draw_attention, side_by_side
from vigil.pixels.drawing.on_pictures import write_picture
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.pictures.picture import Picture, swap_red_and_blue
from vigil.pixels.stepped_frames import read_stepped
from vigil.pixels.video.source import Frame
from vigil.pixels.video_writing import VideoWriter, with_even_sides
from vigil.plumbing.fingerprints import code_fingerprint
from vigil.plumbing.memo import Memo, tree_digest
from vigil.plumbing.progress import progress
from vigil.plumbing.records import write_csv
from vigil.settings.attend import Attend

ATTENTION_FILE, VECTORS_FILE, FRAMES_FILE = "attention.npy", "vectors.npy", "frames.csv"
SHEET_FILE, VIDEO_FILE = "attention.png", "attention.mp4"
FRAME_DTYPES = {"frame_index": np.int64, "time_s": np.float64}
WITHOUT_EFFECT = ("root", "sources", "network", "num_clusters")
"""Settings that change no result of a single source; the network is told by its weights."""
CLOCK = 1000
"""Time stamps of a written video count milliseconds."""


class AttentionRecorder:
    """Writes the results of sources, and remembers them by their content."""

    def __init__(self, viewer: Viewer, settings: Attend, picture_fps: Fraction) -> None:
        """Args: picture_fps: is needed by the reader of videos."""
        self._viewer, self._settings, self._fps = viewer, settings, picture_fps
        self._memo, self._code = Memo("attention"), code_fingerprint(AttentionRecorder)

    def record(self, source: Source, target: Path) -> None:
        """Writes the results of a source into a new folder.

        Raises:
            InputError: the picture or video cannot be read.
        """
        facts: dict[str, Any] = {
            "code": self._code,
            "viewer": self._viewer.facts,
            "settings": self._settings.model_dump(exclude={*WITHOUT_EFFECT}),
            "source": tree_digest(source.path),
            "name": source.path.name,
        }
        target.parent.mkdir(parents=True, exist_ok=True)
        self._memo.fetch(facts, partial(self._make, source), target)

    def prune(self) -> None:
        """Deletes the oldest entries of the cache, if it is too large."""
        self._memo.prune()

    def frames(self, source: Source) -> Iterator[Frame]:
        """The frames of a source that the network sees, fitted; a picture is one frame.

        Raises:
            InputError: the picture or video cannot be read.
        """
        path = source.path
        if source.is_picture:
            rgb = ImageSource(path.parent).rgb(path.name)
            bgr = swap_red_and_blue(rgb)
            yield Frame(0, 0.0, self._viewer.fit(bgr, str(path)))
            return
        for frame in read_stepped(path, self._settings.step_s, self._fps):
            yield replace(frame, picture=self._viewer.fit(frame.picture, str(path)))

    def _make(self, source: Source, folder: Path) -> None:
        folder.mkdir()
        seen, table, first = self._see(source)
        np.save(folder / ATTENTION_FILE, seen.attention)
        np.save(folder / VECTORS_FILE, seen.vectors)
        write_csv(table, folder / FRAMES_FILE)
        sheet = draw_attention(
            first,
            seen.attention[0].astype(np.float32),
            keep_fraction=self._settings.keep_fraction,
            title=f"{source.path.name}: attention of the class token in the last block",
        )
        write_picture(sheet, folder / SHEET_FILE)
        if not source.is_picture:
            self._film(source, seen, table["time_s"].tolist(), folder / VIDEO_FILE)

    def _see(self, source: Source) -> tuple[Seen, pd.DataFrame, Picture]:
        """Shows all frames of a source to the network; returns the first one, too."""
        frames = iter(progress(self.frames(source), f"attend {source.path.name}", "frame"))
        parts, rows = [], []
        first: Picture | None = None
        while batch := list(islice(frames, self._settings.batch_size)):
            first = batch[0].picture if first is None else first
            parts.append(self._viewer.look([frame.picture for frame in batch]))
            rows += [(frame.index, frame.time_s) for frame in batch]
        assert first is not None  # a readable source has a frame
        seen = Seen(*(np.concatenate(each) for each in zip(*parts, strict=True)))
        return seen, pd.DataFrame(rows, columns=list(FRAME_DTYPES)), first

    def _film(self, source: Source, seen: Seen, times_s: list[float], file: Path) -> None:
        """Writes the video: the frame, the mean of the heads, and the kept patches of each."""
        settings = self._settings
        means = (maps.astype(np.float32).mean(axis=0) for maps in seen.attention)
        highest = brightest(means, settings.scale_percentile)
        writer: VideoWriter | None = None
        try:
            for frame, maps in zip(self.frames(source), seen.attention, strict=True):
                drawn = with_even_sides(
                    side_by_side(
                        frame.picture,
                        maps.astype(np.float32),
                        keep_fraction=settings.keep_fraction,
                        highest=highest,
                    )
                )
                if writer is None:
                    writer = _open_writer(file, drawn, times_s)
                writer.write(swap_red_and_blue(drawn), round(frame.time_s * CLOCK))
        finally:
            if writer is not None:
                writer.close()


def _open_writer(file: Path, drawn: Picture, times_s: list[float]) -> VideoWriter:
    num_steps = max(len(times_s) - 1, 1)
    length_s = Fraction(max(round((times_s[-1] - times_s[0]) * CLOCK), num_steps), CLOCK)
    return VideoWriter(
        file,
        codec="h264_quick",
        fps=(num_steps / length_s).limit_denominator(CLOCK),
        size_wh=(drawn.shape[1], drawn.shape[0]),
        time_base=Fraction(1, CLOCK),
    )
