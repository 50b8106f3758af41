"""Turns the keyframes of a Label Studio export into one box on each frame, per object and frame."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from vigil.domain.label_studio.interpolation import Clock, interpolate_task
from vigil.domain.label_studio.reading import Task, match_videos, parse_export
from vigil.domain.pictures.coco_tracks import write_coco
from vigil.domain.tracks import Track, clip_track, write_tracks
from vigil.pixels.drawing.on_pictures import draw_boxes, write_picture
from vigil.pixels.video.frames import FRAME_NAME, FrameArchive
from vigil.plumbing.errors import InputError, listed, shorten
from vigil.plumbing.memo import Memo, file_digest
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import CountOr0, FileNames, Section
from vigil.plumbing.records import read_json, write_json
from vigil.plumbing.stages import code_fingerprint, run_stage


class Params(Section):
    labels: Annotated[tuple[str, ...], Field(min_length=1)]
    unlabelled: str
    use_predictions: bool
    unlisted_tasks: Literal["error", "skip"]
    frame_offset: Literal[-1, 0]
    past_end_tolerance_s: Annotated[float, Field(ge=0, le=60)]
    ghost_frames: CountOr0
    num_pictures: Annotated[int, Field(ge=0, le=1000)]

    @field_validator("labels")
    @classmethod
    def _check_labels(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not all(name.strip() for name in names):
            raise ValueError(f"must not hold an empty label, got {shorten(list(names))}")
        return names

    @model_validator(mode="after")
    def _check_unlabelled(self) -> "Params":
        if self.unlabelled and self.unlabelled not in self.labels:
            raise ValueError(f"expected unlabelled to be one of labels, got {self.unlabelled!r}")
        return self


def main(
    *, export: Path, frames: Path, annotations: Path, videos: FileNames, params: Params
) -> None:
    tasks = parse_export(
        read_json(export),
        str(export),
        labels=params.labels,
        unlabelled=params.unlabelled,
        use_predictions=params.use_predictions,
        only_videos=videos if params.unlisted_tasks == "skip" else (),
    )
    matched = match_videos(tasks, videos, str(export))
    unlisted = [task.source for task in tasks if task not in matched.values()]
    if unlisted and params.unlisted_tasks == "error":
        raise InputError(
            f"{export}: expected dataset.videos to list the video of each task, found none for "
            f"{listed(unlisted)}; interpolate_annotations.unlisted_tasks: skip leaves such out"
        )
    if unlisted:
        print(f"interpolate_annotations: left out the unlisted {listed(unlisted)}")
    memo, code = Memo("interpolate_annotations"), code_fingerprint(main)
    with whole(annotations) as folder:
        folder.mkdir()
        for video, task in matched.items():
            archive = frames / f"{video}.zip"
            facts = {
                "code": code,
                "frames": file_digest(archive),
                "task": asdict(task),
                "video": video,
                "params": params.model_dump(),
            }
            make = partial(annotate_video, task, video, archive, export=str(export), params=params)
            memo.fetch(facts, make, folder / video)
            print(summarise(video, read_json(folder / video / "report.json")))
    memo.prune()


def annotate_video(
    task: Task, video: str, frames: Path, folder: Path, export: str, params: Params
) -> None:
    """Writes everything known of one video's objects into a new folder."""
    folder.mkdir()
    with FrameArchive(frames) as archive:
        place = f"{export}: task {task.id}"
        unclipped = interpolate_task(
            task,
            archive.facts,
            place,
            frame_offset=params.frame_offset,
            past_end_tolerance_s=params.past_end_tolerance_s,
        )
        clipped = [clip_track(track, archive.facts.size_wh) for track in unclipped]
        tracks = [track for track, _ in clipped]
        write_tracks(tracks, folder / "ieos_vid_labels")
        write_coco(tracks, archive.facts, video, FRAME_NAME, folder / "coco.json")
        report = report_video(task, tracks, [counts for _, counts in clipped], archive, params)
        write_json(report, folder / "report.json")
        draw_frames(tracks, archive, folder / "vis_data", params.num_pictures)


def report_video(
    task: Task,
    tracks: Sequence[Track],
    counts: Sequence[dict[str, int]],
    archive: FrameArchive,
    params: Params,
) -> dict[str, Any]:
    """What an annotator wants to check: boxes changed or left out, and tracks that never end."""
    ghosts = {
        track.id: track.frames_past_last_keyframe
        for track in tracks
        if track.frames_past_last_keyframe > params.ghost_frames
    }
    clock = Clock.of(task.annotator_fps, archive.facts.fps, params.frame_offset)
    last_frame = clock.last_frame(archive.facts.num_frames)
    warnings = [
        *task.warnings,
        *(
            f"region {track.id}: cut off at the last frame, {last_frame}: it has keyframes up to "
            f"frame {track.keyframes_past_end[-1]} ({len(track.keyframes_past_end)} past the end)"
            for track in tracks
            if track.keyframes_past_end
        ),
        *(
            f"region {ghost}: held still for {num_frames} frames after its last keyframe; "
            "was its end forgotten?"
            for ghost, num_frames in ghosts.items()
        ),
        *(f"region {track.id}: on no frame" for track in tracks if len(track.frames) == 0),
    ]
    if archive.facts.is_variable_rate:
        warnings.append("the frame rate varies: frame numbers were mapped by its mean")
    return {
        "annotator_fps": task.annotator_fps,
        "video_fps": float(archive.facts.fps),
        "num_frames": archive.facts.num_frames,
        "num_tracks": len(tracks),
        "num_keyframes": sum(len(region.keyframes) for region in task.regions),
        "keyframes_past_end": sum(len(track.keyframes_past_end) for track in tracks),
        "num_boxes": sum(len(track.frames) for track in tracks),
        "boxes_clipped": sum(count["clipped"] for count in counts),
        "boxes_dropped": sum(count["dropped"] for count in counts),
        "ghost_tracks": ghosts,
        "warnings": warnings,
    }


def draw_frames(
    tracks: Sequence[Track], archive: FrameArchive, folder: Path, num_pictures: int
) -> None:
    """Draws the boxes on frames spread evenly over the video."""
    folder.mkdir()
    num_pictures = min(num_pictures, len(archive))
    for frame_index in np.linspace(0, len(archive) - 1, num_pictures).round().astype(int):
        shown = [
            (track.boxes_xyxy[at], f"{track.label} {track.id}")
            for track in tracks
            for at in np.flatnonzero(track.frames == frame_index)
        ]
        boxes = np.array([box for box, _ in shown]).reshape(-1, 4)
        picture = draw_boxes(archive.bgr(frame_index), boxes, [caption for _, caption in shown])
        write_picture(picture, folder / FRAME_NAME.format(frame_index=frame_index))


def summarise(video: str, report: dict[str, Any]) -> str:
    """One line on a video, and one more for each warning."""
    line = (
        f"{video}: {report['num_tracks']} tracks, {report['num_boxes']} boxes on "
        f"{report['num_frames']} frames; {report['boxes_clipped']} clipped, "
        f"{report['boxes_dropped']} dropped"
    )
    return "\n  warning: ".join([line, *report["warnings"]])


if __name__ == "__main__":
    run_stage(main)
