"""Makes the demo's data: synthetic surveillance videos, a Label Studio export, exact boxes, clips.

On two cores, the videos take about twenty seconds, and the clips thirty. The result depends on the
parameters alone.
"""

from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field
from scene.annotator import AnnotatedVideo, annotate
from scene.production import make_clips, make_videos
from scene.programme import FILMS
from scene.scene import Track

from vigil.plumbing.outputs import whole
from vigil.plumbing.params import Section
from vigil.plumbing.records import write_json
from vigil.plumbing.runner import run_stage

_IDS, _ANNOTATOR = 2, 3  # each use has its own random stream


class MakeDemo(Section):
    """``num_frames`` is the length of every video; scenes are per class, clips per scene."""

    section: ClassVar[str] = "make_demo"

    seed: int = Field(ge=0)
    num_frames: int = Field(ge=2, le=2000)
    num_scenes_per_class: int = Field(ge=1, le=100)
    num_clips_per_scene: int = Field(ge=1, le=100)


def name_tracks(film_index: int, tracks: list[Track], seed: int) -> dict[str, Track]:
    """Give each track a region id, ten hexadecimal digits."""
    rng = np.random.default_rng((seed, film_index, _IDS))
    return {rng.bytes(5).hex(): track for track in tracks}


def exact_record(tracks: dict[str, Track]) -> dict[str, dict[str, list[float]]]:
    """Boxes by region id and frame index, in a form for JSON."""
    return {
        region_id: {
            str(frame_index): [round(edge, 2) for edge in box]
            for frame_index, box in track.boxes_xyxy.items()
        }
        for region_id, track in tracks.items()
    }


def write_videos(videos: Path, annotations: Path, exact_boxes: Path, settings: MakeDemo) -> None:
    """Write the folder of ``videos``, their ``annotations``, and the ``exact_boxes`` of people."""
    tasks, exact = [], {}
    with whole(videos) as folder:
        folder.mkdir()
        film_tracks = make_videos(folder, seed=settings.seed, num_frames=settings.num_frames)
    for film_index, (film, tracks) in enumerate(zip(FILMS, film_tracks, strict=True)):
        named = name_tracks(film_index, tracks, settings.seed)
        video = AnnotatedVideo(
            file_name=film.file_name,
            size_wh=film.size_wh,
            num_frames=settings.num_frames,
            fps=film.fps,
            annotator_fps=film.annotator_fps,
            tracks=named,
        )
        rng = np.random.default_rng((settings.seed, film_index, _ANNOTATOR))
        tasks.append(annotate(video, film_index + 1, rng))
        exact[film.file_name] = exact_record(named)
    write_json(tasks, annotations, indent=None)
    write_json(exact, exact_boxes, indent=None)


def write_clips(clips: Path, settings: MakeDemo) -> None:
    """Write the folder of ``clips``, one folder for each class."""
    with whole(clips) as folder:
        make_clips(
            folder,
            seed=settings.seed,
            num_scenes=settings.num_scenes_per_class,
            num_clips=settings.num_clips_per_scene,
        )


def main(
    *, videos: Path, annotations: Path, exact_boxes: Path, clips: Path, settings: MakeDemo
) -> None:
    """Write all data of the demo."""
    write_videos(videos, annotations, exact_boxes, settings)
    write_clips(clips, settings)


if __name__ == "__main__":
    run_stage(main)
