"""Runs the trained models on new videos: tracks, events, pictures."""

from fractions import Fraction
from functools import partial
from pathlib import Path

from vigil.learn.networks.machine import prepare_torch
from vigil.plumbing.outputs import whole
from vigil.plumbing.runner import run_stage
from vigil.settings.watch import Watch
from vigil.watch.models import ModelFiles, load_once
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
    allowed: Path,
    watched: Path,
    picture_fps: float,
    settings: Watch,
) -> None:
    paths = check_videos(videos, settings.videos)
    prepare_torch()
    files = ModelFiles(
        *(detector, detector_card, classifier, classifier_card, alarm, alarm_card),
        *(threshold, detector_score, allowed),
    )
    digests = files.digests()
    get_models = partial(load_once, files, tuple(digests.items()))
    recorder = Recorder(digests, get_models, settings, Fraction(str(picture_fps)))
    with whole(watched) as folder:
        folder.mkdir()
        recorder.watch_all(paths, folder)
    recorder.prune()


if __name__ == "__main__":
    run_stage(main)
