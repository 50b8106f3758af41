"""Parameters of `train_classifier`."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from vigil.plumbing.errors import FieldError
from vigil.plumbing.params import Count, Fraction, Section, Seed, Width
from vigil.settings.training import Fitting, Optimisation

Architecture = Literal["crop_transformer"]


class Network(Section):
    """The shape of the network.

    Attributes:
        patch_px: side of a patch, which becomes a token; divides the side of a crop.
        width: of a token.
        depth: transformer blocks.
        num_heads: of attention.
        mlp_width: of the layer within a block.
        dropout: share of the numbers set to zero in training.
    """

    patch_px: Count
    width: Width
    depth: Annotated[int, Field(ge=1, le=100)]
    num_heads: Width
    mlp_width: Width
    dropout: Annotated[float, Field(ge=0, lt=1)]

    @model_validator(mode="after")
    def _check_heads(self) -> "Network":
        if self.width % self.num_heads:
            raise ValueError(
                f"expected num_heads to divide the width {self.width}, got {self.num_heads}"
            )
        return self


class Augmentation(Section):
    """How far crops may be changed in training, each sample alike on all its frames.

    Attributes:
        flip_probability: of a mirror image, and of time running backwards.
        max_shift_px: in either direction, along x and y.
        max_scale: by which factor, up or down.
        max_brightness: added, as a fraction of the full range.
        max_contrast: factor around the mean grey, 1 +- this.
        noise: standard deviation of the added noise, as a fraction of the full range.
    """

    flip_probability: Fraction
    max_shift_px: Annotated[float, Field(ge=0, le=10_000)]
    max_scale: Annotated[float, Field(ge=1, le=100)]
    max_brightness: Fraction
    max_contrast: Annotated[float, Field(ge=0, lt=1)]
    noise: Fraction


class TrainClassifier(Section):
    """How the classifier is trained.

    Attributes:
        seed: of weights, order and augmentation.
        architecture: the network by its name.
        label_smoothing: how far targets move towards one half.
    """

    section: ClassVar[str] = "train_classifier"

    seed: Seed
    architecture: Architecture
    network: Network
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    fitting: Fitting
    optimisation: Optimisation
    augmentation: Augmentation

    def check_against(self, sections: Mapping[str, Any]) -> None:
        """Patches must tile the crops."""
        size_px = sections["generate_samples"].size_px
        if size_px % self.network.patch_px:
            raise FieldError(
                "network.patch_px",
                f"expected a divisor of generate_samples.size_px ({size_px}), "
                f"got {self.network.patch_px}",
            )
