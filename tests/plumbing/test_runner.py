"""A stage script of a few lines, run as the pipeline runs it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARAMS = (
    (ROOT / "params.yaml")
    .read_text(encoding="utf-8")
    .replace("jpeg_quality: 95", "jpeg_quality: 7")
)

SCRIPT = '''
"""Counts words."""
import os
import sys
from pathlib import Path
from vigil.plumbing.errors import FieldError, InputError
from vigil.plumbing.params import FileNames
from vigil.plumbing.runner import run_stage
from vigil.settings.extract_frames import ExtractFrames

def main(
    *, in_file: Path, out_file: Path, videos: FileNames, root: str, settings: ExtractFrames
) -> None:
    text = in_file.read_text()
    if text == "bad":
        raise InputError(f"{in_file}: expected good,\\n  got bad")
    if text == "bad after a line":
        print("begun")
        raise InputError("expected good, got bad")
    if text == "bad value":
        raise FieldError("jpeg_quality", "expected less, got more")
    if text == "bad list":
        raise FieldError("videos", "expected others, got these")
    if text == "bad path":
        raise FieldError("dataset.clips", "expected a folder, got none")
    if text == "denied":
        raise PermissionError(13, "Permission denied", "some/file")
    if text == "full":
        raise OSError(28, "No space left on device")
    if text == "long":
        (out_file.parent / ("x" * 5000)).is_file()
    if text == "circle":
        out_file.symlink_to(out_file)
        out_file.read_text()
    if text == "many":
        raise OSError(24, "Too many open files")
    if text == "unread":
        raise OSError(5, "Input/output error", "some/file")
    if text == "short":
        raise OSError("1000 requested and 60 written")
    if text == "huge":
        raise MemoryError
    if text == "huge for torch":
        import torch
        torch.empty(10**15)
    if text == "huge for a GPU":
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.\\nMore of it")
    if text == "odd":
        raise OSError("what else")
    if text == "broken":
        raise ZeroDivisionError("a mistake of the code's")
    if text == "stopped":
        raise KeyboardInterrupt
    if text == "stopped in a library":
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            sys.exit(1)
    if text == "slow":
        print("begun", flush=True)
        sys.stdin.read()
    out_file.write_text(f"{text} {settings.jpeg_quality} {root} {'|'.join(videos)}")

if __name__ == "__main__":
    run_stage(main)
'''

OWN = """
from pathlib import Path
from typing import ClassVar
from vigil.plumbing.params import Section
from vigil.plumbing.runner import run_stage

class Draw(Section):
    section: ClassVar[str] = "draw"
    depth: int

def main(*, out_file: Path, settings: Draw) -> None:
    out_file.write_text(f"drawn {settings.depth}")

if __name__ == "__main__":
    run_stage(main)
"""
"""Of a script that brings its own section, and its own `params.yaml`, as the demo's does."""


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "count.py").write_text(SCRIPT)
    (tmp_path / "stages" / "evaluate_detector.py").write_text(SCRIPT)
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "draw.py").write_text(OWN)
    (tmp_path / "in.txt").write_text("word")
    return tmp_path


def run(folder: Path, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, f"stages/{script}.py", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    )


def count(folder: Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
    if text is not None:
        (folder / "in.txt").write_text(text)
    return run(folder, "count", "--in-file", "in.txt", "--out-file", "out.txt")


def test_paths_params_and_keys_of_the_dataset_arrive(folder: Path) -> None:
    done = count(folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (folder / "out.txt").read_text().startswith("word 7 data/demo plaza_1.mp4|plaza_2.webm|")


def test_an_input_error_is_one_line_and_code_1(folder: Path) -> None:
    done = count(folder, "bad")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "count: in.txt: expected good, got bad\n"


def test_an_error_stands_after_all_other_lines_of_a_log(folder: Path) -> None:
    """Python keeps what is printed into a file, but writes errors at once."""
    (folder / "in.txt").write_text("bad after a line")
    words = ["stages/count.py", "--in-file", "in.txt", "--out-file", "out.txt"]
    env = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    with (folder / "log").open("wb") as log:
        subprocess.run(
            [sys.executable, *words], cwd=folder, stdout=log, stderr=log, env=env, check=False
        )
    assert (folder / "log").read_text() == "begun\ncount: expected good, got bad\n"


def test_an_error_is_told_though_nobody_reads_the_output(folder: Path) -> None:
    """As in `dvc repro | head`, whose pipe is closed."""
    (folder / "in.txt").write_text("bad after a line")
    words = ["stages/count.py", "--in-file", "in.txt", "--out-file", "out.txt"]
    env = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
        check=False,
    )
    os.close(writer)
    assert done.returncode != 0
    assert done.stderr.startswith("count: expected good, got bad\n")


def test_denied_and_full_are_one_line_and_code_1(folder: Path) -> None:
    done = count(folder, "denied")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("count: some/file: ")
    done = count(folder, "full")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "No space left on device" in done.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("many", "the system: expected fewer open files, got: Too many open files"),
        ("unread", "some/file: expected a disk that works, got: Input/output error"),
        ("long", f"{'x' * 500}…: expected a shorter name, got: File name too long"),
        (
            "circle",
            "out.txt: expected no link that leads to itself,"
            " got: Too many levels of symbolic links",
        ),
    ],
)
def test_what_the_system_refuses_is_one_line_and_code_1(folder: Path, text: str, told: str) -> None:
    done = count(folder, text)
    assert (done.returncode, done.stderr) == (1, f"count: {told}\n")


def test_a_write_cut_short_is_one_line_and_code_1(folder: Path) -> None:
    done = count(folder, "short")
    assert done.returncode == 1
    assert done.stderr == "count: output: expected to write, got: 1000 requested and 60 written\n"


