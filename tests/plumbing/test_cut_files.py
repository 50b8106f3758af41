"""What a kill cuts of DVC's own files is put back, and nothing else is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dvc.cli import main as run_dvc
from dvc.dvcfile import Lockfile
from dvc.lock import LockError
from dvc.repo import Repo

from vigil.plumbing.cut_files import put_back

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # of DVC's

COPY = {"cmd": "cp source copy", "deps": ["source"], "outs": ["copy"]}
LAST = {"cmd": "cp copy last", "deps": ["copy"], "outs": [{"last": {"cache": False}}]}


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


def test_a_lock_file_cut_anywhere_is_put_back(project: Path) -> None:
    """But for whole lines of it, which do for DVC: it runs the stages that are not in them."""
    lock = project / "dvc.lock"
    whole = lock.read_bytes()
    ended = set()
    for length in range(0, len(whole), 7):
        lock.write_bytes(whole[:length])
        found = put_back(project)
        assert found in ([], ["dvc.lock"])
        if not found:
            assert whole[:length].endswith(b"\n")
            assert dvc("repro") == 0
        assert _without_sizes(lock.read_bytes()) == _without_sizes(whole)
        ended.add(bool(found))
    assert ended == {True, False}


def _without_sizes(content: bytes) -> bytes:
    """DVC does not miss them."""
    return content.replace(b"      size: 4\n", b"")


def test_a_hash_cut_in_its_name(project: Path) -> None:
    """Valid for DVC, which then stops without a word of why."""
    lock = project / "dvc.lock"
    whole = lock.read_bytes()
    lock.write_bytes(whole[: whole.rindex(b"hash: md5") + len("hash: md")])
    with Repo(str(project)) as repo:
        Lockfile(repo, str(lock)).load()
    assert dvc("repro") != 0
    assert put_back(project) == ["dvc.lock"]
    assert lock.read_bytes() == whole


def test_dvc_goes_on_after_it(project: Path) -> None:
    for name, cut in (("dvc.lock", b""), (".dvc/tmp/rwlock", b'{"write": {"last"')):
        (project / name).write_bytes(cut)
        assert dvc("repro") != 0
        assert put_back(project) == [name]
        assert dvc("repro") == 0
        assert git("status", "--porcelain") == ""


def test_what_is_not_committed_is_removed(project: Path) -> None:
    git("rm", "--quiet", "--cached", "dvc.lock")
    (project / "dvc.lock").write_bytes(b"")
    assert put_back(project) == ["dvc.lock"]
    assert not (project / "dvc.lock").exists()
    assert dvc("repro") == 0
    assert (project / "dvc.lock").exists()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"write": {"last": {"pid": 1}}}', b"\xff{}"])
def test_rwlock_that_dvc_cannot_read(project: Path, content: bytes) -> None:
    (project / ".dvc/tmp/rwlock").write_bytes(content)
    assert put_back(project) == [".dvc/tmp/rwlock"]
    assert put_back(project) == []


def test_whole_files_are_left(project: Path) -> None:
    rwlock = project / ".dvc/tmp/rwlock"
    rwlock.write_text(json.dumps({"read": {"source": [{"pid": 1, "cmd": "dvc repro"}]}}))
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


def test_command(project: Path) -> None:
    """Its exit code says whether DVC is to be started again."""
    words = [sys.executable, "-m", "vigil.plumbing.cut_files"]
    (project / "dvc.lock").write_bytes(b"schema: '2.0'\nstages:\n  cop")
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "dvc.lock: cut by a kill while DVC wrote it; put back, and DVC is started again"
    ]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
