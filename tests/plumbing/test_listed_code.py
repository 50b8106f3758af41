"""A stage depends on the digests of its code, and runs only with the code that DVC knows of."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vigil.plumbing import listed_code
from vigil.plumbing.closure import SOURCE, code_digest
from vigil.plumbing.errors import InputError
from vigil.plumbing.listed_code import check_listed_code, list_code

MODULE = "vigil/domain/boxes.py"


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The script of a stage whose code is listed."""
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("DVC_STAGE", "count")
    (tmp_path / "stages").mkdir()
    (tmp_path / "code").mkdir()
    write(tmp_path, {MODULE: code_digest(SOURCE / MODULE)})
    return tmp_path / "stages" / "count.py"


def write(project: Path, digests: object) -> None:
    (project / "code" / "count.json").write_text(json.dumps(digests))


def test_the_installed_code_is_accepted_and_remembered(
    script: Path, monkeypatch: pytest.MonkeyPatch
):
    check_listed_code(script)
    monkeypatch.setattr(listed_code, "code_digest", lambda _: pytest.fail("digested again"))
    check_listed_code(script)


@pytest.mark.parametrize(
    "digests",
    [{MODULE: "0"}, {"vigil/domain/gone.py": "0"}, [3], [MODULE], [], {}, 3, {MODULE: None}],
)
def test_code_of_another_version_is_refused(script: Path, digests: object):
    """Also after the right one was remembered."""
    check_listed_code(script)
    write(script.parents[1], digests)
    message = r"^code/count\.json: expected the digests of .* run vigil upgrade --write$"
    for _ in range(2):
        with pytest.raises(InputError, match=message):
            check_listed_code(script)


def test_a_library_that_changed_since_is_refused(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    check_listed_code(script)
    changed = tmp_path / "library" / MODULE
    changed.parent.mkdir(parents=True)
    changed.write_text((SOURCE / MODULE).read_text() + "MORE = 1\n")
    monkeypatch.setattr(listed_code, "SOURCE", tmp_path / "library")
    with pytest.raises(InputError, match="found those of another version"):
        check_listed_code(script)
    changed.write_text((SOURCE / MODULE).read_text() + "# a comment\n")
    check_listed_code(script)


def test_the_source_of_the_project_is_named_with_what_lists_it_anew(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Somebody edited it while `dvc repro` ran."""
    changed = tmp_path / "src" / MODULE
    changed.parent.mkdir(parents=True)
    changed.write_text("MORE = 1\n")
    monkeypatch.setattr(listed_code, "SOURCE", tmp_path / "src")
    with pytest.raises(InputError, match=r"of the source in src, .* run dvc repro -f list_code$"):
        check_listed_code(script)


def test_a_script_that_dvc_does_not_run_needs_no_list(
    script: Path, monkeypatch: pytest.MonkeyPatch
):
    """DVC notes nothing of it."""
    write(script.parents[1], {MODULE: "0"})
    monkeypatch.delenv("DVC_STAGE")
    check_listed_code(script)


def test_a_list_has_all_that_a_script_imports_but_plumbing(tmp_path: Path):
    script = tmp_path / "look.py"
    script.write_text("from vigil.domain.boxes import areas\nfrom vigil.plumbing import records\n")
    digests = json.loads(list_code(script))
    assert digests[MODULE] == code_digest(SOURCE / MODULE)
    assert not [name for name in digests if "plumbing" in name]
    text = "def look() -> None:\n    from vigil.domain.detections import Detections\n"
    script.write_text(f"# a comment\n{text}")
    assert "vigil/domain/detections.py" in json.loads(list_code(script))


def test_a_script_without_a_list_and_a_folder_that_is_read_only_do_not_matter(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "file"))
    check_listed_code(script)
    check_listed_code(script.with_name("other.py"))


def test_a_stage_says_it_in_one_line(script: Path, tmp_path: Path):
    shutil.copy(Path(__file__).parents[2] / "params.yaml", tmp_path)
    script.write_text(
        "from vigil.plumbing.runner import run_stage\n\n\ndef main() -> None:\n"
        "    print('ran')\n\n\nrun_stage(main)\n"
    )

    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "stages/count.py"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    done = run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", "")
    write(tmp_path, {MODULE: "0"})
    done = run()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("count: code/count.json: expected the digests of the installed")
    assert done.stderr.count("\n") == 1
