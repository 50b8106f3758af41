"""Makes fresh clones of the project's last commit, and runs the pipeline in them."""

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
    """Clones the last commit of the project, without uncommitted changes."""
    git = ["git", "clone", "--quiet", "--no-hardlinks", str(PROJECT), str(folder)]
    subprocess.run(git, check=True)


def start(folder: Path, environment: Mapping[str, str], *words: str) -> "subprocess.Popen[bytes]":
    """Starts `dvc repro` in a new process group; a log file beside the folder gets its output.

    The packages are those of the present environment, except vigil, which comes from the clone.
    """
    env = {**os.environ, "DVC_NO_ANALYTICS": "1", "VIGIL_STATE_DIR": "", "VIGIL_DEVICE": "cpu"}
    # With a cache that all projects share, the second clone would reuse results of the first.
    for name in ("DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        env[name] = str(folder.parent / "no-config")
    env |= environment
    places = [str(folder / "src"), *filter(None, [environment.get("PYTHONPATH")])]
    env["PYTHONPATH"] = os.pathsep.join(places)
    with (folder.parent / f"{folder.name}.log").open("ab") as log:
        return subprocess.Popen(
            ["dvc", "repro", *words],
            cwd=folder,
            env={name: value for name, value in env.items() if value},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Kills DVC and the stage that it runs, at the same time."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def kill_dvc_alone(process: "subprocess.Popen[bytes]") -> None:
    """Kills only DVC; the stage that it runs continues."""
    process.kill()
    process.wait()


def read_times(folder: Path) -> dict[str, float]:
    """Seconds of each stage's last run."""
    files = folder.glob(".vigil/times/*.json")
    return {file.stem: float(json.loads(file.read_text())["seconds"]) for file in files}


def forget_work(folder: Path) -> None:
    """Removes lock files, and the caches of DVC and vigil, so that a run does all work again."""
    for lock in LOCK_FILES:
        (folder / lock).unlink(missing_ok=True)
    for cache in (".dvc/cache/runs", ".vigil/memo"):
        shutil.rmtree(folder / cache, ignore_errors=True)


def read_outputs(folder: Path) -> dict[str, dict[str, str]]:
    """The digest of each output, for each stage of both pipelines, from the lock files."""
    digests: dict[str, dict[str, str]] = {}
    for lock in LOCK_FILES:
        stages: dict[str, Any] = yaml.safe_load((folder / lock).read_text())["stages"]
        for name, stage in stages.items():
            digests[name] = {out["path"]: out["md5"] for out in stage.get("outs", [])}
    return digests


def read_results(folder: Path) -> dict[str, bytes]:
    """The bytes of all files below `models/` and `metrics/`, and of the lock files."""
    files = [folder / lock for lock in LOCK_FILES]
    for name in ("models", "metrics"):
        files += [file for file in sorted((folder / name).rglob("*")) if file.is_file()]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def forget_results(folder: Path) -> None:
    """Removes the results that are in the commit, so that each stage runs."""
    committed = [*LOCK_FILES, "metrics"]
    subprocess.run(["git", "-C", str(folder), "rm", "-rqf", *committed], check=True)
