"""A project of one's own: laid out, and upgraded with the library."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from vigil.__main__ import main
from vigil.plumbing.contract import check_sections, project_sections
from vigil.plumbing.errors import InputError
from vigil.plumbing.params import read_params
from vigil.review import laying_out, project_files
from vigil.review.laying_out import LAID_OUT, carry_out, describe, lay_out, plan_upgrade

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    lay_out(tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine")  # DVC names the stages from the current folder
    return tmp_path / "mine"


def next_version(monkeypatch: pytest.MonkeyPatch, **changes: str | None) -> None:
    """Lets the library have other files from now on. Args: changes: None: the file is gone."""
    content = project_files.project_files()
    for name, text in changes.items():
        if text is None:
            del content[name]
        else:
            content[name] = text
    monkeypatch.setattr(laying_out, "project_files", lambda: dict(content))


def test_a_new_project_is_complete_and_dvc_reads_it(project: Path):
    check_sections(read_params(project / "params.yaml"), project_sections())
    assert "demo" not in (project / "params.yaml").read_text()
    text = (project / "dvc.yaml").read_text()
    assert "src/vigil" not in text
    assert "PYTHONPATH" not in text
    pipeline = laying_out.Pipeline(project)
    assert "list_code" not in text
    own = {script.stem for script in (ROOT / "stages").glob("*.py")} - {"list_code"}
    assert {file.stem for file in (project / "stages").glob("*.py")} == own
    assert {file.stem for file in (project / "code").glob("*.json")} == own | {"laid_out"}
    first, later = pipeline.after(["code/train_detector.json"], [])
    assert first == ["train_detector"]
    assert "evaluate@detector" in later
    assert plan_upgrade(project).reruns == []


def test_every_stage_depends_on_the_code_that_it_imports(project: Path):
    """Wherever a stage of this project declares modules, the new one declares their digests."""
    stages = yaml.safe_load((project / "dvc.yaml").read_text())["stages"]
    for name, definition in stages.items():
        deps = definition.get("do", definition)["deps"]
        key = "_${key}" if "do" in definition else ""
        assert f"stages/{name}{key}.py" in deps
        assert f"code/{name}{key}.json" in deps


def test_a_project_is_a_git_repository_that_ignores_what_dvc_keeps(project: Path):
    told = subprocess.run(
        ["git", "check-ignore", "models", "data/frames/", "dvc.yaml", "code"],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert set(told.stdout.split()) <= {"models", "data/frames/"}


@pytest.mark.parametrize("name", [None, "Ada"])
def test_a_project_has_a_first_commit_even_where_git_knows_no_name(
    name: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A training needs a commit."""
    for variable in [each for each in os.environ if each.startswith("GIT_")]:
        monkeypatch.delenv(variable)
    own = tmp_path / "gitconfig"
    own.write_text(f"[user]\nname = {name}\nemail = a@b.c\n" if name else "")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(own))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    files = lay_out(tmp_path / "mine")

    def told_by_git(*words: str) -> str:
        git = ["git", "-C", str(tmp_path / "mine"), *words]
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout

    assert told_by_git("log", "--format=%an") == f"{name or 'vigil'}\n"
    assert told_by_git("status", "--porcelain") == ""
    assert told_by_git("ls-files").splitlines() == files


