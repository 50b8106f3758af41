"""The frames that come before a frame, by the time at which they were shown."""

from bisect import bisect_left
from collections.abc import Mapping
from functools import cache

from vigil.domain.video_facts import FACTS_NAME, NoStampsError, load_facts
from vigil.pixels.pictures.images import ImageSource
from vigil.plumbing.errors import FieldError, InputError, shorten
from vigil.runtime.history import Times, choose_frames
from vigil.settings.train_detector import Frames


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
        later = choose_frames(times[first : frame_index + 1], num, self._frames.step_s)
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
