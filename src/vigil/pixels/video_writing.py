"""Writes frames to a video file. The same frames give the same bytes every time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.bitstream import BitStreamFilterContext
from av.codec.context import Flags


@dataclass(frozen=True)
class Codec:
    """One of FFmpeg's encoders, its options, and a filter for its packets if one is needed."""

    encoder: str
    options: tuple[tuple[str, str], ...]
    packet_filter: str | None = None


CODECS = {
    # mbtree is off: with it, x264 gives different bytes in each run, even on one thread.
    # SEI units (type 6) are removed: they hold the encoder's version and settings.
    "h264": Codec(
        "libx264",
        (("crf", "20"), ("preset", "medium"), ("x264-params", "mbtree=0")),
        "filter_units=remove_types=6",
    ),
    "vp9": Codec(
        "libvpx-vp9", (("crf", "24"), ("b", "0"), ("deadline", "good"), ("cpu-used", "5"))
    ),
    "vp9_quick": Codec(
        "libvpx-vp9", (("crf", "24"), ("b", "0"), ("deadline", "realtime"), ("cpu-used", "8"))
    ),
    "mpeg4": Codec("mpeg4", (("qmin", "2"), ("qmax", "4"))),
}


def write_video(
    path: Path,
    frames: Iterable[npt.NDArray[np.uint8]],
    *,
    codec: str,
    fps: Fraction,
    size_wh: tuple[int, int],
) -> None:
    """Encodes RGB frames ``(height, width, 3)`` with one of ``CODECS``.

    The suffix of the path selects the container. Encoding uses one thread and the bit-exact flags,
    so the file holds no versions, dates or random ids.
    """
    chosen = CODECS[codec]
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(chosen.encoder, rate=fps, options=dict(chosen.options))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.flags |= Flags.bitexact
        stream.codec_context.time_base = 1 / fps
        packet_filter = (
            BitStreamFilterContext(chosen.packet_filter, stream) if chosen.packet_filter else None
        )

        def write(packets: Iterable[av.Packet[Any]]) -> None:
            for packet in packets:
                if packet_filter is None:
                    container.mux(packet)
                else:
                    container.mux(packet_filter.filter(packet))

        for frame_index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = frame_index
            frame.time_base = 1 / fps
            write(stream.encode(frame))
        write(stream.encode(None))
        if packet_filter is not None:
            container.mux(packet_filter.filter(None))
