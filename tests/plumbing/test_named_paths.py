from pathlib import Path

import pytest

from vigil.plumbing.named_paths import named_path

CONTENT = {
    "dataset": {
        "root": "data/my $(own) {dataset.clips}",
        "annotations": "-export.json",
        "clips": "clips",
        "detection": {"root": '"boxes"'},
    }
}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("{dataset.root}/videos", "data/my $(own) {dataset.clips}/videos"),
        ("{dataset.root}/{dataset.annotations}", "data/my $(own) {dataset.clips}/-export.json"),
        ("{dataset.detection.root}", '"boxes"'),
        ("data/frames", "data/frames"),
        ("data/{x}/${y}/dataset.root", "data/{x}/${y}/dataset.root"),
    ],
)
def test_names_are_looked_up_once(told: str, expected: str) -> None:
    assert named_path(Path(told), CONTENT) == Path(expected)
