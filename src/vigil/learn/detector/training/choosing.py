"""Replaces each `auto` by a value that suits the training pictures and their boxes alone.

The bounds come from measurements on small people (PETS 2009, the demo) and on large animals
(raccoons); see docs/results.md. `choosing_frames` chooses between sequences and single pictures.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from vigil.domain.pictures.annotated import AnnotatedPictures
from vigil.learn.detector.network.class_rows import card_of
from vigil.learn.detector.training.choosing_frames import choose_frames_num
from vigil.learn.detector.training.recognising import recognise
from vigil.learn.networks.machine import choose_device
from vigil.learn.pictures.trunk import STRIDES
from vigil.plumbing.closure import Import, imports_from
from vigil.plumbing.errors import FieldError
from vigil.settings.train_detector import (
    NUM_QUERIES,
    TrainDetector,
    TransformerArchitecture,
    num_query_cells,
)

Floats = npt.NDArray[np.float64]

WANTED_PX = {"cpu": 18.0, "cuda": 48.0}
"""Of the square root of the area of small objects on the canvas, by the kind of device; larger ones
need no more. On a CPU, more epochs on a smaller canvas were better."""
LONGEST_PX = {"cpu": (256, 640), "cuda": (512, 1280)}
"""Bounds of the canvas's longer side, by the kind of device."""
PRETRAINED_PX = {"imagenet": 320, "coco": 416}
"""Its least, with pretrained weights: these know objects of the size that they were trained on."""
MULTIPLE_PX = 8
FINEST_STRIDES = {4: 0.0, 8: 12.0, 16: 40.0}
"""From which square root of a small object's area the finest map may have a stride."""
TINY_PX = 8.0
"""Small objects below this size on the chosen canvas are warned of: two cells of the finest map."""
MOST_CELLS = 12.0
"""Across a large object's longer side."""
ON_TRUNKS = {"grid", "anchor", "maskrcnn"}
"""Architectures of any trunk."""
MASK_CELLS = 14
"""Across a small object, for a detector with masks: so many cells of features has a mask."""
SMALL, LARGE = 10, 90
"""Percentiles of sizes: what small and large stand for."""
MANY_PICTURES = 2000
FRAMES_MPX, PHOTOGRAPHS_MPX = 500.0, 1000.0
"""Megapixels of canvas in a training from random weights. Frames of a fixed camera are alike, so
fewer of them are enough."""
PRETRAINED_FRACTION = 0.4
"""Of these megapixels, if the training starts from pretrained weights."""
LEAST_EPOCHS, MOST_EPOCHS = 8, 80
MOSAICS = 0.5
"""Their probability for single pictures and random weights."""


@dataclass(frozen=True)
class Choice:
    """The chosen values.

    Attributes:
        settings: the settings without `auto`.
        facts: the chosen values, and under `by` the numbers that they depend on, for the model's
            card; empty if there was nothing to choose.
        lines: for each choice, a line that gives the reason.
    """

    settings: TrainDetector
    facts: dict[str, Any]
    lines: tuple[str, ...]


def choose(
    settings: TrainDetector,
    train: AnnotatedPictures,
    images: Path,
    held_out: Mapping[str, int] | None = None,
) -> Choice:
    """Replaces each `auto` by a value.

    Args:
        train: the training pictures, with at least one object.
        images: the folder of the pictures.
        held_out: names of pictures of the other sides, and their indices in their videos; none of
            them is looked at.

    Raises:
        FieldError: the weights are a file, and it is not known of which network; or the chosen
            values do not fit the other settings.
        InputError: the archive of a video is missing or damaged.
    """
    values, lines = settings.model_dump(), list[str]()
    facts, measured = _choose_network(settings, train, values, lines)
    card = card_of(settings.weights_file) if settings.weights_file else None
    if settings.frames.num == "auto" and card and "frames" in card["config"]:
        values["frames"] |= card["config"]["frames"]
        facts["frames"] = {"num": values["frames"]["num"]}
        lines.append(f"frames.num: {values['frames']['num']}, as {settings.weights} has it")
    elif settings.frames.num == "auto":
        with_network = settings.model_copy(update={"architecture": values["architecture"]})
        frames = choose_frames_num(with_network, train, images, held_out)
        values["frames"]["num"] = frames.num
        lines.append(f"frames.num: {frames.num}, since {frames.reason}")
        facts["frames"] = {"num": frames.num}
        measured |= frames.measured
    if settings.augmentation.mosaic_probability == "auto":
        facts["mosaic_probability"] = _choose_mosaics(settings, values, lines)
    if settings.fitting.max_epochs == "auto":
        facts["max_epochs"] = _choose_epochs(settings, len(train.images), values, lines)
        measured["num_pictures"] = len(train.images)
    if not facts:
        return Choice(settings, {}, ())
    try:
        chosen = TrainDetector.model_validate(values)
    except ValidationError as error:
        message = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise FieldError(
            "architecture", f"auto chose {values['architecture']}, but: {message}"
        ) from None
    return Choice(chosen, facts | {"by": measured}, tuple(lines))


