"""Peak memory of each stage on a scene, and on a scene that is ten times as long.

The stages run with the commands of `dvc.yaml`, one process each, in a separate folder. The scenes
have 300 and 3,000 frames of 480x360 with five people in each picture; training has one epoch. The
ratio compares anonymous memory, which belongs to the process alone. The number in brackets is the
peak of resident memory, which counts the pages of mapped files too. It includes memory-mapped
arrays of samples, although the system takes such pages back when it needs memory. For a stage that
works in batches, the short scene must fill a batch, or the ratio only shows a larger batch.

Measured on a busy 2-core AMD EPYC VM without a GPU, in MB on 300 and on 3,000 frames:
extract_frames 99 and 103, interpolate_annotations 88 and 92, generate_samples 98 and 104, split 86
and 87, train_classifier 859 and 884, evaluate 546 and 595.
"""

import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml
from measure import PROJECT, WORK, Peak, Row, log, peak_of
from walkers import export, write_video

NUM_FRAMES = (300, 3000)
SIZE_WH = (480, 360)
BIT_RATE = 1_500_000
STAGES = (
    "extract_frames",
    "interpolate_annotations",
    "generate_samples",
    "split@classifier",
    "train_classifier",
    "predict@classifier",
    "evaluate@classifier",
)
TARGET = 1.15
VARIABLE = re.compile(r"\$\{(.+?)\}")


def run() -> list[Row]:
    log(f"memory: scenes of {NUM_FRAMES} frames, made once")
    short, long = (_run_stages(num_frames) for num_frames in NUM_FRAMES)
    rows = []
    for stage in STAGES:
        ratio = long[stage].anonymous_mb / short[stage].anonymous_mb
        rows.append(
            Row(
                f"peak memory of {stage}, ten times the frames",
                _format(long[stage]),
                _format(short[stage]),
                ratio,
                f"<= {TARGET:.2f}x",
                ratio <= TARGET,
            )
        )
    return rows


def _format(peak: Peak) -> str:
    return f"{peak.anonymous_mb:.0f} MB ({peak.resident_mb:.0f})"


def _run_stages(num_frames: int) -> dict[str, Peak]:
    folder = WORK / f"scene_{num_frames}"
    write_video(folder / "input/videos/scene.mp4", num_frames, SIZE_WH, BIT_RATE)
    annotations = json.dumps(export("scene.mp4", num_frames, SIZE_WH))
    (folder / "input/annotations.json").write_text(annotations)
    for output in ("data", "models", "metrics", "state"):
        shutil.rmtree(folder / output, ignore_errors=True)
    params = yaml.safe_load((PROJECT / "params.yaml").read_text())
    params["dataset"] |= {"root": "input", "videos": ["scene.mp4"]}
    params["train_classifier"]["fitting"]["max_epochs"] = 1
    shutil.copytree(PROJECT / "splits", folder / "splits", dirs_exist_ok=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    environment = {**os.environ, "VIGIL_STATE_DIR": str(folder / "state")}
    peaks = {}
    for stage in STAGES:
        log(f"memory: {stage} on {num_frames} frames")
        peaks[stage] = peak_of(_command(stage, params), folder, environment)
    return peaks


def _command(stage: str, params: dict[str, Any]) -> list[str]:
    """The command of a stage in `dvc.yaml`, with its variables replaced by values."""
    name, _, key = stage.partition("@")
    described = yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"][name]
    known: dict[str, Any] = {**params, "key": key}
    if key:
        known["item"] = described["foreach"][key]
        described = described["do"]

    def fill(match: re.Match[str]) -> str:
        value: Any = known
        for part in match[1].split("."):
            value = value[part]
        return VARIABLE.sub(fill, str(value))  # an item may name parameters

    _, python, script, *options = shlex.split(VARIABLE.sub(fill, described["cmd"]))
    assert python == "python"
    return [sys.executable, str(PROJECT / Path(script)), *options]
