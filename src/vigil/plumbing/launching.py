"""Starts several processes that train one network together.

`VIGIL_LAUNCH` is a command that starts them, on one machine or more: `torchrun …` or `srun …`.
`VIGIL_DEVICES` is short for torchrun with so many processes on this machine. What they cannot share
is told before they start, since each of them would tell it.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from vigil.plumbing.arithmetic import is_portable
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.ranks import LAUNCH_VARIABLE, LAUNCHED_VARIABLE, NAMES, Batches

DEVICES_VARIABLE = "VIGIL_DEVICES"
COUNTS = ("--nproc[-_]per[-_]node|--ntasks|-n", "--nnodes")
"""The options for the number of processes (of torchrun on a machine), and for that of machines."""


def launch(words: Sequence[str], batches: Batches | None = None) -> None:
    """Becomes the launcher of several processes, if one is asked for and this is not one of them.

    Args:
        words: the script and its arguments.
        batches: the batches that the processes share; None: not known here.

    Raises:
        FieldError: the processes cannot share the batches.
        InputError: the launcher is not known or not installed, the number of devices is wrong, or
            this machine has fewer GPUs.
    """
    if LAUNCHED_VARIABLE in os.environ or not (command := _read_command()):
        return
    name = Path(command[0]).name
    if name not in NAMES and command[1:3] != ["-m", "torch.distributed.run"]:
        raise InputError(f"{LAUNCH_VARIABLE}: expected torchrun or srun, got {shorten(command[0])}")
    launcher = "srun" if name == "srun" else "torchrun"
    num_here, num_machines = _count_processes(command)
    if launcher == "torchrun":
        _check_gpus(num_here)
    if batches:
        batches.check(max(1, num_here * num_machines))
    os.environ[LAUNCHED_VARIABLE] = launcher
    # Else torchrun sets one thread, and the last bits would differ from those of one process.
    os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))
    python = [sys.executable] if launcher == "srun" else []
    try:
        os.execvp(command[0], [*command, *python, *words])
    except FileNotFoundError:
        raise InputError(
            f"{LAUNCH_VARIABLE}: expected an installed program, found no {command[0]}"
        ) from None


def _read_command() -> list[str]:
    """The launcher's command line; empty: none."""
    line = os.environ.get(LAUNCH_VARIABLE, "")
    try:
        command = shlex.split(line)
    except ValueError as error:
        raise InputError(
            f"{LAUNCH_VARIABLE}: expected a command line, got {shorten(line)}: {error}"
        ) from None
    devices = os.environ.get(DEVICES_VARIABLE, "1")
    if not devices.isdecimal() or not int(devices):
        raise InputError(
            f"{DEVICES_VARIABLE}: expected a number of at least 1, got {shorten(devices)}"
        )
    if devices == "1" or (command and DEVICES_VARIABLE not in os.environ):
        return command
    if command:
        raise InputError(f"{DEVICES_VARIABLE}: expected no value beside {LAUNCH_VARIABLE}")
    run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", devices]
    return [sys.executable, *run]


def _count_processes(command: Sequence[str]) -> tuple[int, int]:
    """The processes that torchrun starts on this machine, and the machines; srun: all, and 1.

    0: the command line does not tell.
    """
    line = " ".join(command)
    found = [re.search(rf"(?:^| )(?:{names})[= ]?(\d+)(?: |$)", line) for names in COUNTS]
    tasks, nodes = (int(one[1]) if one else 0 for one in found)
    is_srun = Path(command[0]).name == "srun"
    return tasks, 1 if is_srun else max(1, nodes)


def _check_gpus(num_processes: int) -> None:
    """Raises InputError if this machine has fewer GPUs than processes that train on one each."""
    name = os.environ.get("VIGIL_DEVICE", "auto")
    if num_processes <= 1 or is_portable() or not name.startswith(("auto", "cuda")):
        return
    if name.startswith("cuda:"):
        raise InputError(
            f"VIGIL_DEVICE: expected cuda, as each of {num_processes} processes needs a GPU of its "
            f"own, got {shorten(name)}"
        )
    num_gpus = _count_gpus()
    if num_gpus < num_processes and (num_gpus or name == "cuda"):
        variable = LAUNCH_VARIABLE if os.environ.get(LAUNCH_VARIABLE) else DEVICES_VARIABLE
        raise InputError(
            f"{variable}: expected as many processes as this machine has GPUs ({num_gpus}) at "
            f"most, got {num_processes}; VIGIL_DEVICE=cpu trains without GPUs"
        )


def _count_gpus() -> int:
    """The GPUs that torch sees. It is asked in a process of its own, as only trainings load it."""
    code = "import torch; print(torch.cuda.device_count())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(run.stdout)
