"""Picks the score above which a clip raises the alarm, from validation clips alone."""

from pathlib import Path

from vigil.domain.clips.scores import read_scores, scorers_of
from vigil.domain.clips.windows import join_labels, read_labels, read_windows
from vigil.domain.sides import VAL
from vigil.domain.thresholds import write_hourly_thresholds, write_thresholds
from vigil.plumbing.runner import run_stage
from vigil.settings.pick_threshold import HOURLY, PickThreshold


def main(
    *, scores: Path, windows: Path, labels: Path, threshold: Path, settings: PickThreshold
) -> None:
    clips = read_scores(scores)
    scorers = scorers_of(clips)
    if settings.method == HOURLY:
        parts = join_labels(read_windows(windows), read_labels(labels))
        picked, bound = write_hourly_thresholds(settings, clips, parts, scorers, threshold)
        print(
            f"{bound.num_blocks} blocks of {bound.block_s:g} s: a new normal block raises an alarm "
            f"with a probability of at most {bound.alarm_probability:.3f}"
        )
    else:
        picked = write_thresholds(settings, clips[clips["split"] == VAL], scorers, threshold)
    for name, picked_threshold in picked.items():
        low, high = picked_threshold.false_alarm_rate_low, picked_threshold.false_alarm_rate_high
        print(
            f"{name}: {settings.method}: {picked_threshold.value:.6g}; expected false alarm rate: "
            f"{picked_threshold.expected_false_alarm_rate:.3f} ({low:.3f} to {high:.3f})"
        )


if __name__ == "__main__":
    run_stage(main)
