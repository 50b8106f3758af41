"""Parameters of `train_detector`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, model_validator

from vigil.plumbing.errors import FieldError, listed, shorten
from vigil.plumbing.params import Count, CountOr0, Fraction, Section, Seed, Weight, Width
from vigil.settings.training import Fitting, FittingBase, HardExamples, Optimisation
from vigil.settings.trunk import Stride, TrunkName

Side = Annotated[int, Field(ge=32, le=8192)]
YoloxArchitecture = Literal["yolox_nano", "yolox_tiny", "yolox_s"]
TransformerArchitecture = Literal[
    "rfdetr_nano",
    "rfdetr_small",
    "rfdetr_medium",
    "dfine_n",
    "dfine_s",
    "dfine_m",
]
TrunkArchitecture = Literal["grid", "anchor"]
OwnArchitecture = Literal[TrunkArchitecture, YoloxArchitecture]
TorchvisionArchitecture = Literal[
    "fasterrcnn_resnet50_fpn_v2",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "retinanet_resnet50_fpn_v2",
    "fcos_resnet50_fpn",
    "ssd300_vgg16",
    "ssdlite320_mobilenet_v3_large",
]
MaskArchitecture = Literal["maskrcnn", "maskrcnn_resnet50_fpn_v2"]
BoxLoss = Literal["smooth_l1", "iou", "giou", "ciou"]
ScoreLoss = Literal["bce", "focal"]
Assignment = Literal["fixed", "simota"]
Fusion = Literal["stack", "difference", "background", "temporal"]
NeckName = Literal["concat", "fpn", "pafpn"]
Pretrained = Literal["none", "imagenet", "coco"]


NUM_QUERIES = 300
"""Boxes that RF-DETR and D-FINE ask for."""
MAY_HAVE_MASKS = (*get_args(MaskArchitecture), "rfdetr_nano", "rfdetr_small", "rfdetr_medium")
"""Detectors that can find the masks of objects."""


def num_query_cells(canvas_wh: tuple[int, int]) -> int:
    """The number of cells of 16 px from which RF-DETR and D-FINE choose their queries."""
    width, height = canvas_wh
    return -(-width // 32) * -(-height // 32) * 4


class Features(Section):
    """The feature maps that the heads of `grid`, `anchor` and `maskrcnn` use.

    Attributes:
        trunk: a classification network of torchvision.
        strides: the side of a cell of each map, in px of the picture, ascending; `auto`: by the
            sizes of the training boxes. Then `deepest_stride`, `neck` and the `assignment` of
            several maps are chosen, too, whatever they are, and a `neck_width` of 0 becomes 96.
        deepest_stride: feature maps with strides up to this one are merged into those of `strides`.
        neck: how maps are merged: `concat` makes one map; `fpn` adds deep maps to the fine ones;
            `pafpn` also adds the fine maps to the deep ones.
        neck_width: channels of the merged maps; 0: no neck, the trunk's map is used directly.
    """

    trunk: TrunkName
    strides: Annotated[tuple[Stride, ...], Field(min_length=1, max_length=4)] | Literal["auto"]
    deepest_stride: Stride
    neck: NeckName
    neck_width: Annotated[int, Field(ge=0, le=16_384)]

    @model_validator(mode="after")
    def _check_strides(self) -> "Features":
        if self.strides == "auto":
            return self
        if list(self.strides) != sorted(set(self.strides)):
            raise ValueError(f"expected strides to ascend, got {list(self.strides)}")
        if self.deepest_stride < self.strides[-1]:
            raise ValueError(
                f"expected deepest_stride to be at least the stride {self.strides[-1]}, "
                f"got {self.deepest_stride}"
            )
        if len(self.strides) > 1 and self.neck == "concat":
            raise ValueError(
                f"expected neck to be fpn or pafpn for the strides {list(self.strides)}, got "
                "concat, which makes one map"
            )
        if self.deepest_stride > self.strides[0] and not self.neck_width:
            raise ValueError(
                f"expected neck_width to be more than 0 to merge the strides {self.strides[0]} to "
                f"{self.deepest_stride}, got 0"
            )
        return self


class Grid(Section):
    """Parameters of `grid` only.

    Attributes:
        reach_cells: a cell may predict an object whose centre is within this distance of the cell's
            centre, along x and y; 0.5: the centre is in the cell.
        assignment: the cells that learn to detect an object: `fixed`: those within reach on the map
            that suits its size; `simota`: those within reach whose predictions describe it best
            (Ge et al., 2021).
    """

    reach_cells: Annotated[float, Field(ge=0.5, le=0.95)]
    assignment: Assignment


class Anchor(Section):
    """Parameters of `anchor`, and of the first stage of `maskrcnn`.

    Attributes:
        head_width: channels of each branch of the head; of `maskrcnn`, of the head of masks.
        sizes_px: the sizes of the anchors; empty: sizes from k-means on the training boxes.
        num_sizes: the number of sizes from k-means, for each map.
        ratios: the anchors' ratios of height to width.
        positive_iou: an anchor learns to detect an object that it overlaps by at least this IoU.
        negative_iou: an anchor is background if it overlaps every object by less than this IoU.
        assignment: the anchors that learn to detect an object: `fixed`: those that overlap it
            enough; `simota`: those whose predictions describe it best (Ge et al., 2021).
    """

    head_width: Width
    sizes_px: tuple[Annotated[float, Field(ge=0.1, le=100_000)], ...]
    num_sizes: Annotated[int, Field(ge=1, le=20)]
    ratios: Annotated[tuple[Annotated[float, Field(ge=0.001, le=1000)], ...], Field(min_length=1)]
    positive_iou: Fraction
    negative_iou: Fraction
    assignment: Assignment

    @model_validator(mode="after")
    def _check_bounds(self) -> "Anchor":
        if self.negative_iou > self.positive_iou:
            raise ValueError(
                f"expected negative_iou to be at most positive_iou, got {self.negative_iou} "
                f"and {self.positive_iou}"
            )
        return self


class Loss(Section):
    """The losses of `grid`, `anchor` and the `yolox` networks, and their weights in the sum.

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


