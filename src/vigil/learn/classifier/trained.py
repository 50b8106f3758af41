"""A trained classifier: tells which sequences of crops show a person."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from vigil.learn.classifier.network.data import CropDataset, batches
from vigil.learn.classifier.network.registry import load_classifier
from vigil.learn.networks.weights import read_card
from vigil.plumbing.errors import InputError, shorten

BATCH_SIZE = 64
CPU = torch.device("cpu")

Probabilities = npt.NDArray[np.float64]
Crops = npt.NDArray[np.uint8]


class TrainedClassifier:
    """A trained classifier, ready to classify sequences of crops.

    >>> weights, card = "models/classifier.safetensors", "models/classifier.json"
    >>> classifier = TrainedClassifier.from_files(weights, card)
    >>> probabilities = classifier(crops)
    >>> probabilities.shape == (len(crops),)
    True

    Attributes:
        input_shape: the shape (T, S, S) of a sequence.
        classes: the names of the classes; a probability is that of the last class.
    """

    def __init__(
        self,
        model: nn.Module,
        input_shape: tuple[int, int, int],
        classes: Sequence[str],
        device: torch.device = CPU,
    ) -> None:
        self.model = model.to(device).eval()
        self.input_shape, self.classes, self._device = input_shape, tuple(classes), device

    @classmethod
    def from_files(
        cls, weights: Path | str, card: Path | str, device: torch.device = CPU
    ) -> "TrainedClassifier":
        """Loads a classifier.

        Raises:
            InputError: a file is missing or damaged, or the two do not belong together.
        """
        model, facts = load_classifier(Path(weights), Path(card)), read_card(Path(card))
        try:
            config = facts["config"]
            shape = (int(config["num_frames"]), int(config["size_px"]), int(config["size_px"]))
            return cls(model, shape, facts["classes"], device)
        except (KeyError, TypeError, ValueError):
            raise InputError(
                f"{card}: expected a classifier's card, got {shorten(facts)}"
            ) from None

    @torch.inference_mode()
    def __call__(self, crops: Crops) -> Probabilities:
        """(N,): the probability of a person in each of N sequences.

        Args:
            crops: (N, T, S, S) uint8 grey, as `fit_crop` returns them.

        Raises:
            InputError: the crops have another shape or type.
        """
        crops = np.asarray(crops)
        if crops.dtype != np.uint8 or crops.shape[1:] != self.input_shape:
            raise InputError(
                f"expected crops (N, {', '.join(map(str, self.input_shape))}) uint8, got "
                f"{crops.shape} {crops.dtype}"
            )
        parts = torch.from_numpy(crops).split(BATCH_SIZE) if len(crops) else []
        return self._join([self._predict(part) for part in parts])

    @torch.inference_mode()
    def predict_all(self, dataset: CropDataset, batch_size: int = BATCH_SIZE) -> Probabilities:
        """(N,): the probability of a person in each sample of a dataset, in its order."""
        loader = batches(dataset, batch_size, shuffle_seed=None)
        return self._join([self._predict(crops) for crops, _ in loader])

    def _predict(self, crops: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(crops.to(self._device))
        return logits.sigmoid().float().cpu()

    def _join(self, parts: Sequence[torch.Tensor]) -> Probabilities:
        return torch.cat(list(parts)).double().numpy() if parts else np.empty(0)
