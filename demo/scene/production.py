"""Makes all videos and clips of the demo, several at a time."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from scene.behaviours import BEHAVIOURS
from scene.clips import ClipScene
from scene.gate import ANNOTATED_GATE, GATES, GateScene, GateTruth
from scene.programme import FILMS, scene_spec
from scene.scene import Scene, Track
from vigil.domain.masks.run_lengths import compress, runs_of
from vigil.pixels.video_writing import write_video


def _pool(num_tasks: int) -> ProcessPoolExecutor:
    num_workers = min(num_tasks, os.cpu_count() or 1)
    # spawn, since a forked child would inherit the locks of the parent's threads
    return ProcessPoolExecutor(num_workers, mp_context=multiprocessing.get_context("spawn"))


@dataclass(frozen=True)
class FilmTruth:
    """What a video shows: the tracks of its people; by frame, some pictures (JPEG) and masks.

    ``masks`` are run lengths.
    """

    tracks: list[Track]
    pictures: dict[int, bytes]
    masks: dict[int, list[str]]


def make_video(
    film_index: int, folder: Path, *, seed: int, num_frames: int, mask_stride: int
) -> FilmTruth:
    """Draw and encode one video into ``folder``; returns what it shows."""
    film = FILMS[film_index]
    scene = Scene(scene_spec(film_index, seed=seed, num_frames=num_frames))
    pictures: dict[int, bytes] = {}
    write_video(
        folder / film.file_name,
        _keeping(scene.frames(), mask_stride, pictures),
        codec=film.codec,
        fps=film.fps,
        size_wh=film.size_wh,
    )
    masks = {
        frame_index: [compress(runs_of(mask)) for mask in scene.person_masks(frame_index)]
        for frame_index in range(0, num_frames, mask_stride)
    }
    return FilmTruth(scene.tracks(), pictures, masks)


def _keeping(
    frames: Iterator[npt.NDArray[np.uint8]], stride: int, kept: dict[int, bytes]
) -> Iterator[npt.NDArray[np.uint8]]:
    """All frames; every one whose number is a multiple of ``stride`` is also kept as JPEG."""
    for frame_index, frame in enumerate(frames):
        if frame_index % stride == 0:
            _, content = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
            kept[frame_index] = content.tobytes()
        yield frame


def make_videos(folder: Path, *, seed: int, num_frames: int, mask_stride: int) -> list[FilmTruth]:
    """Make all ``FILMS`` in ``folder``, one process each; returns what each film shows."""
    with _pool(len(FILMS)) as pool:
        waiting = [
            pool.submit(
                make_video, index, folder, seed=seed, num_frames=num_frames, mask_stride=mask_stride
            )
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
