import zipfile
from pathlib import Path

import pytest

from vigil.pixels.frames import FrameArchive
from vigil.pixels.pictures import archives, images
from vigil.pixels.pictures.archives import read_entry
from vigil.pixels.pictures.images import ImageSource
from vigil.plumbing.errors import InputError


@pytest.fixture(autouse=True)
def _small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 1000)
    monkeypatch.setattr(images, "MAX_BYTES", 1000)


@pytest.fixture
def bomb(tmp_path: Path) -> Path:
    """A small archive of a large picture and a large list of facts."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a.jpg", "frames.json"):
            archive.writestr(name, b"0" * 100_000)
        archive.writestr("small.jpg", b"0" * 1000)
    assert path.stat().st_size < 1000
    return path


def test_an_entry_is_read_up_to_the_limit(bomb: Path) -> None:
    with zipfile.ZipFile(bomb) as archive:
        assert read_entry(archive, "small.jpg") == b"0" * 1000
        with pytest.raises(InputError, match=r"a.jpg: expected at most 1000 bytes, got 100000"):
            read_entry(archive, "a.jpg")
        with pytest.raises(KeyError):
            read_entry(archive, "none.jpg")


def test_an_entry_never_unpacks_to_more_than_it_tells(bomb: Path) -> None:
    content = bomb.read_bytes()
    size = (100_000).to_bytes(4, "little")
    assert content.count(size) >= 4  # of each large entry, before it and in the directory
    bomb.write_bytes(content.replace(size, (10).to_bytes(4, "little")))
    with zipfile.ZipFile(bomb) as archive, pytest.raises(zipfile.BadZipFile):
        read_entry(archive, "a.jpg")


def test_pictures_and_frames_are_read_up_to_the_limit(bomb: Path) -> None:
    (bomb.parent / "b.jpg").write_bytes(b"0" * 1001)
    source = ImageSource(bomb.parent)
    for name in ("a.zip/a.jpg", "b.jpg"):
        with pytest.raises(InputError, match="expected at most 1000 bytes"):
            source.content(name)
    with pytest.raises(InputError, match=r"frames.json: expected at most 1000 bytes"):
        FrameArchive(bomb)
