"""Trains a network to find boxes in pictures."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from vigil.domain.pictures.annotated import DetectionSet, read_detections
from vigil.domain.splits.sides import read_side
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.memo import file_digest
from vigil.plumbing.params import Count, CountOr0, Fraction, Rate, Section, Seed, Weight, Width
from vigil.plumbing.stages import code_fingerprint, run_stage
from vigil.plumbing.trainings import train_once

if TYPE_CHECKING:
    from vigil.learn.detector.network.data import DetectionDataset
    from vigil.learn.detector.network.interface import Detector

Side = Annotated[int, Field(ge=32, le=8192)]
Stride = Literal[4, 8, 16, 32]
OWN = ("grid", "anchor")
FEATURES = ("trunk", "stride", "deepest_stride", "neck_width")
LOSS = (
    *("box_loss", "objectness_loss", "class_loss"),
    *("box_weight", "objectness_weight", "class_weight"),
)
GRID = ("reach_cells",)
ANCHOR = ("anchor_ratios", "head_width", "positive_iou", "negative_iou")
CLUSTERING = ("anchor_sizes_px", "num_anchor_sizes")
PRETRAINED = ("none", "imagenet", "coco")


class Params(Section):
    seed: Seed
    architecture: Literal[
        "grid",
        "anchor",
        "fasterrcnn_resnet50_fpn_v2",
        "fasterrcnn_mobilenet_v3_large_320_fpn",
        "retinanet_resnet50_fpn_v2",
        "fcos_resnet50_fpn",
        "ssd300_vgg16",
        "ssdlite320_mobilenet_v3_large",
    ]
    weights: Annotated[str, Field(min_length=1)]
    input_size_wh: tuple[Side, Side]
    trunk: Literal[
        "resnet18",
        "resnet34",
        "resnet50",
        "resnet101",
        "resnet152",
        "resnext50_32x4d",
        "resnext101_32x8d",
        "resnext101_64x4d",
        "wide_resnet50_2",
        "wide_resnet101_2",
        "efficientnet_b0",
        "efficientnet_b1",
        "efficientnet_b2",
        "efficientnet_b3",
        "efficientnet_b4",
        "efficientnet_b5",
        "efficientnet_b6",
        "efficientnet_b7",
    ]
    stride: Stride
    deepest_stride: Stride
    neck_width: Annotated[int, Field(ge=0, le=16_384)]
    num_frozen_blocks: CountOr0
    reach_cells: Annotated[float, Field(ge=0.5, le=0.95)]
    head_width: Width
    anchor_sizes_px: tuple[Annotated[float, Field(ge=0.1, le=100_000)], ...]
    num_anchor_sizes: Annotated[int, Field(ge=1, le=20)]
    anchor_ratios: Annotated[
        tuple[Annotated[float, Field(ge=0.001, le=1000)], ...], Field(min_length=1)
    ]
    positive_iou: Fraction
    negative_iou: Fraction
    box_loss: Literal["smooth_l1", "giou", "ciou"]
    objectness_loss: Literal["bce", "focal"]
    class_loss: Literal["bce", "focal"]
    box_weight: Weight
    objectness_weight: Weight
    class_weight: Weight
    monitor: Literal["val_map", "val_loss"]
    max_epochs: Count
    patience_epochs: Count
    min_delta: Weight
    batch_size: Count
    optimiser: Literal["adam", "adamw", "sgd"]
    learning_rate: Rate
    weight_decay: Weight
    schedule: Literal["constant", "cosine", "step", "plateau"]
    schedule_epochs: Count
    schedule_factor: Annotated[float, Field(gt=0, lt=1)]
    warmup_fraction: Fraction
    gradient_clip: Weight
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
    ema_decay: Annotated[float, Field(ge=0, lt=1)]
    flip_probability: Fraction
    max_scale: Annotated[float, Field(ge=1, le=100)]
    max_shift: Fraction
    brightness: Fraction
    contrast: Fraction
    saturation: Fraction
    hue: Annotated[float, Field(ge=0, le=0.5)]
    mosaic_probability: Fraction
    min_visible: Fraction

    def used(self) -> dict[str, Any]:
        """All that the training depends on, without what other architectures are told."""
        unused = {*GRID, *ANCHOR, *CLUSTERING}
        if self.architecture == "grid":
            unused -= set(GRID)
        elif self.architecture == "anchor":
            unused -= {*ANCHOR, *CLUSTERING}
        else:
            unused |= {*FEATURES, *LOSS}
        return self.model_dump(exclude=unused)

    @model_validator(mode="after")
    def _check_pairs(self) -> "Params":
        if self.deepest_stride < self.stride:
            raise ValueError(
                f"expected deepest_stride to be at least the stride {self.stride}, "
                f"got {self.deepest_stride}"
            )
        if self.deepest_stride > self.stride and not self.neck_width:
            raise ValueError(
                f"expected neck_width to be more than 0 to merge the strides {self.stride} to "
                f"{self.deepest_stride}, got 0"
            )
        if self.monitor == "val_loss" and self.architecture not in OWN:
            raise ValueError(
                f"expected monitor to be val_map for {self.architecture}, which has no loss in "
                "validation, got val_loss"
            )
        if self.weights == "coco" and self.architecture in OWN:
            raise ValueError(
                f"expected weights to be none, imagenet or a file for {self.architecture}, got "
                "coco, which torchvision's own detectors have"
            )
        if self.num_frozen_blocks and self.weights == "none":
            raise ValueError(
                "expected num_frozen_blocks to be 0 where weights start at random, "
                f"got {self.num_frozen_blocks}"
            )
        if (
            self.num_frozen_blocks
            and self.weights not in PRETRAINED
            and self.architecture not in OWN
        ):
            raise ValueError(
                "expected num_frozen_blocks to be 0 for a detector of torchvision's that starts "
                f"from a file, got {self.num_frozen_blocks}"
            )
        if self.architecture.startswith("ssdlite") and self.batch_size == 1:
            raise ValueError(
                f"expected batch_size to be at least 2 for {self.architecture}, whose norms cannot "
                "learn from one picture, got 1"
            )
        if self.negative_iou > self.positive_iou:
            raise ValueError(
                f"expected negative_iou to be at most positive_iou, got {self.negative_iou} "
                f"and {self.positive_iou}"
            )
        return self


def check_sections(sections: Mapping[str, Any]) -> None:
    """A file of weights must be there before the night's work is."""
    weights = sections["train_detector"].weights
    if weights not in PRETRAINED and not Path(weights).is_file():
        raise InputError(
            f"params.yaml: train_detector.weights: expected {', '.join(PRETRAINED)} or a file, "
            f"got {shorten(weights)}"
        )


