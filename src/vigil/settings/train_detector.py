"""Parameters of `train_detector`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, model_validator

from vigil.plumbing.errors import FieldError, shorten
from vigil.plumbing.params import CountOr0, Fraction, Section, Seed, Weight, Width
from vigil.settings.training import Fitting, Optimisation

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
    """The map of features that `grid` and `anchor` look at.

    Attributes:
        trunk: a classification network of torchvision's.
        stride: px a cell.
        deepest_stride: maps down to this one are merged into that of `stride`.
        neck_width: channels of the merged map; 0: no neck, the trunk's map as it is.
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
    """What `grid` alone has.

    Attributes:
        reach_cells: how far from its middle a cell owns an object; 0.5: its own area.
    """

    reach_cells: Annotated[float, Field(ge=0.5, le=0.95)]


class Anchor(Section):
    """What `anchor` alone has.

    Attributes:
        head_width: channels of each branch of the head.
        sizes_px: of the anchors; empty: k-means on the training boxes.
        num_sizes: of k-means.
        ratios: height over width.
        positive_iou: an anchor that overlaps an object by at least this much is to find it.
        negative_iou: an anchor that overlaps every object by less than this is background.
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
        box: how far a box is from the true one.
        objectness: whether an object is there.
        classes: which class an object has.
        box_weight, objectness_weight, classes_weight: of each part in the sum.
    """

    box: BoxLoss
    objectness: ScoreLoss
    classes: ScoreLoss
    box_weight: Weight
    objectness_weight: Weight
    classes_weight: Weight


class Augmentation(Section):
    """How far pictures may be changed in training, together with the boxes in them.

    Attributes:
        flip_probability: of a mirror image.
        max_scale: by which factor, up or down; what grows out of the picture is cropped.
        max_shift: in either direction, as a fraction of the side.
        brightness, contrast, saturation: factors 1 +- this.
        hue: shift, as a fraction of the colour circle.
        mosaic_probability: of four pictures at half their size in place of one.
        min_visible: an object of which less than this fraction is left is to be ignored.
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
        seed: of weights, order, augmentation and k-means.
        architecture: `grid`, `anchor`, or a detector of torchvision's by its name.
        weights: `none`, `imagenet` (the trunk's), `coco` (torchvision's own detectors), or a file.
        input_size_wh: of the canvas that pictures are fitted to.
        num_frozen_blocks: of the trunk, from its start, that do not learn.
        monitor: what tells the best epoch.
        ema_decay: of the averaged weights that are kept; 0: none.
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

    @property
    def is_own(self) -> bool:
        """Whether the network is one of this project's, and not torchvision's."""
        return self.architecture in get_args(OwnArchitecture)

    @property
    def mode(self) -> Literal["min", "max"]:
        """Whether less of what is monitored is better, or more."""
        return "max" if self.monitor == "val_map" else "min"

    @property
    def weights_file(self) -> Path | None:
        """The file that the weights come from; None where they are named or random."""
        return None if self.weights in get_args(Pretrained) else Path(self.weights)

    def used(self) -> dict[str, Any]:
        """All that the training depends on, without what other architectures are told."""
        unused = {"grid", "anchor"} - {self.architecture}
        if not self.is_own:
            unused |= {"features", "loss"}
        return self.model_dump(mode="json", exclude=unused)

    @model_validator(mode="after")
    def _check_pairs(self) -> "TrainDetector":
        if self.monitor == "val_loss" and not self.is_own:
            raise ValueError(
                f"expected monitor to be val_map for {self.architecture}, which has no loss in "
                "validation, got val_loss"
            )
        if self.weights == "coco" and self.is_own:
            raise ValueError(
                f"expected weights to be none, imagenet or a file for {self.architecture}, got "
                "coco, which torchvision's own detectors have"
            )
        if self.num_frozen_blocks and self.weights == "none":
            raise ValueError(
                "expected num_frozen_blocks to be 0 where weights start at random, "
                f"got {self.num_frozen_blocks}"
            )
        if self.num_frozen_blocks and self.weights_file and not self.is_own:
            raise ValueError(
                "expected num_frozen_blocks to be 0 for a detector of torchvision's that starts "
                f"from a file, got {self.num_frozen_blocks}"
            )
        if self.architecture.startswith("ssdlite") and self.fitting.batch_size == 1:
            raise ValueError(
                f"expected fitting.batch_size to be at least 2 for {self.architecture}, whose "
                "norms cannot learn from one picture, got 1"
            )
        return self

    def check_against(self, sections: Mapping[str, Any]) -> None:
        """A file of weights must be there before the night's work is."""
        if self.weights_file and not self.weights_file.is_file():
            raise FieldError(
                "weights",
                f"expected {', '.join(get_args(Pretrained))} or a file, "
                f"got {shorten(self.weights)}",
            )