class Frames(Section):
    """The earlier frames that a detector sees; boxes are those of the last frame.

    Attributes:
        num: the number of frames of a sequence; 1: single pictures; `auto`: 7 if the training
            pictures are frames of videos that are long enough and have a fixed camera, and weights
            are random, else 1.
            Before the first frame of a video, the first frame is repeated.
        step_s: the time from one frame to the next.
        fusion: `stack`: all frames as channels; `difference`: the last frame, and its difference
            from each earlier one; `background`: the last frame, and its difference from the median
            of the earlier ones; `temporal`: each frame alone, then attention over time in each
            cell.
        control: shows copies of the last frame: the same network without time, to compare with.
    """

    num: Annotated[int, Field(ge=1, le=32)] | Literal["auto"]
    step_s: Annotated[float, Field(gt=0, le=3600)]
    fusion: Fusion
    control: bool

    @model_validator(mode="after")
    def _check_background(self) -> "Frames":
        if self.num == 2 and self.fusion == "background":
            raise ValueError(
                "expected num to be 1, or at least 3 for the fusion background, which is the "
                "median of the others, got 2"
            )
        return self

    @property
    def length(self) -> int:
        """The number of frames of a sequence, once it is chosen."""
        if self.num == "auto":
            raise ValueError("frames.num must be chosen, but is auto")
        return self.num

    @property
    def span_s(self) -> float:
        """The time from the first frame of a sequence to the last."""
        return (self.length - 1) * self.step_s


class Augmentation(Section):
    """Augmentation of pictures and their boxes in training.

    Attributes:
        flip_probability: the probability of a mirror image.
        still_probability: of a sequence of frames: the probability that it is replaced by copies of
            its last frame.
        max_scale: the largest factor of scaling, up or down; parts outside the canvas are cropped.
        max_shift: the largest shift in either direction, as a fraction of the side.
        brightness, contrast, saturation: a factor of 1 +- at most this.
        hue: the largest shift of hue, as a fraction of the colour circle.
        max_rotation_deg, max_shear_deg: the largest angles; boxes grow to enclose their corners.
        mosaic_probability: the probability of a mosaic: four pictures in place of one; `auto`: 0.5
            for single pictures and random weights, else 0.
        mosaic_min_scale: the pictures of a mosaic are shrunk to between this and their whole size,
            and cropped where they are too large; 0.5: to half, without cropping.
        mixup_probability: the probability of the mean of two pictures, with the objects of both.
        alone_epochs: the number of epochs at the end without mosaics and mixtures; `auto`: a fifth
            of all epochs.
        min_visible: an object is ignored if less than this fraction of it is left after cropping.
    """

    flip_probability: Fraction
    still_probability: Fraction
    max_scale: Annotated[float, Field(ge=1, le=100)]
    max_shift: Fraction
    brightness: Fraction
    contrast: Fraction
    saturation: Fraction
    hue: Annotated[float, Field(ge=0, le=0.5)]
    max_rotation_deg: Annotated[float, Field(ge=0, le=180)]
    max_shear_deg: Annotated[float, Field(ge=0, le=60)]
    mosaic_probability: Fraction | Literal["auto"]
    mosaic_min_scale: Annotated[float, Field(ge=0.5, le=1)]
    mixup_probability: Fraction
    alone_epochs: CountOr0 | Literal["auto"]
    min_visible: Fraction

    @property
    def mosaics(self) -> float:
        """The probability of a mosaic, once it is chosen."""
        if self.mosaic_probability == "auto":
            raise ValueError("mosaic_probability must be chosen, but is auto")
        return self.mosaic_probability

    def num_alone(self, num_epochs: int) -> int:
        """The number of epochs at the end without mosaics and mixtures, of so many in all."""
        return num_epochs // 5 if self.alone_epochs == "auto" else self.alone_epochs


