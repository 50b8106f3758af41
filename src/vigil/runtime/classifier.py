"""An exported classifier: tells people from background in sequences of crops, without torch."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vigil.plumbing.errors import InputError, listed, shorten
from vigil.runtime.card import read_card_text
from vigil.runtime.fits_card import Ends, check_fits
from vigil.runtime.session import Run, open_network

BATCH_SIZE, NUM_CLASSES = 64, 2


class ExportedClassifier:
    """An exported classifier, ready for crops; `TrainedClassifier` has the same methods.

    >>> classifier = ExportedClassifier.from_file("released/classifier/classifier.onnx")
    >>> probabilities = classifier(crops)

    Attributes:
        card: see `vigil.runtime.card`.
        classes: the names of the classes; the probability is that of the second.
        input_shape: of a sequence of crops, (T, S, S).
    """

    def __init__(self, run: Run, card: dict[str, Any], file: Path) -> None:
        """Args: run: computes the network. file: its place, for errors.

        Raises:
            InputError: the card does not describe a classifier.
        """
        try:
            num_frames, height, width = (int(size) for size in card["input_shape"])
            self.classes = tuple(str(name) for name in card["classes"])
            if not isinstance(card["classes"], list) or len(self.classes) != NUM_CLASSES:
                raise ValueError("not two classes")
        except (KeyError, TypeError, ValueError):
            raise InputError(
                f"{file}: expected the card of a classifier, got {shorten(card)}"
            ) from None
        self.input_shape = num_frames, height, width
        self.card, self._run = card, run

    @classmethod
    def from_file(cls, file: Path | str) -> "ExportedClassifier":
        """Opens an exported classifier, `.onnx` or OpenVINO's `.xml`.

        Raises:
            InputError: the file is missing, damaged or of another version, or the library that
                runs it is not installed.
        """
        path = Path(file)
        network = open_network(path)
        classifier = cls(network.run, read_card_text(network.card, path, "classifier"), path)
        shape = classifier.input_shape
        taken = {"input": Ends(network.input_shape, shape, is_all=True)}
        check_fits(path, f"crops of {listed(map(str, shape))}", taken)
        return classifier

    def __call__(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """(N,): the probability of a person in each of N sequences.

        Args:
            crops: (N, T, S, S) uint8 grey, as `vigil.pixels.fit_crop.fit_crop` returns them.

        Raises:
            InputError: the crops have another shape or type.
        """
        crops = np.asarray(crops)
        if crops.dtype != np.uint8 or crops.shape[1:] != self.input_shape:
            raise InputError(
                f"expected crops (N, {', '.join(map(str, self.input_shape))}) uint8, got "
                f"{crops.shape} {crops.dtype}"
            )
        starts = range(0, len(crops), BATCH_SIZE)
        logits = [self._run(crops[start : start + BATCH_SIZE]) for start in starts]
        joined = np.concatenate([np.empty(0), *logits]).astype(np.float64)
        return np.asarray(1 / (1 + np.exp(-joined)))
