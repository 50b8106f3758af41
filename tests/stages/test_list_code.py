"""The digests of the code of each stage."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(folder: Path, stages: str = "stages") -> subprocess.CompletedProcess[str]:
    words = [
        sys.executable,
        str(ROOT / "stages/list_code.py"),
        "--stages",
        stages,
        "--code",
        "code",
    ]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose stages import a package beside them."""
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    (tmp_path / "stages" / "shared").mkdir(parents=True)
    (tmp_path / "stages/shared/sizes.py").write_text("SIDE = 3\n")
    (tmp_path / "stages/look.py").write_text("import vigil.domain.boxes\nimport shared.sizes\n")
    (tmp_path / "stages/.#look.py").symlink_to("somebody@somewhere.1:2")  # of an editor
    return tmp_path


def digests(folder: Path) -> dict[str, str]:
    return json.loads((folder / "code/look.json").read_text())


def test_a_change_of_what_is_imported_changes_a_digest_and_a_comment_does_not(folder: Path):
    done = run(folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 stages\n", "")
    first = digests(folder)
    assert first.keys() >= {"stages/shared/sizes.py", "vigil/domain/boxes.py"}
    sizes = folder / "stages/shared/sizes.py"
    sizes.write_text("# the side of a square\nSIDE = 3\n")
    run(folder)
    assert digests(folder) == first
    sizes.write_text("SIDE = 4\n")
    run(folder)
    assert {name for name in first if digests(folder)[name] != first[name]} == {
        "stages/shared/sizes.py"
    }


def test_a_module_that_python_cannot_read_stops_only_who_imports_it(folder: Path):
    (folder / "stages/other.py").write_text("import vigil.domain.boxes\n")
    run(folder)
    other = (folder / "code/other.json").read_bytes()
    (folder / "stages/shared/sizes.py").write_text("def (\n")
    assert run(folder).returncode == 0
    assert (folder / "code/other.json").read_bytes() == other


def test_a_folder_without_stages_is_refused(folder: Path):
    done = run(folder, "splits")
    assert done.returncode == 1
    assert done.stderr == "list_code: splits: expected the scripts of stages, found none\n"
    assert not (folder / "code").exists()
