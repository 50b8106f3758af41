"""Picks the score above which a clip raises the alarm, from validation clips alone."""

from pathlib import Path

from vigil.domain.clips.scores import read_scores, scorers_of
from vigil.domain.clips.windows import MIXED, join_labels, read_labels, read_windows
from vigil.domain.sides import VAL
from vigil.domain.thresholds import write_hourly_thresholds, write_thresholds
from vigil.plumbing.runner import run_stage
from vigil.settings.pick_threshold import HOURLY, PickThreshold


def main(
    *, scores: Path, windows: Path, labels: Path, threshold: Path, settings: PickThreshold
) -> None:
    clips = read_scores(scores)
    scorers = scorers_of(clips)
    parts = join_labels(read_windows(windows), read_labels(labels))
    are_windows = bool((parts["clip"] != parts["video"]).any())
    if settings.method == HOURLY:
        picked, bound = write_hourly_thresholds(settings, clips, parts, scorers, threshold)
        print(
            f"{bound.num_blocks} blocks of {bound.block_s:g} s: a new normal block raises an alarm "
            f"with a probability of at most {bound.alarm_probability:.3f}"
        )
    else:
        val = clips[(clips["split"] == VAL) & (clips["class"] != MIXED)]
        picked = write_thresholds(settings, val, scorers, threshold, are_windows=are_windows)
        if are_windows:
            allowed = val[~val["is_anomalous"]]
            print(
                f"{len(allowed)} allowed windows of {allowed['source'].nunique()} sources in "
                "validation: windows overlap, so nothing is promised for other videos; the method "
                f"{HOURLY} bounds the alarms of long videos"
            )
    for name, one in picked.items():
        print(f"{name}: {settings.method}: {one.value:.6g}; {one.describe()}")


if __name__ == "__main__":
    run_stage(main)
