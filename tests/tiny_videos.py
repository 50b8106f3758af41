"""Makes tiny videos whose frames carry their number, for tests to count and order them by."""

import random
import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.stream import Disposition

from vigil.pixels.pictures.picture import Picture

NUM_BITS = 10
NUM_COLUMNS = 5
ENCODERS = {
    **{".mp4": "libx264", ".mkv": "libx264", ".webm": "libvpx-vp9", ".avi": "mpeg4"},
    **{".ts": "libx264", ".gif": "gif", ".apng": "apng", ".asf": "wmv2", ".mov": "mjpeg"},
}
OPTIONS = {
    "libx264": {"preset": "ultrafast", "crf": "12"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "20", "b": "0"},
    "mpeg4": {"qmin": "2", "qmax": "4"},
}
PIXEL_FORMATS = {"gif": "gray", "apng": "rgb24", "mjpeg": "yuvj420p"}


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
    encoder: str = "",
    options: dict[str, str] | None = None,
) -> Path:
    """Encodes BGR pictures; the path's ending says container and codec.

    Args:
        times_s: when each picture is shown, where that is not evenly spaced.
        encoder: instead of the usual one of the container.
        options: of the encoder, instead of the usual ones.
    """
    pictures = list(pictures)
    height, width = pictures[0].shape[:2]
    encoder = encoder or ENCODERS[path.suffix]
    time_base = Fraction(1, 1000) if times_s else 1 / fps
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(
            encoder, rate=fps, options=options or OPTIONS.get(encoder, {})
        )
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


def write_with_b_frames(
    path: Path,
    num_frames: int,
    shift: int = 0,
    *,
    num_b_frames: int = 2,
    times_s: Sequence[Fraction] = (),
) -> Path:
    """H.264 whose order of decoding is not that of presentation, at 10 frames a second.

    Args:
        shift: frames that lie before 0 s, which an edit list hides.
        times_s: when each frame is shown, where that is not evenly spaced.
    """
    options = {"bf": str(num_b_frames), "crf": "12", "x264-params": "b-adapt=0"}
    negative = {"avoid_negative_ts": "disabled"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=negative) as container:
        stream = container.add_stream("libx264", rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 10)
        stream.codec_context.thread_count = 1
        for number in range(num_frames):
            frame = av.VideoFrame.from_ndarray(coded_picture(number, (64, 48)), format="bgr24")
            frame.pts = int(times_s[number] * 10) if times_s else number - shift
            frame.time_base = Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


SOUND = {
    **{".flv": "aac", ".asf": "wmav2", ".ts": "aac", ".mp4": "aac", ".mkv": "aac"},
    **{".ogg": "flac", ".avi": "mp2"},
}


def write_with_sound(
    path: Path,
    num_frames: int,
    sound_s: float,
    *,
    encoder: str = "",
    container_options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    sound_first: bool = False,
) -> Path:
    """A video of 10 frames a second whose frames spell their number, beside sound of some length.

    Packets of both are written in the order of their times, as recorders do.

    Args:
        sound_first: whether the sound is the first stream of the file.
    """
    encoder = encoder or ENCODERS.get(path.suffix, "libx264")
    codec_options = codec_options or OPTIONS.get(encoder, {"g": "5"})
    with av.open(str(path), "w", options=container_options or {}) as container:
        if sound_first:
            sound = container.add_stream(SOUND[path.suffix], rate=44100, layout="mono")
        video = container.add_stream(encoder, rate=10, options=codec_options)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.thread_count = 1
        if not sound_first:
            sound = container.add_stream(SOUND[path.suffix], rate=44100, layout="mono")
        sound.bit_rate = 64_000
        form = sound.codec_context.format.name
        tone = np.random.default_rng(0).integers(-9000, 9000, round(sound_s * 44100))
        size, packets = 1024, []
        for start in range(0, len(tone) - size, size):
            part = tone[start : start + size][None]
            samples = part / 32768 if form.startswith("flt") else part
            kind = np.float32 if form.startswith("flt") else np.int16
            frame = av.AudioFrame.from_ndarray(samples.astype(kind), format=form, layout="mono")
            frame.sample_rate, frame.pts = 44100, start
            packets += sound.encode(frame)
        packets += sound.encode(None)
        for number in range(num_frames):
            picture = coded_picture(number, (64, 48))
            shown = av.VideoFrame.from_ndarray(picture, format="bgr24")
            shown.pts, shown.time_base = number, Fraction(1, 10)
            packets += video.encode(shown)
        packets += video.encode(None)
        for packet in sorted(packets, key=lambda one: one.dts * one.time_base):
            container.mux(packet)
    return path


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
    """Writes into an mp4's header that players are to turn it; the pixels stay as they are."""
    write_matrix(mp4, *{1: (0, 1, -1, 0), 2: (-1, 0, 0, -1), 3: (0, -1, 1, 0)}[quarter_turns])


