"""Makes the tracks of a video from a task of Label Studio, and writes them in all formats."""

from dataclasses import asdict
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
from vigil.plumbing.memo import Memo, file_digest
from vigil.plumbing.records import read_json, write_json
from vigil.settings.interpolate_annotations import InterpolateAnnotations


class Annotator:
    """Writes the annotations of videos. The results of each video are cached."""

    def __init__(self, export: Path, settings: InterpolateAnnotations) -> None:
        """Args: export: the export's file, to name it in errors."""
        self._export, self._settings = export, settings
        self._memo, self._code = Memo("annotations"), code_fingerprint(Annotator)

    def annotate(self, video: str, task: Task, frames: Path, folder: Path) -> dict[str, Any]:
        """Writes the tracks of one video, a report and pictures into a new folder.

        Args:
            frames: the archive of the video's frames.
            folder: the new folder.

        Returns:
            The report on the video.

        Raises:
            InputError: a keyframe is far past the end of the video, or the archive is damaged.
        """
        facts = {
            "code": self._code,
            "frames": file_digest(frames),
            "task": asdict(task),
            "video": video,
            "params": self._settings.model_dump(),
        }

        def write_outputs(target: Path) -> None:
            with FrameArchive(frames) as archive:
                self._write(video, task, archive, target)

        self._memo.fetch(facts, write_outputs, folder)
        report: dict[str, Any] = read_json(folder / "report.json")
        return report

    def prune(self) -> None:
        """Deletes the least recently used results if the cache is too large."""
        self._memo.prune()

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
