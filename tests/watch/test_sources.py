"""What a person names to be watched."""

from pathlib import Path

import pytest
from tiny_watch import write_scene

from vigil.plumbing.errors import InputError
from vigil.watch.sources import Camera, Recording, find_sources


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.mp4", "b.mp4"):
        write_scene(tmp_path / name, seconds=1.0)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index in range(3):
        (pictures / f"{index:03d}.png").write_bytes(b"")
    (tmp_path / ".hidden").write_text("")
    return tmp_path


def test_files_folders_and_numbered_pictures(folder: Path):
    sources = find_sources([str(folder)])
    assert [source.name for source in sources] == ["a.mp4", "b.mp4", "pictures"]
    assert find_sources([str(folder / "pictures")]) == [Recording("pictures", folder / "pictures")]


def test_what_lies_beside_videos_is_left_out_and_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    """As recorders write thumbnails and tables beside them."""
    find_sources([str(folder)])
    assert capsys.readouterr().out == ""
    for name in ("a.jpg", "a.json", "README", "c.mpg.part"):
        (folder / name).write_bytes(b"?")
    (folder / "old").mkdir()
    sources = find_sources([str(folder)])
    # What may be a video by its name is taken for one, and refused if it is none.
    assert [source.name for source in sources] == ["a.mp4", "b.mp4", "c.mpg.part", "pictures"]
    told = capsys.readouterr().out
    assert told == f"{folder}: left out, as no video by name: README, a.jpg, a.json, old\n"
    (folder / "old" / "notes.txt").write_text("of the day")
    with pytest.raises(InputError, match=r"numbered pictures, found only notes\.txt"):
        find_sources([str(folder / "old")])
    (folder / "old" / "monday").mkdir()
    (folder / "old" / "monday" / "d.mp4").write_bytes(b"?")
    with pytest.raises(
        InputError, match=r"old: expected a video .*, found a folder with mon.*d\.mp4"
    ):
        find_sources([str(folder)])


def test_cameras_and_streams():
    assert find_sources(["0"]) == [Camera("camera_0", "0")]
    (stream,) = find_sources(["rtsp://me:secret@10.0.0.5:554/yard/main"])
    assert stream.name.startswith("10.0.0.5_554_yard_main-")
    assert stream.is_stream


def test_streams_of_other_addresses_have_other_names():
    addresses = [
        *("rtsp://cam/live?channel=1", "rtsp://cam/live?channel=2", "rtsp://cam/live"),
        *("rtsp://cam/a/b", "rtsp://cam/a_b", "rtsp://cam/A_b", "http://cam/a_b"),
        *("http://cam/v?t=a@b", "http://cam/v?t=ab", "http://cam/v?t=a@c"),
        *("rtsp://cam:1/b", "rtsp://cam/1/b", f"rtsp://cam/{'x' * 300}"),
    ]
    names = [find_sources([address])[0].name for address in addresses]
    assert len({name.casefold() for name in names}) == len(names)
    assert max(map(len, names)) < 120


def test_a_new_password_keeps_the_name():
    names = {
        find_sources([f"rtsp://{user}cam:554/live"])[0].name
        for user in ("", "me:secret@", "me:other@")
    }
    assert len(names) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.mp4", "a.mp4"], "expected each source once"),
        (["a.mp4", "./a.mp4"], "expected each source once"),
        (["a.mp4", "other/A.mp4"], "expected sources of different names"),
        (["none.mp4"], "expected a video, a folder, a camera or a stream"),
        (["file:///etc/passwd"], "expected a stream by"),
        (["concat://a.mp4"], "expected a stream by"),
        (["http://"], "expected a stream by"),
        (["empty"], "empty folder"),
        (["a.mp4", "0"], "one camera or stream alone"),
        (["0", "1"], "one camera or stream alone"),
        (["rtsp://[bad/x"], "expected the address of a stream"),
    ],
)
def test_what_cannot_be_watched_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
):
    monkeypatch.chdir(folder)
    for name in ("other", "empty"):
        Path(name).mkdir()
    Path("other/A.mp4").write_bytes(Path("a.mp4").read_bytes())
    with pytest.raises(InputError, match=message):
        find_sources(words)


def test_a_password_is_in_no_message():
    with pytest.raises(InputError) as refused:
        find_sources(["ftp://me:secret@10.0.0.5/yard"])
    assert "secret" not in str(refused.value)
