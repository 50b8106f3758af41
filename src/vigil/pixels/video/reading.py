"""Decodes video files, once and in order, or says why it cannot."""

import codecs
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import NoReturn, cast

import av
import numpy as np
from av.stream import Disposition

from vigil.pixels.pictures.decoding import MAX_PIXELS
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.complaints import (
    damaged_frames,
    is_of_memory,
    last_heard,
    let_go,
    num_heard,
)
from vigil.pixels.video.display_matrix import shown
from vigil.plumbing.errors import InputError, printable, shorten

# Containers round a length up, and count a last frame that has no packet of its own.
LENGTH_TOLERANCE_FRAMES = 2

LISTS = (b"#EXTM3U", b"ffconcat ")
"""How files begin that hold no video, but name others: HLS playlists, and FFmpeg's own lists."""

SHOWN_BY_BROWSERS = {"matroska", "mov"}
"""Containers that browsers show as they are, by the first of FFmpeg's names for them."""

NO_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails
"""Streams of pictures that are no video: covers, and previews of what is in another stream."""

STILL_BRANDS = {"avif", "heic", "heix", "mif1"}
"""Of still pictures in a container of MP4's family (ISO/IEC 23008-12, annex B)."""


@contextmanager
def open_video(path: Path) -> Iterator[av.container.InputContainer]:
    """Opens a video that stands by itself: no other file or address is opened, whatever it names.

    Raises:
        av.FFmpegError, OSError, ValueError: it cannot be opened.
        InputError: it is a list of other files.
    """
    with path.open("rb") as file:
        if file.read(16).removeprefix(codecs.BOM_UTF8).startswith(LISTS):
            raise InputError(f"{path}: expected a video, got a list of other files")
        file.seek(0)
        # FFmpeg reads the file that is given to it, and may open others by no protocol there is.
        options = {"protocol_whitelist": "none"}
        with av.open(file, "r", metadata_errors="replace", options=options) as container:
            yield container


def video_streams(container: av.container.InputContainer) -> list[av.VideoStream]:
    """The streams of a file that are videos, without covers and previews."""
    return [stream for stream in container.streams.video if not stream.disposition & NO_VIDEO]


class DamagedFrameError(InputError):
    """A frame that its decoder mended: most of it may be as it was, or none."""


