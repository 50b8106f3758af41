"""Parameters of `train_dino`."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from vigil.plumbing.params import DataPath, FileNames, Fraction, Section, Seed, Width
from vigil.settings.training import Fitting, Optimisation

Temperature = Annotated[float, Field(gt=0, le=10)]
Share = Annotated[float, Field(gt=0, le=1)]


class Frames(Section):
    """Which frames are learnt from.

    Attributes:
        step_s: time between two frames of a video.
        short_side_px: larger frames are resized to this short side.
        val_fraction: the last part of each video, which is only used to validate.
        regions: regions of each frame that an epoch sees.
    """

    step_s: Annotated[float, Field(ge=0, le=3600)]
    short_side_px: Annotated[int, Field(ge=16, le=2160)]
    val_fraction: Annotated[float, Field(gt=0, lt=1)]
    regions: Annotated[int, Field(ge=1, le=1000)]


class OwnTransformer(Section):
    """The shape of the network: a vision transformer with a class token.

    Attributes:
        size_px: side of the large views that the network learns from.
        patch_px: side of a patch; it must divide the sides of all views.
        width: the width of a token.
        depth: the number of transformer blocks.
        num_heads: the number of attention heads.
    """

    size_px: Annotated[int, Field(ge=8, le=1024)]
    patch_px: Annotated[int, Field(ge=2, le=64)]
    width: Width
    depth: Annotated[int, Field(ge=1, le=48)]
    num_heads: Width


class Views(Section):
    """The views of a region: two large ones and several small ones.

    Attributes:
        min_region: the smallest side of a region, as a fraction of the frame's short side.
        max_region: the largest side of a region.
        min_large: the smallest area of a large view, as a fraction of its region; the largest is 1.
        min_small: the smallest area of a small view.
        max_small: the largest area of a small view.
        num_small: the number of small views.
        small_px: side of the small views.
        brightness, contrast, saturation: the largest change of colours, as a fraction.
        grey_probability: the probability of a view without colours.
        blur_probability: the probability of a blurred view.
        flip_probability: the probability of a mirror image.
    """

    min_region: Share
    max_region: Share
    min_large: Share
    min_small: Share
    max_small: Share
    num_small: Annotated[int, Field(ge=0, le=32)]
    small_px: Annotated[int, Field(ge=8, le=1024)]
    brightness: Fraction
    contrast: Annotated[float, Field(ge=0, lt=1)]
    saturation: Fraction
    grey_probability: Fraction
    blur_probability: Fraction
    flip_probability: Fraction

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        for low, high in (("min_region", "max_region"), ("min_small", "max_small")):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(
                    f"expected {low} <= {high}, got {getattr(self, low):g} and "
                    f"{getattr(self, high):g}"
                )
        return self


class Distillation(Section):
    """How the student learns from the teacher.

    Attributes:
        prototypes: the outputs of a head, over which both predict a distribution.
        hidden_width: the width of the head's hidden layers.
        bottleneck_width: the width of the vector before the last layer of the head.
        momentum: the fraction of its weights that the teacher keeps at the first step; it rises to
            1 at the last step.
        student_temperature: the temperature of the student's distribution.
        first_temperature: the teacher's temperature at the first step.
        teacher_temperature: the teacher's temperature after the warm-up; a lower one is sharper.
        warmup_fraction: the fraction of all steps in which the teacher's temperature rises.
        centre_momentum: the fraction of the centre that is kept at each step. The centre is
            subtracted from the teacher's outputs.
        frozen_epochs: epochs at the start in which the head's last layer does not learn.
    """

    prototypes: Annotated[int, Field(ge=2, le=131_072)]
    hidden_width: Width
    bottleneck_width: Width
    momentum: Fraction
    student_temperature: Temperature
    first_temperature: Temperature
    teacher_temperature: Temperature
    warmup_fraction: Fraction
    centre_momentum: Annotated[float, Field(ge=0, lt=1)]
    frozen_epochs: Annotated[int, Field(ge=0, le=1000)]


class TrainDino(Section):
    """How a vision transformer learns from unlabelled frames.

    Attributes:
        seed: the seed of initial weights, order of frames and views.
        root: the folder of the videos.
        videos: file names below `root`; empty: nothing is trained.
        fitting: how long it is trained; the last epoch is kept, so `patience_epochs` has no effect.
    """

    section: ClassVar[str] = "train_dino"

    seed: Seed
    root: DataPath
    videos: FileNames
    frames: Frames
    network: OwnTransformer
    views: Views
    distillation: Distillation
    fitting: Fitting
    optimisation: Optimisation

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        network = self.network
        for name, side in (("size_px", network.size_px), ("small_px", self.views.small_px)):
            if side % network.patch_px:
                raise ValueError(
                    f"expected network.patch_px to divide {name} {side}, got {network.patch_px}"
                )
        if network.width % network.num_heads:
            raise ValueError(
                f"expected network.num_heads to divide the width {network.width}, got "
                f"{network.num_heads}"
            )
        return self

    def used(self) -> dict[str, Any]:
        """All parameters that the training depends on."""
        return self.model_dump(mode="json", exclude={"root", "videos"})
