"""Measures the alarm on the test clips."""

from fractions import Fraction
from pathlib import Path

from vigil.domain.clips.found import add_ratios, read_found
from vigil.domain.clips.nearest import read_nearest
from vigil.domain.clips.scores import read_scores, read_thresholds
from vigil.domain.clips.truth import read_frames, read_regions
from vigil.domain.clips.windows import join_labels, read_labels, read_windows
from vigil.evaluation.alarm import AlarmEvaluation
from vigil.evaluation.frames import FrameEvaluation
from vigil.evaluation.output import PICTURES, print_headline
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import write_csv, write_json
from vigil.plumbing.runner import run_stage
from vigil.settings.evaluate_alarm import EvaluateAlarm
from vigil.settings.watch import Watch


def main(
    *,
    clips: Path,
    windows: Path,
    labels: Path,
    frames: Path,
    regions: Path,
    predictions: Path,
    threshold: Path,
    metrics: Path,
    plots: Path,
    picture_fps: float,
    settings: EvaluateAlarm,
    watch: Watch,
) -> None:
    scores = read_scores(predictions / "scores.csv")
    thresholds = read_thresholds(threshold)
    evaluation = AlarmEvaluation(scores, thresholds, settings)
    numbers = evaluation.numbers()
    parts = join_labels(read_windows(windows), read_labels(labels))
    evidence = add_ratios(read_found(predictions / "found.csv"), thresholds)
    nearest = read_nearest(predictions / "nearest.csv")
    truth = read_frames(frames)
    if len(truth):  # only long videos have labelled frames
        long = FrameEvaluation(truth, read_regions(regions), evidence, parts, settings, watch)
        numbers |= long.numbers()
    fps = Fraction(str(picture_fps))
    with whole(plots) as folder:
        (folder / PICTURES).mkdir(parents=True)
        write_csv(evaluation.verdicts(), folder / "verdicts.csv")
        evaluation.write_curves(folder)
        evaluation.draw_sheets(clips, parts, evidence, nearest, folder / PICTURES, fps)
    write_json(numbers, metrics)  # last, so that this file means that all others are complete
    print_headline(numbers)


if __name__ == "__main__":
    run_stage(main)