class VideoReader:
    """Iterates over the frames of a video file and, once done, knows its frame rate.

    Neither the number of frames in a header nor seeking is trusted: what counts is what decodes.
    A file that promises more than it holds is an error, never a shorter video.

    Attributes:
        damaged: what was wrong with which frame, after the iteration; empty but where damaged
            frames are kept. Frames that build on one are damaged, too, up to the next keyframe.
        num_hidden: frames that the file tells players not to show, after the iteration.
    """

    def __init__(self, path: Path, num_threads: int = 0, *, keeps_damaged: bool = False) -> None:
        """Prepares; nothing is opened yet.

        Args:
            num_threads: decoding threads; 0 for as many as there are cores.
            keeps_damaged: whether frames that a decoder mended are handed out and told, and no
                error.
        """
        self.path = path
        self.damaged: dict[int, str] = {}
        self.num_hidden = 0
        self._num_threads = num_threads
        self._keeps_damaged = keeps_damaged
        self._num_heard = self._num_frames = 0
        self._is_suspect = False
        self._seconds: list[float] = []
        self._rate: Fraction | None = None
        self._stamps: list[int | None] = []
        self._unit_s, self._origin_s, self._is_avi = Fraction(1), Fraction(0), False

    def __iter__(self) -> Iterator[av.VideoFrame]:
        """Yields every frame in order of presentation.

        Raises:
            InputError: no such file, not a video, a still picture, several videos in one, no
                frames, a damaged or missing frame, or frames too large or of different sizes. A
                damaged frame may be told of at the end alone.
            MemoryError: there is too little to decode it.
        """
        if not self.path.is_file():
            raise InputError(f"{self.path}: expected a video, found no such file")
        if self.path.stat().st_size == 0:
            raise InputError(f"{self.path}: expected a video, got an empty file")
        self._num_heard = num_heard()
        with self._open() as (container, stream):
            yield from self._decode(container, stream)
            if self._is_suspect or num_heard() > self._num_heard:
                self._find_damage()
            self._check_length(container, stream)

    @property
    def fps(self) -> Fraction:
        """Mean frames per second, exactly; after the iteration.

        Raises:
            InputError: the file tells no rate, neither in its header nor by time stamps.
        """
        measured = self._measured_rate()
        if self._rate and measured and abs(self._rate / measured - 1) <= Fraction(1, 100):
            return self._rate
        rate = measured or self._rate
        if not rate:
            raise InputError(f"{self.path}: expected a frame rate, found none")
        return rate

    @property
    def is_variable_rate(self) -> bool:
        """Whether some frame lasts half as long again as the typical one; after the iteration."""
        steps = np.diff(self._seconds)
        if len(steps) == 0:
            return False
        typical = float(np.median(steps))
        # A millisecond is the finest step that WebM can tell.
        return bool((np.abs(steps - typical) > max(0.5 * typical, 0.0015)).any())

    @property
    def stamps(self) -> tuple[list[int], Fraction] | None:
        """When each frame is shown, and the seconds that a stamp counts; after the iteration.

        A browser shows MP4, MOV, Matroska and WebM as they are, so their stamps stay what they are.
        It shows no other container. What was annotated of such a file is a conversion of it, and a
        conversion takes off the time at which the file starts: MPEG-TS counts from 1.4 s, or from
        when the recorder was switched on.

        None where there are none: a raw stream, or one frame without. AVI has an order of decoding
        and no stamps of presentation. Where that order is not the one of presentation, FFmpeg's
        guess is none either.
        """
        known = [stamp for stamp in self._stamps if stamp is not None]
        if not known or len(known) < len(self._stamps):
            return None
        if self._is_avi and any(after <= before for before, after in pairwise(known)):
            return None
        origin = known[0] if self._is_avi else round(self._origin_s / self._unit_s)
        return [stamp - origin for stamp in known], self._unit_s

    @contextmanager
    def _open(self) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
        with ExitStack() as stack:
            try:
                container = stack.enter_context(open_video(self.path))
            except (av.FFmpegError, OSError, ValueError) as error:
                self._refuse("expected a video, got", error)
            if still := _still_format(container):
                raise InputError(f"{self.path}: expected a video, got a still picture ({still})")
            streams = video_streams(container)
            if not streams:
                raise InputError(f"{self.path}: expected a video, found no video stream")
            if len(streams) > 1:
                told = ", ".join(f"{s.width}x{s.height}" for s in streams)
                raise InputError(
                    f"{self.path}: expected one video stream, got {len(streams)} ({told}); "
                    "ffmpeg -i in.mp4 -map 0:v:0 -c copy out.mp4 keeps the first"
                )
            (stream,) = streams
            if stream.codec_context is None:
                raise InputError(f"{self.path}: expected a video, got one of an unknown codec")
            if stream.width * stream.height > MAX_PIXELS:
                raise InputError(
                    f"{self.path}: expected frames of at most {MAX_PIXELS} px, got "
                    f"{stream.width}x{stream.height}"
                )
            try:
                yield container, stream
            finally:
                let_go(stream.codec_context)

    def _decode(
        self, container: av.container.InputContainer, stream: av.VideoStream
    ) -> Iterator[av.VideoFrame]:
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = self._num_threads
        self.damaged, self._is_suspect = {}, False
        matrices = _Matrices()
        self._rate = stream.average_rate or stream.guessed_rate
        self._seconds, self._stamps = [], []
        self._unit_s = stream.time_base or Fraction(1)
        name = container.format.name.split(",")[0]
        self._is_avi = name == "avi"
        if name not in SHOWN_BY_BROWSERS:
            self._origin_s = Fraction(container.start_time or 0, av.time_base)
        size_wh: tuple[int, int] | None = None
        self.num_hidden = num_frames = 0
        try:
            for packet in container.demux(stream):
                self.num_hidden += packet.is_discard
                self._is_suspect |= packet.is_corrupt  # so says the container, of MPEG-TS
                for frame in packet.decode():
                    if frame.is_corrupt:
                        self._note_damage(num_frames, "marked as damaged by its decoder")
                    size_wh = size_wh or (frame.width, frame.height)
                    if (frame.width, frame.height) != size_wh:
                        raise InputError(
                            f"{self.path}: expected frames of {size_wh[0]}x{size_wh[1]}, got "
                            f"{frame.width}x{frame.height} at frame {num_frames}"
                        )
                    if frame.time is not None:
                        self._seconds.append(frame.time)
                    self._stamps.append(frame.pts)
                    matrices.give(frame)
                    num_frames += 1
                    yield frame
        except (av.FFmpegError, OSError, ValueError) as error:
            self._refuse(f"frame {num_frames} cannot be decoded", error)
        self._num_frames = num_frames
        if num_frames == 0:
            raise InputError(f"{self.path}: expected a video, got one of zero frames")

    def _find_damage(self) -> None:
        """Decodes once more, to tell what FFmpeg complained of, and whether it was of this file."""
        try:
            with self._open() as (container, stream):
                found = damaged_frames(container, stream)
        except MemoryError as error:
            raise MemoryError(f"{self.path}: {error}") from None
        for frame_index, message in sorted(found.items()):
            self._note_damage(frame_index, message)

    def _note_damage(self, frame_index: int, message: str) -> None:
        if not self._keeps_damaged:
            raise DamagedFrameError(
                f"{self.path}: frame {frame_index} is damaged: {shorten(printable(message), 120)}"
            )
        self.damaged.setdefault(frame_index, message)

    def _refuse(self, expected: str, error: Exception) -> NoReturn:
        """Raises what is wrong with the file, or that memory is short: that is no fault of it."""
        if isinstance(error, MemoryError) or is_of_memory(last_heard(self._num_heard)):
            raise MemoryError(f"{self.path}: {_reason(error)}") from None
        raise InputError(f"{self.path}: {expected}: {_reason(error)}") from None

    def _check_length(self, container: av.container.InputContainer, stream: av.VideoStream) -> None:
        promised = stream.frames - self.num_hidden
        if self._num_frames < promised - LENGTH_TOLERANCE_FRAMES:
            raise InputError(
                f"{self.path}: cut off or damaged: its header tells of {promised} frames, "
                f"{self._num_frames} could be decoded"
            )
        if not stream.frames:
            self._check_seconds(_promised_seconds(container, stream))

    def _check_seconds(self, promised_s: float) -> None:
        """For headers that tell a time alone, which says nothing of a number at a varying rate."""
        rate = self._measured_rate() or self._rate
        if not rate or not self._seconds:
            return
        steps = np.diff(self._seconds)
        longest_s = max([1 / float(rate), *steps.tolist()])
        end_s = self._seconds[-1] + longest_s
        if end_s < promised_s - LENGTH_TOLERANCE_FRAMES / float(rate):
            raise InputError(
                f"{self.path}: cut off or damaged: its header tells of {promised_s:.2f} s, "
                f"its last frame is at {self._seconds[-1]:.2f} s"
            )

    def _measured_rate(self) -> Fraction | None:
        if len(self._seconds) < 2 or self._seconds[-1] <= self._seconds[0]:
            return None
        span_us = round((self._seconds[-1] - self._seconds[0]) * 1_000_000)
        return Fraction((len(self._seconds) - 1) * 1_000_000, span_us).limit_denominator(100_000)


