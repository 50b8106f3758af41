"""Parameters of `fit_alarm`."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from vigil.plumbing.errors import FieldError
from vigil.plumbing.params import Count, CountOr0, Rate, Section, Seed, Width
from vigil.settings.embed_clips import APPEARANCE, OBJECTS, ChannelName
from vigil.settings.training import Fitting, Optimisation

ErrorName = Literal["sum", "mean"]
ScorerName = Literal[
    "largest", "mahalanobis", "nearest_neighbours", "gaussian_mixture", "autoencoder"
]
AUTOENCODER: ScorerName = "autoencoder"
BY_FEATURE: tuple[ScorerName, ...] = ("nearest_neighbours", "gaussian_mixture")
"""The scorers that can score each feature of `objects` by itself."""
SPEED_MAP = "speed_map"
MAPPED: tuple[ChannelName, ...] = ("local_speed", "motion_cells")
"""The channels with places in which a speed is usual."""
ScorerNames = Annotated[tuple[ScorerName, ...], Field(min_length=1)]


class Scorers(Section):
    """The scorers of each channel.

    The first scorer of a channel raises the alarm. The others are baselines.

    Attributes:
        local_speed, local_disorder, motion_histogram, motion_cells, appearance, objects: the
            scorers of the channel. Those of `objects` score each feature by itself, so only
            `nearest_neighbours` and `gaussian_mixture` are possible.
    """

    local_speed: ScorerNames
    local_disorder: ScorerNames
    motion_histogram: ScorerNames
    motion_cells: ScorerNames
    appearance: ScorerNames
    objects: ScorerNames

    @field_validator("*")
    @classmethod
    def _check_once(cls, names: tuple[ScorerName, ...]) -> tuple[ScorerName, ...]:
        if len(set(names)) < len(names):
            raise ValueError(f"expected each scorer once, got {', '.join(names)}")
        return names

    @model_validator(mode="after")
    def _check_largest(self) -> "Scorers":
        """In a vector of many numbers, the largest number has no meaning."""
        for name in ("motion_histogram", "motion_cells", "appearance"):
            if "largest" in getattr(self, name):
                raise ValueError(
                    f"expected largest only for local_speed and local_disorder, got it for {name}"
                )
        if other := set(self.objects) - set(BY_FEATURE):
            raise ValueError(
                f"expected {' or '.join(BY_FEATURE)} for {OBJECTS}, got {', '.join(sorted(other))}"
            )
        return self

    def of(self, channel: str) -> tuple[ScorerName, ...]:
        """The scorers of a channel."""
        names: tuple[ScorerName, ...] = getattr(self, channel)
        return names


class Network(Section):
    """The shape of an autoencoder.

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
    """How the network of `appearance` is fine-tuned.

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


class FitAlarm(Section):
    """How the scorers of the channels are fitted.

    Attributes:
        seed: the seed of an autoencoder's initial weights and order of samples, and of a mixture's
            initial parameters.
        scorers: the scorers of each channel.
        speed_map: whether the vectors of `local_speed` and `motion_cells` are divided by the usual
            speed at their place; without effect if training sources do not agree on it. `auto`:
            if the allowed training videos show one place, seen by a camera that does not move.
        num_vectors: the largest number of vectors of allowed clips for each channel, spread evenly
            over all.
        num_neighbours: neighbours that the distance of `nearest_neighbours` is averaged over.
        num_components: components of `gaussian_mixture`.
        feature_quantile: each feature of `objects` is scaled by this quantile of the largest
            scores of allowed training videos that it was not learnt from.
        network, fitting, optimisation: the parameters of each `autoencoder`.
        fine_tuning: how the network of `appearance` is fine-tuned.
    """

    section: ClassVar[str] = "fit_alarm"

    seed: Seed
    scorers: Scorers
    speed_map: bool | Literal["auto"]
    num_vectors: Annotated[int, Field(ge=2, le=1_000_000)]
    num_neighbours: Count
    num_components: Annotated[int, Field(ge=1, le=1000)]
    feature_quantile: Annotated[float, Field(gt=0, le=1)]
    network: Network
    fitting: Fitting
    optimisation: Optimisation
    fine_tuning: FineTuning

    @property
    def maps_speed(self) -> bool:
        """`speed_map`, once it is decided."""
        if self.speed_map == "auto":
            raise ValueError("speed_map must be decided, but is auto")
        return self.speed_map

    def tunes(self, channel: str) -> bool:
        """Whether the network of a channel is fine-tuned together with its autoencoder."""
        return channel == APPEARANCE and self.fine_tuning.from_epoch > 0

    def used(self, channel: str) -> dict[str, Any]:
        """All parameters that the training of a channel's autoencoder depends on."""
        unused = {"scorers", "speed_map", "num_neighbours", "num_components", "feature_quantile"}
        if not self.tunes(channel):
            unused.add("fine_tuning")
        return self.model_dump(mode="json", exclude=unused)

    @model_validator(mode="after")
    def _check_pairs(self) -> "FitAlarm":
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
        """Fine-tuning that is not possible is refused before clips are embedded."""
        if not self.fine_tuning.from_epoch:
            return
        if (num_shards := self.optimisation.num_shards) > 1:
            raise FieldError(
                "optimisation.num_shards",
                f"expected 1 for fine-tuning, which needs whole batches, got {num_shards}",
            )
        channels: tuple[ChannelName, ...] = sections["embed_clips"].channels
        if APPEARANCE not in channels:
            raise FieldError(
                "fine_tuning.from_epoch",
                "expected 0 without appearance among embed_clips.channels, since no other channel "
                f"has a network, got {self.fine_tuning.from_epoch}",
            )
        if (num_cells := sections["embed_clips"].appearance.num_space_cells) > 1:
            raise FieldError(
                "fine_tuning.from_epoch",
                "expected 0 where embed_clips.appearance.num_space_cells is more than 1, since a "
                f"window has one vector to learn from, got {self.fine_tuning.from_epoch} and "
                f"{num_cells}",
            )
        if self.scorers.appearance != (AUTOENCODER,):
            raise FieldError(
                "fine_tuning.from_epoch",
                "expected 0 where fit_alarm.scorers.appearance is not [autoencoder] alone, got "
                f"{self.fine_tuning.from_epoch}",
            )