def main(
    *,
    images: Path,
    detections: Path,
    train: Path,
    val: Path,
    weights: Path,
    card: Path,
    curves: Path,
    params: Params,
) -> None:
    # Torch is imported here, so that a light stage can check these Params without it.
    from vigil.domain.measures.detector import measure_detections
    from vigil.learn.detector.network.augmentation import BoxAugmentation
    from vigil.learn.detector.network.data import DetectionDataset, batches
    from vigil.learn.detector.network.registry import imports_of_others
    from vigil.learn.detector.training.module import DetectorTraining
    from vigil.learn.networks.machine import seed_torch
    from vigil.learn.networks.weights import save_model, state_digest
    from vigil.learn.training.loop import Fitting, fit
    from vigil.learn.training.optimisation import Optimisation

    known = read_detections(detections)
    sides = {"train": read_side(train), "val": read_side(val)}
    train_truth, val_truth = (known.select(ids) for ids in sides.values())
    _check_boxes(train_truth, train)
    augmentation = BoxAugmentation(
        **params.model_dump(include=set(BoxAugmentation.__dataclass_fields__))
    )
    train_set = DetectionDataset(
        images,
        train_truth,
        input_size_wh=params.input_size_wh,
        augmentation=augmentation,
        seed=params.seed,
    )
    val_set = DetectionDataset(images, val_truth, input_size_wh=params.input_size_wh)
    is_own = params.architecture in OWN
    fitting = Fitting(
        mode="max" if params.monitor == "val_map" else "min",
        **params.model_dump(
            include={
                "max_epochs",
                "patience_epochs",
                "monitor",
                "min_delta",
                "gradient_clip",
                "precision",
                "seed",
            }
        ),
    )

    seed_torch(params.seed)
    config = _configure(train_set, is_own, params)
    model = _build(config, params)
    weights_digest = _digest_of_weights(params.weights)

    def train_and_save(run: str, results: Mapping[str, Path]) -> None:
        module = DetectorTraining(
            model,
            Optimisation(**params.model_dump(include=set(Optimisation.__dataclass_fields__))),
            ema_decay=params.ema_decay,
            monitor=params.monitor,
            val_set=val_set,
            measure=lambda found: measure_detections(val_truth, found, decimals=None)["map"] or 0.0,
            with_val_loss=is_own,
            precision=params.precision,
        )
        fitted = fit(
            module,
            batches(train_set, params.batch_size, shuffle_seed=params.seed),
            batches(val_set, params.batch_size, shuffle_seed=None),
            fitting,
            stage="train_detector",
            fingerprint=run,
            curves=results["curves"],
        )
        save_model(
            fitted.state,
            {
                "architecture": params.architecture,
                "config": config,
                "classes": list(known.classes),
                "input_size_wh": list(params.input_size_wh),
                "input": "RGB in [0, 255], resized in proportion and padded to input_size_wh",
                "precision": params.precision,
                "training": {
                    "params": params.used(),
                    "weights_sha256": weights_digest,
                    "num_train": len(train_set),
                    "num_val": len(val_set),
                    **fitted.facts(),
                },
            },
            results["weights"],
            results["card"],
        )

    train_once(
        "train_detector",
        {
            "code": code_fingerprint(main, imports_of_others(params.architecture)),
            "params": params.used(),
            "weights": weights_digest,
            "start": state_digest(model),
            "train": [train_truth.digest(), train_set.digest()],
            "val": [val_truth.digest(), val_set.digest()],
        },
        train_and_save,
        {"weights": weights, "card": card, "curves": curves},
    )


