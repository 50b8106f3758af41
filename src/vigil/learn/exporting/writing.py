"""Writes all files of one stage or command into one folder."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from vigil.learn.exporting.exportable import Exportable, write_formats
from vigil.learn.exporting.int8_file import write_int8
from vigil.learn.exporting.onnx_file import onnx_bytes
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import write_json
from vigil.settings.exporting import Format, ToInt8

INT8 = "int8"

Item = TypeVar("Item")

MakeExportable = Callable[[], Exportable]
Measure = Callable[[Mapping[str, Path]], dict[str, Any]]
Samples = Callable[[int], Iterable[npt.NDArray[np.uint8]]]
"""Training samples as the network takes them, at most a number of them, in batches."""


def write_and_measure(
    make: MakeExportable,
    formats: Sequence[Format],
    int8: ToInt8,
    samples: Samples,
    exported: Path,
    metrics: Path,
    measure: Measure,
) -> None:
    """Writes the files and their metrics: the score of each file on the test side, and of torch.

    Without formats, the folder is empty, nothing is exported, and the metrics have no number.

    Args:
        int8: needs `onnx` among the formats, as the settings of the stages check.
        measure: measures files that are given by the name of their format.

    Raises:
        InputError: see `write_formats`.
    """
    numbers: dict[str, Any] = {}
    with whole(exported) as folder:
        folder.mkdir()
        if formats:
            exportable = make()
            files = write_formats(exportable, formats, folder)
            if int8.enabled:
                files[INT8] = folder / f"{exportable.name}_{INT8}.onnx"
                content = onnx_bytes(exportable.network, exportable.example())
                write_int8(content, samples(int8.num_samples), exportable.card, files[INT8])
            numbers = measure(files)
            for name, file in files.items():
                weights = [file.with_suffix(".bin")] if file.suffix == ".xml" else []  # OpenVINO's
                numbers[name]["bytes"] = sum(one.stat().st_size for one in (file, *weights))
    write_json(numbers, metrics)


def spread(items: Sequence[Item], num: int) -> list[Item]:
    """At most `num` of the items, evenly spread."""
    places = np.linspace(0, len(items) - 1, min(num, len(items))).astype(int)
    return [items[place] for place in places.tolist()]
