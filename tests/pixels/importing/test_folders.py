"""What a folder of pictures holds."""

import zipfile
from pathlib import Path

import pytest

from vigil.pixels.importing.pictures.folders import entries_below, files_below, is_picture


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("b.PNG", "day 1/a.jpg", "a", ".x/a.jpg", "day 1/._a.jpg", "Thumbs.db", "z.zip"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    with zipfile.ZipFile(tmp_path / "day 1/c.ZIP", "w") as file:
        for name in ("in/a.jpg", "b", "../evil.jpg", "in/../x.jpg"):
            file.writestr(name, "x")
    return tmp_path


def test_files_and_hidden_ones(root: Path) -> None:
    shown, hidden = files_below(root)
    assert shown == ["a", "b.PNG", "day 1/a.jpg", "day 1/c.ZIP", "z.zip"]
    assert hidden == [".x/a.jpg", "Thumbs.db", "day 1/._a.jpg"]
    assert list(filter(is_picture, shown)) == ["b.PNG", "day 1/a.jpg"]


def test_entries_of_archives_that_are_some_and_lead_nowhere(root: Path) -> None:
    shown, _ = files_below(root)
    assert entries_below(root, shown) == ["day 1/c.ZIP/b", "day 1/c.ZIP/in/a.jpg"]
