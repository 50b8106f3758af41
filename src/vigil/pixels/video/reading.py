"""Decodes video files once, in order, or raises an error that says why they cannot be decoded."""

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
    is_lack_of_memory,
    last_error_after,
    num_errors_logged,
    wait_for_threads,
)
from vigil.pixels.video.display_matrix import orient
from vigil.plumbing.errors import InputError, printable, shorten

# Containers round their length up, and some count a last frame that has no packet of its own.
LENGTH_TOLERANCE_FRAMES = 2

LISTS = (b"#EXTM3U", b"ffconcat ")
"""The beginnings of files that hold no video but name other files: HLS playlists, and FFmpeg's own
lists."""

SHOWN_BY_BROWSERS = {"matroska", "mov"}
"""Containers that browsers play without conversion, by the first of FFmpeg's names for them."""

NO_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails
"""Video streams that hold no video: cover pictures, and previews of another stream."""

STILL_BRANDS = {"avif", "heic", "heix", "mif1"}
"""Brands of still pictures in a container of the MP4 family (ISO/IEC 23008-12, annex B)."""


@contextmanager
def open_video(path: Path) -> Iterator[av.container.InputContainer]:
    """Opens a video file. No other file or address that the video names is opened.

    Raises:
        av.FFmpegError, OSError, ValueError: the file cannot be opened.
        InputError: the file is a list of other files.
    """
    with path.open("rb") as file:
        if file.read(16).removeprefix(codecs.BOM_UTF8).startswith(LISTS):
            raise InputError(f"{path}: expected a video, got a list of other files")
        file.seek(0)
        # FFmpeg reads the open file that it is given. The empty whitelist stops it from opening
        # any other: there is no protocol called "none".
        options = {"protocol_whitelist": "none"}
        with av.open(file, "r", metadata_errors="replace", options=options) as container:
            yield container


def video_streams(container: av.container.InputContainer) -> list[av.VideoStream]:
    """The streams of a file that are videos, without covers and previews."""
    return [stream for stream in container.streams.video if not stream.disposition & NO_VIDEO]


class DamagedFrameError(InputError):
    """A frame in which the decoder concealed damage: a small part or all of it may be wrong."""