def write_matrix(mp4: Path, a: int, b: int, c: int, d: int) -> None:
    """Writes into an mp4's header how players are to turn and mirror it.

    The track header's matrix (ISO 14496-12, 8.3.2) takes (p, q) to (ap + cq + x, bp + dq + y).
    """
    content = bytearray(mp4.read_bytes())
    at = content.index(b"tkhd") + 4
    assert content[at] == 0, "expected a track header of version 0"
    width, height = (value >> 16 for value in struct.unpack_from(">II", content, at + 76))
    x = (width if a < 0 else 0) + (height if c < 0 else 0)
    y = (width if b < 0 else 0) + (height if d < 0 else 0)
    one = 1 << 16
    matrix = (a * one, b * one, 0, c * one, d * one, 0, x * one, y * one, 1 << 30)
    struct.pack_into(">9i", content, at + 40, *matrix)
    mp4.write_bytes(content)


def write_two_streams(path: Path, *dispositions: Disposition) -> Path:
    """A container with a video stream for each disposition, the first of 64x48 px."""
    with av.open(str(path), "w") as container:
        streams = []
        for number, disposition in enumerate(dispositions):
            stream = container.add_stream("mjpeg" if number else "libx264", rate=10)
            stream.width, stream.height = 64 + 32 * number, 48
            stream.pix_fmt = "yuvj420p" if number else "yuv420p"
            stream.disposition = disposition
            streams.append(stream)
        for number in range(6):
            for stream in streams:
                picture = coded_picture(number, (stream.width, stream.height))
                frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
                frame.pts, frame.time_base = number, Fraction(1, 10)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def packets_of(path: Path) -> list[tuple[int, int]]:
    """Where the packets of a video lie in its file: (place, number of bytes), in their order."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [(packet.pos, packet.size) for packet in container.demux(stream) if packet.size]


def copy_packets(path: Path, target: Path, left_out: Iterable[int]) -> Path:
    """A video without some packets, as a line or a recorder loses them."""
    without = set(left_out)
    with av.open(str(path)) as source, av.open(str(target), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(source.streams.video[0])):
            if packet.size and number not in without:
                packet.stream = stream
                container.mux(packet)
    return target


def noise(num_frames: int, size_wh: tuple[int, int] = (128, 96)) -> list[Picture]:
    """Coarse noise that moves: no part of a frame is coded in a byte or two."""
    width, height = size_wh
    coarse = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    still = cv2.resize(coarse, size_wh, interpolation=cv2.INTER_CUBIC)
    return [np.roll(still, 3 * number, axis=1)[:height, :width] for number in range(num_frames)]


def damage_packet(path: Path, number: int, fill: bytes = b"") -> Path:
    """Overwrites a part of one packet, with noise where nothing else is given."""
    place, size = packets_of(path)[number]
    content = bytearray(path.read_bytes())
    begin = place + int(size * 0.3)
    num_bytes = min(400, place + size - begin)
    content[begin : begin + num_bytes] = (
        fill * num_bytes if fill else random.Random(number).randbytes(num_bytes)
    )
    path.write_bytes(content)
    return path


def is_moov_first(mp4: Path) -> bool:
    content = mp4.read_bytes()
    return content.index(b"moov") < content.index(b"mdat")


def cut_off(path: Path, share: float) -> Path:
    """Leaves a file's first part."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path