class DetectorFitting(FittingBase):
    """How long the detector is trained, and with which batch size and precision.

    Attributes:
        max_epochs: the largest number of epochs; `auto`: by the number and kind of the training
            pictures, the size of the canvas, and whether weights are pretrained.
    """

    max_epochs: Count | Literal["auto"]

    @property
    def chosen(self) -> Fitting:
        """The same with a number of epochs, once it is chosen."""
        if self.max_epochs == "auto":
            raise ValueError("fitting.max_epochs must be chosen, but is auto")
        return Fitting(**self.model_dump())


class TrainDetector(Section):
    """How the detector is trained.

    Attributes:
        seed: the seed of initial weights, order of pictures, augmentation and k-means.
        architecture: `grid`, `anchor`, `yolox_nano`, `yolox_tiny`, `yolox_s`, an RF-DETR or D-FINE
            of transformers, the name of a torchvision detector, or `maskrcnn`, which is
            torchvision's on the maps of `features` with the anchors of `anchor`; `auto`: that of
            the file of weights; without one, one of the first five, or with `masks` a `maskrcnn`,
            and its maps, by the sizes of the training boxes.
        masks: whether the detector also finds the mask of each object. The data must have masks
            then (`dataset.detection.format: masks`). `maskrcnn` and `maskrcnn_resnet50_fpn_v2`
            always find masks, an RF-DETR may, and the others cannot.
        weights: `none` (random); `imagenet` (pretrained trunk); `coco` (pretrained `yolox` network
            or torchvision detector); or a file: of the same network, of the trunk alone, or, of a
            `yolox` network, as its authors publish it or as ONNX.
        weights_classes: the names of classes in the weights, where they differ; of a file that
            names no classes, their numbers from 0.
        input_size_wh: width and height of the canvas that pictures are fitted to; `auto`: by the
            sizes of the training boxes.
        num_frozen_blocks: the number of trunk blocks, counted from the input, that do not learn.
        monitor: the value that picks the best epoch. `val_map` is of boxes, `val_segm_map` of
            masks.
        ema_decay: the decay of the moving average of weights, which is what is kept; 0: no average.
        hard_examples: pictures that are repeated, with or without objects.
        ohem_fraction: for `grid` and `anchor`, the fraction of the positive and of the negative
            places in a batch that count in the loss of objectness: those with the largest losses;
            1: all.
    """

    section: ClassVar[str] = "train_detector"

    seed: Seed
    architecture: Literal[
        OwnArchitecture, TorchvisionArchitecture, MaskArchitecture, TransformerArchitecture, "auto"
    ]
    masks: bool
    weights: Annotated[str, Field(min_length=1, max_length=4096)]
    weights_classes: dict[str, str]
    input_size_wh: tuple[Side, Side] | Literal["auto"]
    num_frozen_blocks: CountOr0
    features: Features
    grid: Grid
    anchor: Anchor
    loss: Loss
    frames: Frames
    monitor: Literal["val_map", "val_segm_map", "val_loss"]
    ema_decay: Annotated[float, Field(ge=0, lt=1)]
    fitting: DetectorFitting
    optimisation: Optimisation
    augmentation: Augmentation
    hard_examples: HardExamples
    ohem_fraction: Annotated[float, Field(gt=0, le=1)]

    @property
    def is_own(self) -> bool:
        """Whether the network is from this project, not from torchvision or transformers.

        `maskrcnn` is torchvision's.
        """
        return self.architecture in (*get_args(OwnArchitecture), "auto")

    @property
    def canvas_wh(self) -> tuple[int, int]:
        """The canvas's size, once it is chosen."""
        if self.input_size_wh == "auto":
            raise ValueError("input_size_wh must be chosen, but is auto")
        return self.input_size_wh

    @property
    def mode(self) -> Literal["min", "max"]:
        """Whether a smaller (`min`) or a larger (`max`) monitored value is better."""
        return "min" if self.monitor == "val_loss" else "max"

    @property
    def weights_file(self) -> Path | None:
        """The file of the weights; None if the weights are published or random."""
        return None if self.weights in get_args(Pretrained) else Path(self.weights)

    def used(self) -> dict[str, Any]:
        """All parameters that the training depends on, without those of other architectures."""
        unused = {"grid", "anchor"} - {self.architecture}
        if self.architecture == "maskrcnn":
            unused -= {"anchor"}
        elif self.architecture not in get_args(TrunkArchitecture):
            unused |= {"features"}
        unused |= set() if self.masks else {"masks"}
        if not self.is_own:
            unused |= {"loss"}
        if self.frames.num == 1:
            unused |= {"frames"}
        unused |= {"hard_examples"} if self.hard_examples.repeat == 1 else set()
        unused |= {"ohem_fraction"} if self.ohem_fraction == 1 else set()
        return self.model_dump(mode="json", exclude=unused)

    @model_validator(mode="after")
    def _check_pairs(self) -> "TrainDetector":
        self._check_masks()
        if self.monitor == "val_loss" and not self.is_own:
            raise ValueError(
                f"expected monitor to be val_map for {self.architecture}, which has no validation "
                "loss, got val_loss"
            )
        if self.weights_classes and self.weights in {"none", "imagenet"}:
            raise ValueError(
                "expected weights_classes to be empty for weights without classes, "
                f"{self.weights}, got {listed(self.weights_classes)}"
            )
        if self.ohem_fraction < 1 and not self.is_own:
            raise ValueError(
                f"expected ohem_fraction to be 1 for {self.architecture}, whose losses a library "
                f"computes, got {self.ohem_fraction:g}"
            )
        is_yolox = self.architecture in get_args(YoloxArchitecture)
        has_coco = is_yolox or self.architecture == "auto"
        if self.weights == "coco" and self.is_own and not has_coco:
            raise ValueError(
                f"expected weights to be none, imagenet or a file for {self.architecture}, got "
                "coco, which only the yolox networks and torchvision's detectors have"
            )
        if self.weights == "imagenet" and is_yolox:
            raise ValueError(
                f"expected weights to be none, coco or a file for {self.architecture}, got imagenet"
            )
        if self.num_frozen_blocks and is_yolox:
            raise ValueError(
                f"expected num_frozen_blocks to be 0 for {self.architecture}, "
                f"got {self.num_frozen_blocks}"
            )
        if self.architecture in get_args(TransformerArchitecture):
            self._check_transformer()
        if self.frames.num not in (1, "auto") and not self.is_own:
            raise ValueError(
                f"expected frames.num to be 1 for {self.architecture}, got {self.frames.num}"
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

    def _check_masks(self) -> None:
        is_always = self.architecture in get_args(MaskArchitecture)
        if self.masks and self.architecture not in (*MAY_HAVE_MASKS, "auto"):
            raise ValueError(
                f"expected masks to be false for {self.architecture}, which finds boxes alone "
                f"({listed(MAY_HAVE_MASKS)} find masks), got true"
            )
        if is_always and not self.masks:
            raise ValueError(
                f"expected masks to be true for {self.architecture}, which learns from masks, got "
                "false"
            )
        if self.monitor == "val_segm_map" and not self.masks:
            raise ValueError(
                "expected monitor to be val_map or val_loss for a detector without masks, got "
                "val_segm_map"
            )
        if self.architecture == "maskrcnn" and self.weights == "coco":
            raise ValueError(
                "expected weights to be none, imagenet or a file for maskrcnn, got coco, which "
                "maskrcnn_resnet50_fpn_v2 has"
            )
        if self.architecture == "maskrcnn" and self.anchor.assignment == "simota":
            raise ValueError(
                "expected anchor.assignment to be fixed for maskrcnn, got simota, which anchor has"
            )

    def _check_transformer(self) -> None:
        if self.weights_file is None and self.weights != "none":
            raise ValueError(
                f"expected weights to be none or a file for {self.architecture}, got {self.weights}"
            )
        if self.num_frozen_blocks:
            raise ValueError(
                f"expected num_frozen_blocks to be 0 for {self.architecture}, "
                f"got {self.num_frozen_blocks}"
            )
        if self.input_size_wh == "auto":
            return
        # Queries start from the best cells, whose side is 16 px.
        width, height = self.input_size_wh
        if num_query_cells((width, height)) < NUM_QUERIES:
            raise ValueError(
                f"expected an input_size_wh with at least {NUM_QUERIES} cells of 16 px for "
                f"{self.architecture}, got {width}x{height}"
            )

    def check_against(self, sections: Mapping[str, Any]) -> None:
        """A file of weights must exist before the first stage runs."""
        if self.weights_file and not self.weights_file.is_file():
            raise FieldError(
                "weights",
                f"expected {', '.join(get_args(Pretrained))} or a file, "
                f"got {shorten(self.weights)}",
            )
