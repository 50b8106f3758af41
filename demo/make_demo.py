"""Makes the demo's data: synthetic surveillance videos, a Label Studio export, exact boxes, clips.

It also makes long videos to watch, and lists their true events and tracks. On two cores, the videos
take about twenty seconds, the clips thirty, and the long videos twenty. The result depends on the
parameters alone. Pictures of other places have exact masks of their people.
"""

from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field
from scene.annotator import AnnotatedVideo, annotate
from scene.production import (
    PLACE_WH,
    draw_places,
    make_annotated_gate,
    make_clips,
    make_gates,
    make_videos,
)
from scene.programme import FILMS
from scene.scene import Track

from vigil.domain.pictures.coco_file import write_instances
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import Section
from vigil.plumbing.records import write_json
from vigil.plumbing.runner import run_stage

_IDS, _ANNOTATOR = 2, 3  # each use has its own random stream


class MakeDemo(Section):
    """``num_frames`` is the length of every video; scenes are per class, clips per scene.

    Each long video to watch shows ``num_acts`` actions of people. The masks are those of
    ``num_places`` places, with four pictures each.
    """

    section: ClassVar[str] = "make_demo"

    seed: int = Field(ge=0)
    num_frames: int = Field(ge=2, le=2000)
    num_scenes_per_class: int = Field(ge=1, le=100)
    num_clips_per_scene: int = Field(ge=1, le=100)
    num_acts: int = Field(ge=1, le=100)
    num_places: int = Field(ge=1, le=1000)


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
        gate = make_annotated_gate(folder, seed=settings.seed, num_frames=settings.num_frames)
    gate_tracks = [Track("walking", boxes) for boxes in gate.tracks().values()]
    videos_tracks = [
        *((film.file_name, film.size_wh, settings.num_frames, film.fps, film.annotator_fps, tracks)
          for film, tracks in zip(FILMS, film_tracks, strict=True)),
        (gate.gate.file_name, gate.size_wh, gate.num_frames, gate.gate.fps, gate.gate.fps,
         gate_tracks),
    ]  # fmt: skip
    for index, (name, size_wh, num_frames, fps, annotator_fps, tracks) in enumerate(videos_tracks):
        named = name_tracks(index, tracks, settings.seed)
        video = AnnotatedVideo(name, size_wh, num_frames, fps, annotator_fps, named)
        rng = np.random.default_rng((settings.seed, index, _ANNOTATOR))
        tasks.append(annotate(video, index + 1, rng))
        exact[name] = exact_record(named)
    write_json(tasks, annotations, indent=None)
    write_json(exact, exact_boxes, indent=None)


def write_masks(masks: Path, settings: MakeDemo) -> None:
    """Write the folder ``masks``: ``pictures`` of places, and ``instances.json`` as COCO has it."""
    images: list[dict[str, object]] = []
    objects: list[dict[str, object]] = []
    width, height = PLACE_WH
    with whole(masks) as folder:
        for number, place in enumerate(draw_places(settings.num_places, seed=settings.seed)):
            video = f"place_{number:02}"
            (folder / "pictures" / video).mkdir(parents=True)
            for frame_index, content in place.pictures.items():
                name = f"{video}/{frame_index:06d}.jpg"
                (folder / "pictures" / name).write_bytes(content)
                images.append(
                    {"id": len(images) + 1, "file_name": name, "width": width, "height": height,
                     "video": video, "frame_index": frame_index}
                )  # fmt: skip
                for counts in place.masks[frame_index]:
                    segmentation = {"size": [height, width], "counts": counts}
                    objects.append(
                        {"id": len(objects) + 1, "image_id": len(images), "category_id": 1,
                         "segmentation": segmentation, "iscrowd": 0}
                    )  # fmt: skip
        categories = [{"id": 1, "name": "human"}]
        instances = folder / "instances.json"
        write_instances(instances, annotations=objects, categories=categories, images=images)


def write_clips(clips: Path, settings: MakeDemo) -> None:
    """Write the folder of ``clips``, one folder for each class."""
    with whole(clips) as folder:
        make_clips(
            folder,
            seed=settings.seed,
            num_scenes=settings.num_scenes_per_class,
            num_clips=settings.num_clips_per_scene,
        )


def write_watch(watch: Path, truth: Path, settings: MakeDemo) -> None:
    """Write the long videos to the folder ``watch``, and their truth to the file ``truth``."""
    with whole(watch) as folder:
        folder.mkdir()
        truths = make_gates(folder, seed=settings.seed, num_acts=settings.num_acts)
    content = {
        name: {
            "events": [
                {
                    "kind": act.kind,
                    "start_s": round(act.start_s, 3),
                    "end_s": round(act.end_s, 3),
                    "tracks": list(act.people),
                }
                for act in video.events
            ],
            "tracks": {
                str(number): {
                    str(frame): [round(edge, 2) for edge in box] for frame, box in boxes.items()
                }
                for number, boxes in video.tracks.items()
            },
        }
        for name, video in truths.items()
    }
    write_json(content, truth, indent=None)


def main(
    *,
    videos: Path,
    annotations: Path,
    exact_boxes: Path,
    masks: Path,
    clips: Path,
    watch: Path,
    truth: Path,
    settings: MakeDemo,
) -> None:
    """Write all data of the demo."""
    write_videos(videos, annotations, exact_boxes, settings)
    write_masks(masks, settings)
    write_clips(clips, settings)
    write_watch(watch, truth, settings)


if __name__ == "__main__":
    run_stage(main)
