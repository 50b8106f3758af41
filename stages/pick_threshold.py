"""Picks the score above which a clip raises the alarm, from validation clips alone."""

from pathlib import Path

from vigil.domain.clips.scores import read_scores, scorers_of
from vigil.domain.sides import VAL
from vigil.domain.thresholds import write_thresholds
from vigil.plumbing.runner import run_stage
from vigil.settings.pick_threshold import PickThreshold


def main(*, scores: Path, threshold: Path, settings: PickThreshold) -> None:
    clips = read_scores(scores)
    picked = write_thresholds(settings, clips[clips["split"] == VAL], scorers_of(clips), threshold)
    for name, picked_threshold in picked.items():
        low, high = picked_threshold.false_alarm_rate_low, picked_threshold.false_alarm_rate_high
        print(
            f"{name}: {settings.method}: {picked_threshold.value:.6g}; expected false alarm rate: "
            f"{picked_threshold.expected_false_alarm_rate:.3f} ({low:.3f} to {high:.3f})"
        )


if __name__ == "__main__":
    run_stage(main)
