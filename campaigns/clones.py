"""Fresh clones of the project's last commit, and runs of the pipeline in them."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from vigil.plumbing.cut_files import LOCK_FILES

PROJECT = Path(__file__).resolve().parent.parent


def clone(folder: Path) -> None:
    """Clones the last commit of the project; what is not committed stays out."""
    git = ["git", "clone", "--quiet", "--no-hardlinks", str(PROJECT), str(folder)]
    subprocess.run(git, check=True)


def start(folder: Path, environment: Mapping[str, str], *words: str) -> "subprocess.Popen[bytes]":
    """Starts `dvc repro` in a process group of its own, its output in a log beside the folder.

    The environment's packages are used, but for vigil itself, which is the clone's.
    """
    own = {**os.environ, "DVC_NO_ANALYTICS": "1", "VIGIL_STATE_DIR": "", "VIGIL_DEVICE": "cpu"}
    # A cache that all projects share would give the second what the first has computed.
    for name in ("DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        own[name] = str(folder.parent / "no-config")
    own |= environment
    places = [str(folder / "src"), *filter(None, [environment.get("PYTHONPATH")])]
    own["PYTHONPATH"] = os.pathsep.join(places)
    with (folder.parent / f"{folder.name}.log").open("ab") as log:
        return subprocess.Popen(
            ["dvc", "repro", *words],
            cwd=folder,
            env={name: value for name, value in own.items() if value},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Kills DVC and the stage it runs at once."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def kill_dvc_alone(process: "subprocess.Popen[bytes]") -> None:
    """Kills DVC; the stage it runs goes on."""
    process.kill()
    process.wait()


def read_times(folder: Path) -> dict[str, float]:
    """Seconds of each stage's last run."""
    files = folder.glob(".vigil/times/*.json")
    return {file.stem: float(json.loads(file.read_text())["seconds"]) for file in files}


def forget_work(folder: Path) -> None:
    """Removes all that would spare a run its work: lock files, and what DVC and vigil remember."""
    for lock in LOCK_FILES:
        (folder / lock).unlink(missing_ok=True)
    for remembered in (".dvc/cache/runs", ".vigil/memo"):
        shutil.rmtree(folder / remembered, ignore_errors=True)


def read_outputs(folder: Path) -> dict[str, dict[str, str]]:
    """By stage of both pipelines: the digest of each output, as the lock files tell."""
    found: dict[str, dict[str, str]] = {}
    for lock in LOCK_FILES:
        stages: dict[str, Any] = yaml.safe_load((folder / lock).read_text())["stages"]
        for name, stage in stages.items():
            found[name] = {out["path"]: out["md5"] for out in stage.get("outs", [])}
    return found


def read_results(folder: Path) -> dict[str, bytes]:
    """The bytes below `models/` and `metrics/`, and of the lock files."""
    files = [folder / lock for lock in LOCK_FILES]
    for name in ("models", "metrics"):
        files += [file for file in sorted((folder / name).rglob("*")) if file.is_file()]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def forget_results(folder: Path) -> None:
    """Removes what the commit brings along of earlier results, so that each stage runs."""
    kept = [*LOCK_FILES, "metrics"]
    subprocess.run(["git", "-C", str(folder), "rm", "-rqf", *kept], check=True)
