"""Measures an exported classifier on samples, beside torch."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vigil.domain.measures.classifier import measure_binary
from vigil.learn.classifier.network.data import CropDataset, batches
from vigil.learn.classifier.trained import BATCH_SIZE, TrainedClassifier
from vigil.learn.exporting.exportable import open_format
from vigil.learn.exporting.writing import spread
from vigil.runtime.card import read_card_text
from vigil.runtime.classifier import ExportedClassifier

THRESHOLD = 0.5
DECIMALS = 6


def open_exported(file: Path) -> ExportedClassifier:
    """Opens a written classifier in any format.

    Raises:
        InputError: see `ExportedClassifier.from_file`.
    """
    network = open_format(file)
    return ExportedClassifier(network.run, read_card_text(network.card, file, "classifier"), file)


def measure_exported(
    files: Mapping[str, Path], trained: TrainedClassifier, test: CropDataset
) -> dict[str, Any]:
    """The score of torch and of each file on test samples, and how probabilities differ.

    Args:
        files: by the name of the format.
    """
    parts = list(batches(test, BATCH_SIZE, shuffle_seed=None))
    targets = np.concatenate([of_part.numpy() for _, of_part in parts]) == 1
    by_torch = trained.predict_all(test)
    numbers: dict[str, Any] = {"torch": _scores(targets, by_torch)}
    for name, file in files.items():
        exported = open_exported(file)
        probabilities = np.concatenate([exported(batch.numpy()) for batch, _ in parts])
        difference = float(np.abs(probabilities - by_torch).max())
        numbers[name] = _scores(targets, probabilities) | {
            "largest_probability_difference": round(difference, DECIMALS)
        }
    return numbers


def crops(num: int, samples: Path, ids: Sequence[str]) -> Iterator[npt.NDArray[np.uint8]]:
    """Some samples as the network takes them, evenly spread, in batches. Args: num: how many."""
    dataset = CropDataset(samples, spread(ids, num))
    for batch, _ in batches(dataset, BATCH_SIZE, shuffle_seed=None):
        yield batch.numpy()


def _scores(targets: Any, probabilities: Any) -> dict[str, Any]:
    measured = measure_binary(targets, probabilities, THRESHOLD)
    return {name: measured[name] for name in ("accuracy", "auroc")}
