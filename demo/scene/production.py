"""Makes all videos and clips of the demo, several at a time."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2

from scene.behaviours import BEHAVIOURS
from scene.clips import ClipScene
from scene.gate import ANNOTATED_GATE, GATES, GateScene, GateTruth
from scene.programme import FILMS, scene_spec
from scene.scene import Scene, SceneSpec, Track
from vigil.domain.pictures.run_lengths import compress, runs_of
from vigil.pixels.video_writing import write_video

PLACE_WH = (480, 360)
PLACE_FRAMES = (40, 100, 160, 220)
_PLACES = 1000  # the first seed of a place; those of videos are smaller
_OCCLUDERS = ("kiosk", "pillar", "tree")


def _pool(num_tasks: int) -> ProcessPoolExecutor:
    num_workers = min(num_tasks, os.cpu_count() or 1)
    # spawn, since a forked child would inherit the locks of the parent's threads
    return ProcessPoolExecutor(num_workers, mp_context=multiprocessing.get_context("spawn"))


def make_video(film_index: int, folder: Path, *, seed: int, num_frames: int) -> list[Track]:
    """Draw and encode one video into ``folder``; returns the tracks of its people."""
    film = FILMS[film_index]
    scene = Scene(scene_spec(film_index, seed=seed, num_frames=num_frames))
    write_video(
        folder / film.file_name,
        scene.frames(),
        codec=film.codec,
        fps=film.fps,
        size_wh=film.size_wh,
    )
    return scene.tracks()


def make_videos(folder: Path, *, seed: int, num_frames: int) -> list[list[Track]]:
    """Make all ``FILMS`` in ``folder``, one process each; returns the tracks of each film."""
    with _pool(len(FILMS)) as pool:
        waiting = [
            pool.submit(make_video, index, folder, seed=seed, num_frames=num_frames)
            for index in range(len(FILMS))
        ]
        return [future.result() for future in waiting]


def make_scene(
    behaviour: str, scene_index: int, folder: Path, *, seed: int, num_clips: int
) -> None:
    """Draw and encode all clips of one scene into ``folder``."""
    ClipScene(behaviour, scene_index, seed=seed, num_clips=num_clips).write(folder)


def make_clips(folder: Path, *, seed: int, num_scenes: int, num_clips: int) -> None:
    """Make ``num_scenes`` scenes of ``num_clips`` clips for each behaviour, below ``folder``."""
    behaviours = [behaviour for behaviour in BEHAVIOURS for _ in range(num_scenes)]
    with _pool(len(behaviours)) as pool:
        waiting = [
            pool.submit(make_scene, behaviour, index, folder, seed=seed, num_clips=num_clips)
            for index, behaviour in enumerate(behaviours)
        ]
        for future in waiting:
            future.result()


def make_annotated_gate(folder: Path, *, seed: int, num_frames: int) -> GateScene:
    """Draw and encode the annotated video of a gate into ``folder``; returns its scene."""
    scene = GateScene(ANNOTATED_GATE, seed=seed, max_frames=num_frames)
    write_video(
        folder / ANNOTATED_GATE.file_name,
        scene.frames(),
        codec="h264",
        fps=ANNOTATED_GATE.fps,
        size_wh=scene.size_wh,
    )
    return scene


def make_gate(number: int, folder: Path, *, seed: int, num_acts: int) -> GateTruth:
    """Draw and encode one long video into ``folder``; returns its true events and tracks."""
    gate = GATES[number]
    scene = GateScene(gate, seed=seed, num_acts=num_acts)
    write_video(
        folder / gate.file_name,
        scene.frames(),
        codec="h264",
        fps=gate.fps,
        size_wh=scene.size_wh,
    )
    return GateTruth(scene.events, scene.tracks())


def make_gates(folder: Path, *, seed: int, num_acts: int) -> dict[str, GateTruth]:
    """All ``GATES`` into ``folder``, one process each; returns the truth by video."""
    with _pool(len(GATES)) as pool:
        waiting = {
            gate.file_name: pool.submit(make_gate, number, folder, seed=seed, num_acts=num_acts)
            for number, gate in enumerate(GATES)
        }
        return {name: future.result() for name, future in waiting.items()}


@dataclass(frozen=True)
class PlaceTruth:
    """What a place shows: by frame, its picture as JPEG, and the masks of people as run lengths."""

    pictures: dict[int, bytes]
    masks: dict[int, list[str]]


def draw_place(number: int, *, seed: int) -> PlaceTruth:
    """Draw some frames of a place that no video shows, with the exact masks of its people."""
    spec = SceneSpec(
        seed=(seed, _PLACES + number),
        size_wh=PLACE_WH,
        num_frames=max(PLACE_FRAMES) + 1,
        fps=Fraction(12),
        occluder=_OCCLUDERS[number % len(_OCCLUDERS)],
        num_extra_people=2 + number % 3,
    )
    scene = Scene(spec)
    pictures, masks = {}, {}
    for frame_index in PLACE_FRAMES:
        frame = scene.frame(frame_index)
        _, content = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
        pictures[frame_index] = content.tobytes()
        masks[frame_index] = [compress(runs_of(mask)) for mask in scene.person_masks(frame_index)]
    return PlaceTruth(pictures, masks)


def draw_places(num_places: int, *, seed: int) -> list[PlaceTruth]:
    """Draw all places, several at a time."""
    with _pool(num_places) as pool:
        waiting = [pool.submit(draw_place, number, seed=seed) for number in range(num_places)]
        return [future.result() for future in waiting]
