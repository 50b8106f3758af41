"""Windows of videos to vectors of their optical flow."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

from vigil.pixels.flow.histogram import Floats, FlowHistogram, describe_cpu
from vigil.pixels.windows import Window
from vigil.settings.embed_clips import FLOW_HISTOGRAM, EmbedClips

NUM_WORKERS = 2


class FlowEmbedder:
    """Describes videos by their flow, several at a time.

    Attributes:
        machine: what the last bits of its vectors depend on.
        facts: all that its vectors depend on besides the clip, the code and the machine.
    """

    def __init__(self, settings: EmbedClips, picture_fps: Fraction) -> None:
        """Args: picture_fps: of folders of numbered pictures."""
        self._flow = FlowHistogram(settings.flow_histogram, settings.short_clips)
        self._picture_fps = picture_fps
        self.machine = describe_cpu()
        self.facts: dict[str, Any] = {
            "backbone": FLOW_HISTOGRAM,
            "weights": "none",
            "short_clips": settings.short_clips,
            "picture_fps": str(picture_fps),
            "options": settings.flow_histogram.model_dump(),
            "width": self._flow.width,
        }

    def embed(self, videos: Iterable[tuple[Path, Sequence[Window]]]) -> Iterator[Floats]:
        """Yields (W, D) for the W windows of each video, in order.

        Raises:
            InputError: a video that cannot be read, or a window that is too short.
        """
        with ThreadPoolExecutor(NUM_WORKERS) as pool:
            yield from pool.map(lambda video: self._describe(*video), videos)

    def _describe(self, path: Path, windows: Sequence[Window]) -> Floats:
        return self._flow.describe(path, windows, self._picture_fps)
