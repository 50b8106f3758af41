"""A trained segmenter: finds the class of each pixel of pictures of any size."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from tqdm.auto import tqdm

from vigil.domain.segmentations import Segmented
from vigil.learn.cards import check_choice, check_classes, check_size
from vigil.learn.networks.weights import read_card
from vigil.learn.segmenter.network.data import MaskDataset
from vigil.learn.segmenter.network.interface import Segmenter
from vigil.learn.segmenter.network.predicting import (
    Floats,
    Prediction,
    score_canvases,
    score_fitted,
)
from vigil.learn.segmenter.network.registry import load_segmenter
from vigil.pixels.pictures.picture import Picture
from vigil.runtime.segmenting import CanvasSegmenter, Segmentation
from vigil.settings.train_segmenter import LossName, View
from vigil.settings.training import Precision

CPU = torch.device("cpu")


class TrainedSegmenter(CanvasSegmenter):
    """A trained segmenter, ready for pictures of any size.

    >>> weights, card = "models/segmenter.safetensors", "models/segmenter.json"
    >>> segmenter = TrainedSegmenter.from_files(weights, card)
    >>> found = segmenter(picture)
    >>> found.classes.shape == found.scores.shape == picture.shape[:2]
    True
    >>> person = found.classes == segmenter.classes.index("person")

    Attributes:
        model: the network.
        how: the canvas, the view and the arithmetic.
    """

    def __init__(
        self,
        model: Segmenter,
        classes: Sequence[str],
        background: str,
        how: Prediction,
        device: torch.device = CPU,
    ) -> None:
        super().__init__(classes, background, how.canvas_wh, how.view)
        self.model, self.how = model.eval(), how
        model.to(device).to(memory_format=torch.channels_last)

    @classmethod
    def from_files(
        cls, weights: Path | str, card: Path | str, device: torch.device = CPU
    ) -> "TrainedSegmenter":
        """Loads a segmenter.

        Raises:
            InputError: a file is missing or damaged, or the two do not belong together.
        """
        facts = read_card(Path(card))
        model = load_segmenter(Path(weights), Path(card))
        check_classes(facts, Path(card))
        check_size(facts, "canvas_wh", Path(card))
        choices: dict[str, Sequence[Any]] = {
            "precision": get_args(Precision),
            "view": get_args(View),
            "loss": get_args(LossName),
            "background": ("", *facts["classes"]),
        }
        for key, values in choices.items():
            check_choice(facts, key, values, Path(card))
        width, height = facts["canvas_wh"]
        how = Prediction((width, height), facts["view"], facts["loss"], facts["precision"])
        return cls(model, facts["classes"], facts["background"], how, device)

    @torch.inference_mode()
    def score_canvases(self, canvases: Picture) -> Floats:
        """See `CanvasSegmenter`."""
        return score_canvases(self.model, canvases, self.how)

    @torch.inference_mode()
    def score_fitted(
        self, canvases: Picture, sizes_wh: Sequence[tuple[int, int]]
    ) -> Iterator[Floats]:
        """See `CanvasSegmenter`."""
        yield from score_fitted(self.model, canvases, sizes_wh, self.how)

    def segment_all(
        self, dataset: MaskDataset, *, batch_size: int, tile_overlap: float
    ) -> Iterator[Segmented]:
        """The classes and mean scores of all pictures of a dataset, in order."""
        starts = range(0, len(dataset.ids), batch_size)
        for start in tqdm(starts, desc="segment", unit="batch", disable=None, leave=False):
            positions = range(start, min(start + batch_size, len(dataset.ids)))
            found = self.segment_batch(
                [dataset.rgb(position) for position in positions],
                batch_size=batch_size,
                tile_overlap=tile_overlap,
            )
            for position, one in zip(positions, found, strict=True):
                yield Segmented(dataset.ids[position], one.classes, mean_scores(one))


def mean_scores(found: Segmentation) -> dict[int, float]:
    """By class that occurs: the mean score of its pixels."""
    sums = np.bincount(found.classes.ravel(), found.scores.ravel().astype(np.float64))
    counts = np.bincount(found.classes.ravel())
    return {int(n): float(sums[n] / counts[n]) for n in np.flatnonzero(counts)}