def test_too_little_memory_is_one_line_and_code_1(folder: Path) -> None:
    done = count(folder, "huge")
    assert (done.returncode, done.stderr) == (1, "count: expected more memory, got: no more\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("huge for torch", "DefaultCPUAllocator: can't allocate memory"),
        ("huge for a GPU", "CUDA out of memory. Tried to allocate 2.00 GiB."),
    ],
)
def test_libraries_without_memory_are_one_line_and_code_1(
    folder: Path, text: str, expected: str
) -> None:
    done = count(folder, text)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    told = "count: expected more memory or a smaller batch, got: "
    assert done.stderr.startswith(f"{told}{expected}")


def test_an_interruption_is_one_line_and_code_130(folder: Path) -> None:
    for text in ("stopped", "stopped in a library"):
        done = count(folder, text)
        assert (done.returncode, done.stderr.count("\n")) == (130, 1)
        assert done.stderr.startswith("count: interrupted")


def test_a_stage_does_not_run_beside_one_that_was_left(folder: Path, elsewhere: Path) -> None:
    """As it would after `kill -9` of DVC alone, which leaves the stage running."""
    (folder / "in.txt").write_text("slow")
    words = [sys.executable, "stages/count.py", "--in-file", "in.txt", "--out-file", "out.txt"]
    with subprocess.Popen(
        words, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as left:
        assert left.stdout is not None
        assert left.stdout.readline() == "begun\n"
        done = count(folder, "word")
        assert done.returncode == 1
        assert done.stderr == (
            f"count: expected to run alone, but process {left.pid} (count) still runs here, left "
            "by a run that was stopped; wait for it, or end it\n"
        )
        assert not (folder / "out.txt").exists()
        # Nor beside another, which may read what the first one writes; of other projects, it may.
        (folder / "in.txt").write_text("word")
        other = ("evaluate_detector", "--in-file", "in.txt", "--out-file", "two.txt")
        told = run(folder, *other).stderr
        alone = f"expected to run alone, but process {left.pid} (count)"
        assert told.startswith(f"evaluate@detector: {alone}")
        shutil.copytree(folder, elsewhere / "project")
        assert run(elsewhere / "project", *other).returncode == 0
        left.kill()
    assert count(folder).returncode == 0


def test_a_mistake_of_the_code_shows_where(folder: Path) -> None:
    for text, told in (("broken", "a mistake of the code's"), ("odd", "what else")):
        done = count(folder, text)
        assert done.returncode == 1
        assert "Traceback" in done.stderr
        assert told in done.stderr


def test_a_missing_or_unknown_option_is_told(folder: Path) -> None:
    done = run(folder, "count", "--in-file", "in.txt")
    assert done.returncode == 2
    assert "--out-file" in done.stderr
    assert "Traceback" not in done.stderr
    assert run(folder, "count", "--in", "in.txt", "--nothing", "x").returncode == 2


def test_help_tells_what_the_stage_does(folder: Path) -> None:
    done = run(folder, "count", "--help")
    assert done.returncode == 0
    assert "Counts words." in done.stdout
    assert "--in-file" in done.stdout


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bad value", "extract_frames.jpeg_quality: expected less, got more"),
        ("bad list", "dataset.videos: expected others, got these"),
        ("bad path", "dataset.clips: expected a folder, got none"),
    ],
)
def test_an_error_about_a_field_says_where_it_stands(
    folder: Path, text: str, expected: str
) -> None:
    done = count(folder, text)
    assert (done.returncode, done.stderr) == (1, f"count: params.yaml: {expected}\n")


def test_the_stage_of_a_family_has_dvcs_name(folder: Path) -> None:
    (folder / "in.txt").write_text("bad")
    done = run(folder, "evaluate_detector", "--in-file", "in.txt", "--out-file", "out.txt")
    assert done.stderr == "evaluate@detector: in.txt: expected good, got bad\n"


def test_parameters_of_every_section_are_checked_first(folder: Path) -> None:
    (folder / "params.yaml").write_text(PARAMS.replace("num_bins: 8", "num_bins: many", 1))
    done = count(folder)
    assert done.returncode == 1
    expected = "count: params.yaml: embed_clips.motion_histogram.histogram.num_bins: exp"
    assert done.stderr.startswith(expected)
    assert not (folder / "out.txt").exists()


def test_a_script_with_a_section_of_its_own_knows_no_other(folder: Path) -> None:
    words = [sys.executable, "draw.py", "--out-file", "out.txt"]

    def draw(params: str) -> subprocess.CompletedProcess[str]:
        (folder / "own" / "params.yaml").write_text(params)
        return subprocess.run(words, cwd=folder / "own", capture_output=True, text=True)

    assert draw("draw: {depth: 7}").returncode == 0
    assert (folder / "own" / "out.txt").read_text() == "drawn 7"
    told = draw("draw: {depth: 7}\nsplit: {}").stderr
    assert told == "draw: params.yaml: no such section: split; expected draw\n"


def test_the_source_of_the_folder_it_runs_in_goes_first(folder: Path) -> None:
    """As in an experiment's own folder, beside which the installed package is another revision."""
    import vigil

    shutil.copytree(Path(vigil.__file__).parent, folder / "src" / "vigil")
    errors = folder / "src" / "vigil" / "plumbing" / "errors.py"
    errors.write_text(errors.read_text().replace('"""Errors', 'ORIGIN = "own"\n"""Errors', 1))
    script = folder / "stages" / "count.py"
    origin = "import vigil.plumbing.errors as e; text = getattr(e, 'ORIGIN', 'installed')"
    script.write_text(SCRIPT.replace("text = in_file.read_text()", origin))
    done = count(folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "out.txt").read_text().startswith("own 7 data/demo ")
