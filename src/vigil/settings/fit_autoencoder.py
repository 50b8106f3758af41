"""Parameters of `fit_autoencoder`."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from vigil.plumbing.errors import FieldError
from vigil.plumbing.params import Count, CountOr0, Rate, Section, Seed, Width
from vigil.settings.training import Fitting, Optimisation

ErrorName = Literal["sum", "mean"]


class Network(Section):
    """The shape of the autoencoder.

    Attributes:
        hidden: widths of the encoder's layers, down to the narrowest; the decoder has the same
            widths in reverse order.
        dropout: the fraction of activations that are set to zero in training.
        error: whether the squared differences of a vector are summed or averaged.
    """

    hidden: Annotated[tuple[Width, ...], Field(min_length=1, max_length=100)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    error: ErrorName


class FineTuning(Section):
    """How the network that embeds clips is fine-tuned.

    Attributes:
        from_epoch: the first epoch that fine-tunes the network, counted from 1; 0: no epoch does.
        num_tensors: the number of parameter tensors that learn, counted from the network's end.
        learning_rate: the learning rate of these tensors.
        target: the target of the reconstruction: the vector itself without gradient (`detached`),
            or the vector from a copy of the network that follows slowly (`momentum`).
        momentum: the fraction of its weights that the copy keeps at each step.
        min_variance_fraction: the least variance of vectors within batches, as a fraction of the
            variance of the stored vectors; less is a collapse, which is an error.
    """

    from_epoch: CountOr0
    num_tensors: Count
    learning_rate: Rate
    target: Literal["detached", "momentum"]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    min_variance_fraction: Annotated[float, Field(ge=0, lt=1)]


class FitAutoencoder(Section):
    """How the autoencoder is fitted.

    Attributes:
        seed: the seed of the initial weights and of the order of samples.
    """

    section: ClassVar[str] = "fit_autoencoder"

    seed: Seed
    network: Network
    fitting: Fitting
    optimisation: Optimisation
    fine_tuning: FineTuning

    def used(self) -> dict[str, Any]:
        """All parameters that the training depends on."""
        unused = set() if self.fine_tuning.from_epoch else {"fine_tuning"}
        return self.model_dump(mode="json", exclude=unused)

    @model_validator(mode="after")
    def _check_pairs(self) -> "FitAutoencoder":
        if self.fitting.batch_size < 2:
            raise ValueError(
                "expected fitting.batch_size to be at least 2, since the norm cannot learn from "
                f"one vector, got {self.fitting.batch_size}"
            )
        if self.fine_tuning.from_epoch > self.fitting.max_epochs:
            raise ValueError(
                "expected fine_tuning.from_epoch to be at most fitting.max_epochs "
                f"({self.fitting.max_epochs}), got {self.fine_tuning.from_epoch}"
            )
        return self

    def check_against(self, sections: Mapping[str, Any]) -> None:
        """A backbone that cannot be fine-tuned is refused before clips are embedded."""
        backbone = sections["embed_clips"].backbone
        if self.fine_tuning.from_epoch and backbone == "flow_histogram":
            raise FieldError(
                "fine_tuning.from_epoch",
                "expected 0 for embed_clips.backbone flow_histogram, which cannot learn, got "
                f"{self.fine_tuning.from_epoch}",
            )
