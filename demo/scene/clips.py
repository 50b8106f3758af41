"""The demo's short clips: each shows one behaviour, and several share a scene.

A scene is a place in one light with two people. It belongs to one class, and no other class has a
scene of the same number. A clip is called ``<class>_s<scene>_c<clip>``, so ``GROUP_PATTERN`` finds
the clips of one scene. These share a background and people, so a split must keep them together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scene.behaviours import BEHAVIOURS, Actor
from scene.people import draw_person, random_appearance
from scene.places import Place
from vigil.pixels.video_writing import write_video

GROUP_PATTERN = r"_(s\d+)_"
"""Finds the scene in a clip's name; the scene identifies the source, also across classes."""

_FORMATS = ((".mp4", "h264"), (".webm", "vp9_quick"), (".avi", "mpeg4"))
_FPS = (Fraction(10), Fraction(12), Fraction(25, 2), Fraction(15), Fraction(15000, 1001))
_DURATION_S = (2.0, 3.0)
_SCENE, _CLIP, _GRAIN = 4, 5, 6  # each use has its own random stream


@dataclass(frozen=True)
class Clip:
    """One clip: its path below the folder of all clips, its format, and the people in it."""

    name: str
    codec: str
    fps: Fraction
    actors: list[Actor]

    @property
    def num_frames(self) -> int:
        """The number of frames."""
        return len(self.actors[0].headings)


class ClipScene:
    """A scene and its clips; the same ``scene_index`` and seed always give the same scene."""

    def __init__(self, behaviour: str, scene_index: int, *, seed: int, num_clips: int) -> None:
        rng = np.random.default_rng((seed, scene_index, _SCENE))
        self.place = Place(rng)
        self._cast = random_appearance(rng), random_appearance(rng)
        self._seed, self._scene_index = seed, scene_index
        self.clips = [self._plan(behaviour, index) for index in range(num_clips)]

    def _plan(self, behaviour: str, clip_index: int) -> Clip:
        rng = np.random.default_rng((self._seed, self._scene_index, _CLIP, clip_index))
        suffix, codec = _FORMATS[(self._scene_index + clip_index) % len(_FORMATS)]
        fps = _FPS[int(rng.integers(len(_FPS)))]
        times_s = np.arange(round(float(rng.uniform(*_DURATION_S)) * fps)) / float(fps)
        name = f"{behaviour}/{behaviour}_s{self._scene_index + 1:02d}_c{clip_index + 1}{suffix}"
        actors = BEHAVIOURS[behaviour](rng, self.place, self._cast, times_s)
        return Clip(name, codec, fps, actors)

    def frames(self, clip_index: int) -> Iterator[npt.NDArray[np.uint8]]:
        """The frames of a clip in order, ``(height, width, 3)`` RGB."""
        clip = self.clips[clip_index]
        # Clips of one scene start at different times, so that clouds and plants differ.
        start_s = 7.3 * clip_index
        for frame_index in range(clip.num_frames):
            people = [
                draw_person(
                    self.place.camera,
                    actor.joints_m[frame_index],
                    float(actor.headings[frame_index]),
                    actor.looks,
                    self.place.sun_xz,
                )
                for actor in clip.actors
            ]
            seed = (self._seed, self._scene_index, _GRAIN, clip_index, frame_index)
            time_s = start_s + frame_index / float(clip.fps)
            yield self.place.picture(people, time_s, np.random.default_rng(seed))

    def write(self, folder: Path) -> None:
        """Encode all clips into ``<folder>/<class>/``."""
        for clip_index, clip in enumerate(self.clips):
            path = folder / clip.name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_video(
                path,
                self.frames(clip_index),
                codec=clip.codec,
                fps=clip.fps,
                size_wh=self.place.size_wh,
            )
