"""The commands on the command line: a wrong input gives one line, before any work is done."""

import shutil
from pathlib import Path

import pytest
from conftest import REPOSITORY
from tiny_watch import models, watching, write_scene

from vigil.__main__ import main
from vigil.plumbing.errors import InputError
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
        f"vigil watch: exported/detector/detector.{suffix}: expected an exported model, found "
        "none; `vigil export` makes it\n"
    )
    assert not (here / "watch").exists()


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
