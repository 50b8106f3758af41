"""The worked examples of experiments in docs/, run as they stand there, on a tiny scene."""

import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import yaml
from tiny_project import ROOT, Project

EXAMPLES = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8").split("\n## ")[0]
YOUR_DATA = (ROOT / "docs" / "your-data.md").read_text(encoding="utf-8")
GRID = {
    "grid-1": (0.0, "max_validation_error"),
    "grid-2": (0.0, "quantile"),
    "grid-3": (0.2, "max_validation_error"),
    "grid-4": (0.2, "quantile"),
}
ALARM = [
    "list_code", "import_clips", "track_clips", "embed_clips", "split@alarm", "fit_alarm",
    "predict@alarm", "pick_threshold", "evaluate@alarm",
]  # fmt: skip
QUEUE_DEADLINE_S = 600
MAX_STARTS = 4  # of workers, which may stop before the queue is empty


class Reader:
    """Pastes the documents' blocks one after the other into one shell, so to speak."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.folder = project.folder
        self.num_blocks = 0

    def paste(self, starting_with: str) -> dict[str, str]:
        """Runs a block; returns what each command of it printed."""
        [block] = re.findall(
            rf"^```sh\n({re.escape(starting_with)}.*?)^```$",
            EXAMPLES + YOUR_DATA,
            flags=re.MULTILINE | re.DOTALL,
        )
        told = {}
        for line in block.replace("\\\n", " ").replace("data/mine", "data/scene").splitlines():
            command = line.split("  #")[0].strip()
            if command.startswith("cd "):
                self.folder = (self.folder / command[3:]).resolve()
                continue
            told[command] = self.run(command)
            if command.startswith("dvc queue start"):
                self.wait_for_queue(command)
        self.num_blocks += 1
        return told

    def run(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-ec", command],
            cwd=self.folder,
            env=self.project.env,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        told = done.stdout + done.stderr
        assert done.returncode == 0, f"{command}\n{told}"
        return told

    def wait_for_queue(self, start: str) -> None:
        """Waits by looking at git and at processes: asking workers is what makes them trip."""
        deadline = time.monotonic() + QUEUE_DEADLINE_S
        num_starts = 1
        while GRID.keys() - self.experiments().keys():
            if not self.running() and GRID.keys() - self.experiments().keys():
                assert num_starts < MAX_STARTS, self.told_by_workers()
                self.run(start)
                num_starts += 1
            assert time.monotonic() < deadline, self.told_by_workers()
            time.sleep(0.5)

    def experiments(self) -> dict[str, str]:
        """Commits of the experiments by name."""
        lines = self.run("git for-each-ref --format='%(refname) %(objectname)' 'refs/exps/??/*/*'")
        refs = (line.split() for line in lines.splitlines())
        return {ref.rsplit("/", 1)[-1]: commit for ref, commit in refs}

    def running(self) -> list[psutil.Process]:
        """Processes at work in the project's folder: DVC's workers, and what these run."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if Path(process.cwd()).is_relative_to(self.project.folder):
                    found.append(process)
        return found

    def told_by_workers(self) -> str:
        files = sorted((self.folder / ".dvc" / "tmp" / "exps").rglob("*.out"))
        return "\n".join(f"{file}:\n{file.read_text()[-3000:]}" for file in files)

    def stop_workers(self) -> None:
        """Ends what was started here; idle workers would go by themselves after ten seconds."""
        for process in self.running():
            with suppress(psutil.Error):
                process.terminate()
        _, alive = psutil.wait_procs(self.running(), timeout=10)
        for process in alive:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(alive, timeout=10)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    (tmp_path / "vigil").mkdir()
    project = Project(tmp_path / "vigil")
    # It comes with a clone, though this project never made the demo.
    (project.folder / "demo" / "dvc.lock").write_bytes((ROOT / "demo" / "dvc.lock").read_bytes())
    project.run("git", "add", "demo")
    project.run("git", "commit", "-qm", "as cloned")
    reader = Reader(project)
    yield reader
    reader.stop_workers()


