"""Writes a trained network in several formats, and compares each file with torch."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from vigil.learn.exporting.onnx_file import onnx_bytes, write_onnx
from vigil.learn.exporting.openvino_files import write_openvino
from vigil.learn.exporting.torchscript_file import open_torchscript, write_torchscript
from vigil.plumbing.errors import InputError
from vigil.plumbing.outputs import whole
from vigil.runtime.card import Card
from vigil.runtime.session import Network, open_network
from vigil.settings.exporting import Format

SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "openvino": ".xml", "torchscript": ".pt"}
LARGEST_DIFFERENCE = 1e-3
"""Of an output of an exported network from torch's in 32 bits. Outputs are logits, and offsets in
units of cells; the differences of right exports are of the size of 1e-6."""
NUM_SAMPLES = 2
SEED = 0


@dataclass(frozen=True)
class Exportable:
    """A trained network, ready to be written.

    Attributes:
        name: of the files, without suffix.
        network: takes a batch of uint8 and returns one tensor; the first axis is the sample.
        sample_shape: of a sample.
        card: what a program must know to use it.
    """

    name: str
    network: nn.Module
    sample_shape: tuple[int, ...]
    card: Card

    def example(self, num_samples: int = NUM_SAMPLES) -> Tensor:
        """A batch of noise, always the same."""
        shape = (num_samples, *self.sample_shape)
        noise = np.random.default_rng(SEED).integers(0, 256, shape, np.uint8)
        return torch.from_numpy(noise)

    @torch.no_grad()
    def by_torch(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """The outputs of a batch by torch in 32 bits."""
        outputs: npt.NDArray[np.float32] = self.network(torch.from_numpy(batch)).numpy()
        return outputs


def write_formats(
    exportable: Exportable, formats: Sequence[Format], folder: Path
) -> dict[str, Path]:
    """Writes the files. They appear only if each computes what torch computes.

    Raises:
        InputError: a library is missing, or a file computes something else.
    """
    files: dict[str, Path] = {
        name: folder / f"{exportable.name}{SUFFIXES[name]}" for name in formats
    }
    with tempfile.TemporaryDirectory() as checked:
        made = {name: Path(checked) / file.name for name, file in files.items()}
        _write_each(exportable, made)
        for name, file in made.items():
            difference = difference_from_torch(exportable, open_format(file))
            if not difference <= LARGEST_DIFFERENCE:
                raise InputError(
                    f"{files[name]}: expected outputs that differ from torch's by at most "
                    f"{LARGEST_DIFFERENCE:g}, got {difference:g}"
                )
        for file in sorted(Path(checked).iterdir()):  # `.bin` before its `.xml`
            with whole(folder / file.name) as partial:
                shutil.copyfile(file, partial)
    return files


def _write_each(exportable: Exportable, files: Mapping[str, Path]) -> None:
    """Writes one file a format, by the format's name; OpenVINO's has a second one beside it."""
    if {"onnx", "openvino"} & files.keys():
        content = onnx_bytes(exportable.network, exportable.example())
    for name, file in files.items():
        if name == "onnx":
            write_onnx(content, exportable.card, file)
        elif name == "openvino":
            write_openvino(content, exportable.card, file)
        else:
            write_torchscript(exportable.network, exportable.example(), exportable.card, file)


def open_format(file: Path) -> Network:
    """Opens a written file by its suffix.

    Raises:
        InputError: see `vigil.runtime.session.open_network`.
    """
    return open_torchscript(file) if file.suffix == SUFFIXES["torchscript"] else open_network(file)


def difference_from_torch(exportable: Exportable, network: Network) -> float:
    """The largest difference of an output for noise, in batches of one, two and three samples."""
    differences = []
    for num_samples in (1, 2, 3):
        batch = exportable.example(num_samples).numpy()
        differences.append(np.abs(network.run(batch) - exportable.by_torch(batch)).max())
    return float(max(differences))
