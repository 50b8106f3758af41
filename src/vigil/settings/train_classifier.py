"""Parameters of `train_classifier`."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from vigil.plumbing.errors import FieldError
from vigil.plumbing.params import Count, Fraction, Section, Seed, Width
from vigil.settings.training import Fitting, HardExamples, Optimisation

Architecture = Literal["crop_transformer"]


class Network(Section):
    """The shape of the network.

    Attributes:
        patch_px: side of a patch, which becomes a token; it must divide the side of a crop.
        width: the width of a token.
        depth: the number of transformer blocks.
        num_heads: the number of attention heads.
        mlp_width: the width of the hidden layer in a block's MLP.
        dropout: the fraction of activations that are set to zero in training.
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
    """Augmentation of crops in training. All frames of a sample are changed in the same way.

    Attributes:
        flip_probability: the probability of a mirror image, and that of reversed time.
        max_shift_px: the largest shift along x and along y, in either direction.
        max_scale: the largest factor of scaling, up or down.
        max_brightness: the largest change of brightness, as a fraction of the full range.
        max_contrast: contrast is multiplied by a factor of 1 +- at most this, around the mean grey.
        noise: the standard deviation of the added noise, as a fraction of the full range.
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
        seed: the seed of initial weights, order of samples and augmentation.
        architecture: the name of the network.
        label_smoothing: the fraction by which targets move from 0 or 1 towards one half.
        hard_examples: samples that are repeated.
        ohem_fraction: the fraction of the people and of the background in a batch that count: those
            with the largest losses; 1: all.
    """

    section: ClassVar[str] = "train_classifier"

    seed: Seed
    architecture: Architecture
    network: Network
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    fitting: Fitting
    optimisation: Optimisation
    augmentation: Augmentation
    hard_examples: HardExamples
    ohem_fraction: Annotated[float, Field(gt=0, le=1)]

    def used(self) -> dict[str, Any]:
        """All parameters that the training depends on."""
        unused = {"hard_examples"} if self.hard_examples.repeat == 1 else set()
        unused |= {"ohem_fraction"} if self.ohem_fraction == 1 else set()
        return self.model_dump(mode="json", exclude=unused)

    def check_against(self, sections: Mapping[str, Any]) -> None:
        """Patches must divide the crops without remainder."""
        size_px = sections["generate_samples"].size_px
        if size_px % self.network.patch_px:
            raise FieldError(
                "network.patch_px",
                f"expected a divisor of generate_samples.size_px ({size_px}), "
                f"got {self.network.patch_px}",
            )
