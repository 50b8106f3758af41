"""The machine a network runs on: device, threads, determinism.

These are environment variables and never parameters, so that another machine reruns nothing:
`VIGIL_DEVICE` (`auto`, `cpu`, `cuda`, `cuda:1`), `VIGIL_THREADS` and `VIGIL_WORKERS`.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from vigil.plumbing.errors import InputError
from vigil.settings.training import Precision

MAX_SEED = 2**63 - 1
Arithmetic = Literal["32-true", "bf16-mixed", "16-mixed"]


def choose_device() -> torch.device:
    """The device named by `VIGIL_DEVICE`; `auto` (the default) is a GPU where there is one.

    Raises:
        InputError: no such device, on this machine or at all.
    """
    name = os.environ.get("VIGIL_DEVICE", "auto")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(
            f"VIGIL_DEVICE: expected auto, cpu, cuda or cuda:<number>, got {name!r}"
        ) from None
    num_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= num_gpus:
        raise InputError(f"VIGIL_DEVICE: expected one of {num_gpus} GPUs here, got {name!r}")
    if device.type not in {"cpu", "cuda"}:
        raise InputError(f"VIGIL_DEVICE: expected a CPU or an NVIDIA GPU, got {name!r}")
    return device


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device has units of its own that multiply bfloat16.

    A CPU without them takes several times as long as for 32 bits (measured: docs/results.md).
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)  # Ampere
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    units = torch.cpu.get_capabilities()
    return bool(units["avx512_bf16"] or units["amx_bf16"])


def choose_precision(asked: Precision, device: torch.device) -> Arithmetic:
    """The arithmetic of a device; `auto` is bfloat16 where there are units for it, else 32 bits.

    What a GPU learnt in `16-mixed` a CPU uses in 32 bits.
    """
    if asked == "auto":
        return "bf16-mixed" if has_bfloat16(device) else "32-true"
    if asked == "16-mixed" and device.type == "cpu":
        return "32-true"
    return asked


def read_count(variable: str, default: int, least: int = 0) -> int:
    """A whole number from an environment variable.

    Raises:
        InputError: it is not one, or less than `least`.
    """
    text = os.environ.get(variable, str(default))
    if not text.isdecimal() or int(text) < least:
        raise InputError(f"{variable}: expected a whole number of at least {least}, got {text!r}")
    return int(text)


def num_workers() -> int:
    """Processes that load data: `VIGIL_WORKERS`, else one for each core where a GPU computes.

    Where the CPU computes, it has nothing to spare for them.
    """
    on_gpu = choose_device().type == "cuda"
    return read_count("VIGIL_WORKERS", min(16, os.cpu_count() or 1) if on_gpu else 0)


def prepare_torch() -> None:
    """Makes every run on this kind of machine compute the same bytes.

    An operation that cannot is an error on a CPU. On a GPU torch warns of it and goes on: gradients
    of some pools of videos have no other kernel there.
    Also sets the number of threads, and keeps freed memory for the next batch.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it
    torch.use_deterministic_algorithms(True, warn_only=choose_device().type == "cuda")
    # Filling memory before each use costs time, and nothing here reads what it has not written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    if num_threads := read_count("VIGIL_THREADS", 0):
        torch.set_num_threads(num_threads)
    _keep_freed_memory()


@contextmanager
def one_thread() -> Iterator[None]:
    """Computes on one thread, as a loader's processes do.

    A sum over a picture depends on the number of threads in its last bit, and a pixel's rounding on
    that: with another number of workers, a network would else see other pictures.
    """
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)


def describe_machine() -> dict[str, str | int]:
    """What rounding depends on: the kind of device, and for a CPU its units and threads."""
    device = choose_device()
    if device.type == "cuda":
        return {"device": torch.cuda.get_device_name(device)}
    kind = torch.backends.cpu.get_cpu_capability()
    return {
        "device": "cpu",
        "kind": kind,
        "has_bfloat16": has_bfloat16(device),
        "num_threads": torch.get_num_threads(),
    }


def _keep_freed_memory() -> None:
    """Tells glibc not to give memory back to the system, only to ask for it again in a moment.

    A fresh page costs a fault and zeros: a quarter of a detector's training step on a CPU.
    Elsewhere than on Linux with glibc this does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        trim_threshold, top_pad, max_mapped = -1, -2, -4  # of malloc.h
        mallopt(max_mapped, 0)
        mallopt(trim_threshold, -1)
        mallopt(top_pad, 64 * 2**20)


def seed_torch(seed: int, step: int = 0) -> None:
    """Seeds all of torch's random numbers by a seed and a step, the same after any history."""
    # An odd multiplier spreads steps and seeds apart, so that (1, 0) and (0, 1) do not meet.
    torch.manual_seed((seed * 0x9E3779B97F4A7C15 + step) & MAX_SEED)
