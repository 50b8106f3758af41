"""Decodes video files once, in order, or raises an error that says why they cannot be decoded."""

import codecs
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import NoReturn, cast

import av
import numpy as np
from av.stream import Disposition

from vigil.pixels.pictures.decoding import MAX_PIXELS
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.complaints import (
    find_damage,
    is_lack_of_memory,
    last_error_after,
    num_errors_logged,
    wait_for_threads,
)
from vigil.pixels.video.cut_off import missing_part
from vigil.pixels.video.damage import DamagedFrameError
from vigil.pixels.video.display_matrix import orient
from vigil.pixels.video.packets import read_packets
from vigil.pixels.video.timing import Timing
from vigil.plumbing.errors import InputError, printable, shorten

# Containers round their length up, and some count a last frame that has no packet of its own.
LENGTH_TOLERANCE_FRAMES = 2

LISTS = (b"#EXTM3U", b"ffconcat ")
"""The beginnings of files that hold no video but name other files: HLS playlists, and FFmpeg's own
lists."""

DECLARE_BYTES = {"asf", "mov"}
"""Containers that declare their size, or that of their parts, by FFmpeg's first name for them."""

DECLARE_LENGTH = {"asf", "avi", "flv", "matroska"}
"""Containers whose header may declare the length of the file, by FFmpeg's first name for them. MP4
declares the length of each stream. For others, FFmpeg takes the length from the last stamps."""

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


