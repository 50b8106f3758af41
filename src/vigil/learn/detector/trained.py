"""A trained detector: finds bounding boxes in pictures of any size."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from tqdm.auto import tqdm

from vigil.domain.boxes import CORNERS, areas
from vigil.domain.detections import Detections
from vigil.learn.cards import check_choice, check_classes, check_size
from vigil.learn.detector.network.class_rows import (
    names_in,
    num_classes_of,
    rows_by_name,
    with_rows,
)
from vigil.learn.detector.network.data import PictureDataset, batches
from vigil.learn.detector.network.detecting import REDUCED, DetectionTable, detect, place, with_area
from vigil.learn.detector.network.interface import Detector
from vigil.learn.detector.network.published_yolox import PAPER, read_published
from vigil.learn.detector.network.registry import build_detector, load_detector
from vigil.learn.networks.machine import choose_precision
from vigil.learn.networks.weights import LARGEST_SIZE, read_card
from vigil.pixels.fitting import letterbox
from vigil.pixels.pictures.picture import Picture
from vigil.plumbing.errors import InputError, listed, shorten
from vigil.runtime.history import ONE, FrameHistory, Steps, reduce_frames
from vigil.settings.suppression import DEFAULT, Suppression
from vigil.settings.train_detector import Frames, YoloxArchitecture
from vigil.settings.training import Precision

BATCH_SIZE = 8
CPU = torch.device("cpu")


class TrainedDetector:
    """A trained detector, ready for pictures of any size.

    >>> weights, card = "models/detector.safetensors", "models/detector.json"
    >>> detector = TrainedDetector.from_files(weights, card)
    >>> detections = detector(picture)
    >>> detections.boxes_xyxy.shape == (len(detections), 4)
    True

    Attributes:
        classes: the names of the classes.
        input_size_wh: the size of the canvas that pictures are fitted to.
        frames: the sequence of frames that the network sees; None: single pictures.
        allows_short: whether `auto` chose sequences; then a picture that is not a frame of a video
            is taken as a video of one frame.
    """

    def __init__(
        self,
        model: Detector,
        classes: Sequence[str],
        input_size_wh: tuple[int, int],
        precision: Precision,
        device: torch.device = CPU,
        frames: Frames | None = None,
        *,
        allows_short: bool = False,
    ) -> None:
        self.model, self.classes, self.input_size_wh = model, tuple(classes), input_size_wh
        self.frames, self.allows_short = frames, allows_short
        self.precision: Precision = precision
        fold_norms(model)
        model.to(device).to(memory_format=torch.channels_last)
        dtype = REDUCED.get(choose_precision(precision, device))
        if dtype is not None and not model.computes_in_32_bits:
            _store_weights(model, dtype)

    @classmethod
    def from_files(
        cls, weights: Path | str, card: Path | str, device: torch.device = CPU
    ) -> "TrainedDetector":
        """Loads a detector.

        Raises:
            InputError: a file is missing or damaged, or the two do not belong together.
        """
        facts = read_card(Path(card))
        model = load_detector(Path(weights), Path(card))
        check_classes(facts, Path(card))
        check_size(facts, "input_size_wh", Path(card))
        check_choice(facts, "precision", get_args(Precision), Path(card))
        width, height = facts["input_size_wh"]
        frames_config = facts["config"].get("frames")
        frames = None if frames_config is None else Frames(**frames_config)
        chosen = facts.get("chosen")
        return cls(
            *(model, facts["classes"], (width, height), facts["precision"], device, frames),
            allows_short=isinstance(chosen, dict) and "frames" in chosen,
        )

    @classmethod
    def from_published(
        cls,
        architecture: YoloxArchitecture,
        weights: Path | str,
        classes: Sequence[str],
        input_size_wh: tuple[int, int] = (416, 416),
        device: torch.device = CPU,
    ) -> "TrainedDetector":
        """A detector with its authors' weights, for some of the 80 classes of COCO.

        Args:
            weights: as its authors publish it, or as ONNX; or of vigil, with its card beside it.
            classes: by COCO's names, or by those of the card.

        Raises:
            InputError: the file is missing, damaged or of another network, or a class is not there;
                or a class is given twice, no class is given, or there is no such architecture or
                canvas.
        """
        _check_wanted(architecture, classes, input_size_wh)
        file = Path(weights)
        state = read_published(file, architecture)
        config = {"num_classes": len(classes), "loss": PAPER.model_dump()}
        network = build_detector(architecture, config)
        num_given = num_classes_of(network, state) or 0
        names = names_in(file, num_given, network.published_classes)
        if names is None:
            raise InputError(
                f"{weights}: expected the 80 classes of COCO, or a card of vigil beside it that "
                f"names its classes, got {num_given} classes without names"
            )
        called = {name: name for name in classes}  # each of them must be there
        rows = rows_by_name(names, num_given, classes, called, str(weights))
        network.load_state_dict(with_rows(network, state, rows.by_class))
        return cls(network.eval(), classes, input_size_wh, "auto", device)

    def __call__(self, picture: Picture, suppression: Suppression = DEFAULT) -> Detections:
        """Finds boxes in one (H, W, 3) RGB uint8 picture, the highest score first.

        Raises:
            InputError: the array is not such a picture.
        """
        return self.detect_batch([picture], suppression)[0]

    @torch.inference_mode()
    def detect_batch(
        self, pictures: Sequence[Picture], suppression: Suppression = DEFAULT
    ) -> list[Detections]:
        """Finds boxes in several pictures of any sizes at once.

        Args:
            pictures: for a detector that sees `frames`, sequences (num, H, W, 3) whose last frame's
                boxes are to be found, as `history` gives them; a picture alone is taken as a video
                of one frame.

        Raises:
            InputError: an array is not a (H, W, 3) RGB uint8 picture.
        """
        pictures = [np.asarray(picture) for picture in pictures]
        for picture in pictures:
            self._check_picture(picture)
        fitted = [self._fit(picture) for picture in pictures]
        if not fitted:
            return []
        batch = torch.from_numpy(np.stack([canvas for canvas, _ in fitted])).movedim(-1, -3)
        candidates = detect(self.model, batch, suppression, self.precision)
        return [
            with_area(place(one, scale, (picture.shape[-2], picture.shape[-3]), self.classes))
            for one, (_, scale), picture in zip(candidates, fitted, pictures, strict=True)
        ]

    def history(self) -> FrameHistory:
        """Makes what `detect_batch` takes of the frames of one video, as they come."""
        seen = self.frames
        if seen is None:
            return FrameHistory(ONE)
        return FrameHistory(Steps(seen.length, seen.step_s, seen.fusion, seen.control))

    def _check_picture(self, picture: Picture) -> None:
        num = self.frames.length if self.frames else 1
        is_sequence = num > 1 and picture.ndim == 4 and len(picture) == num
        is_rgb = picture.ndim == 3 or is_sequence
        if not is_rgb or picture.shape[-1] != 3 or picture.dtype != np.uint8 or not picture.size:
            also = f", or sequences ({num}, H, W, 3)" if num > 1 else ""
            raise InputError(
                f"expected pictures (H, W, 3) uint8{also}, got {picture.shape} {picture.dtype}"
            )

    def _fit(self, picture: Picture) -> tuple[npt.NDArray[np.uint8], float]:
        """A picture or a sequence on the canvas, and the factor by which coordinates grew."""
        frames = picture[None] if picture.ndim == 3 else picture
        fitted = [letterbox(one, self.input_size_wh) for one in frames]
        scale = fitted[-1][1]
        if self.frames is None:
            return fitted[-1][0], scale
        canvases = np.stack([canvas for canvas, _ in fitted])
        if len(canvases) < self.frames.length:
            canvases = np.repeat(canvases, self.frames.length, axis=0)
        return reduce_frames(canvases, self.frames.fusion), scale

    @torch.inference_mode()
    def detect_all(
        self,
        dataset: PictureDataset,
        suppression: Suppression = DEFAULT,
        batch_size: int = BATCH_SIZE,
    ) -> pd.DataFrame:
        """Finds boxes in all pictures of a dataset.

        Returns:
            The columns of `DETECTION_COLUMNS`.
        """
        table = DetectionTable(dataset)
        loader = batches(dataset, batch_size, shuffle_seed=None)
        for pictures, _ in tqdm(loader, desc="detect", unit="batch", disable=None, leave=False):
            table.add(detect(self.model, pictures, suppression, self.precision))
        found = table.frame()
        return found[areas(found[CORNERS].to_numpy()) > 0].reset_index(drop=True)


def _check_wanted(architecture: Any, classes: Any, input_size_wh: Any) -> None:
    if architecture not in get_args(YoloxArchitecture):
        raise InputError(
            f"expected an architecture of {listed(get_args(YoloxArchitecture))}, got "
            f"{shorten(architecture)}"
        )
    if isinstance(classes, str) or not classes or not all(isinstance(c, str) for c in classes):
        raise InputError(f"expected classes, a list of names, got {shorten(classes)}")
    if len(set(classes)) < len(classes):
        raise InputError(f"expected each class once, got {shorten(list(classes))}")
    _check_canvas(input_size_wh)


def _check_canvas(input_size_wh: Any) -> None:
    sides = input_size_wh if isinstance(input_size_wh, list | tuple) else ()
    if len(sides) != 2 or not all(isinstance(s, int) and 0 < s <= LARGEST_SIZE for s in sides):
        raise InputError(
            f"expected a canvas with a width and a height of 1 to {LARGEST_SIZE} px, got "
            f"{shorten(input_size_wh)}"
        )


def _store_weights(network: nn.Module, dtype: torch.dtype) -> None:
    """Stores weights in the type that autocast would convert them to in every call."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.to(dtype)


def fold_norms(network: nn.Module) -> None:
    """Folds batch norms into the convolutions before them, in place. Only for inference.

    In evaluation mode, a norm is a factor and an offset for each channel. The weights of the
    convolution can include both (Jacob et al., "Quantization and Training of Neural Networks for
    Efficient Integer-Arithmetic-Only Inference", 2018, section 3.2).

    A norm belongs to the convolution that is declared directly before it in the same module, as in
    all networks of torchvision. A network that is trained or saved later must not be folded.
    """
    for module in list(network.modules()):
        for (name, conv), (next_name, norm) in pairwise(list(module.named_children())):
            if (
                isinstance(conv, nn.Conv2d)
                and isinstance(norm, nn.BatchNorm2d)
                and norm.num_features == conv.out_channels
            ):
                setattr(module, name, fuse_conv_bn_eval(conv, norm))
                setattr(module, next_name, nn.Identity())
