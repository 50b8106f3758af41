"""Assigns samples to train, val and test: whole videos, or blocks of time with gaps between."""

from pathlib import Path

from vigil.domain.samples.index import read_index
from vigil.domain.sides import write_sides
from vigil.domain.splits.classifier import assign_samples, count_by_side
from vigil.domain.splits.given import count_given, read_given
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import write_json
from vigil.plumbing.runner import run_stage
from vigil.settings.split import Split


def main(*, samples: Path, given: Path, splits: Path, metrics: Path, settings: Split) -> None:
    index = read_index(samples)
    given_sides = read_given(given)
    sides = assign_samples(index, settings, given_sides)
    counts = count_by_side(index, sides)
    with whole(splits) as folder:
        write_sides(sides, folder)
    write_json(counts | count_given(given_sides), metrics)
    for side, by_label in counts.items():
        print(f"{side}: {by_label}")


if __name__ == "__main__":
    run_stage(main)
