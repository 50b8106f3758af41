"""Portable arithmetic: the same bytes, whatever CPU the libraries believe they run on."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vigil.pixels.flow.motion import describe_cpu
from vigil.plumbing import arithmetic
from vigil.plumbing.arithmetic import (
    VARIABLES,
    arithmetic_facts,
    check_trained_alike,
    use_arithmetic,
)
from vigil.plumbing.errors import InputError

SCRIPT = """
import hashlib, sys

from vigil.plumbing.arithmetic import use_arithmetic

use_arithmetic(sys.argv)
import cv2
import numpy as np
import torch

from vigil.learn.networks.machine import choose_precision, choose_device, prepare_torch

prepare_torch()
assert choose_precision("auto", choose_device()) == "32-true" or "any" in sys.argv
torch.manual_seed(0)
rng = np.random.default_rng(0)
pictures = torch.randn(4, 16, 40, 40, requires_grad=True)
network = torch.nn.Sequential(
    torch.nn.Conv2d(16, 32, 3), torch.nn.BatchNorm2d(32), torch.nn.GELU(),
    torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(32, 300),
)
loss = network(pictures).softmax(1).log().square().mean()
loss.backward()
torch.optim.AdamW(network.parameters(), 1e-3).step()
tokens = torch.randn(8, 100, 64)
sides = torch.rand(9001)
matrix = rng.standard_normal((300, 200))
before, after = (rng.integers(0, 255, (96, 128), dtype=np.uint8) for _ in range(2))
before, after = (cv2.GaussianBlur(one, (0, 0), 3) for one in (before, after))
flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(before, after, None)
results = {
    "convolution": pictures.grad.numpy(),
    "weights": network[0].weight.grad.numpy(),
    "weights after a step": network[0].weight.detach().numpy(),
    "functions of torch": torch.cat([one(sides) for one in (
        torch.sqrt, torch.log, torch.tan, torch.asin, torch.acos, torch.atan, torch.atanh,
        torch.exp, torch.erf,
    )] + [sides.double().log().float()]).numpy(),
    "matrix product of torch": (tokens @ tokens.transpose(1, 2)).numpy(),
    "matrix product of numpy": matrix.T @ matrix,
    "inverse": np.linalg.inv(matrix.T @ matrix),
    "functions": np.exp(matrix) + np.sin(matrix) + np.log(np.abs(matrix)),
    "sums": matrix.astype(np.float32).sum(axis=0),
    "flow": flow,
    "resized": cv2.resize(before.astype(np.float32), (77, 53), interpolation=cv2.INTER_AREA),
}
for name, values in results.items():
    print(name, hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:12])
"""
OLD_CPU = {
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Nehalem",
    "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2",
    "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX2 FMA3",
    "OMP_NUM_THREADS": "1",
}
MASKS = {
    "as it is": {},
    "an old CPU": OLD_CPU,
    "a C library without AVX512": {
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512CD,-AVX512DQ"
    },
}


def compute(folder: Path, **environment: str) -> dict[str, str]:
    (folder / "script.py").write_text(SCRIPT)
    own = {name: one for name, one in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "script.py", *([] if "VIGIL_ARITHMETIC" in environment else ["any"])],
        cwd=folder, env={**own, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())


def test_results_do_not_depend_on_what_the_cpu_can_do(tmp_path: Path):
    found = {
        name: compute(tmp_path, VIGIL_ARITHMETIC="portable", **mask) for name, mask in MASKS.items()
    }
    assert found["an old CPU"] == found["as it is"]
    assert found["a C library without AVX512"] == found["as it is"]
    # The masks do something: without portable arithmetic, they change results.
    assert compute(tmp_path, **OLD_CPU) != found["as it is"]


QEMU = shutil.which("qemu-x86_64-static") or shutil.which("qemu-x86_64")
LEAST_QEMU = 10
"""QEMU 7.2 computes some of the vector instructions wrongly: a training has losses of NaN there."""


@pytest.mark.slow
@pytest.mark.skipif(QEMU is None, reason="qemu-user-static is not installed")
@pytest.mark.parametrize("cpu", ["Haswell", "EPYC"])
def test_emulated_cpus_compute_the_same(cpu: str, tmp_path: Path):
    """CPUs of two makers, without AVX512; QEMU computes as IEEE 754 says."""
    told = subprocess.run([str(QEMU), "--version"], capture_output=True, text=True, check=True)
    if int(told.stdout.split()[2].partition(".")[0]) < LEAST_QEMU:
        pytest.skip(f"QEMU {LEAST_QEMU} is not installed")
    here = compute(tmp_path, VIGIL_ARITHMETIC="portable")
    portable = {**VARIABLES, "VIGIL_ARITHMETIC": "portable"}
    python = [str(Path(sys.executable).resolve()), "script.py"]  # links lead QEMU astray
    done = subprocess.run(
        [str(QEMU), "-cpu", cpu, *python],
        cwd=tmp_path, env={**os.environ, **portable, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert dict(line.rsplit(" ", 1) for line in done.stdout.splitlines()) == here


def test_evidence_of_portable_arithmetic_counts_on_every_cpu(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("cv2.getCPUFeaturesLine", lambda: "of this CPU")
    assert describe_cpu() == "of this CPU"
    monkeypatch.setenv("VIGIL_ARITHMETIC", "portable")
    assert describe_cpu() == "portable"


@pytest.fixture
def restarted(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines with which Python was started again; the environment is put back."""
    started: list[list[str]] = []
    monkeypatch.setattr(os, "environ", {k: v for k, v in os.environ.items() if k not in VARIABLES})
    monkeypatch.setattr(os, "execv", lambda _, words: started.append(words))
    return started


