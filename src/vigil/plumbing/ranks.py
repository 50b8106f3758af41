"""Several processes that train one network together: how they start, and which one this is.

`VIGIL_LAUNCH` is a command that starts them, on one machine or more: `torchrun …` or `srun …`.
`VIGIL_DEVICES` is short for torchrun with so many processes on this machine. The process of rank 0
writes the results. The others compute, and write to a folder that is thrown away.
"""

import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from vigil.plumbing.errors import FieldError, InputError, shorten

LAUNCH_VARIABLE, DEVICES_VARIABLE = "VIGIL_LAUNCH", "VIGIL_DEVICES"
LAUNCHED_VARIABLE = "VIGIL_LAUNCHED"
NAMES = {
    "torchrun": ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    "srun": ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"),
}
"""The variables of a launcher: the rank, the number of ranks, and the rank on this machine."""


COUNTS = ("--nproc[-_]per[-_]node|--ntasks|-n", "--nnodes")
"""The options for the number of processes (of torchrun on a machine), and for that of machines."""


class Rank(NamedTuple):
    """This process among those that train one network.

    Attributes:
        launcher: `torchrun` or `srun`; empty: this process is alone.
        number: from 0 to `size` - 1.
        local: the number among the processes on this machine.
    """

    launcher: str = ""
    number: int = 0
    size: int = 1
    local: int = 0


def this_rank() -> Rank:
    """The rank that the launcher gave this process."""
    launcher = os.environ.get(LAUNCHED_VARIABLE, "")
    if launcher not in NAMES:
        return Rank()
    number, size, local = (os.environ.get(name, "") for name in NAMES[launcher])
    if not (number.isdecimal() and size.isdecimal() and local.isdecimal()):
        raise InputError(
            f"{LAUNCH_VARIABLE}: expected a launcher that sets {', '.join(NAMES[launcher])}, "
            "found them not set"
        )
    return Rank(launcher, int(number), int(size), int(local))


def launch(words: Sequence[str], num_shards: int | None = None) -> None:
    """Becomes the launcher of several processes, if one is asked for and this is not one of them.

    Args:
        words: the script and its arguments.
        num_shards: the parts of a batch that the processes share; None: not known here.

    Raises:
        FieldError: so many processes cannot share the parts equally.
        InputError: the launcher is not known or not installed, or the number of devices is wrong.
    """
    if LAUNCHED_VARIABLE in os.environ or not (command := _read_command()):
        return
    name = Path(command[0]).name
    if name not in NAMES and command[1:3] != ["-m", "torch.distributed.run"]:
        raise InputError(f"{LAUNCH_VARIABLE}: expected torchrun or srun, got {shorten(command[0])}")
    devices = os.environ.get(DEVICES_VARIABLE, "1")
    if num_shards is not None:  # now, or each process would tell it
        check_shares(num_shards, _count_processes(command) or int(devices))
    launcher = "srun" if name == "srun" else "torchrun"
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


def check_shares(num_shards: int, num_processes: int) -> None:
    """Raises FieldError if so many processes cannot share the parts of a batch equally."""
    if num_shards % num_processes:
        raise FieldError(
            "optimisation.num_shards",
            f"expected a multiple of the {num_processes} processes, got {num_shards}",
        )


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


def _count_processes(command: Sequence[str]) -> int:
    """How many processes a command line of torchrun or srun starts; 0: it does not tell."""
    line = " ".join(command)
    found = [re.search(rf"(?:^| )(?:{names})[= ]?(\d+)(?: |$)", line) for names in COUNTS]
    tasks, nodes = (int(one[1]) if one else 0 for one in found)
    return tasks * nodes if tasks and nodes and "srun" not in Path(command[0]).name else tasks


@contextmanager
def outputs_of_rank(paths: Mapping[str, Path]) -> Iterator[dict[str, Path]]:
    """The paths of a stage. For all ranks but the first, those of outputs are in a new folder.

    DVC removes outputs before a stage starts, so a path where nothing exists is that of an output.
    """
    if this_rank().number == 0:
        yield dict(paths)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield {
            name: path if path.exists() else Path(folder, name, path.name)
            for name, path in paths.items()
        }
