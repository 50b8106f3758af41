"""Makes tiny videos whose frames carry their number, for tests to count and order them by."""

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.stream import Disposition

from vigil.pixels.pictures.picture import Picture

NUM_BITS = 10
NUM_COLUMNS = 5
ENCODERS = {
    **{".mp4": "libx264", ".mkv": "libx264", ".webm": "libvpx-vp9", ".avi": "mpeg4"},
    **{".ts": "libx264", ".gif": "gif", ".apng": "apng"},
}
OPTIONS = {
    "libx264": {"preset": "ultrafast", "crf": "12"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "20", "b": "0"},
    "mpeg4": {"qmin": "2", "qmax": "4"},
}
PIXEL_FORMATS = {"gif": "gray", "apng": "rgb24"}


def coded_picture(number: int, size_wh: tuple[int, int]) -> Picture:
    """A picture whose two rows of five cells spell a number in bits: white is one."""
    width, height = size_wh
    picture = np.full((height, width, 3), 16, np.uint8)
    for bit in range(NUM_BITS):
        if number >> bit & 1:
            picture[_cell(bit, size_wh)] = 235
    return picture


def read_code(picture: Picture) -> int:
    """The number that a picture, colour or grey, was coded with."""
    size_wh = (picture.shape[1], picture.shape[0])
    return sum(
        (picture[_cell(bit, size_wh, margin=2)].mean() > 128) << bit for bit in range(NUM_BITS)
    )


def _cell(bit: int, size_wh: tuple[int, int], margin: int = 0) -> tuple[slice, slice]:
    width, height = size_wh
    row, column = divmod(bit, NUM_COLUMNS)
    num_rows = NUM_BITS // NUM_COLUMNS
    return (
        slice(row * height // num_rows + margin, (row + 1) * height // num_rows - margin),
        slice(column * width // NUM_COLUMNS + margin, (column + 1) * width // NUM_COLUMNS - margin),
    )


def write_video(
    path: Path,
    pictures: Iterable[Picture],
    *,
    fps: Fraction = Fraction(10),
    times_s: Sequence[Fraction] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Encodes BGR pictures; the path's ending says container and codec.

    Args:
        times_s: when each picture is shown, where that is not evenly spaced.
    """
    pictures = list(pictures)
    height, width = pictures[0].shape[:2]
    encoder = ENCODERS[path.suffix]
    time_base = Fraction(1, 1000) if times_s else 1 / fps
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(encoder, rate=fps, options=OPTIONS.get(encoder, {}))
        stream.width, stream.height = width, height
        # The usual chroma format knows only even sizes.
        odd_h264 = encoder == "libx264" and (width % 2 or height % 2)
        usual_format = "yuv444p" if odd_h264 else "yuv420p"
        stream.pix_fmt = PIXEL_FORMATS.get(encoder, usual_format)
        stream.codec_context.time_base = time_base
        stream.codec_context.thread_count = 1
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")
            frame.pts = int(times_s[number] / time_base) if times_s else number
            frame.time_base = time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_coded_video(
    path: Path,
    num_frames: int,
    size_wh: tuple[int, int] = (64, 48),
    *,
    fps: Fraction = Fraction(10),
    times_s: Sequence[Fraction] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """A video whose frames spell 0, 1, 2, …"""
    pictures = (coded_picture(number, size_wh) for number in range(num_frames))
    return write_video(
        path, pictures, fps=fps, times_s=times_s, container_options=container_options
    )


def write_frameless_video(path: Path) -> Path:
    """A container with a video stream and not one frame in it."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(ENCODERS[path.suffix], rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    return path


def write_audio(path: Path) -> Path:
    """A container with sound alone."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        for start in range(0, 8 * 1024, 1024):
            samples: npt.NDArray[np.float32] = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 8000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_cover(path: Path) -> Path:
    """A container with a cover picture alone, as music has one beside its sound."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        stream.disposition = Disposition.attached_pic
        picture = np.full((48, 64, 3), 128, np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def turn_clockwise(mp4: Path, quarter_turns: int) -> None:
    """Writes into an mp4's header that players are to turn it; the pixels stay as they are.

    The track header's matrix (ISO 14496-12, 8.3.2) takes (p, q) to (ap + cq + x, bp + dq + y).
    """
    content = bytearray(mp4.read_bytes())
    at = content.index(b"tkhd") + 4
    assert content[at] == 0, "expected a track header of version 0"
    width, height = (value >> 16 for value in struct.unpack_from(">II", content, at + 76))
    a, b, c, d, x, y = {
        1: (0, 1, -1, 0, height, 0),
        2: (-1, 0, 0, -1, width, height),
        3: (0, -1, 1, 0, 0, width),
    }[quarter_turns]
    one = 1 << 16
    matrix = (a * one, b * one, 0, c * one, d * one, 0, x * one, y * one, 1 << 30)
    struct.pack_into(">9i", content, at + 40, *matrix)
    mp4.write_bytes(content)


def is_moov_first(mp4: Path) -> bool:
    content = mp4.read_bytes()
    return content.index(b"moov") < content.index(b"mdat")


def cut_off(path: Path, share: float) -> Path:
    """Leaves a file's first part."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path