def test_native_arithmetic_changes_nothing(restarted: list[list[str]]):
    use_arithmetic(["stage.py"])
    assert not restarted
    assert arithmetic_facts() == {}


def test_python_is_started_again_once(restarted: list[list[str]]):
    os.environ["VIGIL_ARITHMETIC"] = "portable"
    use_arithmetic(["stage.py", "--out"])
    assert restarted == [[sys.executable, "stage.py", "--out"]]
    assert os.environ.items() >= VARIABLES.items()
    use_arithmetic(["stage.py", "--out"])
    assert len(restarted) == 1
    assert arithmetic_facts() == {"arithmetic": "portable"}


LOCK = "stages: {train: {outs: [{path: model.json, md5: 1}]}}"


@pytest.mark.parametrize(
    ("asked", "card", "is_refused"),
    [
        ("portable", {}, True),
        ("portable", {"training": {"arithmetic": "portable"}}, False),
        ("portable", {"arithmetic": "portable"}, False),
        ("native", {"training": {"arithmetic": "portable"}}, True),
        ("native", {"training": {}}, False),
        (None, {"training": {"arithmetic": "portable"}}, False),
    ],
)
def test_a_model_of_the_other_arithmetic_is_refused_if_one_is_asked_for(
    asked: str | None,
    card: dict[str, object],
    is_refused: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """DVC, which does not know the variable, takes it from its cache."""
    monkeypatch.delenv("VIGIL_ARITHMETIC", raising=False)
    if asked:
        monkeypatch.setenv("VIGIL_ARITHMETIC", asked)
    (tmp_path / "model.json").write_text(json.dumps({"architecture": "grid", **card}))
    (tmp_path / "threshold.json").write_text("{}")  # no card
    (tmp_path / "damaged.json").write_text("{")  # told by what reads it
    files = sorted(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    check_trained_alike(files)  # no stage of this project made them
    (tmp_path / "dvc.lock").write_text(LOCK)
    if not is_refused:
        check_trained_alike(files)
        return
    other = {"portable": "native", "native": "portable"}[str(asked)]
    told = f"model.json: expected a model trained with {asked} .*, got one of {other} arithmetic"
    with pytest.raises(InputError, match=told):
        check_trained_alike(files)


def test_a_stage_does_not_use_a_model_of_the_other_arithmetic(tmp_path: Path):
    shutil.copy(Path(__file__).parents[2] / "params.yaml", tmp_path)
    (tmp_path / "model.json").write_text('{"architecture": "grid"}')
    (tmp_path / "count.py").write_text(
        "from pathlib import Path\nfrom vigil.plumbing.runner import run_stage\n\n\n"
        "def main(*, card: Path) -> None:\n    print('ran')\n\n\nrun_stage(main)\n"
    )

    def run(**variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "count.py", "--card", "model.json"]
        environment = {**os.environ, **variables}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    assert run().stdout == "ran\n"
    assert run(VIGIL_ARITHMETIC="portable", VIGIL_THREADS="2").stdout == "ran\n"
    (tmp_path / "dvc.lock").write_text(LOCK)
    done = run(VIGIL_ARITHMETIC="portable", VIGIL_THREADS="2")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("count: model.json: expected a model trained with portable")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"VIGIL_ARITHMETIC": "exact"}, "VIGIL_ARITHMETIC: expected native or portable"),
        ({"VIGIL_ARITHMETIC": "portable", "VIGIL_THREADS": "4"}, "VIGIL_THREADS: expected 2"),
    ],
)
def test_what_cannot_be_portable_is_refused(
    environment: dict[str, str], told: str, restarted: list[list[str]]
):
    os.environ.update(environment)
    with pytest.raises(InputError, match=told):
        use_arithmetic(["stage.py"])
    assert not restarted


def test_a_cpu_without_avx2_is_refused(
    restarted: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    os.environ["VIGIL_ARITHMETIC"] = "portable"
    (tmp_path / "cpuinfo").write_text("flags : sse sse2 avx fma")
    monkeypatch.setattr(arithmetic, "CPU_FACTS", tmp_path / "cpuinfo")
    with pytest.raises(InputError, match="expected a CPU with AVX2 and FMA for portable"):
        use_arithmetic(["stage.py"])
    assert not restarted


def test_a_cpu_of_another_family_is_refused(
    restarted: list[list[str]], monkeypatch: pytest.MonkeyPatch
):
    os.environ["VIGIL_ARITHMETIC"] = "portable"
    monkeypatch.setattr(arithmetic.platform, "machine", lambda: "aarch64")
    with pytest.raises(InputError, match="expected an x86 CPU for portable, got aarch64"):
        use_arithmetic(["stage.py"])
    assert not restarted
