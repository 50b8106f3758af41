"""Picks the score from which on a clip raises the alarm, by validation clips alone."""

from pathlib import Path

from vigil.domain.clips.scores import read_scores, scorers_of
from vigil.domain.sides import VAL
from vigil.domain.thresholds import write_thresholds
from vigil.plumbing.runner import run_stage
from vigil.settings.pick_threshold import PickThreshold


def main(*, scores: Path, threshold: Path, settings: PickThreshold) -> None:
    clips = read_scores(scores)
    picked = write_thresholds(settings, clips[clips["split"] == VAL], scorers_of(clips), threshold)
    for name, own in picked.items():
        low, high = own.false_alarm_rate_low, own.false_alarm_rate_high
        print(
            f"{name}: {settings.method}: {own.value:.6g}; expected of allowed clips above it: "
            f"{own.expected_false_alarm_rate:.3f} ({low:.3f} to {high:.3f})"
        )


if __name__ == "__main__":
    run_stage(main)
