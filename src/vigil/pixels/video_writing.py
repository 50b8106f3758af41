"""Writes frames to a video file. The same frames give the same bytes every time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.bitstream import BitStreamFilterContext
from av.codec.context import Flags


@dataclass(frozen=True)
class Codec:
    """One of FFmpeg's encoders, its options, and a filter for its packets if one is needed.

    ``starts_at_once``: the index of an MP4 is at its front. A browser plays the video before all of
    it is loaded.
    """

    encoder: str
    options: tuple[tuple[str, str], ...]
    packet_filter: str | None = None
    starts_at_once: bool = False


CODECS = {
    # mbtree is off: with it, x264 gives different bytes in each run, even on one thread.
    # SEI units (type 6) are removed: they hold the encoder's version and settings.
    "h264": Codec(
        "libx264",
        (("crf", "20"), ("preset", "medium"), ("x264-params", "mbtree=0")),
        "filter_units=remove_types=6",
    ),
    "h264_quick": Codec(
        "libx264",
        (("crf", "23"), ("preset", "veryfast"), ("x264-params", "mbtree=0")),
        "filter_units=remove_types=6",
        starts_at_once=True,
    ),
    "vp9": Codec(
        "libvpx-vp9", (("crf", "24"), ("b", "0"), ("deadline", "good"), ("cpu-used", "5"))
    ),
    "vp9_quick": Codec(
        "libvpx-vp9", (("crf", "24"), ("b", "0"), ("deadline", "realtime"), ("cpu-used", "8"))
    ),
    "mpeg4": Codec("mpeg4", (("qmin", "2"), ("qmax", "4"))),
}


class VideoWriter:
    """Encodes RGB frames ``(height, width, 3)`` one by one.

    The suffix of the path selects the container. Encoding uses one thread and the bit-exact flags,
    so the file holds no versions, dates or random ids.
    """

    def __init__(
        self,
        path: Path,
        *,
        codec: str,
        fps: Fraction,
        size_wh: tuple[int, int],
        time_base: Fraction | None = None,
    ) -> None:
        """Args:
        codec: one of ``CODECS``.
        fps: frames a second; the mean where the rate varies.
        time_base: what time stamps count, in seconds; 1 / fps where none is given.
        """
        chosen = CODECS[codec]
        options = {"fflags": "+bitexact"}
        if path.suffix in {".mp4", ".mov"} and chosen.starts_at_once:
            options["movflags"] = "+faststart"
        self._container = av.open(str(path), "w", options=options)
        stream = self._container.add_stream(chosen.encoder, rate=fps, options=dict(chosen.options))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.flags |= Flags.bitexact
        self._time_base = time_base or 1 / fps
        stream.codec_context.time_base = self._time_base
        self._stream, self._num_frames = stream, 0
        self._filter = (
            BitStreamFilterContext(chosen.packet_filter, stream) if chosen.packet_filter else None
        )

    def write(self, pixels: npt.NDArray[np.uint8], stamp: int | None = None) -> None:
        """Encodes the next frame.

        Args:
            stamp: when it is shown, in units of the time base; its number where none is given.
        """
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts = self._num_frames if stamp is None else stamp
        frame.time_base = self._time_base
        self._num_frames += 1
        self._mux(self._stream.encode(frame))

    def close(self) -> None:
        """Encodes what is left, and ends the file."""
        try:
            self._mux(self._stream.encode(None))
            if self._filter is not None:
                self._container.mux(self._filter.filter(None))
        finally:
            self._container.close()

    def _mux(self, packets: Iterable[av.Packet[Any]]) -> None:
        for packet in packets:
            self._container.mux(packet if self._filter is None else self._filter.filter(packet))


def write_video(
    path: Path,
    frames: Iterable[npt.NDArray[np.uint8]],
    *,
    codec: str,
    fps: Fraction,
    size_wh: tuple[int, int],
) -> None:
    """Encodes RGB frames ``(height, width, 3)`` with one of ``CODECS``, as `VideoWriter` does."""
    writer = VideoWriter(path, codec=codec, fps=fps, size_wh=size_wh)
    try:
        for pixels in frames:
            writer.write(pixels)
    finally:
        writer.close()


def with_even_sides(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """A (H, W, 3) picture; an odd side grows by a pixel, since H.264 requires even sides."""
    height, width = picture.shape[:2]
    even = cv2.copyMakeBorder(picture, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return even.astype(np.uint8, copy=False)