def _check_boxes(truth: DetectionSet, side: Path) -> None:
    if truth.is_ignored.all():
        raise InputError(f"{side}: expected pictures with objects to train on, found none")


def _configure(train_set: "DetectionDataset", is_own: bool, params: Params) -> dict[str, Any]:
    """What a detector is built from, but for its weights."""
    num_classes = len(train_set.classes)
    if not is_own:
        return {"num_classes": num_classes, "input_size_wh": list(params.input_size_wh)}
    config = {
        "features": params.model_dump(include=set(FEATURES)),
        "loss": params.model_dump(include=set(LOSS)),
        "num_classes": num_classes,
        "stride": params.stride,
    }
    if params.architecture == "grid":
        return config | params.model_dump(include=set(GRID))
    return config | {
        "anchor_sizes_px": list(params.anchor_sizes_px) or _cluster(train_set, params),
        **params.model_dump(include=set(ANCHOR), mode="json"),
    }


def _cluster(train_set: "DetectionDataset", params: Params) -> list[float]:
    """Anchor sizes by k-means on the training boxes as the network sees them."""
    from vigil.learn.detector.training.anchor_sizes import cluster_sizes

    boxes = train_set.boxes_on_canvas()
    sizes = np.asarray(boxes[:, 2:] - boxes[:, :2], dtype=np.float64)
    return list(cluster_sizes(sizes, params.num_anchor_sizes, params.seed))


def _build(config: dict[str, Any], params: Params) -> "Detector":
    from vigil.learn.detector.network.registry import build_detector
    from vigil.learn.networks.weights import load_weights

    is_file = params.weights not in PRETRAINED
    model = build_detector(
        params.architecture,
        config,
        pretrained="none" if is_file else params.weights,
        num_frozen_blocks=params.num_frozen_blocks,
    )
    if is_file:
        load_weights(model, Path(params.weights))
    return model


def _digest_of_weights(weights: str) -> str | None:
    """SHA-256 of a file of weights; the library's own are told by their name."""
    return None if weights in PRETRAINED else file_digest(Path(weights))


if __name__ == "__main__":
    run_stage(main)
