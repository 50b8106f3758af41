"""The most important metrics of the last run, which `make repro` shows at its end."""

from pathlib import Path

from vigil.plumbing.arithmetic import VARIABLE, trained_otherwise
from vigil.review.comparison import is_detail
from vigil.review.revisions import WorkingFolder, read_metrics


def print_headline(root: Path) -> None:
    """Prints a column of numbers for each branch of the pipeline.

    It also names models of another arithmetic than that of `VIGIL_ARITHMETIC`. DVC does not know
    the variable: with nothing to rerun, no stage would notice.

    Args:
        root: the project's folder.

    Raises:
        InputError: a metrics file is damaged, for example by a merge.
    """
    for branch, metrics in read_metrics(WorkingFolder(root)).items():
        if metrics:
            print(branch)
        for name, value in metrics.items():
            if not is_detail(name):
                print(f"  {name:20} {'-' if value is None else value}")
    for card, found in trained_otherwise(sorted((root / "models").glob("*.json"))).items():
        print(
            f"{card.relative_to(root)}: trained with {found} arithmetic, other than {VARIABLE} "
            "says; dvc repro -f makes all results anew"
        )
