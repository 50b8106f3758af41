"""The machine a network runs on: device, threads, determinism.

The settings are environment variables, not parameters, so that no stage runs again on another
machine: `VIGIL_DEVICE` (`auto`, `cpu`, `cuda`, `cuda:1`), `VIGIL_THREADS` and `VIGIL_WORKERS`.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from vigil.learn.networks.portable import use_portable_functions
from vigil.plumbing.arithmetic import is_portable
from vigil.plumbing.errors import InputError
from vigil.plumbing.ranks import this_rank
from vigil.settings.training import Precision

MAX_SEED = 2**63 - 1
Arithmetic = Literal["32-true", "bf16-mixed", "16-mixed"]


def choose_device() -> torch.device:
    """The device that `VIGIL_DEVICE` names; `auto` (the default) is a GPU if there is one.

    Raises:
        InputError: the name is invalid, or this machine has no such device.
    """
    name = os.environ.get("VIGIL_DEVICE", "auto")
    if is_portable():
        if name not in {"auto", "cpu"}:
            raise InputError(f"VIGIL_DEVICE: expected cpu, as arithmetic is portable, got {name!r}")
        return torch.device("cpu")
    rank = this_rank()
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if rank.size > 1 and name == "cuda":
        name = f"cuda:{rank.local}"  # each process on a machine has a GPU of its own
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(
            f"VIGIL_DEVICE: expected auto, cpu, cuda or cuda:<number>, got {name!r}"
        ) from None
    num_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= num_gpus:
        raise InputError(
            f"VIGIL_DEVICE: expected one of this machine's GPUs (it has {num_gpus}), got {name!r}"
        )
    if device.type not in {"cpu", "cuda"}:
        raise InputError(f"VIGIL_DEVICE: expected a CPU or an NVIDIA GPU, got {name!r}")
    return device


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 in hardware.

    A CPU that does not takes several times as long as with 32 bits (measured: docs/results.md).
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)  # Ampere
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    units = torch.cpu.get_capabilities()
    return bool(units["avx512_bf16"] or units["amx_bf16"])


def choose_precision(precision: Precision, device: torch.device) -> Arithmetic:
    """The arithmetic of a device; `auto` is bfloat16 if the hardware supports it, else 32 bits.

    A model that a GPU trained with `16-mixed` runs in 32 bits on a CPU.
    """
    if precision == "bf16-mixed" and is_portable():
        raise InputError(
            "precision: expected auto or 32-true, as arithmetic is portable, got bf16-mixed"
        )
    if precision == "auto":
        return "bf16-mixed" if has_bfloat16(device) else "32-true"
    if precision == "16-mixed" and device.type == "cpu":
        return "32-true"
    return precision


def read_count(variable: str, default: int) -> int:
    """Reads a whole number from an environment variable.

    Raises:
        InputError: the value is not a whole number.
    """
    text = os.environ.get(variable, str(default))
    if not text.isdecimal():
        raise InputError(f"{variable}: expected a whole number of at least 0, got {text!r}")
    return int(text)


def num_workers() -> int:
    """The number of processes that load data: `VIGIL_WORKERS`, else one for each core on a GPU.

    On a CPU the default is 0: there, loading would take time from the network.
    """
    on_gpu = choose_device().type == "cuda"
    return read_count("VIGIL_WORKERS", min(16, os.cpu_count() or 1) if on_gpu else 0)


def prepare_torch() -> None:
    """Makes computations deterministic: every run on this kind of machine gives the same bytes.

    On a CPU, an operation without a deterministic kernel raises an error. On a GPU, torch warns and
    continues: the gradients of some pooling layers for videos have no deterministic kernel there.

    Also sets the number of threads, keeps freed memory for the next batch, and makes functions
    portable where this is asked for.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic with it
    torch.use_deterministic_algorithms(True, warn_only=choose_device().type == "cuda")
    # Filling uninitialised memory costs time, and no code here reads memory before it writes to it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    if num_threads := read_count("VIGIL_THREADS", 0):
        torch.set_num_threads(num_threads)
    if is_portable():
        use_portable_functions()
    _keep_freed_memory()


@contextmanager
def one_thread() -> Iterator[None]:
    """Computes on one thread, as the worker processes of a data loader do.

    The last bit of a sum over a picture depends on the number of threads, and the rounding of a
    pixel depends on that bit. Without this, the pictures that a network sees would depend on the
    number of workers.
    """
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)


def describe_machine() -> dict[str, str | int]:
    """The facts that rounding depends on: the device, and the instructions and threads of a CPU."""
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


def describe_prepared() -> dict[str, str | int]:
    """The same facts, after `prepare_torch`, for a process that has not loaded a network yet."""
    prepare_torch()
    return describe_machine()


def threads_of_an_item() -> int:
    """The threads in which a network works: torch's; with a GPU, one process has all cores."""
    return torch.get_num_threads() if choose_device().type == "cpu" else os.cpu_count() or 1


def _keep_freed_memory() -> None:
    """Tells glibc to keep freed memory instead of returning it to the system.

    Each new page of memory costs a page fault and is filled with zeros. That took a quarter of the
    time of a detector's training step on a CPU. On systems other than Linux with glibc, this does
    nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        trim_threshold, top_pad, max_mapped = -1, -2, -4  # constants of malloc.h
        mallopt(max_mapped, 0)
        mallopt(trim_threshold, -1)
        mallopt(top_pad, 64 * 2**20)


def seed_torch(seed: int, step: int = 0) -> None:
    """Seeds all of torch's random numbers by a seed and a step, whatever was drawn before."""
    # The odd multiplier keeps pairs apart: (seed 1, step 0) and (seed 0, step 1) give other seeds.
    torch.manual_seed((seed * 0x9E3779B97F4A7C15 + step) & MAX_SEED)