def keep_the_alarm_alone(project: Project) -> None:
    """Takes the other branches out of the pipeline, which would take long to run."""
    path = project.folder / "dvc.yaml"
    content = yaml.safe_load(path.read_text())
    stages = content["stages"]
    for name in ("split", "predict", "evaluate"):
        stages[name]["foreach"] = {"alarm": stages[name]["foreach"]["alarm"]}
    kept = {name.split("@")[0] for name in ALARM}
    content["stages"] = {name: stage for name, stage in stages.items() if name in kept}
    content["plots"] = [plot for plot in content["plots"] if "alarm" in str(plot)]
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def stages_run(told: str) -> list[str]:
    return re.findall(r"^Running stage '(.*)'", told, flags=re.MULTILINE)


def params_of(reader: Reader, revision: str) -> tuple[float, str]:
    params = yaml.safe_load(reader.run(f"git show {revision}:params.yaml"))
    return params["fit_alarm"]["network"]["dropout"], params["pick_threshold"]["method"]


@pytest.mark.slow
def test_the_worked_examples(reader: Reader) -> None:
    folder = reader.folder

    reader.paste("dvc add data/mine")  # a clone without it, and without the demo, below
    told = reader.paste("dvc repro evaluate@alarm")
    assert stages_run(told["dvc repro evaluate@alarm"]) == ALARM
    assert not (folder / "data" / "frames").exists()
    keep_the_alarm_alone(reader.project)
    reader.run("git add . && git commit -qm run")

    told = reader.paste("dvc exp run -n median")
    assert stages_run("\n".join(told.values())) == ["pick_threshold", "evaluate@alarm"]
    assert re.search(r"pick_threshold\.method\s+max_\w+\s+quantile", told["dvc params diff"])
    assert "false_alarm_rate" in told["dvc metrics diff"]
    assert (folder / "dvc_plots" / "index.html").exists()

    told = reader.paste("dvc exp run --queue -n grid")
    names = reader.experiments()
    assert {name: params_of(reader, names[name]) for name in GRID} == GRID
    assert all(name in told["dvc exp show --only-changed"] for name in ["median", *GRID])
    assert stages_run(told["dvc queue logs grid-1"])[0] == "fit_alarm"
    logs = reader.told_by_workers()
    assert "epoch 1/2" in logs
    assert "of an interrupted run" not in logs  # two train the same at a time

    told = reader.paste("dvc exp diff grid-1 grid-4")
    assert re.search(
        r"pick_threshold\.method\s+max_\w+\s+quantile", told["dvc exp diff grid-1 grid-4"]
    )
    assert params_of(reader, "HEAD") == GRID["grid-4"]
    assert params_of(reader, "no-dropout") == GRID["grid-1"]
    assert reader.run("git status --short") == ""

    told = reader.paste("dvc remote add -d storage")
    assert re.search(r"\d+ files pushed", told["dvc push"])
    assert reader.run("git status --short") == ""

    told = reader.paste("git clone")
    assert reader.folder != folder
    assert stages_run(told["dvc repro"]) == []
    assert "up to date" in told["dvc repro"]
    assert reader.run("git status --short") == ""
    for name in ("models", "metrics", "data/embeddings", "data/predictions"):
        assert contents(reader.folder / name) == contents(folder / name)
    assert reader.num_blocks == 1 + EXAMPLES.count("```sh\n")


def contents(folder: Path) -> dict[str, bytes]:
    files = {file for file in folder.rglob("*") if file.is_file()}
    assert files
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def test_the_other_storages_can_be_added(tmp_path: Path) -> None:
    commands = re.findall(r"`(dvc remote add [^`]+)`", EXAMPLES)
    assert [re.search(r"\w+(?=://)", command)[0] for command in commands] == ["s3", "ssh", "gdrive"]
    env = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    for command in ["git init -q", "dvc init -q", *commands]:
        words = shlex.split(command)
        subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, check=True)
