"""What nobody put there on purpose."""

from pathlib import PurePosixPath

import pytest

from vigil.plumbing.folders import is_hidden


@pytest.mark.parametrize(
    "path",
    [
        *("._a.xml", ".DS_Store", "Thumbs.db", "thumbs.DB", "desktop.ini", "x/Desktop.ini"),
        *(".ipynb_checkpoints/a-checkpoint.jpg", "__MACOSX/a.jpg", "x/__MACOSX/._a.jpg"),
        *("@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg", "$RECYCLE.BIN/a.jpg", ".git/x/y"),
    ],
)
def test_hidden_and_of_systems(path: str) -> None:
    assert is_hidden(PurePosixPath(path))


@pytest.mark.parametrize(
    "path", ["a.xml", "a/.", "thumbs.db.jpg", "MACOSX/a.jpg", "a..b", "_a", "x/y"]
)
def test_others(path: str) -> None:
    assert not is_hidden(PurePosixPath(path))
