"""The command `vigil` itself, as a shell runs it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vigil.__main__ import build_parser, main

PROJECT = Path(__file__).parents[1]


def test_a_reader_that_has_enough_is_no_failure() -> None:
    """As in `vigil headline | head -1`, whose pipe is closed before all is written."""
    command = [sys.executable, "-m", "vigil", "headline"]
    with subprocess.Popen(
        command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read().decode()
    assert (process.returncode, errors) == (0, "")


def test_an_error_stands_after_all_other_lines_of_a_log(tmp_path: Path) -> None:
    """Python keeps what is printed into a file, but writes errors at once."""
    code = """
from vigil import __main__ as vigil
from vigil.plumbing.errors import InputError

def headline(words):
    print("begun")
    raise InputError("expected good, got bad")

vigil.COMMANDS = (headline,)
vigil.main(["headline"])
"""
    words = [sys.executable, "-c", code]
    env = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    with (tmp_path / "log").open("wb") as log:
        subprocess.run(words, cwd=PROJECT, stdout=log, stderr=log, env=env, check=False)
    assert (tmp_path / "log").read_text() == "begun\nvigil headline: expected good, got bad\n"


@pytest.mark.parametrize("words", [["headline"], ["watch", "a.mp4"], ["--help"]])
def test_an_installation_without_libraries_is_told_in_one_line(
    words: list[str], tmp_path: Path
) -> None:
    """As on an edge box, after pip install --no-deps."""
    code = (
        f"import sys; sys.path.insert(0, {str(PROJECT / 'src')!r}); "
        f"from vigil.__main__ import main; main({words!r})"
    )
    # Without `site`, there are no packages but those of Python itself.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert line.startswith("vigil: pydantic: expected this package for commands, found none")
    assert "pip install vigil without --no-deps" in line


OUTSIDE: dict[str, list[str]] = {
    "report": [], "headline": [], "find-lr": ["train_detector"], "tune-alarm": [], "put-back": [],
    "check-data": [], "explain-changes": [], "watch": ["a.mp4"],
    "attend": ["a.jpg", "--weights", "none"],
    "export": ["detector", "--to", "onnx"], "upgrade": [], "calibrate": ["watched"],
    "replay": ["watched"], "review": ["pull", "export.json"], "mine-hard-examples": [],
    "draw-alarms": [], "propose-masks": [], "serve": [],
}  # fmt: skip
"""The words of each command that fails outside a project; `new` lays one out."""
NEED_NO_PROJECT = {"watch", "attend", "serve"}
"""They fail for another reason."""
DEFAULTS_ARE_USED = (
    "params.yaml: not in the current folder; the defaults of vigil are used: "
    f"{Path(__file__).parents[1] / 'params.yaml'}\n"
)


def test_every_command_is_tried_outside_a_project() -> None:
    (commands,) = (one for one in build_parser()._actions if one.choices)
    assert OUTSIDE.keys() | {"new"} == set(commands.choices)


@pytest.mark.parametrize("command", OUTSIDE)
@pytest.mark.parametrize("kind", ["empty", "git", "git with parameters", "DVC without a pipeline"])
def test_a_command_outside_a_project_says_so_in_one_line(
    command: str,
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIGIL_STATE_DIR", f"{tmp_path}-state")  # not among what was there
    monkeypatch.setattr(sys, "argv", ["vigil", command])
    if "git" in kind:
        subprocess.run(["git", "init", "-q", "-b", "main"], check=True)
    if kind == "git with parameters":
        shutil.copy(PROJECT / "params.yaml", "params.yaml")
    if kind == "DVC without a pipeline":
        subprocess.run(["dvc", "init", "-q", "--no-scm"], check=True)
    for name in ("a.mp4", "a.jpg", "export.json"):
        Path(name).write_bytes(b"")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SystemExit) as end:
        main([command, *OUTSIDE[command]])
    told = capsys.readouterr()
    assert end.value.code == 1
    without = command in NEED_NO_PROJECT and kind != "git with parameters"
    assert told.out == (DEFAULTS_ARE_USED if without else "")
    (line,) = told.err.splitlines()
    assert line.startswith(f"vigil {command}: ")
    assert "expected" in line
    assert sorted(tmp_path.iterdir()) == before


def test_a_project_in_a_folder_of_a_repository_of_dvc_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Several projects may share a repository; DVC looks for `.dvc` in the folders above, too."""
    (tmp_path / "cameras" / "metrics").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    subprocess.run(["dvc", "init", "-q", "--no-scm"], check=True)
    monkeypatch.chdir("cameras")
    Path("dvc.yaml").write_text("stages: {}\n")
    shutil.copy(PROJECT / "params.yaml", "params.yaml")
    with pytest.raises(SystemExit) as end:
        main(["headline"])
    assert end.value.code == 0
    assert not capsys.readouterr().err


def test_a_project_whose_pipeline_lacks_the_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["dvc", "init", "-q", "--no-scm"], check=True)
    Path("dvc.yaml").write_text("stages:\n  a:\n    cmd: 'true'\n")
    with pytest.raises(SystemExit) as end:
        main(["find-lr", "train_detector"])
    assert end.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("vigil find-lr: dvc.yaml: expected a stage train_detector, got: ")


def test_help_is_a_sentence_and_lists_each_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert "The command `vigil`" not in told
    assert all(f"    {name}" in told for name in OUTSIDE)
