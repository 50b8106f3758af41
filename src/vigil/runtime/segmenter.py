"""An exported segmenter: finds the class of each pixel of pictures of any size, without torch."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vigil.pixels.canvases import fitted_size
from vigil.pixels.pictures.picture import Picture
from vigil.plumbing.errors import InputError, shorten
from vigil.runtime.activations import sigmoid, softmax
from vigil.runtime.card import read_card_text
from vigil.runtime.fits_card import Ends, check_fits
from vigil.runtime.segmenting import TILED, CanvasSegmenter, Floats
from vigil.runtime.session import Run, Shape, open_network

RESIZED = "resized"
ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {"sigmoid": sigmoid, "softmax": softmax}
"""Logits (..., C, H, W) to scores: independent ones, or ones whose sum is 1."""


class ExportedSegmenter(CanvasSegmenter):
    """An exported segmenter, ready for pictures; `TrainedSegmenter` has the same methods.

    >>> segmenter = ExportedSegmenter.from_file("released/segmenter/segmenter.onnx")
    >>> found = segmenter(picture)
    >>> found.classes.shape == found.scores.shape == picture.shape[:2]
    True

    Attributes:
        card: see `vigil.runtime.card`.
    """

    def __init__(self, run: Run, card: dict[str, Any], file: Path) -> None:
        """Args: run: computes the network. file: its place, for errors.

        Raises:
            InputError: the card does not describe a segmenter.
        """
        try:
            width, height = card["canvas_wh"]
            classes, background = [str(name) for name in card["classes"]], str(card["background"])
            view, self._to_scores = str(card["view"]), ACTIVATIONS[card["activation"]]
            if view not in (RESIZED, TILED) or not classes or min(width, height) < 1:
                raise ValueError("another view, no class, or no canvas")
            super().__init__(classes, background, (int(width), int(height)), view)
        except (KeyError, TypeError, ValueError):
            raise InputError(
                f"{file}: expected the card of a segmenter, got {shorten(card)}"
            ) from None
        self.card, self._run, self._file = card, run, file

    @classmethod
    def from_file(cls, file: Path | str) -> "ExportedSegmenter":
        """Opens an exported segmenter, `.onnx` or OpenVINO's `.xml`.

        Raises:
            InputError: the file is missing, damaged or of another version, its network does not
                fit its card, or the library that runs it is not installed.
        """
        path = Path(file)
        network = open_network(path)
        segmenter = cls(network.run, read_card_text(network.card, path, "segmenter"), path)
        segmenter._check_shapes(network.input_shape, network.output_shape)
        return segmenter

    def score_canvases(self, canvases: Picture) -> Floats:
        """See `CanvasSegmenter`."""
        return self._to_scores(self.logits(canvases))

    def score_fitted(
        self, canvases: Picture, sizes_wh: Sequence[tuple[int, int]]
    ) -> Iterator[Floats]:
        """See `CanvasSegmenter`."""
        for one, size_wh in zip(self.logits(canvases), sizes_wh, strict=True):
            width, height = fitted_size(size_wh, self.canvas_wh)
            yield enlarge(self._to_scores(one[:, :height, :width]), size_wh)

    def logits(self, canvases: Picture) -> Floats:
        """(B, C, H, W) of canvases (B, H, W, 3)."""
        outputs = self._run(np.ascontiguousarray(np.moveaxis(canvases, -1, 1)))
        self._check_shapes((), outputs.shape)
        return outputs

    def _check_shapes(self, taken: Shape, given: Shape) -> None:
        """Args: taken: the shape of the input (B, 3, H, W). given: of the output (B, C, H, W).

        Raises:
            InputError: see `check_fits`.
        """
        width, height = self.canvas_wh
        check_fits(
            self._file,
            f"a canvas of {width}x{height} and {len(self.classes)} classes",
            {
                "input": Ends(taken, (3, height, width)),
                "output": Ends(given, (len(self.classes), height, width)),
            },
        )


def enlarge(scores: Floats, size_wh: tuple[int, int]) -> Floats:
    """(C, h, w) to (C, H, W), bilinearly, as `learn/segmenter/network/interface.py` does."""
    if (scores.shape[2], scores.shape[1]) == size_wh:
        return scores
    planes = [
        cv2.resize(np.ascontiguousarray(of_class), size_wh, interpolation=cv2.INTER_LINEAR)
        for of_class in scores
    ]
    return np.stack(planes).astype(np.float32, copy=False)
