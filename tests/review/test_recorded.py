"""Why results differ from those in git: told where a machine alone explains it, else not."""

import copy
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from vigil.review.recorded import explain, print_explanation

STAGES: dict[str, Any] = {
    "cut": {
        "cmd": "cut",
        "deps": [{"path": "video", "md5": "v1"}, {"path": "cut.py", "md5": "c1"}],
        "params": {"params.yaml": {"cut.size": 3}},
        "outs": [{"path": "crops", "md5": "k1"}],
    },
    "train": {
        "cmd": "train",
        "deps": [{"path": "crops", "md5": "k1"}, {"path": "train.py", "md5": "t1"}],
        "outs": [{"path": "model", "md5": "m1"}],
    },
    "measure": {
        "cmd": "measure",
        "deps": [{"path": "model", "md5": "m1"}],
        "outs": [{"path": "metrics", "md5": "n1"}],
    },
}


def changed(**digests: str) -> dict[str, Any]:
    """The stages with other digests of some files."""
    stages = copy.deepcopy(STAGES)
    for told in stages.values():
        for file in [*told["deps"], *told["outs"]]:
            file["md5"] = digests.get(file["path"].replace(".", "_"), file["md5"])
    return stages


def test_the_stages_where_it_began_are_named() -> None:
    line = explain(STAGES, changed(model="m2", metrics="n2"))
    assert line is not None
    assert line.startswith("git status: the results of train differ from those in git though ")
    assert "\n" not in line


@pytest.mark.parametrize(
    "here",
    [
        changed(),
        changed(video="v2", crops="k2"),
        changed(train_py="t2", model="m2", metrics="n2"),
        {**changed(model="m2"), "cut": {**STAGES["cut"], "params": {"params.yaml": {}}}},
        {**changed(model="m2"), "measure": {**STAGES["measure"], "cmd": "measure more"}},
        {**changed(model="m2"), "other": STAGES["measure"]},
        {},
    ],
    ids=["nothing", "data", "code", "a parameter", "a command", "a stage", "nothing ran"],
)
def test_what_somebody_changed_needs_no_word(here: dict[str, Any]) -> None:
    assert explain(STAGES, here) is None


def test_the_files_of_git_and_of_the_folder_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    print_explanation(tmp_path)
    assert capsys.readouterr() == ("", "")  # no git

    def run(*words: str) -> None:
        subprocess.run(words, check=True, capture_output=True)

    run("git", "init", "--quiet")
    run("dvc", "init", "--quiet")
    lock = tmp_path / "dvc.lock"
    lock.write_text(yaml.safe_dump({"schema": "2.0", "stages": STAGES}))
    run("git", "add", ".")
    run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "-m", "ran")
    print_explanation(tmp_path)
    assert capsys.readouterr() == ("", "")
    lock.write_text(yaml.safe_dump({"schema": "2.0", "stages": changed(model="m2")}))
    print_explanation(tmp_path)
    assert "the results of train differ from those in git" in capsys.readouterr().out
    lock.write_text("stages: [")
    print_explanation(tmp_path)
    assert capsys.readouterr() == ("", "")  # DVC tells of it
