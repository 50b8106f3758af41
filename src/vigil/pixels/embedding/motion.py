"""Measures the evidence of motion in videos, several videos at a time."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

from vigil.domain.clips.evidence.pieces import Pieces
from vigil.pixels.channels.channel import Channel
from vigil.pixels.channels.registry import build_channel, imports_of_others
from vigil.pixels.embedding.following import follow_file
from vigil.pixels.embedding.remembered import VideoRequest
from vigil.pixels.flow.motion import REVISION, describe_cpu
from vigil.plumbing.fingerprints import code_fingerprint
from vigil.settings.embed_clips import EmbedClips

NUM_WORKERS = 2


class MotionEmbedder:
    """Measures all channels of motion in one pass over each video.

    Attributes:
        machine: the facts of the machine on which the last bits of vectors depend.
        describe_machine, at_once, num_threads, needs_s: see `Embedder`.
        facts: by channel, all other facts on which its evidence depends, except the clip and the
            code.
    """

    describe_machine = staticmethod(describe_cpu)
    at_once, num_threads = 1, 0

    def __init__(self, settings: EmbedClips, picture_fps: Fraction) -> None:
        """Args: picture_fps: the frame rate of folders of numbered pictures."""
        self.machine: Any = describe_cpu()
        self.facts: dict[str, dict[str, Any]] = {}
        self.needs_s: dict[str, float] = {}
        self._channels: dict[str, Channel] = {}
        self._picture_fps = picture_fps
        for name in settings.motion_channels:
            options = getattr(settings, name)
            self._channels[name] = build_channel(name, options, settings.short_clips)
            self.needs_s[name] = self._channels[name].needs_s
            self.facts[name] = {
                "channel": name,
                "revision": REVISION,
                "short_clips": settings.short_clips,
                "picture_fps": str(picture_fps),
                "options": options.model_dump(),
                "width": self._channels[name].width,
            }

    def embed(self, videos: Iterable[VideoRequest]) -> Iterator[dict[str, list[Pieces]]]:
        """Yields the evidence in each video, by channel and window, in order.

        Raises:
            InputError: a video cannot be read, or a window is too short.
        """
        with ThreadPoolExecutor(NUM_WORKERS) as pool:
            yield from pool.map(self._embed, videos)

    def _embed(self, request: VideoRequest) -> dict[str, list[Pieces]]:
        names = [name for name in self._channels if name in request.channels]
        channels = {name: self._channels[name] for name in names}
        windows = follow_file(request.path, request.windows, channels, self._picture_fps)
        return {name: [evidence[name] for evidence in windows] for name in names}


def channel_codes(settings: EmbedClips) -> dict[str, str]:
    """The fingerprint of the code of each channel of motion in use."""
    return {
        name: code_fingerprint(MotionEmbedder, imports_of_others(name))
        for name in settings.motion_channels
    }
