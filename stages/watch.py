"""Runs the trained models on new videos: tracks, events, pictures."""

from fractions import Fraction
from functools import cache, partial
from pathlib import Path

from vigil.learn.networks.machine import choose_device, prepare_torch
from vigil.plumbing.outputs import whole
from vigil.plumbing.runner import run_stage
from vigil.settings.watch import Watch
from vigil.watch.models import ModelFiles
from vigil.watch.recording import Recorder, check_videos


def main(
    *,
    videos: Path,
    detector: Path,
    detector_card: Path,
    classifier: Path,
    classifier_card: Path,
    alarm: Path,
    alarm_card: Path,
    threshold: Path,
    detector_score: Path,
    watched: Path,
    picture_fps: float,
    settings: Watch,
) -> None:
    paths = check_videos(videos, settings.videos)
    prepare_torch()
    files = ModelFiles(
        *(detector, detector_card, classifier, classifier_card, alarm, alarm_card),
        *(threshold, detector_score),
    )
    get_models = cache(partial(files.load, choose_device()))
    recorder = Recorder(files.digests(), get_models, settings, Fraction(str(picture_fps)))
    with whole(watched) as folder:
        folder.mkdir()
        for path in paths:
            recorder.watch(path, folder / path.name)
    recorder.prune()


if __name__ == "__main__":
    run_stage(main)
