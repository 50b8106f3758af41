"""The demo's videos: the scene, codec, container, size and frame rate of each."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from scene.scene import SceneSpec


@dataclass(frozen=True)
class Film:
    """One video of the demo; ``annotator_fps`` is the frame rate of the annotator's tag."""

    file_name: str
    codec: str
    size_wh: tuple[int, int]
    fps: Fraction
    annotator_fps: Fraction
    occluder: str
    num_extra_people: int


_LEFT_AT_DEFAULT = Fraction(24)  # Label Studio's rate if the tag does not give the real one

FILMS = (
    Film("plaza_1.mp4", "h264", (480, 360), Fraction(10), _LEFT_AT_DEFAULT, "kiosk", 2),
    Film("plaza_2.webm", "vp9", (480, 360), Fraction(15), _LEFT_AT_DEFAULT, "pillar", 3),
    Film("plaza_3.avi", "mpeg4", (400, 304), Fraction(12), Fraction(12), "tree", 2),
    Film("plaza_4.mp4", "h264", (480, 360), Fraction(15000, 1001), _LEFT_AT_DEFAULT, "kiosk", 4),
    Film("plaza_5.mkv", "h264", (480, 360), Fraction(25, 2), _LEFT_AT_DEFAULT, "tree", 3),
)


def scene_spec(film_index: int, *, seed: int, num_frames: int) -> SceneSpec:
    """The scene of ``FILMS[film_index]``."""
    film = FILMS[film_index]
    return SceneSpec(
        seed=(seed, film_index),
        size_wh=film.size_wh,
        num_frames=num_frames,
        fps=film.fps,
        occluder=film.occluder,
        num_extra_people=film.num_extra_people,
    )
