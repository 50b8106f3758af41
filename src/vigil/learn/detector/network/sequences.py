"""The frames that come before a frame, by the time at which they were shown."""

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from vigil.domain.video_facts import FACTS_NAME, NoStampsError, load_facts
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.pictures.picture import Picture
from vigil.plumbing.errors import FieldError, InputError, shorten
from vigil.runtime.history import check_next
from vigil.settings.train_detector import Frames

Times = npt.NDArray[np.float64]
TOLERANCE_S = 1e-6  # a step may have no exact binary value


class FrameNames:
    """Names of the frames of a sequence, for frames that lie in archives of whole videos."""

    def __init__(
        self,
        source: ImageSource,
        frames: Frames,
        *,
        allows_short: bool = False,
        held_out: Mapping[str, int] | None = None,
    ) -> None:
        """Reads nothing yet.

        Args:
            allows_short: a video may have fewer frames than a sequence; a picture that is not a
                frame of a video is a video of one frame.
            held_out: names of pictures that no sequence may hold, and their indices in their
                videos. After such a frame, a sequence starts as at the start of a video.
        """
        self._source, self._frames, self._allows_short = source, frames, allows_short
        self._shown_s = cache(self._read_times)
        self._held_out: dict[str, list[int]] = {}
        for name, index in (held_out or {}).items():
            if index >= 0:
                self._held_out.setdefault(source.archive_of(name), []).append(index)
        for indices in self._held_out.values():
            indices.sort()

    def is_loose(self, name: str, frame_index: int) -> bool:
        """Whether a picture is not a frame in the archive of a video."""
        return frame_index < 0 or not self._source.archive_of(name)

    def times_s(self, archive: str) -> Times:
        """The time at which each frame of a video is shown, ascending.

        Raises:
            InputError: the archive is missing or damaged.
        """
        return self._shown_s(archive)

    def first(self, archive: str, frame_index: int) -> int:
        """The index of the first frame that the sequence of a frame may hold."""
        held_out = self._held_out.get(archive, [])
        num_before = bisect_left(held_out, frame_index)
        return held_out[num_before - 1] + 1 if num_before else 0

    def before(self, name: str, frame_index: int) -> list[str]:
        """The names of a sequence, the oldest first, `name` last.

        Before the first frame of the video, or that it may hold, that frame is repeated.

        Raises:
            InputError: the picture is not a frame of a video, or the video has fewer frames than
                the sequence, and neither is allowed.
        """
        archive, num = self._source.archive_of(name), self._frames.length
        if self.is_loose(name, frame_index):
            if self._allows_short:
                return [name] * num
            raise FieldError(
                "frames.num",
                f"expected 1 for pictures that are no frames of a video, as {shorten(name)}, got "
                f"{num}",
            )
        times = self.times_s(archive)
        if len(times) < num and not self._allows_short:
            raise FieldError(
                "frames.num",
                f"expected at most the {len(times)} frames of {archive}, got {num}",
            )
        if self._frames.control:
            return [name] * num
        first = self.first(archive, frame_index)
        later = choose_frames(times[first : frame_index + 1], self._frames)
        chosen = [first + index for index in later]
        folder, stem = name.rsplit("/", 1)
        digits, suffix = stem.split(".", 1)
        return [f"{folder}/{index:0{len(digits)}d}.{suffix}" for index in chosen[:-1]] + [name]

    def _read_times(self, archive: str) -> Times:
        try:
            return load_facts(self._source.content(f"{archive}/{FACTS_NAME}")).shown_s()
        except (NoStampsError, KeyError, ValueError, TypeError, ArithmeticError) as error:
            raise InputError(
                f"{self._source.root / archive}: expected an archive of frames, got: "
                f"{shorten(str(error))}"
            ) from None


def choose_frames(times_s: Sequence[float] | Times, frames: Frames) -> list[int]:
    """The indices of the frames of a sequence, ascending; the last is that of the last frame.

    Each is the last frame that was shown at a time, `step_s` apart. Before the first frame, the
    first frame is repeated.

    Args:
        times_s: the time at which each frame so far was shown, ascending; at least one.
    """
    lags = np.arange(frames.length - 1, -1, -1) * frames.step_s
    wanted = float(times_s[-1]) - lags + TOLERANCE_S
    indices: list[int] = (np.searchsorted(times_s, wanted, side="right") - 1).clip(min=0).tolist()
    return [*indices[:-1], len(times_s) - 1]


class FrameHistory:
    """Keeps the frames of a running video that sequences need."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._last_s = -np.inf
        self._shape: tuple[int, ...] = ()
        self._kept: deque[tuple[float, Picture]] = deque()

    def add(self, picture: Picture, time_s: float) -> npt.NDArray[np.uint8]:
        """The sequence (num, H, W, 3) that ends in a frame; of one frame, the picture itself.

        Args:
            picture: (H, W, 3), of the same size as the pictures before.
            time_s: the time at which it is shown, later than the times before.

        Raises:
            InputError: the picture is of another kind or size, or its time does not ascend.
        """
        check_next(picture, self._shape or picture.shape, time_s, self._last_s)
        self._shape, self._last_s = picture.shape, time_s
        if self._frames.length == 1:
            return picture
        self._kept.append((time_s, picture))
        span_s = self._frames.span_s + TOLERANCE_S
        while len(self._kept) > 1 and self._kept[1][0] <= time_s - span_s:
            self._kept.popleft()
        if self._frames.control:
            return np.stack([picture] * self._frames.length)
        chosen = choose_frames([time for time, _ in self._kept], self._frames)
        return np.stack([self._kept[index][1] for index in chosen])


def reduce_frames(canvases: npt.NDArray[np.uint8], frames: Frames) -> npt.NDArray[np.uint8]:
    """(num, H, W, 3) to the input of a network: for `background`, background and last frame."""
    if frames.fusion != "background":
        return canvases
    return np.stack([median_picture(canvases[:-1]), canvases[-1]])


def median_picture(pictures: npt.NDArray[np.uint8]) -> Picture:
    """The median of N pictures at each pixel and colour; of an even number, the lower one.

    An odd-even sort exchanges neighbouring pictures N times, for all pixels at once. It takes a
    hundredth of the time of sorting each pixel alone.
    """
    ordered = list(pictures)
    for round_ in range(len(ordered)):
        for at in range(round_ % 2, len(ordered) - 1, 2):
            lower = np.minimum(ordered[at], ordered[at + 1])
            ordered[at + 1] = np.maximum(ordered[at], ordered[at + 1])
            ordered[at] = lower
    middle: Picture = ordered[(len(ordered) - 1) // 2]
    return middle