def _choose_network(
    settings: TrainDetector, train: AnnotatedPictures, values: dict[str, Any], lines: list[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Chooses canvas, architecture and maps in `values`.

    Returns:
        The facts of the choices, and the numbers that they depend on.
    """
    sizes = _Sizes.of(train)
    chosen: dict[str, Any] = {}
    if settings.architecture == "auto":
        values["architecture"] = _choose_architecture(settings, len(train.images), values, lines)
        chosen["architecture"] = values["architecture"]
    if settings.input_size_wh == "auto":
        least = _least_px(settings, values["architecture"])
        is_transformer = values["architecture"] in get_args(TransformerArchitecture)
        values["input_size_wh"] = chosen["input_size_wh"] = _choose_canvas(
            sizes, least, NUM_QUERIES if is_transformer else 0, lines
        )
    scale = sizes.scales(values["input_size_wh"])
    small_px = float(np.percentile(sizes.roots * scale, SMALL))
    large_px = float(np.percentile(sizes.longest * scale, LARGE))
    measured = {
        "num_pictures": len(train.images),
        "num_objects": len(sizes.roots),
        "small_px": round(small_px, 1),
        "large_px": round(large_px, 1),
    }
    if settings.input_size_wh == "auto":
        lines += _warn_of_tiny(small_px, max(values["input_size_wh"]))
    if values["features"]["strides"] == "auto":
        if values["architecture"] == "maskrcnn":
            lines.append(_choose_maps(values, small_px, large_px))
            chosen["features"] = values["features"]
        elif values["architecture"] in {"grid", "anchor"}:
            lines.append(_choose_maps(values, small_px, large_px))
            chosen["features"] = values["features"]
            chosen["assignment"] = values[values["architecture"]]["assignment"]
        else:
            values["features"]["strides"] = (8,)  # which this architecture does not read
    return chosen, measured if chosen else {}


def _choose_mosaics(settings: TrainDetector, values: dict[str, Any], lines: list[str]) -> float:
    """None for frames of a fixed camera, which all show one place, nor for pretrained weights."""
    are_frames, is_random = values["frames"]["num"] > 1, settings.weights == "none"
    probability = MOSAICS if is_random and not are_frames else 0.0
    values["augmentation"]["mosaic_probability"] = probability
    lines.append(
        f"augmentation.mosaic_probability: {probability}, for "
        f"{'sequences of frames' if are_frames else 'single pictures'} and "
        f"{'random' if is_random else 'pretrained'} weights"
    )
    return probability


def _choose_epochs(
    settings: TrainDetector, num_pictures: int, values: dict[str, Any], lines: list[str]
) -> int:
    """As many as make up a fixed number of megapixels, within bounds."""
    width, height = values["input_size_wh"]
    are_frames = values["frames"]["num"] > 1
    wanted = FRAMES_MPX if are_frames else PHOTOGRAPHS_MPX
    is_pretrained = settings.weights != "none"
    wanted *= PRETRAINED_FRACTION if is_pretrained else 1.0
    epoch_px: int = num_pictures * width * height
    num = min(max(round(wanted * 1e6 / epoch_px), LEAST_EPOCHS), MOST_EPOCHS)
    values["fitting"]["max_epochs"] = num
    kind = "sequences of frames" if are_frames else "pictures"
    lines.append(
        f"fitting.max_epochs: {num}, since there are {num_pictures} {kind} on {width}x{height} px, "
        f"and {'pretrained' if is_pretrained else 'random'} weights"
    )
    return num


def imports_of_recognition() -> set[Import]:
    """The imports of this module that only name a network, which is among the settings then."""
    return imports_from(Path(__file__), recognise.__module__)


@dataclass(frozen=True)
class _Sizes:
    """Sizes of the objects, in px of their pictures, and of the pictures.

    Attributes:
        roots: (N,) square roots of areas; `longest`: (N,) longer sides.
        pictures_wh: (N, 2), of the picture of each object; `all_wh`: (pictures, 2).
    """

    roots: Floats
    longest: Floats
    pictures_wh: Floats
    all_wh: Floats

    @classmethod
    def of(cls, train: AnnotatedPictures) -> "_Sizes":
        boxes = train.boxes[~train.is_ignored]
        sides = boxes[["x2", "y2"]].to_numpy(np.float64) - boxes[["x1", "y1"]].to_numpy(np.float64)
        pictures = train.images[["width", "height"]].astype(np.float64)
        by_object = pictures.loc[boxes["image"]].to_numpy()
        return cls(np.sqrt(sides.prod(axis=1)), sides.max(axis=1), by_object, pictures.to_numpy())

    def scales(self, canvas_wh: tuple[int, int]) -> Floats:
        """(N,): the factor by which each object's picture is resized to fit a canvas."""
        factors: Floats = (np.array(canvas_wh) / self.pictures_wh).min(axis=1)
        return factors


def _least_px(settings: TrainDetector, architecture: str) -> int:
    """The least of the canvas's longer side, if the pictures are that large."""
    least = LONGEST_PX[choose_device().type][0]
    if settings.weights == "none":
        return least
    return max(least, PRETRAINED_PX["imagenet" if architecture in ON_TRUNKS else "coco"])


def _choose_canvas(sizes: _Sizes, least: int, num_cells: int, lines: list[str]) -> tuple[int, int]:
    """As small as small objects allow, of the usual picture's proportions.

    It is not larger than the usual picture, unless the network needs a number of cells.
    """
    width, height = np.median(sizes.all_wh, axis=0)
    longer = max(width, height)
    # Relative to their picture, since pictures of several sizes come onto one canvas.
    shares = sizes.roots / sizes.pictures_wh.max(axis=1)
    small = float(np.percentile(shares, SMALL))
    device = choose_device().type
    wanted = min(max(WANTED_PX[device] / small, least), LONGEST_PX[device][1], max(longer, 32.0))
    scale = wanted / longer
    canvas = (_rounded(width * scale), _rounded(height * scale))
    while num_query_cells(canvas) < num_cells:
        scale *= 1.1
        canvas = (_rounded(width * scale), _rounded(height * scale))
    lines.append(
        f"input_size_wh: {list(canvas)}, since small objects (percentile {SMALL}) take {small:.1%} "
        f"of a picture's longer side, and pictures are {width:.0f}x{height:.0f} px"
    )
    return canvas


def _warn_of_tiny(small_px: float, longer_px: int) -> list[str]:
    """A line if small objects are hardly seen on the canvas that was chosen.

    Args:
        longer_px: the canvas's longer side.
    """
    if small_px >= TINY_PX:
        return []
    device = choose_device().type
    is_largest = longer_px >= LONGEST_PX[device][1] - MULTIPLE_PX
    why = f"the largest for a {device}" if is_largest else "as large as the pictures"
    advice = "set a larger input_size_wh" if is_largest else "take larger pictures"
    return [
        f"warning: small objects (percentile {SMALL}) are only {small_px:.1f} px on this canvas, "
        f"{why}; to find them, {advice}, or cut the pictures into tiles before the import"
    ]


def _rounded(side: float) -> int:
    return max(32, round(side / MULTIPLE_PX) * MULTIPLE_PX)


def _choose_architecture(
    settings: TrainDetector, num_pictures: int, values: dict[str, Any], lines: list[str]
) -> str:
    if settings.weights_file:
        found = recognise(settings.weights_file, settings.features.trunk, masks=settings.masks)
        values["features"]["trunk"] = found.trunk or settings.features.trunk
        held = f"the trunk {found.trunk}" if found.trunk else found.architecture
        if found.config is not None:
            held += " that vigil trained"
            _take_config(settings, found.architecture, found.config, values)
        name = "maskrcnn" if settings.masks and found.trunk else found.architecture
        lines.append(f"architecture: {name}, since {settings.weights} holds the weights of {held}")
        return name
    if settings.masks:
        return _choose_masks(settings, lines)
    is_on_gpu = choose_device().type == "cuda"
    if settings.weights == "coco":
        name = "yolox_s" if is_on_gpu else "yolox_nano"
        why = (
            "the largest that comes with COCO's weights"
            if is_on_gpu
            else ("the smallest that comes with COCO's weights, on a CPU")
        )
    elif is_on_gpu and settings.weights == "none" and num_pictures >= MANY_PICTURES:
        name, why = "yolox_s", f"{num_pictures} pictures and a GPU"
    else:
        name = "grid"
        if settings.weights != "none":
            why = f"weights: {settings.weights}, which are of its trunk"
        elif is_on_gpu:
            why = f"random weights and {num_pictures} pictures, fewer than {MANY_PICTURES}"
        else:
            why = "random weights on a CPU, whatever the number of pictures"
    lines.append(f"architecture: {name}, for {why}")
    return name


def _take_config(
    settings: TrainDetector, architecture: str, config: Mapping[str, Any], values: dict[str, Any]
) -> None:
    """Takes what a trained detector was built from, as its weights fit nothing else.

    Args:
        config: from its card.
        values: changed in place.
    """
    config = {key: tuple(one) if isinstance(one, list) else one for key, one in config.items()}
    features = config.get("features")
    if isinstance(features, dict) and settings.features.strides == "auto":
        values["features"] |= {**features, "strides": config.get("strides")}
    own = {"maskrcnn": "anchor"}.get(architecture, architecture)
    if own in ("grid", "anchor"):
        values[own] |= {key: config[key] for key in values[own].keys() & config.keys()}


def _choose_masks(settings: TrainDetector, lines: list[str]) -> str:
    is_published = settings.weights == "coco"
    name = "maskrcnn_resnet50_fpn_v2" if is_published else "maskrcnn"
    why = "COCO's weights" if is_published else f"weights: {settings.weights}"
    lines.append(f"architecture: {name}, for masks and {why}")
    return name


def _choose_maps(values: dict[str, Any], small_px: float, large_px: float) -> str:
    """Sets strides, and what goes with them, in place; returns a line that says why."""
    finest = max(stride for stride, least_px in FINEST_STRIDES.items() if least_px <= small_px)
    has_masks = values["architecture"] == "maskrcnn"
    if has_masks:
        finest = max([s for s in STRIDES if s * MASK_CELLS <= small_px], default=STRIDES[0])
    coarsest = min([s for s in STRIDES if s * MOST_CELLS >= large_px], default=STRIDES[-1])
    strides = tuple(s for s in STRIDES if finest <= s <= max(finest, coarsest))
    features = values["features"]
    features["strides"] = strides
    # One stride more than the maps need: the surroundings of a cell help to classify it.
    features["deepest_stride"] = min(2 * strides[-1], STRIDES[-1])
    features["neck"] = "concat" if len(strides) == 1 else "pafpn"
    features["neck_width"] = features["neck_width"] or 96
    if len(strides) > 1 and not has_masks:
        values[values["architecture"]]["assignment"] = "simota"
    assigned = "" if has_masks else f", assignment {values[values['architecture']]['assignment']}"
    parts = f"neck {features['neck']}, neck_width {features['neck_width']}{assigned}"
    return (
        f"strides: {list(strides)}, with deepest_stride {features['deepest_stride']}, {parts}, "
        f"since small objects (percentile {SMALL}) are {small_px:.0f} px and large ones "
        f"(percentile {LARGE}) {large_px:.0f} px on the canvas"
    )
