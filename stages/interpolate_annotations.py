"""Turns the keyframes of a Label Studio export into one box of each object on each frame."""

from pathlib import Path

from vigil.domain.label_studio.names import match_videos, unmatched
from vigil.domain.label_studio.reading import parse_export
from vigil.domain.label_studio.report import summarise
from vigil.pixels.importing.tracks import Annotator
from vigil.plumbing.errors import FieldError, listed
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import FileNames
from vigil.plumbing.records import read_json
from vigil.plumbing.runner import run_stage
from vigil.settings.interpolate_annotations import InterpolateAnnotations


def main(
    *,
    export: Path,
    frames: Path,
    annotations: Path,
    videos: FileNames,
    video_of_task: dict[str, str],
    settings: InterpolateAnnotations,
) -> None:
    tasks = parse_export(
        read_json(export, is_foreign=True),
        str(export),
        labels=settings.labels,
        unlabelled=settings.unlabelled,
        use_predictions=settings.use_predictions,
        annotators=settings.annotators,
        only_videos=videos if settings.unlisted_tasks == "skip" else (),
        only_tasks=video_of_task.keys(),
        data_key_of_tag=settings.data_key_of_tag,
    )
    task_of_video = match_videos(tasks, videos, str(export), video_of_task)
    unlisted = [task.source for task in unmatched(tasks, task_of_video)]
    if unlisted and settings.unlisted_tasks == "error":
        raise FieldError(
            "videos",
            f"expected the video of each task of {export}, found none for {listed(unlisted)}; "
            "interpolate_annotations.unlisted_tasks: skip leaves such tasks out",
        )
    if unlisted:
        print(f"left out the tasks of videos that are not listed: {listed(unlisted)}")
    annotator = Annotator(export, settings)
    with whole(annotations) as folder:
        folder.mkdir()
        for video, report in annotator.annotate(task_of_video, frames, folder):
            print(summarise(video, report))


if __name__ == "__main__":
    run_stage(main)
