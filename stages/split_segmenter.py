"""Assigns pictures with masks to train, val and test: by video, or spread evenly over classes."""

from pathlib import Path

from vigil.domain.masks.masked import read_masked
from vigil.domain.sides import write_sides
from vigil.domain.splits.given import count_given, read_given
from vigil.domain.splits.segmenter import assign_masked, summarise, tabulate_sides
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import write_json
from vigil.plumbing.runner import run_stage
from vigil.settings.split import Split


def main(*, masks: Path, given: Path, splits: Path, metrics: Path, settings: Split) -> None:
    known = read_masked(masks)
    given_sides = read_given(given)
    sides = assign_masked(known, settings, given_sides)
    table = tabulate_sides(known, sides)
    with whole(splits) as folder:
        write_sides(sides, folder)
    write_json(table | count_given(given_sides), metrics)
    print(summarise(table))


if __name__ == "__main__":
    run_stage(main)
