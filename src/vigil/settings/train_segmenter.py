"""Parameters of `train_segmenter`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, model_validator

from vigil.plumbing.errors import FieldError, shorten
from vigil.plumbing.params import Count, CountOr0, Fraction, Section, Seed, Weight
from vigil.settings.training import Fitting, FittingBase, Optimisation
from vigil.settings.trunk import TrunkName

Side = Annotated[int, Field(ge=32, le=8192)]
TorchvisionArchitecture = Literal[
    "fcn_resnet50",
    "deeplabv3_resnet50",
    "deeplabv3_mobilenet_v3_large",
    "lraspp_mobilenet_v3_large",
]
Architecture = Literal["unet", TorchvisionArchitecture]
UpsamplingName = Literal["nearest", "bilinear", "transposed", "unpooling"]
LossName = Literal["ce", "bce", "dice", "ce+dice", "bce+dice"]
ClassWeights = Literal["auto", "none", "balanced"]
Pretrained = Literal["none", "imagenet", "coco"]
View = Literal["resized", "tiled"]


class UNet(Section):
    """Parameters of `unet` only.

    Attributes:
        trunk: a classification network of torchvision, or `plain`: the encoder of the first U-Net.
        width: channels of the finest map of the way back; of `plain`, also of its first map.
        upsampling: how maps are enlarged: each cell repeated (`nearest`), interpolated
            (`bilinear`), by a learnt kernel (`transposed`), or put where the finer map has its
            maxima (`unpooling`).
        finest_stride: the stride of the finest map of the way back, in px. Where it is finer than
            the trunk's maps, two convolutions on the picture give it features.
        sees_all: whether the mean of the whole deepest map is added to each of its cells.
    """

    trunk: TrunkName | Literal["plain"]
    width: Annotated[int, Field(ge=4, le=512)]
    upsampling: UpsamplingName
    finest_stride: Literal[1, 2, 4]
    sees_all: bool


class MaskAugmentation(Section):
    """Random changes of training pictures and their masks.

    Attributes:
        flip_probability: of a mirror image.
        min_scale, max_scale: the least and the largest factor by which a picture is resized. All
            factors between them are equally likely on a logarithmic scale.
        max_rotation_deg: the largest rotation.
        brightness, contrast, saturation: the largest relative change of each.
    """

    flip_probability: Fraction
    min_scale: Annotated[float, Field(gt=0, le=1)]
    max_scale: Annotated[float, Field(ge=1, le=10)]
    max_rotation_deg: Annotated[float, Field(ge=0, le=180)]
    brightness: Fraction
    contrast: Fraction
    saturation: Fraction


class SegmenterFitting(FittingBase):
    """How long a segmenter is trained, and with which batch size and precision.

    Attributes:
        max_epochs: the largest number of epochs; `auto`: by the number of pictures and the size of
            the canvas.
    """

    max_epochs: Count | Literal["auto"]

    @property
    def chosen(self) -> Fitting:
        """The same with a number of epochs, once it is chosen."""
        if self.max_epochs == "auto":
            raise ValueError("max_epochs must be chosen, but is auto")
        return Fitting(**self.model_dump())


class TrainSegmenter(Section):
    """How a network is trained to find the class of each pixel.

    Attributes:
        seed: the seed of the initial weights, of the order of pictures and of their changes.
        architecture: `unet`, or a segmenter of torchvision by its name there.
        weights: the initial weights: `none` (random); `imagenet` (pretrained trunk); `coco`
            (torchvision's segmenters without their last layer); or a file: of the same network, of
            the trunk of `unet` alone, or of torchvision's segmenter of that name, whose last layer
            is left out.
        view: `resized`: a picture is fitted to the canvas; `tiled`: it keeps its size, and parts of
            the size of the canvas are looked at one by one.
        canvas_wh: width and height of the canvas; `auto`: by the sizes of the training pictures.
        part: the sides of the random part of the canvas that a training step sees, as a fraction of
            the canvas's; `auto`: 0.5 for frames of videos, else 1. Smaller parts make more steps.
        num_frozen_blocks: for `unet`, the number of trunk blocks, counted from the input, that do
            not learn.
        loss: cross-entropy of exclusive classes (`ce`), yes-or-no losses of independent classes
            (`bce`), the Dice coefficient (`dice`), or a sum.
        dice_weight: the weight of `dice` in a sum.
        class_weights: `none`; `balanced`: one by the square root of the share of pixels; `auto`:
            `balanced` for more than two classes, else `none`; or the weight of each class by name,
            where others have 1. A class without pixels in the training set has 1, too.
        auxiliary_weight: the weight of the loss of an auxiliary classifier, which `fcn` and
            `deeplabv3` have.
        ohem_fraction: of the pixels of a batch (with `num_shards`, of each of its parts) that count
            in `ce` and `bce`, those with the largest losses; 1: all.
        monitor: the value that picks the best epoch.
        ema_decay: the decay of the moving average of weights, which is what is kept; 0: no average.
    """

    section: ClassVar[str] = "train_segmenter"

    seed: Seed
    architecture: Architecture
    weights: Annotated[str, Field(min_length=1, max_length=4096)]
    view: View
    canvas_wh: tuple[Side, Side] | Literal["auto"]
    part: Annotated[float, Field(gt=0, le=1)] | Literal["auto"]
    num_frozen_blocks: CountOr0
    unet: UNet
    loss: LossName
    dice_weight: Weight
    class_weights: ClassWeights | dict[str, Annotated[float, Field(gt=0, le=1000)]]
    auxiliary_weight: Weight
    ohem_fraction: Annotated[float, Field(gt=0, le=1)]
    monitor: Literal["val_iou", "val_loss"]
    ema_decay: Annotated[float, Field(ge=0, lt=1)]
    fitting: SegmenterFitting
    optimisation: Optimisation
    augmentation: MaskAugmentation

    @property
    def size_wh(self) -> tuple[int, int]:
        """The canvas's size, once it is chosen."""
        if self.canvas_wh == "auto":
            raise ValueError("canvas_wh must be chosen, but is auto")
        return self.canvas_wh

    @property
    def part_wh(self) -> tuple[int, int]:
        """The size of what a training step sees, once it is chosen."""
        if self.part == "auto":
            raise ValueError("part must be chosen, but is auto")
        if self.part == 1:
            return self.size_wh
        width, height = (max(32, round(side * self.part / 8) * 8) for side in self.size_wh)
        return width, height

    @property
    def mode(self) -> Literal["min", "max"]:
        """Whether a smaller (`min`) or a larger (`max`) monitored value is better."""
        return "max" if self.monitor == "val_iou" else "min"

    @property
    def weights_file(self) -> Path | None:
        """The file of the weights; None if the weights are published or random."""
        return None if self.weights in get_args(Pretrained) else Path(self.weights)

    def used(self) -> dict[str, Any]:
        """All parameters that the training depends on, without those of other architectures."""
        unused = {"auxiliary_weight"} if self.architecture == "unet" else {"unet"}
        unused |= {"dice_weight"} if "+" not in self.loss else set()
        return self.model_dump(mode="json", exclude=unused)

    @model_validator(mode="after")
    def _check_pairs(self) -> "TrainSegmenter":
        if self.num_frozen_blocks and (self.architecture != "unet" or self.unet.trunk == "plain"):
            raise ValueError(
                "expected num_frozen_blocks to be 0 but for unet on a trunk of torchvision, "
                f"got {self.num_frozen_blocks}"
            )
        if self.num_frozen_blocks and self.weights == "none":
            raise ValueError(
                "expected num_frozen_blocks to be 0 if the initial weights are random, "
                f"got {self.num_frozen_blocks}"
            )
        if self.weights == "coco" and self.architecture == "unet":
            raise ValueError(
                "expected weights to be none, imagenet or a file for unet, got coco, which only "
                "torchvision's segmenters have"
            )
        is_plain = self.architecture == "unet" and self.unet.trunk == "plain"
        if self.weights == "imagenet" and is_plain:
            raise ValueError(
                "expected weights to be none or a file for unet with the trunk plain, got imagenet"
            )
        if self.architecture.startswith("deeplabv3") and self.fitting.batch_size == 1:
            raise ValueError(
                f"expected fitting.batch_size to be at least 2 for {self.architecture}, whose "
                "norms cannot learn from one picture, got 1"
            )
        if self.ohem_fraction < 1 and self.loss == "dice":
            raise ValueError(f"expected ohem_fraction to be 1 for dice, got {self.ohem_fraction:g}")
        return self

    def check_against(self, sections: Mapping[str, Any]) -> None:
        """A file of weights must exist before the first stage runs."""
        if self.weights_file and not self.weights_file.is_file():
            raise FieldError(
                "weights",
                f"expected {', '.join(get_args(Pretrained))} or a file, "
                f"got {shorten(self.weights)}",
            )
