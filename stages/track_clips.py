"""Detects and tracks objects in the clips of the alarm, if a detector is named."""

from fractions import Fraction
from pathlib import Path
from typing import Any

from vigil.domain.clips.windows import read_windows
from vigil.pixels.channels.moments import moment_tables, write_moments
from vigil.plumbing.errors import InputError, counted
from vigil.plumbing.folders import below
from vigil.plumbing.outputs import whole
from vigil.plumbing.runner import run_stage
from vigil.settings.track_clips import TrackClips


def main(
    *,
    clips: Path,
    windows: Path,
    weights: Path,
    card: Path,
    score: Path,
    tracks: Path,
    picture_fps: float,
    settings: TrackClips,
) -> None:
    tables, tracked = moment_tables({}), dict[str, Any]()
    if settings.is_asked:
        from vigil.learn.detector.clip_tracks import track_clips

        table = read_windows(windows).drop_duplicates("video")
        if table.empty:
            raise InputError(f"{windows}: expected videos to track objects in, found none")
        paths = below(clips, table["video"])
        videos = list(zip(table["video"], table["digest"], paths, strict=True))
        files = {"weights": weights, "card": card, "score": score}
        fps = Fraction(str(picture_fps))
        tables, tracked = track_clips(videos, settings, **files, picture_fps=fps)
    with whole(tracks) as folder:
        folder.mkdir()
        write_moments(*tables, tracked, folder)
    moments, boxes = tables
    tracks_found = counted(len(boxes[["video", "track_id"]].drop_duplicates()), "track")
    where = f"{counted(len(moments), 'picture')} of {counted(moments['video'].nunique(), 'video')}"
    print(f"{tracks_found} in {where}")


if __name__ == "__main__":
    run_stage(main)