def _still_format(container: av.container.InputContainer) -> str:
    """The format of a file that holds one still picture; empty for all others.

    FFmpeg reads single pictures, whatever the file's name, by demuxers called `png_pipe` and the
    like. GIF and APNG have demuxers of videos.
    """
    name, brand = container.format.name, container.metadata.get("major_brand", "")
    if name.endswith("_pipe") or name in {"ico", "image2"}:
        return name.removesuffix("_pipe")
    return brand if brand in STILL_BRANDS else ""


def _promised_seconds(container: av.container.InputContainer, stream: av.VideoStream) -> float:
    """How long the header says the video is; 0 where it does not."""
    seconds = 0.0
    if stream.duration is not None and stream.time_base is not None:
        seconds = float(stream.duration * stream.time_base)
    elif "DURATION" in stream.metadata:  # Matroska and WebM: "00:00:26.500000000"
        try:
            hours, minutes, rest = stream.metadata["DURATION"].split(":")
            seconds = int(hours) * 3600 + int(minutes) * 60 + float(rest)
        except ValueError:
            pass
    elif container.duration is not None and len(container.streams) == 1:
        seconds = container.duration / 1_000_000
    return seconds


def to_bgr(frame: av.VideoFrame) -> Picture:
    """A frame's pixels, (H, W, 3) BGR, turned and mirrored as the file asks of players.

    Args:
        frame: of a `VideoReader`.
    """
    picture = frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
    matrix = frame.opaque
    return shown(picture, matrix) if isinstance(matrix, bytearray) else picture


class _Matrices:
    """Hands each frame of a video its display matrix, for `to_bgr` to apply.

    To ask a frame for what is beside its pixels ties it into a circle of references, so that it
    stays in memory until the garbage is collected, and every frame after it takes new memory. So
    only the first one is asked, and one that is turned in another way than the one before.
    """

    def __init__(self) -> None:
        self._rotation: int | None = None
        self._matrix: bytes | None = None

    def give(self, frame: av.VideoFrame) -> None:
        if frame.rotation != self._rotation:
            told = cast(Mapping[str, bytes], frame.side_data).get("DISPLAYMATRIX")
            self._rotation = frame.rotation
            self._matrix = None if told is None else bytes(told)
        if self._matrix is not None:
            frame.opaque = bytearray(self._matrix)  # by whose address PyAV knows it: one each


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
