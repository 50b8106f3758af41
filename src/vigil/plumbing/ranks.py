"""Several processes that train one network together: which one this is, and what they share.

The process of rank 0 writes the results. The others compute, and write to a folder that is thrown
away. `launching` starts them.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from vigil.plumbing.errors import FieldError, InputError

LAUNCH_VARIABLE, LAUNCHED_VARIABLE = "VIGIL_LAUNCH", "VIGIL_LAUNCHED"
NAMES = {
    "torchrun": ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    "srun": ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"),
}
"""The variables of a launcher: the rank, the number of ranks, and the rank on this machine."""


LEAST_SAMPLES = 2
"""The least samples of a part of a batch, since batch norms need two."""


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


class Batches(NamedTuple):
    """The batches that the processes share.

    Attributes:
        num_shards: the number of parts that each batch is cut into.
        batch_size: samples of a batch.
        precision: that of the arithmetic, a value of `fitting.precision`.
    """

    num_shards: int
    batch_size: int
    precision: str

    def check(self, num_processes: int) -> None:
        """Raises FieldError if so many processes cannot share the parts of a batch equally, a part
        is too small, or the precision needs whole batches.
        """
        if self.num_shards % num_processes:
            raise FieldError(
                "optimisation.num_shards",
                f"expected a multiple of the {num_processes} processes, got {self.num_shards}",
            )
        if self.num_shards == 1:
            return
        if (most := max(1, self.batch_size // LEAST_SAMPLES)) < self.num_shards:
            raise FieldError(
                "optimisation.num_shards",
                f"expected at most {most}, so that each part of a batch of {self.batch_size} has "
                f"{LEAST_SAMPLES} samples, got {self.num_shards}",
            )
        if self.precision == "16-mixed":
            raise FieldError(
                "fitting.precision",
                f"expected auto, 32-true or bf16-mixed with num_shards {self.num_shards}, got "
                "16-mixed, which scales the gradient of whole batches",
            )


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
