"""Reads parts of a video with their exact times, and writes frames without loss."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.codec.context import Flags

from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.source import SourceFrame, frame_bgr, open_source
from vigil.pixels.windows import Window, read_times
from vigil.plumbing.errors import InputError

TICKS_PER_S = 10**9
"""Time stamps of written videos count nanoseconds. So the times of all sources stay as they are."""


@dataclass(frozen=True)
class Footage:
    """The frames of a part of a video.

    Attributes:
        frames: (T, H, W, 3) uint8, BGR.
        times_s: (T,) in seconds from the first frame of the part, ascending.
        fps: frames a second; the mean where the rate varies.
    """

    frames: Picture
    times_s: npt.NDArray[np.float64]
    fps: Fraction

    @property
    def short_side(self) -> int:
        """The short side of the picture, in px."""
        return min(self.frames.shape[1:3])


def read_parts(path: Path, parts: Sequence[Window], picture_fps: Fraction) -> Iterator[Footage]:
    """Reads parts of a video, in one pass over its frames.

    Args:
        parts: sorted by time; they do not overlap.
        picture_fps: the frame rate of a folder of numbered pictures.

    Raises:
        InputError: the video cannot be read, or a part has no frame.
    """
    if not parts:
        return
    times = read_times(path, picture_fps)
    ranges = [times.frames_of(part) for part in parts]
    for part, numbers in zip(parts, ranges, strict=True):
        if not numbers:
            raise InputError(
                f"{path}: expected frames from {part.start_s:g} to {part.stop_s:g} s, found none"
            )
    frames: Iterator[SourceFrame] = iter(open_source(path, picture_fps, 1))
    waiting = iter(ranges)
    rows: range | None = next(waiting, None)
    held: list[Picture] = []
    for at, frame in enumerate(frames):
        if rows is None:
            continue  # the rest is decoded all the same: a damaged file is refused, never cut
        if at in rows:
            held.append(frame_bgr(frame).copy())
        if at == rows.stop - 1:
            seconds = times.seconds[rows.start : rows.stop]
            yield Footage(np.stack(held), seconds - seconds[0], times.fps)
            held, rows = [], next(waiting, None)
    if rows is not None:
        raise InputError(f"{path}: expected {len(times.seconds)} frames, found fewer")


def write_lossless(footage: Footage, path: Path) -> None:
    """Writes a video whose frames and times are read back as they were (FFV1 in NUT).

    FFV1 is the lossless codec of RFC 9043. The same footage gives the same bytes every time.
    """
    height, width = footage.frames.shape[1:3]
    unit_s = Fraction(1, TICKS_PER_S)
    container = av.open(str(path), "w", format="nut", options={"fflags": "+bitexact"})
    try:
        stream = container.add_stream("ffv1", rate=footage.fps)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "bgr0"
        stream.codec_context.thread_count = 1
        stream.codec_context.flags |= Flags.bitexact
        stream.codec_context.time_base = unit_s
        for pixels, time_s in zip(footage.frames, footage.times_s.tolist(), strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="bgr24")
            frame.pts, frame.time_base = round(time_s * TICKS_PER_S), unit_s
            _mux(container, stream.encode(frame))
        _mux(container, stream.encode(None))
    finally:
        container.close()


def _mux(container: av.container.OutputContainer, packets: Iterable[av.packet.Packet]) -> None:
    for packet in packets:
        container.mux(packet)
