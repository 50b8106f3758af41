"""The frames of one video as JPEGs in one uncompressed zip, beside a `frames.json` of facts.

One archive for each video keeps DVC quick (it counts files, not bytes), opens in any file manager,
and gives any frame in one read. Time stamps are fixed, so the same frames are the same bytes.
"""

import json
import os
import zipfile
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import av
import cv2

from vigil.domain.video_facts import VideoFacts
from vigil.pixels.decoding import decode_picture
from vigil.pixels.video.archives import DAMAGED, read_entry
from vigil.pixels.video.picture import Picture
from vigil.pixels.video.reading import DamagedFrameError, VideoReader, to_bgr
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.progress import progress

FACTS_NAME = "frames.json"
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
) -> VideoFacts:
    """Decodes a video once, in order, into an archive.

    Decoding and JPEG encoding overlap; at most `MAX_WAITING_FRAMES` frames are in memory.

    Args:
        jpeg_quality: 1 to 100, of libjpeg; chroma is stored at half the resolution.
        damaged_frames: what becomes of frames that the decoder mended: an error, or kept as they
            are and told in the facts.

    Raises:
        InputError: see `VideoReader`.
    """
    reader = VideoReader(video, keeps_damaged=damaged_frames == "keep")
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
        damaged = tuple(sorted(reader.damaged))
        facts = VideoFacts(size_wh, num_frames, reader.fps, reader.is_variable_rate, damaged)
        _store(file, FACTS_NAME, _dump_facts(facts).encode())
    return facts


@contextmanager
def _advice() -> Iterator[None]:
    try:
        yield
    except DamagedFrameError as error:
        raise InputError(
            f"{error}; extract_frames.damaged_frames: keep takes such as they are"
        ) from None


class FrameArchive:
    """Reads frames out of an archive, in any order. A context manager.

    Raises:
        InputError: no such file, not such an archive, or a frame it does not hold.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
            self.facts = _load_facts(read_entry(self._zip, FACTS_NAME))
        except FileNotFoundError:
            raise InputError(f"{path}: expected an archive of frames, found no such file") from None
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


def _encode(frame: av.VideoFrame, jpeg_quality: int) -> tuple[bytes, tuple[int, int]]:
    picture = to_bgr(frame)
    _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])
    return jpeg.tobytes(), (picture.shape[1], picture.shape[0])


def _store(file: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, FIRST_ZIP_DATE)
    entry.create_system = 3  # as on Unix, whatever the system
    entry.external_attr = 0o644 << 16
    file.writestr(entry, content)


def _dump_facts(facts: VideoFacts) -> str:
    content: dict[str, Any] = {
        "fps": f"{facts.fps.numerator}/{facts.fps.denominator}",
        "is_variable_rate": facts.is_variable_rate,
        "num_frames": facts.num_frames,
        "size_wh": list(facts.size_wh),
    }
    if facts.damaged_frames:
        content["damaged_frames"] = list(facts.damaged_frames)
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def _load_facts(content: bytes) -> VideoFacts:
    values = json.loads(content)
    width, height = values["size_wh"]
    return VideoFacts(
        (int(width), int(height)),
        int(values["num_frames"]),
        Fraction(values["fps"]),
        bool(values["is_variable_rate"]),
        tuple(int(index) for index in values.get("damaged_frames", ())),
    )
