"""A data folder that brings files of DVC's: what DVC itself makes of it, in a tiny project."""

import subprocess
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml
from tiny_project import VIDEOS, Project

STAGES = ["list_code", "extract_frames", "interpolate_annotations"]
RUNS = (
    "stages: {evil: {cmd: touch ../../ran && cp old export.json, deps: [old], outs: [export.json]}}"
)


@pytest.fixture(scope="module")
def asked() -> Iterator[list[str]]:
    """What a server on this machine was asked for."""
    paths: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            paths.append(self.path)
            self.send_error(404)

        do_GET = do_HEAD  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Server)
    paths.append(f"http://127.0.0.1:{server.server_port}/export.json")
    Thread(target=server.serve_forever, daemon=True).start()
    yield paths
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project"))


def write_stage(folder: Path, _: str) -> Path:
    (folder / "old").write_bytes((folder / "export.json").read_bytes())
    (folder / "dvc.yaml").write_text(RUNS)
    return folder / "dvc.yaml"


def write_import(folder: Path, address: str) -> Path:
    file = folder / "export.json.dvc"
    file.write_text(f"deps: [{{path: '{address}'}}]\nouts: [{{path: export.json}}]\n")
    return file


def write_ignore(folder: Path, _: str) -> Path:
    (folder / ".dvcignore").write_text("c.mp4\n")
    return folder / ".dvcignore"


BRINGS = pytest.mark.parametrize("write", [write_stage, write_import, write_ignore])
Write = Callable[[Path, str], Path]


def num_videos_seen(project: Project) -> int:
    deps = yaml.safe_load(project.lock)["stages"]["extract_frames"]["deps"]
    return next(dep["nfiles"] for dep in deps if dep["path"] == "data/scene/videos")


def first_check(project: Project) -> subprocess.CompletedProcess[str]:
    """What `make repro` does before DVC."""
    words = ["vigil", "check-data"]
    return subprocess.run(
        words, cwd=project.folder, env=project.env, capture_output=True, text=True, check=False
    )


@BRINGS
def test_it_has_no_effect_on_dvc(project: Project, asked: list[str], write: Write) -> None:
    made = write(project.folder / "data/scene", asked[0])
    try:
        assert set(project.repro("interpolate_annotations")) <= set(STAGES)
    finally:
        made.unlink()
    assert num_videos_seen(project) == len(VIDEOS)
    assert not (project.folder / "ran").exists()
    assert len(asked) == 1


@BRINGS
def test_it_would_have_without_the_projects_patterns(
    project: Project, asked: list[str], write: Write
) -> None:
    """So that whoever takes them out for useless learns better."""
    patterns = project.folder / ".dvcignore"
    known = patterns.read_text()
    made = write(project.folder / "data/scene", asked[0])
    patterns.write_text("")
    try:
        told = project.run("dvc", "status", "extract_frames")
        listed = project.run("dvc", "stage", "list", "--all")
    finally:
        patterns.write_text(known)
        made.unlink()
    assert {
        write_stage: "data/scene/dvc.yaml:evil" in listed,
        write_import: "data/scene/export.json.dvc" in listed,
        write_ignore: "modified:           data/scene/videos" in told,
    }[write], told + listed
    del asked[1:]


@BRINGS
def test_make_refuses_it_before_dvc_starts(
    project: Project, asked: list[str], write: Write
) -> None:
    made = write(project.folder / "data/scene", asked[0])
    done = first_check(project)
    made.unlink()
    name = made.relative_to(project.folder / "data/scene")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"vigil check-data: data/scene: expected only data, got files that configure DVC: {name}; "
        "remove them, and have DVC track the folder as a whole\n"
    )
    done = first_check(project)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("place", ["data", "data/scene", "data/scene/videos"])
def test_a_project_within_is_refused_by_the_stage(project: Project, place: str) -> None:
    """DVC sees nothing of a folder with a `.dvc`, and reruns nothing for what changes there."""
    (project.folder / place / ".dvc").mkdir()
    try:
        told = project.run("dvc", "repro", "--force", "extract_frames", code=255)
    finally:
        (project.folder / place / ".dvc").rmdir()
    assert (
        f"extract_frames: {place}: expected no .dvc in it, which hides changes there from DVC\n"
    ) in told


def test_a_folder_of_git_within_is_no_hindrance(project: Project) -> None:
    """As in a data set that was cloned; DVC leaves it out."""
    (project.folder / "data/scene/.git").mkdir()
    assert first_check(project).returncode == 0
    project.repro("extract_frames")
    assert num_videos_seen(project) == len(VIDEOS)
    (project.folder / "data/scene/.git").rmdir()


def test_data_of_ones_own_are_tracked(project: Project) -> None:
    project.run("dvc", "add", "data/scene")
    export = project.folder / "data/scene/export.json"
    known = export.read_text()
    export.unlink()
    project.run("dvc", "checkout", "--force", "data/scene.dvc")
    assert export.read_text() == known
    assert first_check(project).returncode == 0
    assert "'data/scene.dvc' didn't change, skipping" in project.run(
        "dvc", "repro", "interpolate_annotations"
    )
