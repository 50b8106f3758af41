"""What a kill cuts of DVC's own files is put back, and nothing else is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dvc.cli import main as run_dvc
from dvc.lock import LockError
from dvc.repo import Repo

from vigil.plumbing.cut_files import put_back

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # of DVC's

COPY = {"cmd": "mkdir copy && cp source copy", "deps": ["source"], "outs": ["copy"]}
LAST = {"cmd": "cp copy/source last", "deps": ["copy"], "outs": [{"last": {"cache": False}}]}


def dvc(*words: str) -> int:
    return run_dvc([*words, "--quiet"])


def git(*words: str) -> str:
    own = {**os.environ} | {
        f"GIT_{who}_{what}": "t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    return subprocess.run(
        ["git", *words], check=True, capture_output=True, text=True, env=own
    ).stdout


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pipeline of two stages that has run, and is committed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    git("init", "--quiet")
    assert dvc("init") == 0
    Path("source").write_text("some")
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": {"copy": COPY, "last": LAST}}))
    assert dvc("repro") == 0
    git("add", ".")
    git("commit", "--quiet", "-m", "ran")
    return tmp_path


def test_a_lock_file_cut_anywhere_ends_whole(project: Path) -> None:
    """Put back, or of whole stages: then DVC runs the others."""
    lock = project / "dvc.lock"
    whole = lock.read_bytes()
    left = []
    for length in range(len(whole)):
        lock.write_bytes(whole[:length])
        if put_back(project):
            assert lock.read_bytes() == whole
        else:
            left.append(length)
    assert 0 < len(left) < whole.count(b"\n")
    for length in left:
        lock.write_bytes(whole[:length])
        assert dvc("repro") == 0
        assert lock.read_bytes() == whole


@pytest.mark.parametrize("end", [b"hash: md", b"stages:\n", b"schema"])
def test_parts_at_which_dvc_stops(project: Path, end: bytes) -> None:
    lock = project / "dvc.lock"
    whole = lock.read_bytes()
    part = whole[: whole.rindex(end) + len(end)]
    lock.write_bytes(part)
    assert dvc("repro") != 0
    assert put_back(project) == [
        "dvc.lock: expected a complete file, found one that a kill cut; restored from Git; "
        "the cut file is kept as .dvc/tmp/cut-dvc.lock"
    ]
    assert (project / ".dvc/tmp/cut-dvc.lock").read_bytes() == part
    assert dvc("repro") == 0
    assert git("status", "--porcelain") == ""


@pytest.mark.parametrize("missing", [b"size: ", b"nfiles: "])
def test_a_part_that_dvc_takes_for_whole(project: Path, missing: bytes) -> None:
    lock = project / "dvc.lock"
    whole = lock.read_bytes()
    outs = whole.index(b"    outs:\n")  # of the first stage
    part = whole[: whole.rindex(b"\n", 0, whole.index(missing, outs)) + 1]
    lock.write_bytes(part)
    assert dvc("repro") == 0
    assert lock.read_bytes() != whole
    lock.write_bytes(part)
    assert len(put_back(project)) == 1
    assert lock.read_bytes() == whole


def test_what_git_does_not_have_whole_is_removed(project: Path) -> None:
    lock = project / "dvc.lock"
    lock.write_bytes(lock.read_bytes()[:40])
    git("add", "dvc.lock")
    assert "removed" in put_back(project)[0]
    assert not lock.exists()
    assert dvc("repro") == 0
    git("rm", "--quiet", "--force", "dvc.lock")
    lock.write_bytes(b"")
    assert "removed" in put_back(project)[0]
    assert not lock.exists()


@pytest.mark.parametrize("damage", [b"? - a: 1\n", b"2026-13-45: \n", b"\xff", b"[" * 5000])
def test_damage_of_another_kind_is_put_back_too(project: Path, damage: bytes) -> None:
    lock = project / "dvc.lock"
    whole = lock.read_bytes()
    lock.write_bytes(whole + damage)
    assert len(put_back(project)) == 1
    assert lock.read_bytes() == whole


def test_git_at_work_is_no_hindrance(project: Path) -> None:
    whole = (project / "dvc.lock").read_bytes()
    (project / ".git/index.lock").touch()
    (project / "dvc.lock").write_bytes(b"")
    put_back(project)
    assert (project / "dvc.lock").read_bytes() == whole


@pytest.mark.parametrize("content", [b"", b"[]", b'{"write": {"last": {"pid": 1}}}', b"\xff{}"])
def test_rwlock_that_dvc_cannot_read(project: Path, content: bytes) -> None:
    (project / ".dvc/tmp/rwlock").write_bytes(content)
    assert dvc("repro") != 0
    assert len(put_back(project)) == 1
    assert dvc("repro") == 0
    assert put_back(project) == []


def test_rwlock_with_the_number_of_a_younger_process(project: Path) -> None:
    """The killed run's number is another's, as after a restart of the machine: DVC would wait."""
    rwlock = project / ".dvc/tmp/rwlock"
    info = {"pid": os.getpid(), "cmd": "dvc repro"}
    rwlock.write_text(json.dumps({"write": {str(project / "last"): info}, "read": {}}))
    assert put_back(project) == []  # might be this very process
    assert dvc("repro", "--force") != 0
    os.utime(rwlock, (1, 1))
    assert put_back(project) == [
        ".dvc/tmp/rwlock: expected runs of DVC that still run, found one that was killed; removed"
    ]
    assert dvc("repro", "--force") == 0


def test_whole_files_are_left(project: Path) -> None:
    rwlock = project / ".dvc/tmp/rwlock"
    rwlock.write_text(json.dumps({"read": {"source": [{"pid": 2**40, "cmd": "dvc repro"}]}}))
    lock = (project / "dvc.lock").read_bytes()
    assert put_back(project) == []
    assert rwlock.exists()
    assert (project / "dvc.lock").read_bytes() == lock


def test_a_merge_is_left_to_its_maker(project: Path) -> None:
    lock = project / "dvc.lock"
    text = f"<<<<<<< HEAD\n{lock.read_text()}=======\n{lock.read_text()}>>>>>>> other\n"
    lock.write_text(text)
    assert dvc("repro") != 0
    assert put_back(project) == []
    assert lock.read_text() == text


def test_dvc_at_work_may_be_writing(project: Path) -> None:
    (project / "dvc.lock").write_bytes(b"")
    with Repo(str(project)) as repo, repo.lock, pytest.raises(LockError):
        put_back(project)
    assert (project / "dvc.lock").read_bytes() == b""


def command() -> tuple[int, str, str]:
    words = [sys.executable, "-m", "vigil", "put-back"]
    done = subprocess.run(words, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_command(project: Path) -> None:
    (project / "dvc.lock").write_bytes(b"schema: '2.0'\nstages:\n  cop")
    code, told, error = command()
    assert (code, told.count("\n"), error) == (0, 1, "")
    assert command() == (0, "", "")


def test_what_dvc_tells_is_left_to_dvc(project: Path) -> None:
    (project / ".dvc/config").write_text("[core\n")
    assert command() == (0, "", "")
    (project / "dvc.lock").write_bytes(b"")
    assert command() == (0, "", "")


def test_what_cannot_be_written_is_one_line_and_loses_nothing(project: Path) -> None:
    (project / "dvc.lock").write_bytes(b"part")
    (project / ".dvc/tmp/cut-dvc.lock").mkdir()
    code, told, error = command()
    assert (code, told) == (1, "")
    assert (
        error == f"vigil put-back: {project}/.dvc/tmp/cut-dvc.lock: expected to restore it, "
        "got: Is a directory\n"
    )
    assert (project / "dvc.lock").read_bytes() == b"part"
