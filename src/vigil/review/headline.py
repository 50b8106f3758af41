"""The most important metrics of the last run, which `make repro` shows at its end."""

from pathlib import Path

from vigil.review.comparison import is_detail
from vigil.review.revisions import WorkingFolder, read_metrics


def print_headline(root: Path) -> None:
    """Prints a column of numbers for each branch of the pipeline.

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
