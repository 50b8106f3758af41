"""Making all videos of the demo, several at a time."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from vigil.demo.encoding import write_video
from vigil.demo.programme import FILMS, scene_spec
from vigil.demo.scene import Scene, Track


def make_video(film_index: int, folder: Path, *, seed: int, num_frames: int) -> list[Track]:
    """Draw and encode one video into ``folder``; returns who is on in it."""
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
    """All ``FILMS`` into ``folder``, each in a process of its own; the tracks of each in order."""
    num_workers = min(len(FILMS), os.cpu_count() or 1)
    # spawn: a forked child would inherit the locks of the parent's threads
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(num_workers, mp_context=context) as pool:
        waiting = [
            pool.submit(make_video, index, folder, seed=seed, num_frames=num_frames)
            for index in range(len(FILMS))
        ]
        return [future.result() for future in waiting]
