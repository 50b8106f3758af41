"""Cuts sequences of crops from each video, equally many of people and of background."""

from pathlib import Path

import pandas as pd

from vigil.domain.samples.index import array_path, write_index
from vigil.domain.sampling import index_samples
from vigil.domain.tracks import read_tracks
from vigil.pixels.frames import FrameArchive
from vigil.pixels.samples.cutting import Cut, cut_samples, plan_video
from vigil.pixels.samples.report import sum_left_out, write_report
from vigil.plumbing.errors import InputError
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import FileNames
from vigil.plumbing.runner import run_stage
from vigil.settings.generate_samples import GenerateSamples


def main(
    *,
    frames: Path,
    annotations: Path,
    samples: Path,
    report: Path,
    videos: FileNames,
    settings: GenerateSamples,
) -> None:
    plans = {}
    for video in videos:
        with FrameArchive(frames / f"{video}.zip") as archive:
            tracks = read_tracks(annotations / video / "ieos_vid_labels")
            plans[video] = plan_video(video, tracks, archive, settings)
    left_out = sum_left_out({video: plan.left_out for video, plan in plans.items()})
    if not any(plan.samples for plan in plans.values()):
        raise InputError(
            f"{annotations}: expected a track of '{settings.person_label}' with boxes on "
            f"{settings.num_frames} consecutive frames, found none ({dict(left_out)} left out)"
        )
    index = pd.concat([index_samples(plan.samples, video) for video, plan in plans.items()])
    with whole(samples) as folder, whole(report) as report_folder:
        folder.mkdir()
        cuts = [
            Cut(plan.samples, frames / f"{video}.zip", array_path(folder, video))
            for video, plan in plans.items()
        ]
        cut_samples(cuts, settings.size_px)
        write_index(index, folder)
        report_folder.mkdir()
        write_report(index, left_out, folder, report_folder)


if __name__ == "__main__":
    run_stage(main)
