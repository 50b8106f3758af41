"""The commands on the command line: a wrong input gives one line, before any work is done."""

import json
import re
import shutil
import signal
from pathlib import Path

import pytest
from conftest import REPOSITORY
from tiny_watch import models, watching, write_scene

from vigil.__main__ import main
from vigil.plumbing.errors import InputError
from vigil.plumbing.memo import tree_digest
from vigil.watch import command, live
from vigil.watch.models import FILE_NAMES, Models
from vigil.watch.recording import Recorder, check_videos


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    write_scene(tmp_path / "a.mp4", seconds=3.0)
    (tmp_path / "models").mkdir()
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    return message


def test_without_models_it_says_which_one_is_missing(
    here: Path, capsys: pytest.CaptureFixture[str]
):
    message = refused(capsys, "watch", "a.mp4")
    assert message == (
        "vigil watch: models/detector.safetensors: expected a trained model, found none; "
        "`dvc repro` trains it\n"
    )
    assert not (here / "watch").exists()


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_without_exported_models_it_says_which_one_is_missing(
    here: Path, capsys: pytest.CaptureFixture[str], runtime: str
):
    suffix = {"onnx": "onnx", "openvino": "xml"}[runtime]
    message = refused(capsys, "watch", "a.mp4", "--runtime", runtime)
    assert message == (
        f"vigil watch: released/detector/detector.{suffix}: expected an exported model, found "
        "none; `vigil export` makes it\n"
    )
    assert not (here / "watch").exists()


@pytest.mark.parametrize(
    ("source", "out"), [("a.mp4", "."), ("pictures", "."), ("pictures", "pictures"), (".", ".")]
)
def test_results_take_the_place_of_no_source(
    here: Path, capsys: pytest.CaptureFixture[str], source: str, out: str
):
    (here / "models").rmdir()
    (here / "pictures").mkdir()
    shutil.move(here / "params.yaml", here.parent / "params.yaml")
    (here / "pictures" / "1.png").write_bytes(b"picture")
    before = {path: path.is_file() and path.read_bytes() for path in here.rglob("*")}
    message = refused(capsys, "watch", source, "--out", out)
    assert "expected a folder apart from the sources" in message
    assert {path: path.is_file() and path.read_bytes() for path in here.rglob("*")} == before


def test_results_take_the_place_of_nothing_but_results(
    here: Path, capsys: pytest.CaptureFixture[str]
):
    (here / "watch" / "a.mp4").mkdir(parents=True)
    (here / "watch" / "a.mp4" / "notes.txt").write_text("mine")
    message = refused(capsys, "watch", "a.mp4")
    assert "watch/a.mp4: expected no file or folder, or earlier results" in message
    assert (here / "watch" / "a.mp4" / "notes.txt").read_text() == "mine"
    (here / "watch" / "a.mp4" / "run.json").write_text("{}")
    assert "expected a trained model" in refused(capsys, "watch", "a.mp4"), "so far so good"


def test_results_of_another_video_of_the_name_are_not_replaced(
    here: Path, capsys: pytest.CaptureFixture[str]
):
    (here / "watch" / "a.mp4").mkdir(parents=True)
    run = here / "watch" / "a.mp4" / "run.json"
    run.write_text(json.dumps({"source": {"sha256": tree_digest(here / "a.mp4")}}))
    assert "expected a trained model" in refused(capsys, "watch", "a.mp4"), "its own may be"
    (here / "other").mkdir()
    write_scene(here / "other" / "a.mp4", seconds=4.0)
    message = refused(capsys, "watch", "other/a.mp4")
    assert "found those of another video of its name; give --out" in message


def test_what_is_no_video_is_told_before_any_work_and_damage_after_all_of_it(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (here / "night").mkdir()
    for name in ("1.mp4", "2.mp4", "3.mp4"):
        write_scene(here / "night" / name, seconds=3.0, lit=((1.0, 2.0),))
    whole = (here / "night" / "2.mp4").read_bytes()
    monkeypatch.setattr(command, "_models_of", lambda *_: ({"detector": "0"}, models))
    (here / "night" / "2.dat").write_text("notes")
    assert "night/2.dat" in refused(capsys, "watch", "night")
    assert not (here / "watch").exists()
    (here / "night" / "2.dat").unlink()
    (here / "night" / "2.mp4").write_bytes(damaged(whole))
    message = refused(capsys, "watch", "night")
    assert "1 of 3 recordings were not watched: night/2.mp4: " in message
    assert sorted(path.name for path in (here / "watch").iterdir()) == ["1.mp4", "3.mp4"]


def _size_before(content: bytes, name: bytes) -> bytes:
    at = content.index(name)
    return content[at - 4 : at]


def damaged(content: bytes) -> bytes:
    """A video of which frames after the first ones are zeros."""
    start = content.index(b"mdat") + int.from_bytes(_size_before(content, b"mdat")) // 2
    stop = start + 400
    return content[:start] + bytes(stop - start) + content[stop:]


def test_a_service_that_is_stopped_ends_in_order(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    ended = []

    def watch_live(*_: object) -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
            raise AssertionError("it goes on")
        finally:
            ended.append("stored")

    monkeypatch.setattr(live, "watch_live", watch_live)
    monkeypatch.setattr(command, "_models_of", lambda *_: ({}, lambda: None))
    command.watch_sources(["rtsp://127.0.0.1/door"], Path("watch"), None, [])
    assert ended == ["stored"]
    assert re.fullmatch(
        r"watch/127\.0\.0\.1_door-\w{8}: stopped\n",
        capsys.readouterr().out,
    )


def test_a_model_that_is_none_is_refused(here: Path, capsys: pytest.CaptureFixture[str]):
    for name in FILE_NAMES:
        (here / "models" / name).write_text("{}")
    assert "models/" in refused(capsys, "watch", "a.mp4")
    assert not list(here.glob("watch/*"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("watch", "none.mp4"), "expected a video, a folder, a camera or a stream"),
        (("watch", "a.mp4", "a.mp4"), "expected each source once"),
        (("replay", "watch/none"), "expected a JSON file, found no such file"),
    ],
)
def test_what_cannot_be_watched_is_said(
    here: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
):
    assert message in refused(capsys, *words)


def test_people_are_not_told_of_recordings(here: Path, capsys: pytest.CaptureFixture[str]):
    for name in FILE_NAMES:
        (here / "models" / name).write_text("{}")
    assert "--notify: expected a camera" in refused(capsys, "watch", "a.mp4", "--notify", "file:x")


def test_a_listed_video_that_is_not_there_is_said(here: Path):
    with pytest.raises(InputError, match=r"found no b\.mp4"):
        check_videos(here, ["a.mp4", "b.mp4"])


def test_after_a_kill_the_videos_that_were_done_are_done(
    here: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("VIGIL_STATE_DIR", str(here / "state"))
    (here / "b.mp4").write_bytes((here / "a.mp4").read_bytes()[:900])
    loads = []

    def get_models() -> Models:
        loads.append(1)
        return models()

    def run(*names: str) -> None:
        recorder = Recorder({"a": "0"}, get_models, watching(), 25)  # type: ignore[arg-type]
        shutil.rmtree(here / "out", ignore_errors=True)
        for name in names:
            recorder.watch(here / name, here / "out" / name)

    (here / "out").mkdir()
    with pytest.raises(InputError, match=r"b\.mp4"):
        run("a.mp4", "b.mp4")
    assert len(loads) == 2
    write_scene(here / "b.mp4", seconds=4.0)
    run("a.mp4", "b.mp4")
    assert len(loads) == 3