class VideoReader:
    """Iterates over the frames of a video file. After the iteration, its frame rate is known.

    The number of frames in a header and the results of seeking are not trusted: only decoded frames
    count. A file with fewer frames than its header declares raises an error, and is never taken for
    a shorter video.

    Attributes:
        damaged: the damage of each damaged frame by frame index, known after the iteration; empty
            unless damaged frames are kept. The frames after a damaged one are damaged, too, up to
            the next keyframe.
        num_hidden: the number of frames that the file tells players not to show, known after the
            iteration.
    """

    def __init__(self, path: Path, num_threads: int = 0, *, keeps_damaged: bool = False) -> None:
        """Stores the settings. The file is opened by the iteration.

        Args:
            num_threads: decoding threads; 0 means one for each core.
            keeps_damaged: whether frames in which the decoder concealed damage are returned and
                listed in `damaged`; else the first one raises an error.
        """
        self.path = path
        self.damaged: dict[int, str] = {}
        self.num_hidden = 0
        self._num_threads = num_threads
        self._keeps_damaged = keeps_damaged
        self._num_errors_before = self._num_frames = 0
        self._is_suspect = False
        self._seconds: list[float] = []
        self._rate: Fraction | None = None
        self._stamps: list[int | None] = []
        self._unit_s, self._origin_s, self._is_avi = Fraction(1), Fraction(0), False

    def __iter__(self) -> Iterator[av.VideoFrame]:
        """Yields every frame in order of presentation.

        Raises:
            InputError: the file is missing, is not a video, is a still picture, has several video
                streams or no frames, a frame is damaged or missing, or frames are too large or
                of different sizes. For some damaged frames, the error is raised only after the
                last frame.
            MemoryError: there is too little memory to decode the video.
        """
        if not self.path.is_file():
            raise InputError(f"{self.path}: expected a video, found no such file")
        if self.path.stat().st_size == 0:
            raise InputError(f"{self.path}: expected a video, got an empty file")
        self._num_errors_before = num_errors_logged()
        with self._open() as (container, stream):
            yield from self._decode(container, stream)
            if self._is_suspect or num_errors_logged() > self._num_errors_before:
                self._find_damage()
            self._check_length(container, stream)

    @property
    def fps(self) -> Fraction:
        """The mean frame rate in frames per second, an exact fraction; known after the iteration.

        Raises:
            InputError: there is no frame rate in the header, and no time stamps to measure it.
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
        """Whether a frame's duration differs from the median by more than half of the median.

        Known after the iteration.
        """
        steps = np.diff(self._seconds)
        if len(steps) == 0:
            return False
        typical = float(np.median(steps))
        # WebM rounds time stamps to milliseconds, so differences of up to 1.5 ms do not count.
        return bool((np.abs(steps - typical) > max(0.5 * typical, 0.0015)).any())

    @property
    def stamps(self) -> tuple[list[int], Fraction] | None:
        """The time stamp of each frame, and the unit of a time stamp in seconds.

        Known after the iteration.

        A browser plays MP4, MOV, Matroska and WebM without conversion, so their time stamps are
        returned unchanged. A browser plays no other container. Annotations of such a file were made
        on a conversion of it, and a conversion subtracts the start time of the file: MPEG-TS starts
        at 1.4 s, or counts from the moment the recorder was switched on.

        The result is None if the file has no time stamps, as a raw stream, or if one frame has
        none. AVI stores the order of decoding but no time stamps of presentation. If the two orders
        differ, FFmpeg's guess is wrong, and the result is None as well.
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
                sizes = ", ".join(f"{s.width}x{s.height}" for s in streams)
                raise InputError(
                    f"{self.path}: expected one video stream, got {len(streams)} ({sizes}); "
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
                wait_for_threads(stream.codec_context)

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
                self._is_suspect |= packet.is_corrupt  # set by the demuxer of MPEG-TS
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
                    matrices.attach_to(frame)
                    num_frames += 1
                    yield frame
        except (av.FFmpegError, OSError, ValueError) as error:
            self._refuse(f"frame {num_frames} cannot be decoded", error)
        self._num_frames = num_frames
        if num_frames == 0:
            raise InputError(f"{self.path}: expected a video, got one of zero frames")

    def _find_damage(self) -> None:
        """Decodes again on one thread, to assign the logged errors to the frames of this file.

        The errors may also come from another file that was decoded at the same time.
        """
        try:
            with self._open() as (container, stream):
                messages = damaged_frames(container, stream)
        except MemoryError as error:
            raise MemoryError(f"{self.path}: {error}") from None
        for frame_index, message in sorted(messages.items()):
            self._note_damage(frame_index, message)

    def _note_damage(self, frame_index: int, message: str) -> None:
        if not self._keeps_damaged:
            raise DamagedFrameError(
                f"{self.path}: frame {frame_index} is damaged: {shorten(printable(message), 120)}"
            )
        self.damaged.setdefault(frame_index, message)

    def _refuse(self, expected: str, error: Exception) -> NoReturn:
        """Raises InputError for a fault of the file, or MemoryError if memory was short."""
        if isinstance(error, MemoryError) or is_lack_of_memory(
            last_error_after(self._num_errors_before)
        ):
            raise MemoryError(f"{self.path}: {_reason(error)}") from None
        raise InputError(f"{self.path}: {expected}: {_reason(error)}") from None

    def _check_length(self, container: av.container.InputContainer, stream: av.VideoStream) -> None:
        num_declared = stream.frames - self.num_hidden
        if self._num_frames < num_declared - LENGTH_TOLERANCE_FRAMES:
            raise InputError(
                f"{self.path}: expected {num_declared} frames as its header declares, got "
                f"{self._num_frames}; the file is cut off or damaged"
            )
        if not stream.frames:
            self._check_duration(_declared_duration(container, stream))

    def _check_duration(self, declared_s: float) -> None:
        """Checks the duration in headers without a number of frames.

        At a variable rate, the duration does not determine the number of frames. So the end of the
        last frame is compared, and the last frame is taken to be as long as the longest one.
        """
        rate = self._measured_rate() or self._rate
        if not rate or not self._seconds:
            return
        steps = np.diff(self._seconds)
        longest_s = max([1 / float(rate), *steps.tolist()])
        end_s = self._seconds[-1] + longest_s
        if end_s < declared_s - LENGTH_TOLERANCE_FRAMES / float(rate):
            raise InputError(
                f"{self.path}: expected a length of {declared_s:.2f} s as its header declares, got "
                f"a last frame at {self._seconds[-1]:.2f} s; the file is cut off or damaged"
            )

    def _measured_rate(self) -> Fraction | None:
        """The mean frame rate by the first and the last time stamp, rounded to microseconds."""
        if len(self._seconds) < 2 or self._seconds[-1] <= self._seconds[0]:
            return None
        span_us = round((self._seconds[-1] - self._seconds[0]) * 1_000_000)
        return Fraction((len(self._seconds) - 1) * 1_000_000, span_us).limit_denominator(100_000)


def _still_format(container: av.container.InputContainer) -> str:
    """The format of a file that holds one still picture; empty for all other files.

    FFmpeg reads single pictures with demuxers called `png_pipe` and the like, whatever the name of
    the file. GIF and APNG count as videos: they may be animated.
    """
    name, brand = container.format.name, container.metadata.get("major_brand", "")
    if name.endswith("_pipe") or name in {"ico", "image2"}:
        return name.removesuffix("_pipe")
    return brand if brand in STILL_BRANDS else ""


def _declared_duration(container: av.container.InputContainer, stream: av.VideoStream) -> float:
    """The duration in seconds that the header declares; 0 if it declares none."""
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
    """A frame's pixels, (H, W, 3) BGR, turned and mirrored by the display matrix of the file.

    Args:
        frame: of a `VideoReader`.
    """
    picture = frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
    matrix = frame.opaque
    return orient(picture, matrix) if isinstance(matrix, bytearray) else picture


class _Matrices:
    """Attaches the display matrix of a video to each frame, for `to_bgr` to apply.

    Reading a frame's side data creates a reference cycle. The frame then stays in memory until the
    garbage collector runs, and later frames take new memory. So the side data is read only from the
    first frame, and from each frame whose rotation differs from that of the frame before.
    """

    def __init__(self) -> None:
        self._rotation: int | None = None
        self._matrix: bytes | None = None

    def attach_to(self, frame: av.VideoFrame) -> None:
        if frame.rotation != self._rotation:
            side_data = cast(Mapping[str, bytes], frame.side_data).get("DISPLAYMATRIX")
            self._rotation = frame.rotation
            self._matrix = None if side_data is None else bytes(side_data)
        if self._matrix is not None:
            frame.opaque = bytearray(
                self._matrix
            )  # a new object for each frame: PyAV finds it by its address


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
