"""Assigns clips to train, val and test; sources stay whole, and classes are spread evenly."""

from pathlib import Path

from vigil.domain.clips.windows import join_labels, read_labels, read_windows
from vigil.domain.sides import write_sides
from vigil.domain.splits.alarm import assign_clips, count_clips
from vigil.domain.splits.given import count_given, read_given
from vigil.pixels.sheets.clip_counts import draw_clip_counts
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import write_json
from vigil.plumbing.runner import run_stage
from vigil.settings.split import Split


def main(
    *,
    windows: Path,
    labels: Path,
    given: Path,
    splits: Path,
    metrics: Path,
    settings: Split,
) -> None:
    table = join_labels(read_windows(windows), read_labels(labels))
    clips = table.drop_duplicates("clip").set_index("clip")
    given_sides = read_given(given)
    sides = assign_clips(clips, settings, given_sides)
    counts = count_clips(clips, sides)
    with whole(splits) as folder:
        # All clips of a long video are on one side, so lists of videos are enough.
        write_sides(sides.groupby(clips["video"], sort=False).first(), folder)
        anomalous = set(clips.loc[clips["is_anomalous"], "class"])
        draw_clip_counts(counts, anomalous, folder / "clips.png")
    write_json(counts | count_given(given_sides), metrics)
    for side, by_class in counts.items():
        print(f"{side}: {by_class}")


if __name__ == "__main__":
    run_stage(main)
