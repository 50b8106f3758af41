"""How `make` finds a Python, and what it says where an environment is another folder's."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FITS = """#!/bin/sh
if [ "$1" = -c ]; then exit 0; fi
mkdir -p "$3/bin" && echo "#!$PWD/$3/bin/python" > "$3/bin/pip" && echo "made by ${0##*/}"
"""
TOO_OLD = "#!/bin/sh\nexit 1\n"
RUNS_NOTHING = '#!/bin/sh\necho "pyenv: ${0##*/}: command not found" >&2\nexit 127\n'
TOOLS = ("sh", "grep", "mkdir", "rm", "touch")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of a Makefile, and a folder `bin` of the only programs there are."""
    folder = tmp_path / "a project"
    (folder / "bin").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("requirements.txt", "constraints.txt", "pyproject.toml"):
        (folder / name).touch()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found
        (folder / "bin" / tool).symlink_to(found)
    return folder


def install(folder: Path, **scripts: str) -> None:
    for name, script in scripts.items():
        file = folder / "bin" / name.replace("_", ".")
        file.write_text(script)
        file.chmod(0o755)


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("make")
    assert program
    # Run by `make test`, the inner make would take itself for a part of the outer one.
    outer = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"}
    env = {name: value for name, value in os.environ.items() if name not in outer}
    env["PATH"] = str(folder / "bin")
    return subprocess.run(
        [program, *words], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({"python3_11": FITS, "python3_12": FITS, "python3": FITS}, "python3.11"),
        ({"python3_11": RUNS_NOTHING, "python3_12": FITS, "python3": FITS}, "python3.12"),
        ({"python3_13": FITS}, "python3.13"),
        ({"python3_12": RUNS_NOTHING, "python3": FITS}, "python3"),
        ({"python3": TOO_OLD, "python": FITS}, "python"),
    ],
)
def test_the_first_python_that_will_do_is_taken(
    folder: Path, there: dict[str, str], expected: str
) -> None:
    install(folder, **there)
    done = make(folder, ".venv/bin/pip")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{expected} -m venv .venv\nmade by {expected}\n"


@pytest.mark.parametrize("there", [{}, {"python3": TOO_OLD, "python3_12": RUNS_NOTHING}])
def test_where_there_is_none_a_line_says_so(folder: Path, there: dict[str, str]) -> None:
    install(folder, **there)
    done = make(folder, "repro")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == (
        "make: expected Python 3.11, 3.12 or 3.13 with its venv, found none as: "
        "python3.11 python3.12 python3.13 python3 python; name yours by PYTHON=/path/to/python"
    )
    assert len(done.stderr.splitlines()) == 2  # and make's own
    assert not (folder / ".venv").exists()


def test_one_may_name_ones_own_and_no_other_is_taken(folder: Path) -> None:
    install(folder, python3=FITS, mine=FITS, old=TOO_OLD)
    assert "made by mine" in make(folder, ".venv/bin/pip", "PYTHON=mine").stdout
    shutil.rmtree(folder / ".venv")
    done = make(folder, ".venv/bin/pip", "PYTHON=old")
    assert "found none as: old;" in done.stderr
    assert not (folder / ".venv").exists()


@pytest.mark.parametrize("version", ["3.10.13", "3.11.0", "3.13.9", "3.14.0"])
def test_versions(folder: Path, version: str) -> None:
    """The condition that make hands to a Python, with another version told."""
    words = [word for word in (ROOT / "Makefile").read_text().splitlines() if "WILL_DO :=" in word]
    condition = words[0].partition(":= ")[2]
    told = tuple(map(int, version.split(".")))
    code = f"import sys; sys.version_info = {told}\n{condition}"
    done = subprocess.run([shutil.which("python3") or "", "-c", code], check=False)
    assert (done.returncode == 0) == ((3, 11) <= told < (3, 14))


def test_a_wheel_needs_no_environment_to_run_in(folder: Path) -> None:
    """Its libraries take minutes."""
    pip = folder / ".venv/bin/pip"
    pip.parent.mkdir(parents=True)
    pip.write_text(f'#!/bin/sh\n# {pip.parent.resolve()}/\necho "pip $*"\n')
    pip.chmod(0o755)
    done = make(folder, "wheel")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("pip ")]
    assert line.startswith("pip wheel --quiet")


def test_a_moved_environment_is_told(folder: Path) -> None:
    install(folder, python3=FITS, pip="#!/bin/sh\n")
    assert make(folder, ".venv/.run-ready").returncode == 0
    moved = folder.with_name("moved")
    folder.rename(moved)
    done = make(moved, "repro")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == (
        "make: .venv: expected to be made in this folder, which was moved or copied: "
        "rm -rf .venv, and make again"
    )
    (moved / ".venv").rename(moved.with_name("shared"))
    (moved / ".venv").symlink_to("../shared")  # of one's own will, as for a worktree
    pip = moved.with_name("shared") / "bin/pip"
    pip.write_text(f"#!{pip.with_name('python')}\n")
    assert make(moved, ".venv/.run-ready").returncode == 0
