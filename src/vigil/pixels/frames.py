"""The frames of one video as JPEGs in one uncompressed zip, beside a `frames.json` of facts.

One archive for each video keeps DVC quick (it counts files, not bytes), opens in any file manager,
and gives any frame in one read. Time stamps are fixed, so the same frames are the same bytes.
"""

import os
import zipfile
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal

import cv2

from vigil.domain.video_facts import (
    FACTS_NAME,
    NoStampsError,
    Stamps,
    VideoFacts,
    dump_facts,
    load_facts,
)
from vigil.pixels.pictures.archives import DAMAGED, read_entry
from vigil.pixels.pictures.decoding import decode_picture
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.reading import DamagedFrameError
from vigil.pixels.video.source import SourceFrame, frame_bgr, open_source
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.progress import progress

PICTURE_FPS = Fraction(25)
FRAME_NAME = "{frame_index:06d}.jpg"
FIRST_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
NUM_THREADS = max(2, (os.cpu_count() or 2) // 2)
MAX_WAITING_FRAMES = 16


def extract_frames(
    video: Path,
    archive: Path,
    *,
    jpeg_quality: int,
    damaged_frames: Literal["error", "keep"] = "error",
    picture_fps: Fraction = PICTURE_FPS,
) -> VideoFacts:
    """Decodes a video once, in order, into an archive.

    Decoding and JPEG encoding overlap; at most `MAX_WAITING_FRAMES` frames are in memory.

    Args:
        video: a file, or a folder of numbered pictures.
        jpeg_quality: 1 to 100, of libjpeg; chroma is stored at half the resolution.
        damaged_frames: what becomes of frames that the decoder mended: an error, or kept as they
            are and told in the facts.
        picture_fps: of numbered pictures.

    Raises:
        InputError: see `open_source` and `VideoReader`.
    """
    reader = open_source(video, picture_fps, keeps_damaged=damaged_frames == "keep")
    with (
        _advice(),
        zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file,
        ThreadPoolExecutor(NUM_THREADS) as pool,
    ):
        waiting: deque[Future[tuple[bytes, tuple[int, int]]]] = deque()
        size_wh, num_frames = (0, 0), 0

        def store_oldest() -> None:
            nonlocal size_wh, num_frames
            jpeg, size_wh = waiting.popleft().result()
            _store(file, FRAME_NAME.format(frame_index=num_frames), jpeg)
            num_frames += 1

        for frame in progress(reader, video.name, "frame"):
            waiting.append(pool.submit(_encode, frame, jpeg_quality))
            if len(waiting) >= MAX_WAITING_FRAMES:
                store_oldest()
        while waiting:
            store_oldest()
        facts = VideoFacts(
            size_wh,
            num_frames,
            reader.fps,
            reader.is_variable_rate,
            Stamps.of(*reader.stamps) if reader.stamps else None,
            reader.num_hidden,
            tuple(sorted(reader.damaged)),
        )
        _store(file, FACTS_NAME, dump_facts(facts).encode())
    return facts


@contextmanager
def _advice() -> Iterator[None]:
    try:
        yield
    except DamagedFrameError as error:
        raise InputError(f"{error}; damaged_frames: keep takes such as they are") from None


def tell_damage(archive: Path) -> str:
    """A warning that names the frames of an archive that were kept though damaged; else empty.

    Raises:
        InputError: see `FrameArchive`.
    """
    with FrameArchive(archive) as frames:
        damaged = frames.facts.damaged_frames
        if not damaged:
            return ""
        return (
            f"{archive.stem}: warning: {len(damaged)} of {len(frames)} frames are damaged, and "
            f"those that build on them: {', '.join(map(str, damaged[:20]))}"
            f"{', …' if len(damaged) > 20 else ''}"
        )


class FrameArchive:
    """Reads frames out of an archive, in any order. A context manager.

    Raises:
        InputError: no such file, not such an archive, or a frame it does not hold.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
            self.facts = load_facts(read_entry(self._zip, FACTS_NAME))
        except FileNotFoundError:
            raise InputError(f"{path}: expected an archive of frames, found no such file") from None
        except NoStampsError:
            raise InputError(
                f"{path}: expected the frames' time stamps, got an archive of an older version; "
                "extract_frames makes it anew"
            ) from None
        except (*DAMAGED, KeyError, ValueError, TypeError, ArithmeticError) as error:
            raise InputError(
                f"{path}: expected an archive of frames, got: {shorten(str(error))}"
            ) from None

    def __enter__(self) -> "FrameArchive":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()

    def __len__(self) -> int:
        return self.facts.num_frames

    def bgr(self, frame_index: int) -> Picture:
        """(H, W, 3)."""
        return self._decode(frame_index, cv2.IMREAD_COLOR)

    def grey(self, frame_index: int) -> Picture:
        """(H, W): the JPEG's luminance, without the cost of its colours."""
        return self._decode(frame_index, cv2.IMREAD_GRAYSCALE)

    def grey_in_order(self, frame_indices: Iterable[int]) -> Iterator[tuple[int, Picture]]:
        """Yields (frame index, grey picture) for the indices given, decoding a few ahead."""
        waiting: deque[tuple[int, Future[Picture]]] = deque()
        with ThreadPoolExecutor(NUM_THREADS) as pool:
            for frame_index in frame_indices:
                waiting.append((frame_index, pool.submit(self.grey, frame_index)))
                if len(waiting) >= MAX_WAITING_FRAMES:
                    oldest, picture = waiting.popleft()
                    yield oldest, picture.result()
            for oldest, picture in waiting:
                yield oldest, picture.result()

    def _decode(self, frame_index: int, flags: int) -> Picture:
        try:
            jpeg = read_entry(self._zip, FRAME_NAME.format(frame_index=frame_index))
        except (*DAMAGED, KeyError) as error:
            raise InputError(
                f"{self.path}: expected frame {frame_index} of {len(self)}, "
                f"got: {shorten(str(error))}"
            ) from None
        picture = decode_picture(jpeg, flags)
        if picture is None:
            raise InputError(f"{self.path}: frame {frame_index} is not a JPEG")
        return picture


def _encode(frame: SourceFrame, jpeg_quality: int) -> tuple[bytes, tuple[int, int]]:
    picture = frame_bgr(frame)
    _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])
    return jpeg.tobytes(), (picture.shape[1], picture.shape[0])


def _store(file: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, FIRST_ZIP_DATE)
    entry.create_system = 3  # as on Unix, whatever the system
    entry.external_attr = 0o644 << 16
    file.writestr(entry, content)
