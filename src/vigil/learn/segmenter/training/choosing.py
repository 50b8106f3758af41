"""Replaces each `auto` by a value that suits the training pictures alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vigil.domain.masks.masked import MaskedPictures
from vigil.learn.networks.machine import choose_device
from vigil.settings.train_segmenter import TrainSegmenter

WANTED_PX = 16.0
"""Of the square root of the area of small masks on the canvas."""
LONGEST_PX = {"cpu": (320, 640), "cuda": (512, 1280)}
"""Bounds of the canvas's longer side, by the kind of device. It is not larger than pictures."""
SMALL = 10
"""Percentile of sizes: what small stands for."""
MULTIPLE_PX = 8
PHOTOGRAPHS_MPX, FRAMES_MPX = 800.0, 90.0
"""Megapixels of canvas in a training from random weights. Frames of a fixed camera are alike, so
fewer of them are enough."""
FRAMES_PART = 0.5
PRETRAINED_FRACTION = 0.5
"""Of these megapixels, if the training starts from pretrained weights."""
LEAST_EPOCHS, MOST_EPOCHS = 5, 100
FEW_CLASSES = 2
"""With so few classes, weights make too many pixels part of the rare one. With more, rare classes
are hardly found without weights (docs/results.md)."""


@dataclass(frozen=True)
class Choice:
    """The chosen values.

    Attributes:
        settings: the settings without `auto`.
        facts: the chosen values, and under `by` the numbers that they depend on, for the model's
            card; empty if there was nothing to choose.
        lines: for each choice, a line that gives the reason.
    """

    settings: TrainSegmenter
    facts: dict[str, Any]
    lines: tuple[str, ...]


def choose(settings: TrainSegmenter, train: MaskedPictures) -> Choice:
    """Replaces each `auto` by a value."""
    values, facts = settings.model_dump(), dict[str, Any]()
    lines: list[str] = []
    width, height = np.median(train.images[["width", "height"]].to_numpy(float), axis=0)
    if settings.canvas_wh == "auto":
        small = small_share(train)
        least, most = LONGEST_PX[choose_device().type]
        longer = max(width, height)
        scale = min(max(WANTED_PX / small, least), most, longer) / longer
        canvas = (_rounded(width * scale), _rounded(height * scale))
        values["canvas_wh"] = facts["canvas_wh"] = canvas
        lines.append(
            f"canvas_wh: {list(canvas)}, since small masks (percentile {SMALL}) take {small:.1%} "
            f"of a picture's longer side, and pictures are {width:.0f}x{height:.0f} px"
        )
    if settings.part == "auto":
        are_frames = bool((train.images["video"] != "").all()) and settings.view == "resized"
        values["part"] = facts["part"] = FRAMES_PART if are_frames else 1.0
        lines.append(
            f"part: {facts['part']}, since pictures are "
            f"{'frames of videos' if are_frames else 'no frames of videos, or looked at in parts'}"
        )
    if settings.class_weights == "auto":
        num_classes = len(train.classes)
        values["class_weights"] = "balanced" if num_classes > FEW_CLASSES else "none"
        facts["class_weights"] = values["class_weights"]
        lines.append(f"class_weights: {facts['class_weights']}, for {num_classes} classes")
    if settings.fitting.max_epochs == "auto":
        num = _choose_epochs(train, values, is_random=settings.weights == "none", lines=lines)
        values["fitting"]["max_epochs"] = facts["max_epochs"] = num
    if not facts:
        return Choice(settings, {}, ())
    by = {"num_pictures": len(train.images), "median_size_wh": [float(width), float(height)]}
    chosen = TrainSegmenter.model_validate(values)
    return Choice(chosen, facts | {"by": by}, tuple(lines))


def small_share(train: MaskedPictures) -> float:
    """The size of small masks: the square root of the area by the longer side of the picture."""
    objects = train.objects[~train.is_ignored]
    longest = train.images.loc[objects["image"], ["width", "height"]].to_numpy(float).max(axis=1)
    return float(np.percentile(np.sqrt(objects["area"].to_numpy(float)) / longest, SMALL))


def _choose_epochs(
    train: MaskedPictures, values: dict[str, Any], *, is_random: bool, lines: list[str]
) -> int:
    """As many as make up a fixed number of megapixels, within bounds."""
    width, height = (side * values["part"] for side in values["canvas_wh"])
    are_frames = bool((train.images["video"] != "").all())
    wanted = FRAMES_MPX if are_frames else PHOTOGRAPHS_MPX
    wanted *= 1.0 if is_random else PRETRAINED_FRACTION
    epoch_px: float = len(train.images) * width * height
    num = min(max(round(wanted * 1e6 / epoch_px), LEAST_EPOCHS), MOST_EPOCHS)
    lines.append(
        f"fitting.max_epochs: {num}, since there are {len(train.images)} "
        f"{'frames of videos' if are_frames else 'pictures'} of {width:.0f}x{height:.0f} px, and "
        f"{'random' if is_random else 'pretrained'} weights"
    )
    return num


def _rounded(side: float) -> int:
    return max(32, round(side / MULTIPLE_PX) * MULTIPLE_PX)
