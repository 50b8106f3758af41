"""The channel `appearance`: what a network trained on other clips makes of a window."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from vigil.domain.clips.evidence import Pieces, piece_of_window
from vigil.learn.alarm.network.embedding.embedder import NetworkEmbedder
from vigil.pixels.embedding import Asked
from vigil.pixels.video.source import SourceFrame, frame_bgr, open_source
from vigil.pixels.windows import read_times
from vigil.plumbing.errors import FieldError
from vigil.settings.embed_clips import APPEARANCE, EmbedClips


class AppearanceEmbedder:
    """One piece of evidence a window: all of the picture, all of the time.

    Attributes:
        machine: what the last bits of its vectors depend on.
        facts: by channel, all that its evidence depends on besides the clip, the code and the
            machine.
    """

    def __init__(self, settings: EmbedClips, picture_fps: Fraction) -> None:
        """Args: picture_fps: of folders of numbered pictures.

        Raises:
            FieldError: a parameter of the network that it does not take.
            InputError: weights that are not its own, or no such device.
        """
        try:
            self._network = NetworkEmbedder(settings.appearance, settings.short_clips, picture_fps)
        except FieldError as error:
            raise FieldError(f"{APPEARANCE}.{error.field}", error.problem) from None
        self._picture_fps = picture_fps
        self.machine: Any = self._network.machine
        self.facts: dict[str, dict[str, Any]] = {
            APPEARANCE: {"channel": APPEARANCE, **self._network.facts}
        }

    def embed(self, videos: Iterable[Asked]) -> Iterator[dict[str, list[Pieces]]]:
        """Yields the evidence of each video, by channel and window, in order.

        Raises:
            InputError: a video that cannot be read, or a window that is too short.
        """
        asked = list(videos)
        found = self._network.embed((one.path, one.windows) for one in asked)
        for one, vectors in zip(asked, found, strict=True):
            width, height = _size_wh(one.path, self._picture_fps)
            times = read_times(one.path, self._picture_fps)
            windows = []
            for window, vector in zip(one.windows, vectors, strict=True):
                shown = times.seconds[list(times.frames_of(window))]
                windows.append(piece_of_window(vector, (width, height), shown[0], shown[-1]))
            yield {APPEARANCE: windows}


def _size_wh(path: Path, picture_fps: Fraction) -> tuple[int, int]:
    frames: Iterator[SourceFrame] = iter(open_source(path, picture_fps, 1))
    picture = frame_bgr(next(frames))
    return picture.shape[1], picture.shape[0]
