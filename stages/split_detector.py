"""Assigns pictures to train, val and test: by video, or spread evenly over their classes."""

from pathlib import Path

from vigil.domain.pictures.annotated import read_annotated
from vigil.domain.sides import write_sides
from vigil.domain.splits.detector import assign_pictures, summarise, tabulate_sides
from vigil.domain.splits.given import count_given, read_given
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import write_json
from vigil.plumbing.runner import run_stage
from vigil.settings.split import Split


def main(*, detections: Path, given: Path, splits: Path, metrics: Path, settings: Split) -> None:
    annotated = read_annotated(detections)
    given_sides = read_given(given)
    sides = assign_pictures(annotated, settings, given_sides)
    table = tabulate_sides(annotated, sides)
    with whole(splits) as folder:
        write_sides(sides, folder)
    write_json(table | count_given(given_sides), metrics)
    print(summarise(table))


if __name__ == "__main__":
    run_stage(main)
