"""Parameters of `train_detector`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, model_validator

from vigil.plumbing.errors import FieldError, shorten
from vigil.plumbing.params import CountOr0, Fraction, Section, Seed, Weight, Width
from vigil.settings.training import Fitting, HardExamples, Optimisation

Side = Annotated[int, Field(ge=32, le=8192)]
Stride = Literal[4, 8, 16, 32]
OwnArchitecture = Literal["grid", "anchor"]
TorchvisionArchitecture = Literal[
    "fasterrcnn_resnet50_fpn_v2",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "retinanet_resnet50_fpn_v2",
    "fcos_resnet50_fpn",
    "ssd300_vgg16",
    "ssdlite320_mobilenet_v3_large",
]
BoxLoss = Literal["smooth_l1", "giou", "ciou"]
ScoreLoss = Literal["bce", "focal"]
Pretrained = Literal["none", "imagenet", "coco"]
TrunkName = Literal[
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


class Features(Section):
    """The feature map that the heads of `grid` and `anchor` use.

    Attributes:
        trunk: a classification network of torchvision.
        stride: the side of a cell of the map, in px of the picture.
        deepest_stride: feature maps with strides up to this one are merged into that of `stride`.
        neck_width: channels of the merged map; 0: no neck, the trunk's map is used directly.
    """

    trunk: TrunkName
    stride: Stride
    deepest_stride: Stride
    neck_width: Annotated[int, Field(ge=0, le=16_384)]

    @model_validator(mode="after")
    def _check_strides(self) -> "Features":
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
        return self


class Grid(Section):
    """Parameters of `grid` only.

    Attributes:
        reach_cells: a cell may predict an object whose centre is within this distance of the cell's
            centre, along x and y; 0.5: the centre is in the cell.
    """

    reach_cells: Annotated[float, Field(ge=0.5, le=0.95)]


class Anchor(Section):
    """Parameters of `anchor` only.

    Attributes:
        head_width: channels of each branch of the head.
        sizes_px: the sizes of the anchors; empty: sizes from k-means on the training boxes.
        num_sizes: the number of sizes from k-means.
        ratios: the anchors' ratios of height to width.
        positive_iou: an anchor learns to detect an object that it overlaps by at least this IoU.
        negative_iou: an anchor is background if it overlaps every object by less than this IoU.
    """

    head_width: Width
    sizes_px: tuple[Annotated[float, Field(ge=0.1, le=100_000)], ...]
    num_sizes: Annotated[int, Field(ge=1, le=20)]
    ratios: Annotated[tuple[Annotated[float, Field(ge=0.001, le=1000)], ...], Field(min_length=1)]
    positive_iou: Fraction
    negative_iou: Fraction

    @model_validator(mode="after")
    def _check_bounds(self) -> "Anchor":
        if self.negative_iou > self.positive_iou:
            raise ValueError(
                f"expected negative_iou to be at most positive_iou, got {self.negative_iou} "
                f"and {self.positive_iou}"
            )
        return self


class Loss(Section):
    """The losses of `grid` and `anchor`, and their weights in the sum.

    Attributes:
        box: the loss of a predicted box against the true box.
        objectness: the loss of the score that says whether an object is there.
        classes: the loss of the scores of the classes.
        box_weight, objectness_weight, classes_weight: the weight of each part in the sum.
    """

    box: BoxLoss
    objectness: ScoreLoss
    classes: ScoreLoss
    box_weight: Weight
    objectness_weight: Weight
    classes_weight: Weight


class Augmentation(Section):
    """Augmentation of pictures and their boxes in training.

    Attributes:
        flip_probability: the probability of a mirror image.
        max_scale: the largest factor of scaling, up or down; parts outside the canvas are cropped.
        max_shift: the largest shift in either direction, as a fraction of the side.
        brightness, contrast, saturation: a factor of 1 +- at most this.
        hue: the largest shift of hue, as a fraction of the colour circle.
        mosaic_probability: the probability of a mosaic: four pictures at half their size in place
            of one.
        min_visible: an object is ignored if less than this fraction of it is left after cropping.
    """

    flip_probability: Fraction
    max_scale: Annotated[float, Field(ge=1, le=100)]
    max_shift: Fraction
    brightness: Fraction
    contrast: Fraction
    saturation: Fraction
    hue: Annotated[float, Field(ge=0, le=0.5)]
    mosaic_probability: Fraction
    min_visible: Fraction


class TrainDetector(Section):
    """How the detector is trained.

    Attributes:
        seed: the seed of initial weights, order of pictures, augmentation and k-means.
        architecture: `grid`, `anchor`, or the name of a torchvision detector.
        weights: `none` (random), `imagenet` (pretrained trunk), `coco` (pretrained torchvision
            detector), or a file.
        input_size_wh: width and height of the canvas that pictures are fitted to.
        num_frozen_blocks: the number of trunk blocks, counted from the input, that do not learn.
        monitor: the value that picks the best epoch.
        ema_decay: the decay of the moving average of weights, which is what is kept; 0: no average.
        hard_examples: pictures that are repeated, with or without objects.
        ohem_fraction: for `grid` and `anchor`, the fraction of the positive and of the negative
            places in a batch that count in the loss of objectness: those with the largest losses;
            1: all.
    """

    section: ClassVar[str] = "train_detector"

    seed: Seed
    architecture: Literal[OwnArchitecture, TorchvisionArchitecture]
    weights: Annotated[str, Field(min_length=1, max_length=4096)]
    input_size_wh: tuple[Side, Side]
    num_frozen_blocks: CountOr0
    features: Features
    grid: Grid
    anchor: Anchor
    loss: Loss
    monitor: Literal["val_map", "val_loss"]
    ema_decay: Annotated[float, Field(ge=0, lt=1)]
    fitting: Fitting
    optimisation: Optimisation
    augmentation: Augmentation
    hard_examples: HardExamples
    ohem_fraction: Annotated[float, Field(gt=0, le=1)]

    @property
    def is_own(self) -> bool:
        """Whether the network is from this project, not from torchvision."""
        return self.architecture in get_args(OwnArchitecture)

    @property
    def mode(self) -> Literal["min", "max"]:
        """Whether a smaller (`min`) or a larger (`max`) monitored value is better."""
        return "max" if self.monitor == "val_map" else "min"

    @property
    def weights_file(self) -> Path | None:
        """The file of the weights; None if the weights are published or random."""
        return None if self.weights in get_args(Pretrained) else Path(self.weights)

    def used(self) -> dict[str, Any]:
        """All parameters that the training depends on, without those of other architectures."""
        unused = {"grid", "anchor"} - {self.architecture}
        if not self.is_own:
            unused |= {"features", "loss"}
        unused |= {"hard_examples"} if self.hard_examples.repeat == 1 else set()
        unused |= {"ohem_fraction"} if self.ohem_fraction == 1 else set()
        return self.model_dump(mode="json", exclude=unused)

    @model_validator(mode="after")
    def _check_pairs(self) -> "TrainDetector":
        if self.monitor == "val_loss" and not self.is_own:
            raise ValueError(
                f"expected monitor to be val_map for {self.architecture}, which has no validation "
                "loss, got val_loss"
            )
        if self.ohem_fraction < 1 and not self.is_own:
            raise ValueError(
                f"expected ohem_fraction to be 1 for {self.architecture}, whose losses torchvision "
                f"computes, got {self.ohem_fraction:g}"
            )
        if self.weights == "coco" and self.is_own:
            raise ValueError(
                f"expected weights to be none, imagenet or a file for {self.architecture}, got "
                "coco, which only torchvision's detectors have"
            )
        if self.num_frozen_blocks and self.weights == "none":
            raise ValueError(
                "expected num_frozen_blocks to be 0 if the initial weights are random, "
                f"got {self.num_frozen_blocks}"
            )
        if self.num_frozen_blocks and self.weights_file and not self.is_own:
            raise ValueError(
                "expected num_frozen_blocks to be 0 for a torchvision detector that starts "
                f"from a file, got {self.num_frozen_blocks}"
            )
        if self.architecture.startswith("ssdlite") and self.fitting.batch_size == 1:
            raise ValueError(
                f"expected fitting.batch_size to be at least 2 for {self.architecture}, whose "
                "norms cannot learn from one picture, got 1"
            )
        return self

    def check_against(self, sections: Mapping[str, Any]) -> None:
        """A file of weights must exist before the first stage runs."""
        if self.weights_file and not self.weights_file.is_file():
            raise FieldError(
                "weights",
                f"expected {', '.join(get_args(Pretrained))} or a file, "
                f"got {shorten(self.weights)}",
            )
