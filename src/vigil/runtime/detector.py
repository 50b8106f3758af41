"""An exported detector: finds bounding boxes in pictures of any size, without torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vigil.domain.boxes import areas
from vigil.pixels.fitting import letterbox
from vigil.plumbing.errors import InputError, shorten
from vigil.runtime.card import read_card_text
from vigil.runtime.decoding import DECODERS, Candidates, decode_outputs, places_of, read_maps
from vigil.runtime.fits_card import Ends, check_fits
from vigil.runtime.history import ONE, FrameHistory, Pictures, Steps, reduce_frames
from vigil.runtime.session import Run, Shape, open_network
from vigil.runtime.suppression import Rule, StoredRule, suppress

SCORE_DECIMALS = 6


@dataclass(frozen=True)
class Detections:
    """The detections in one picture, the highest score first.

    Attributes:
        boxes_xyxy: (N, 4) corners in px of the picture.
        scores: (N,) in [0, 1].
        labels: (N,) names of classes.
        masks: None, since no exported detector finds masks.
    """

    boxes_xyxy: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    labels: npt.NDArray[np.object_]
    masks: npt.NDArray[np.object_] | None = None

    def __len__(self) -> int:
        return len(self.boxes_xyxy)


class ExportedDetector:
    """An exported detector, ready for pictures of any size; `TrainedDetector` has the same methods.

    >>> detector = ExportedDetector.from_file("released/detector/detector.onnx")
    >>> detections = detector(picture)
    >>> detections.boxes_xyxy.shape == (len(detections), 4)
    True

    Attributes:
        card: see `vigil.runtime.card`.
        classes: the names of the classes.
        input_size_wh: the size of the canvas that pictures are fitted to.
        steps: the sequence of frames that the network sees; `num` is 1 for single pictures.
        score: the score that was picked on the validation set; None: it was not known.
    """

    def __init__(self, run: Run, card: dict[str, Any], file: Path) -> None:
        """Args: run: computes the network. file: its place, for errors.

        Raises:
            InputError: the card does not describe a detector.
        """
        try:
            width, height = card["input_size_wh"]
            self.input_size_wh = int(width), int(height)
            self.classes = tuple(str(name) for name in card["classes"])
            self.steps = Steps(**card["frames"]) if card["frames"] else ONE
            self._takes_sequences = bool(card["frames"])
            self.score: float | None = card["best_f1_score"]
            if self.score is not None and not 0 <= self.score <= 1:
                raise ValueError("no score")
            self._kind = str(card["decoding"]["kind"])
            self._rule = StoredRule(**card["suppression"])
            self._places = places_of(read_maps(card["decoding"]))
            if self._kind not in DECODERS:
                raise ValueError("another kind of decoding")
        except (KeyError, TypeError, ValueError, IndexError):
            raise InputError(
                f"{file}: expected the card of a detector, got {shorten(card)}"
            ) from None
        self.card, self._run, self._file = card, run, file

    @classmethod
    def from_file(cls, file: Path | str) -> "ExportedDetector":
        """Opens an exported detector, `.onnx` or OpenVINO's `.xml`.

        Raises:
            InputError: the file is missing, damaged or of another version, its network does not
                fit its card, or the library that runs it is not installed.
        """
        path = Path(file)
        network = open_network(path)
        detector = cls(network.run, read_card_text(network.card, path, "detector"), path)
        detector._check_shapes(network.input_shape, network.output_shape)
        return detector

    def __call__(self, picture: Pictures, rule: Rule | None = None) -> Detections:
        """Finds boxes in one (H, W, 3) RGB uint8 picture, the highest score first.

        Args:
            rule: of suppression; None: that of the card.

        Raises:
            InputError: the array is not such a picture.
        """
        return self.detect_batch([picture], rule)[0]

    def detect_batch(
        self, pictures: Sequence[Pictures], rule: Rule | None = None
    ) -> list[Detections]:
        """Finds boxes in several pictures of any sizes at once.

        Args:
            pictures: for a detector that sees sequences, those of `history` (num, H, W, 3), whose
                last frame's boxes are to be found; a picture alone is a video of one frame.

        Raises:
            InputError: an array is not a (H, W, 3) RGB uint8 picture.
        """
        fitted = [self._fit(np.asarray(picture)) for picture in pictures]
        if not fitted:
            return []
        batch = np.stack([canvas for canvas, _ in fitted])
        found = self.detect_canvases(np.ascontiguousarray(np.moveaxis(batch, -1, -3)), rule)
        return [
            self.place(kept, scale, (np.shape(picture)[-2], np.shape(picture)[-3]))
            for kept, (_, scale), picture in zip(found, fitted, pictures, strict=True)
        ]

    def detect_canvases(self, batch: Pictures, rule: Rule | None = None) -> list[Candidates]:
        """The boxes on each canvas of a batch (B, [T,] 3, H, W) of the network's input size."""
        chosen, outputs = rule or self._rule, self._run(batch)
        self._check_shapes((), outputs.shape)
        size_wh, least = self.input_size_wh, chosen.min_score
        decoded = decode_outputs(outputs, self._kind, self._places, size_wh, least)
        return [suppress(one, chosen) for one in decoded]

    def place(self, kept: Candidates, scale: float, size_wh: tuple[int, int]) -> Detections:
        """Converts boxes on a canvas to px of the picture on it.

        Args:
            scale: the factor that turned coordinates in the picture into those on the canvas.
            size_wh: the size of the picture.
        """
        limits = [*size_wh, *size_wh]
        boxes = np.clip(kept.boxes.astype(np.float64) / scale, 0, limits)
        scores = kept.scores.astype(np.float64).round(SCORE_DECIMALS)
        labels = np.array(self.classes, dtype=object)[kept.labels]
        has_area = areas(boxes) > 0
        return Detections(boxes[has_area], scores[has_area], labels[has_area])

    def _check_shapes(self, taken: Shape, given: Shape) -> None:
        """Compares the shapes of a network with its card; None in a shape fits any size.

        Args:
            taken: the shape of the input, (B, …, H, W); empty: not known.
            given: the shape of the output, (B, A, 4 + 1 + C); empty: not known.

        Raises:
            InputError: they do not fit.
        """
        width, height = self.input_size_wh
        check_fits(
            self._file,
            f"a canvas of {width}x{height} and {len(self.classes)} classes",
            {
                "input": Ends(taken, (*self._num_frames, 3, height, width), is_all=True),
                "output": Ends(given, (len(self._places), 5 + len(self.classes))),
            },
        )

    @property
    def _num_frames(self) -> tuple[int, ...]:
        """The axis of frames in the network's input; empty without one."""
        if not self._takes_sequences:
            return ()
        return (2,) if self.steps.fusion == "background" else (self.steps.num,)

    def history(self) -> FrameHistory:
        """Makes what `detect_batch` takes of the frames of one video, as they come."""
        return FrameHistory(self.steps)

    def _fit(self, picture: Pictures) -> tuple[Pictures, float]:
        """A picture or a sequence on the canvas, and the factor by which coordinates grew."""
        num = self.steps.num
        is_sequence = num > 1 and picture.ndim == 4 and len(picture) == num
        is_rgb = picture.ndim == 3 or is_sequence
        if not is_rgb or picture.shape[-1] != 3 or picture.dtype != np.uint8 or not picture.size:
            also = f", or sequences ({num}, H, W, 3)" if num > 1 else ""
            raise InputError(
                f"expected pictures (H, W, 3) uint8{also}, got {picture.shape} {picture.dtype}"
            )
        frames = picture[None] if picture.ndim == 3 else picture
        fitted = [letterbox(one, self.input_size_wh) for one in frames]
        scale = fitted[-1][1]
        if not self._takes_sequences:
            return fitted[-1][0], scale
        canvases = np.stack([canvas for canvas, _ in fitted])
        if len(canvases) < num:
            canvases = np.repeat(canvases, num, axis=0)
        return reduce_frames(canvases, self.steps.fusion), scale