class VideoReader:
    """Iterates over the frames of a video file. After the iteration, its frame rate is known.

    The number of frames in a header and the results of seeking are not trusted: only decoded frames
    count. A file with fewer frames than its header declares raises an error, and is never taken for
    a shorter video.

    Attributes:
        damaged: the damage of each damaged frame by frame index, known after the iteration; empty
            unless damaged frames are kept. The frames after a damaged one are damaged, too, up to
            the next keyframe.
        container_damage: the demuxer's messages about damage, known after the iteration; empty
            unless damaged frames are kept. Frames may be missing.
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
        self.container_damage: list[str] = []
        self.num_hidden = 0
        self._num_threads = num_threads
        self._keeps_damaged = keeps_damaged
        self._num_errors_before = self._num_frames = 0
        self._is_suspect = False
        self._timing = Timing()
        self._origin_s = Fraction(0)
        self._ends: dict[int, int] = {}

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
            is_suspect = self._is_suspect or num_errors_logged() > self._num_errors_before
            complaints = self._find_damage() if is_suspect else []
            missing = missing_part(self.path, self._timing.container)
            if missing and self._timing.container in DECLARE_BYTES:
                self._refuse_cut_off(f"expected a whole file, got {missing}")
            self._check_length(container, stream)
            self._check_stamps()
            for complaint in [*complaints, missing]:
                self._note_container_damage(complaint)

    @property
    def fps(self) -> Fraction:
        """The mean frame rate in frames per second, an exact fraction; known after the iteration.

        Raises:
            InputError: there is no frame rate in the header, and no time stamps to measure it.
        """
        if (rate := self._timing.fps) is None:
            raise InputError(f"{self.path}: expected a frame rate, found none")
        return rate

    @property
    def is_variable_rate(self) -> bool:
        """Whether a frame's duration differs from the median by more than half of the median.

        Known after the iteration.
        """
        return not self._timing.is_even

    @property
    def stamps(self) -> tuple[list[int], Fraction] | None:
        """The time stamp of each frame, and the unit of a time stamp in seconds.

        Known after the iteration.

        A browser plays MP4, MOV, Matroska and WebM without conversion, so their time stamps are
        returned unchanged. A browser plays no other container. Annotations of such a file were made
        on a conversion of it, and a conversion subtracts the start time of the file: MPEG-TS starts
        at 1.4 s, or counts from the moment the recorder was switched on.

        The result is None where the frames are taken as evenly spaced: the file has no time stamps,
        as a raw stream, or stores times of decoding alone and the frames are shown in another order
        (see `Timing`).
        """
        if (stamps := self._timing.stamps) is None:
            return None
        starts_at_first = self._timing.container == "avi" or self._timing.is_guessed
        unit_s = self._timing.unit_s
        origin = stamps[0] if starts_at_first else round(self._origin_s / unit_s)
        return [stamp - origin for stamp in stamps], unit_s

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
        self.damaged, self.container_damage, self._is_suspect = {}, [], False
        self._ends = {}
        matrices = _Matrices()
        stamps: list[int | None] = []
        self._timing = Timing.of(container, stream, stamps)
        if self._timing.container not in SHOWN_BY_BROWSERS:
            self._origin_s = Fraction(container.start_time or 0, av.time_base)
        size_wh: tuple[int, int] | None = None
        self.num_hidden = num_frames = 0
        try:
            for packet in read_packets(container):
                self._note_end(packet)
                # The empty packet at the end, for which the decoder gives its last frames, has the
                # stream_index 0, whatever its stream.
                if packet.stream.index != stream.index:
                    continue
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
                    stamps.append(frame.pts)
                    matrices.attach_to(frame)
                    num_frames += 1
                    yield frame
        except (av.FFmpegError, OSError, ValueError) as error:
            self._refuse(f"frame {num_frames} cannot be decoded", error)
        self._num_frames = num_frames
        if num_frames == 0:
            raise InputError(f"{self.path}: expected a video, got one of zero frames")

    def _note_end(self, packet: av.Packet) -> None:
        """Notes where each stream ends: sound may go on where the video has its last frame."""
        start = packet.dts if packet.pts is None else packet.pts
        if not packet.size or start is None:
            return
        number = packet.stream_index
        self._ends[number] = max(self._ends.get(number, start), start + (packet.duration or 0))

    def _find_damage(self) -> list[str]:
        """Decodes again on one thread, to assign the logged errors to the frames of this file.

        The errors may also come from another file that was decoded at the same time.

        Returns:
            The demuxer's messages.
        """
        try:
            damage = find_damage(self._open)
        except MemoryError as error:
            raise MemoryError(f"{self.path}: {error}") from None
        for frame_index, message in sorted(damage.frames.items()):
            self._note_damage(frame_index, message)
        return damage.container

    def _note_damage(self, frame_index: int, message: str) -> None:
        if not self._keeps_damaged:
            raise DamagedFrameError(
                f"{self.path}: frame {frame_index} is damaged: {shorten(printable(message), 120)}"
            )
        self.damaged.setdefault(frame_index, message)

    def _note_container_damage(self, message: str) -> None:
        if not message:
            return
        if not self._keeps_damaged:
            raise DamagedFrameError(
                f"{self.path}: its container is damaged, frames may be missing: "
                f"{shorten(printable(message), 120)}"
            )
        self.container_damage.append(printable(message))

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
            self._refuse_cut_off(
                f"expected {num_declared} frames as its header declares, got {self._num_frames}"
            )
        timing = self._timing
        rate, seconds = timing.measured_fps or timing.fps, timing.seconds()
        if not rate or not len(seconds):
            return
        # At a variable rate, the duration does not determine the number of frames. So the end of
        # the last frame is compared. The last frame is taken to be as long as the longest one.
        end_s = float(seconds[-1]) + max(1 / float(rate), timing.longest_step_s)
        # FFmpeg gives each stream of ASF the length of the whole file.
        is_declared = not stream.frames and timing.container != "asf"
        declared_s = _declared_duration(container, stream) if is_declared else 0.0
        if timing.container in DECLARE_LENGTH and container.duration:
            # The length of the whole file, of which the video may be the shorter part.
            last_s = max([end_s, *(self._end_s(container, number) for number in self._ends)])
            if last_s < container.duration / av.time_base - LENGTH_TOLERANCE_FRAMES / float(rate):
                declared_s = container.duration / av.time_base
        if end_s < declared_s - LENGTH_TOLERANCE_FRAMES / float(rate):
            self._refuse_cut_off(
                f"expected a length of {declared_s:.2f} s as its header declares, got "
                f"a last frame at {seconds[-1]:.2f} s"
            )

    def _end_s(self, container: av.container.InputContainer, number: int) -> float:
        """When the last packet of a stream ends, in seconds."""
        return self._ends[number] * float(container.streams[number].time_base or 0)

    def _check_stamps(self) -> None:
        """Frames without time stamps are taken as evenly spaced, so the others must be even."""
        num_missing, num_frames = self._timing.num_missing, self._num_frames
        if 0 < num_missing < num_frames and self.is_variable_rate:
            raise InputError(
                f"{self.path}: expected the time stamp of each frame, got none for {num_missing} "
                f"of {num_frames} frames, and a varying frame rate"
            )

    def _refuse_cut_off(self, problem: str) -> NoReturn:
        raise InputError(f"{self.path}: {problem}; the file is cut off or damaged")


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
