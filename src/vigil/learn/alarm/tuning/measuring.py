"""Measures the evidence of several settings of the channels, in one pass over each video.

The cache is that of the stage that embeds clips: what the stage measured is not measured again, and
the stage does not measure again what was measured here.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from vigil.domain.clips.evidence.embeddings import Embedding
from vigil.domain.clips.evidence.pieces import Pieces
from vigil.pixels.channels import registry as motion
from vigil.pixels.channels.channel import Channel
from vigil.pixels.embedding.following import follow_file
from vigil.pixels.embedding.motion import NUM_WORKERS, MotionEmbedder
from vigil.pixels.embedding.remembered import VideoRequest, embed_windows
from vigil.pixels.flow.motion import describe_cpu
from vigil.plumbing.errors import InputError
from vigil.plumbing.fingerprints import code_fingerprint
from vigil.plumbing.state import fingerprint
from vigil.settings.embed_clips import APPEARANCE, EmbedClips, MotionChannelName


class MotionVariants:
    """Measures channels of motion in several variants. Variants with equal flow share it.

    Attributes:
        machine: the facts of the machine on which the last bits of vectors depend.
        describe_machine, at_once, num_threads, needs_s: see `Embedder`.
        facts: by variant, the facts as `MotionEmbedder` gives them.
        codes: by variant, the fingerprint of the code of its channel.
    """

    describe_machine = staticmethod(describe_cpu)
    at_once, num_threads = MotionEmbedder.at_once, MotionEmbedder.num_threads

    def __init__(self, settings: Iterable[EmbedClips], picture_fps: Fraction) -> None:
        """Args: picture_fps: the frame rate of folders of numbered pictures."""
        self.machine: Any = describe_cpu()
        self.facts: dict[str, dict[str, Any]] = {}
        self.codes: dict[str, str] = {}
        self.needs_s: dict[str, float] = {}
        self._channels: dict[str, Channel] = {}
        self._picture_fps = picture_fps
        for one in settings:
            facts = MotionEmbedder(one, picture_fps).facts
            for name in one.motion_channels:
                variant = variant_of(name, one)
                if variant in self.facts:
                    continue
                self.facts[variant] = facts[name]
                self.codes[variant] = _code_of(name)
                options = getattr(one, name)
                self._channels[variant] = motion.build_channel(name, options, one.short_clips)
                self.needs_s[variant] = self._channels[variant].needs_s

    def embed(self, videos: Iterable[VideoRequest]) -> Iterator[dict[str, list[Pieces]]]:
        """Yields the evidence in each video, by variant and window, in order.

        Raises:
            InputError: a video cannot be read, or a window is too short.
        """
        with ThreadPoolExecutor(NUM_WORKERS) as pool:
            yield from pool.map(self._embed, videos)

    def _embed(self, request: VideoRequest) -> dict[str, list[Pieces]]:
        channels = {name: self._channels[name] for name in request.channels}
        windows = follow_file(request.path, request.windows, channels, self._picture_fps)
        return {name: [evidence[name] for evidence in windows] for name in channels}


@cache
def _code_of(channel: MotionChannelName) -> str:
    """The fingerprint of the code of a channel, as the stage has it."""
    return code_fingerprint(MotionEmbedder, motion.imports_of_others(channel))


def variant_of(channel: str, settings: EmbedClips) -> str:
    """The name of a channel with its settings: equal names measure the same."""
    options = getattr(settings, channel).model_dump(mode="json")
    return f"{channel} {fingerprint({'options': options, 'short': settings.short_clips})[:16]}"


def measure(
    windows: pd.DataFrame, clips: Path, settings: Sequence[EmbedClips], picture_fps: Fraction
) -> dict[str, Embedding]:
    """The evidence in each window, by variant of each channel of all settings.

    Args:
        windows: `video`, `start_s`, `stop_s` and `digest` of each, those of a video together.
        clips: the folder of the videos.

    Raises:
        InputError: a video cannot be read, or a window is too short.
        FieldError: a parameter does not fit the windows or the network.
    """
    variants = MotionVariants(settings, picture_fps)
    measured: dict[str, Embedding] = {}
    if variants.facts:
        measured |= embed_windows(windows, clips, variants, variants.codes)
    networks = {variant_of(APPEARANCE, one): one for one in settings if APPEARANCE in one.channels}
    for variant, one in networks.items():
        measured[variant] = _measure_appearance(windows, clips, one, picture_fps)
    for embedding in measured.values():
        if list(embedding.index["video"]) != list(windows["video"]):
            raise InputError("expected the windows of each video together, got others between")
    return measured


def _measure_appearance(
    windows: pd.DataFrame, clips: Path, settings: EmbedClips, picture_fps: Fraction
) -> Embedding:
    """By a network: the only channel that loads torch."""
    from vigil.learn.alarm.appearance import AppearanceEmbedder
    from vigil.learn.alarm.network.embedding.registry import imports_of_others

    code = code_fingerprint(AppearanceEmbedder, imports_of_others(settings.appearance.backbone))
    embedder = AppearanceEmbedder(settings, picture_fps)
    return embed_windows(windows, clips, embedder, {APPEARANCE: code})[APPEARANCE]


def as_one_table(windows: pd.DataFrame, embedding: Embedding) -> Embedding:
    """The evidence with the columns of the windows in its index."""
    columns = [name for name in windows if name not in embedding.index]
    extra = windows[columns].reset_index(drop=True)
    return replace(embedding, index=pd.concat([embedding.index, extra], axis=1))