def test_a_user_who_signs_commits_needs_no_key_for_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    own = tmp_path / "gitconfig"
    own.write_text("[commit]\ngpgsign = true\n[gpg]\nprogram = /nowhere/gpg\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(own))
    lay_out(tmp_path / "mine")
    assert list((tmp_path / "mine/.git/refs/heads").iterdir())


def test_a_commit_that_git_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GIT_COMMITTER_DATE", "no date")
    with pytest.raises(InputError, match=r"expected git to make a first commit, got: .*date"):
        lay_out(tmp_path / "mine")


@pytest.mark.parametrize("content", ["[]", "3", '{"params.yaml": 1}'])
def test_a_list_of_laid_out_files_that_is_none_is_refused(project: Path, content: str):
    (project / LAID_OUT).write_text(content)
    with pytest.raises(InputError, match="expected the digests of files, got"):
        plan_upgrade(project)


def test_a_file_in_another_encoding_is_a_change_of_the_user(project: Path):
    stage = project / "stages/watch.py"
    stage.write_bytes(stage.read_bytes() + b"# \xe4\n")
    plan = plan_upgrade(project)
    assert "stages/watch.py" not in plan.files


def test_a_folder_with_files_is_refused(project: Path):
    with pytest.raises(InputError, match="expected a new or empty folder, found one with files"):
        lay_out(project)


def test_an_upgrade_names_the_stages_whose_code_changed(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    (project / "code/watch.json").write_text("edited by hand\n")
    assert plan_upgrade(project).reruns == ["watch"]
    carry_out(plan_upgrade(project), project)
    next_version(monkeypatch, **{"code/train_detector.json": "{}\n"})
    plan = plan_upgrade(project)
    assert plan.reruns == ["train_detector"]
    assert "predict@detector" in plan.maybe
    assert "train_classifier" not in plan.maybe
    assert "reruns: train_detector\n" in describe(plan)
    carry_out(plan, project)
    assert (project / "code/train_detector.json").read_text() == "{}\n"
    assert plan_upgrade(project).reruns == []


def test_a_file_of_ones_own_is_kept_and_the_new_one_lies_beside_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    script = project / "stages/watch.py"
    script.write_text("mine\n")
    assert plan_upgrade(project).kept == {}, "only a change in vigil is news"
    next_version(monkeypatch, **{"stages/watch.py": "new\n", "stages/pick_score.py": None})
    plan = plan_upgrade(project)
    assert plan.kept == {"stages/watch.py": "new\n"}
    assert plan.removed == ["stages/pick_score.py"]
    carry_out(plan, project)
    assert script.read_text() == "mine\n"
    assert (project / "stages/watch.py.new").read_text() == "new\n"


def test_parameters_of_a_new_version_are_named(project: Path, monkeypatch: pytest.MonkeyPatch):
    shipped = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(shipped.replace("jpeg_quality: 95", "jpeg_quality: 80"))
    next_version(monkeypatch, **{"params.yaml": shipped + "\nnew_part:\n  strength: 2\n"})
    plan = plan_upgrade(project)
    assert plan.params == ["new_part.strength"]
    assert "params.yaml: lacks new_part.strength" in describe(plan)
    assert list(plan.kept) == ["params.yaml"]


def changed(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1
    return text.replace(old, new)


def test_a_stage_with_another_command_or_a_new_stage_reruns(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    text = (project / "dvc.yaml").read_text()
    other = changed(text, "python stages/watch.py", "python -u stages/watch.py")
    other = changed(other, "desc: Runs the trained models", "desc: Again runs the trained models")
    added = (
        "\nstages:\n  added:\n    cmd: 'true'\n    deps: [params.yaml]\n    outs: [data/added]\n"
    )
    other = changed(other, "\nstages:\n", added)
    next_version(monkeypatch, **{"dvc.yaml": other})
    plan = plan_upgrade(project)
    assert plan.reruns == ["watch", "added"]
    assert "reruns: added, watch\n" in describe(plan)


def test_only_the_changed_instances_of_a_stage_rerun(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    text = (project / "dvc.yaml").read_text()
    other = changed(
        text, "options: --samples data/samples --splits data/splits/classifier", "options: x"
    )
    next_version(monkeypatch, **{"dvc.yaml": other})
    assert plan_upgrade(project).reruns == ["export@classifier"]


def test_stages_that_read_new_parameters_rerun(project: Path, monkeypatch: pytest.MonkeyPatch):
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("  jpeg_quality:", "  renamed:"))
    plan = plan_upgrade(project)
    assert plan.params == ["extract_frames.jpeg_quality"]
    assert plan.reruns == ["extract_frames"]


def test_new_files_that_wait_are_told_until_they_are_gone(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    text = (project / "dvc.yaml").read_text()
    (project / "dvc.yaml").write_text(text + "# mine\n")
    other = changed(text, "python stages/watch.py", "python -u stages/watch.py")
    next_version(monkeypatch, **{"dvc.yaml": other})
    plan = plan_upgrade(project)
    assert (plan.reruns, plan.pending) == ([], ["watch"])
    carry_out(plan, project)
    plan = plan_upgrade(project)
    assert plan.waiting == ["dvc.yaml.new"]
    assert "dvc.yaml.new: waits since an earlier upgrade; take over" in describe(plan)
    assert "and with the .new files taken over: watch" in describe(plan)
    shutil.move(project / "dvc.yaml.new", project / "dvc.yaml")
    plan = plan_upgrade(project)
    assert (plan.reruns, plan.pending, plan.waiting) == ([], [], [])


@pytest.mark.parametrize("name", [".git", ".dvc"])
def test_a_folder_within_another_project_is_refused(tmp_path: Path, name: str):
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=rf"outside of other projects.*, which has \{name}"):
        lay_out(tmp_path / "a" / "mine")
    assert not (tmp_path / "a").exists()


def test_a_folder_that_the_repository_around_ignores_is_none_of_its_own(tmp_path: Path):
    """Some keep the settings in their home folder under git, and nothing else of it."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    with pytest.raises(InputError, match=r"which has \.git and does not ignore it"):
        lay_out(tmp_path / "work" / "mine")
    (tmp_path / ".gitignore").write_text("/work/\n")
    assert "dvc.yaml" in lay_out(tmp_path / "work" / "mine")


def test_a_place_where_no_folder_can_be_is_told_in_one_line(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["new", "/proc/x"])
    told = capsys.readouterr().err
    assert told.startswith("vigil new: /proc/x")
    assert told.count("\n") == 1


def test_the_rules_of_dvc_name_no_command_that_the_project_lacks(project: Path):
    text = (project / ".dvcignore").read_text()
    assert "make" not in text.split()
    assert "demo" not in text
    assert "vigil check-data" in text


def test_a_folder_that_is_no_project_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=f"{LAID_OUT}: expected a project of `vigil new`"):
        plan_upgrade(tmp_path)


def test_a_changed_line_about_the_demo_is_noticed():
    """Each line that a new project replaces is in params.yaml."""
    content = project_files.project_files()["params.yaml"]
    assert "data/demo" not in content
    assert "plaza" not in content
    assert "gate_" not in content
