"""Videos to the evidence of their motion, several videos at a time."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

from vigil.domain.clips.evidence import Pieces
from vigil.pixels.channels.channel import Channel
from vigil.pixels.channels.following import follow_file
from vigil.pixels.channels.registry import build_channel
from vigil.pixels.embedding import Asked
from vigil.pixels.flow.motion import describe_cpu
from vigil.settings.embed_clips import EmbedClips

NUM_WORKERS = 2


class MotionEmbedder:
    """Measures all channels of motion in one pass over each video.

    Attributes:
        machine: what the last bits of its vectors depend on.
        facts: by channel, all that its evidence depends on besides the clip, the code and the
            machine.
    """

    def __init__(self, settings: EmbedClips, picture_fps: Fraction) -> None:
        """Args: picture_fps: of folders of numbered pictures."""
        self.machine: Any = describe_cpu()
        self.facts: dict[str, dict[str, Any]] = {}
        self._channels: dict[str, Channel] = {}
        self._picture_fps = picture_fps
        for name in settings.motion_channels:
            own = getattr(settings, name)
            self._channels[name] = build_channel(name, own, settings.short_clips)
            self.facts[name] = {
                "channel": name,
                "short_clips": settings.short_clips,
                "picture_fps": str(picture_fps),
                "options": own.model_dump(),
                "width": self._channels[name].width,
            }

    def embed(self, videos: Iterable[Asked]) -> Iterator[dict[str, list[Pieces]]]:
        """Yields the evidence of each video, by channel and window, in order.

        Raises:
            InputError: a video that cannot be read, or a window that is too short.
        """
        with ThreadPoolExecutor(NUM_WORKERS) as pool:
            yield from pool.map(self._embed, videos)

    def _embed(self, asked: Asked) -> dict[str, list[Pieces]]:
        channels = {name: self._channels[name] for name in self._channels if name in asked.channels}
        found = follow_file(asked.path, asked.windows, channels, self._picture_fps)
        return {name: [own[name] for own in found] for name in channels}
