"""Makes the tracks of a video from a task of Label Studio, and writes them in all formats."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from vigil.domain.label_studio.clock import Clock
from vigil.domain.label_studio.coco import write_coco
from vigil.domain.label_studio.interpolation import interpolate_task
from vigil.domain.label_studio.rate import find_rate
from vigil.domain.label_studio.report import report_tracks
from vigil.domain.label_studio.tasks import Task
from vigil.domain.tracks import clip_track, write_tracks
from vigil.pixels.frames import FRAME_NAME, FrameArchive
from vigil.pixels.sheets.annotations import draw_frames
from vigil.plumbing.fingerprints import code_fingerprint
from vigil.plumbing.memo import Memo, Request, file_digest
from vigil.plumbing.records import read_json, write_json
from vigil.settings.interpolate_annotations import InterpolateAnnotations


class Annotator:
    """Writes the annotations of videos. The results of each video are cached."""

    def __init__(self, export: Path, settings: InterpolateAnnotations) -> None:
        """Args: export: the export's file, to name it in errors."""
        self._export, self._settings = export, settings
        self._memo, self._code = Memo("annotations"), code_fingerprint(Annotator)

    def annotate(
        self, tasks: Mapping[str, Task], frames: Path, folder: Path
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Writes for each video the tracks, a report and pictures into a new folder of its name.

        Args:
            tasks: the task of each video.
            frames: the folder of the archives of frames.
            folder: the folder of the new folders.

        Yields:
            Each video, and the report on it.

        Raises:
            InputError: a keyframe is far past the end of the video, or an archive is damaged.
        """
        requests = [self._request(video, task, frames) for video, task in tasks.items()]
        self._memo.make_missing(requests, "annotate", "video")
        for request in requests:
            self._memo.fetch(request.facts, request.make, folder / request.name)
            report: dict[str, Any] = read_json(folder / request.name / "report.json")
            yield request.name, report
        self._memo.prune()

    def _request(self, video: str, task: Task, frames: Path) -> Request:
        archive = frames / f"{video}.zip"
        facts = {
            "code": self._code,
            "frames": file_digest(archive),
            "task": asdict(task),
            "video": video,
            "params": self._settings.model_dump(),
        }
        return Request(facts, partial(self._open_and_write, video, task, archive), video)

    def _open_and_write(self, video: str, task: Task, frames: Path, folder: Path) -> None:
        with FrameArchive(frames) as archive:
            self._write(video, task, archive, folder)

    def _write(self, video: str, task: Task, archive: FrameArchive, folder: Path) -> None:
        folder.mkdir()
        facts, place = archive.facts, f"{self._export}: task {task.id}"
        rate = find_rate(task, float(facts.fps), place)
        clock = Clock(rate.fps, facts, self._settings.frame_offset)
        tolerance_s = self._settings.past_end_tolerance_s
        unclipped = interpolate_task(task, clock, facts, place, tolerance_s)
        clipped = [clip_track(track, facts.size_wh) for track in unclipped]
        tracks = [track for track, _ in clipped]
        write_tracks(tracks, folder / "ieos_vid_labels")
        write_coco(tracks, facts, video, FRAME_NAME, folder / "coco.json")
        counts = [counts for _, counts in clipped]
        report = report_tracks(task, tracks, counts, facts, rate, clock, self._settings)
        write_json(report, folder / "report.json")
        draw_frames(tracks, archive, folder / "vis_data", self._settings.num_pictures)
