"""The frames of one video as JPEGs in one uncompressed zip, with `frames.json` for its facts.

There is one archive for each video: DVC's time grows with the number of files, not of bytes. Any
file manager opens the archive, and any frame is found in one read. The dates in the zip are fixed,
so the same frames give the same bytes.
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
import numpy as np

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
from vigil.pixels.video.damage import DamagedFrameError
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
    """Decodes a video once, in order, and stores its frames in an archive.

    Decoding and JPEG encoding run at the same time. At most `MAX_WAITING_FRAMES` frames are in
    memory.

    Args:
        video: a file, or a folder of numbered pictures.
        jpeg_quality: libjpeg's, 1 to 100; chroma is stored at half the resolution.
        damaged_frames: what to do with frames in which the decoder concealed damage: `error` stops,
            `keep` stores them as they are and lists them in the facts. The same holds for
            a container that is damaged, so that frames may be missing.
        picture_fps: the frame rate of numbered pictures.

    Raises:
        InputError: see `open_source` and `VideoReader`.
    """
    reader = open_source(video, picture_fps, keeps_damaged=damaged_frames == "keep")
    with (
        _advise_on_damage(),
        zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file,
        ThreadPoolExecutor(NUM_THREADS) as pool,
    ):
        queue: deque[Future[tuple[bytes, tuple[int, int]]]] = deque()
        size_wh, num_frames = (0, 0), 0

        def store_oldest() -> None:
            nonlocal size_wh, num_frames
            jpeg, size_wh = queue.popleft().result()
            _store(file, FRAME_NAME.format(frame_index=num_frames), jpeg)
            num_frames += 1

        for frame in progress(reader, video.name, "frame"):
            queue.append(pool.submit(_encode, frame, jpeg_quality))
            if len(queue) >= MAX_WAITING_FRAMES:
                store_oldest()
        while queue:
            store_oldest()
        facts = VideoFacts(
            size_wh,
            num_frames,
            reader.fps,
            reader.is_variable_rate,
            Stamps.of(*reader.stamps) if reader.stamps else None,
            reader.num_hidden,
            tuple(sorted(reader.damaged)),
            tuple(reader.container_damage),
        )
        _store(file, FACTS_NAME, dump_facts(facts).encode())
    return facts


@contextmanager
def _advise_on_damage() -> Iterator[None]:
    """Adds to the error of a damaged frame which setting accepts such frames."""
    try:
        yield
    except DamagedFrameError as error:
        raise InputError(f"{error}; damaged_frames: keep stores damaged frames as well") from None


def warn_of_problems(archive: Path) -> list[str]:
    """Warnings that name the damaged frames in an archive, and gaps between frames.

    Raises:
        InputError: see `FrameArchive`.
    """
    with FrameArchive(archive) as frames:
        facts = frames.facts
    warnings = []
    if facts.damaged_frames:
        warnings.append(
            f"{len(facts.damaged_frames)} of {facts.num_frames} frames are damaged: "
            f"{', '.join(map(str, facts.damaged_frames[:20]))}"
            f"{', …' if len(facts.damaged_frames) > 20 else ''}; frames that depend on them are "
            "damaged, too"
        )
    if facts.container_damage:
        warnings.append(
            "its container is damaged, frames may be missing: "
            f"{shorten(facts.container_damage[0], 120)}"
        )
    if facts.is_variable_rate and facts.stamps is not None:
        steps_s = np.diff(facts.shown_s())
        longest = int(steps_s.argmax())
        warnings.append(
            f"its frame rate varies: usually {np.median(steps_s):.3f} s between frames, at most "
            f"{steps_s[longest]:.3f} s, after frame {longest}; frames may be missing there"
        )
    elif facts.stamps is None:
        warnings.append("it has no time stamps: its frames are taken as evenly spaced")
    return [f"{archive.stem}: warning: {warning}" for warning in warnings]


class FrameArchive:
    """Reads frames from an archive, in any order. A context manager.

    Raises:
        InputError: the file is missing, it is not an archive of frames, or it lacks the frame.
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
                "run extract_frames again"
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
        """(H, W): the JPEG's luminance; its colours are not decoded, which is faster."""
        return self._decode(frame_index, cv2.IMREAD_GRAYSCALE)

    def grey_in_order(self, frame_indices: Iterable[int]) -> Iterator[tuple[int, Picture]]:
        """Yields (frame index, grey picture) for each index, and decodes a few frames ahead."""
        queue: deque[tuple[int, Future[Picture]]] = deque()
        with ThreadPoolExecutor(NUM_THREADS) as pool:
            for frame_index in frame_indices:
                queue.append((frame_index, pool.submit(self.grey, frame_index)))
                if len(queue) >= MAX_WAITING_FRAMES:
                    index, picture = queue.popleft()
                    yield index, picture.result()
            for index, picture in queue:
                yield index, picture.result()

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
    entry.create_system = 3  # Unix on every system, so that the bytes do not differ
    entry.external_attr = 0o644 << 16
    file.writestr(entry, content)
