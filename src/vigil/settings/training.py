"""The blocks of parameters that several trainings have."""

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from vigil.plumbing.params import Count, DataPath, Fraction, Rate, Section, Weight

TRAININGS = ("train_classifier", "train_detector", "train_segmenter", "fit_alarm")
"""The stages that train a network, and for which `vigil find-lr` tries learning rates."""

Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed"]


class FittingBase(Section):
    """How a network is trained, but for the number of epochs.

    Attributes:
        patience_epochs: the training stops after this number of epochs without a better monitored
            value.
        min_delta: the least improvement of the monitored value that restarts the patience.
        batch_size: samples in a training step.
        gradient_clip: the largest norm of the gradient; 0: no limit.
        precision: the precision of the arithmetic; weights are always kept in 32 bits. `auto` is
            `bf16-mixed` where the device has units for it, else `32-true`; `16-mixed` needs a GPU.
    """

    patience_epochs: Count
    min_delta: Weight
    batch_size: Count
    gradient_clip: Weight
    precision: Precision


class Fitting(FittingBase):
    """How long a network is trained, and with which batch size and precision.

    Attributes:
        max_epochs: the largest number of epochs.
    """

    max_epochs: Count


class Optimisation(Section):
    """The optimiser and its schedule of learning rates.

    Attributes:
        optimiser: `adam`, `adamw` or `sgd` (with Nesterov's momentum of 0.9).
        learning_rate: the highest learning rate.
        weight_decay: the decay of matrices and kernels; biases and norms have none.
        schedule: `constant`; `cosine`: the rate falls to zero at the last step; `step`: the rate is
            multiplied by `schedule_factor` every `schedule_epochs` epochs; `plateau`: the rate is
            multiplied by `schedule_factor` after more than `schedule_epochs` epochs without a
            better monitored value.
        schedule_epochs: epochs between two changes of `step`, and the patience of `plateau`.
        schedule_factor: the factor of `step` and `plateau`.
        warmup_fraction: the fraction of all steps in which the learning rate rises from zero.
        num_shards: the number of equal parts that each batch is cut into. The gradients of the
            parts are added in order, so several processes can compute them (`VIGIL_DEVICES`,
            `VIGIL_LAUNCH`), and the result does not depend on the number of processes. 1: batches
            are not cut, and one process trains.
    """

    optimiser: Literal["adam", "adamw", "sgd"]
    learning_rate: Rate
    weight_decay: Weight
    schedule: Literal["constant", "cosine", "step", "plateau"]
    schedule_epochs: Count
    schedule_factor: Annotated[float, Field(gt=0, lt=1)]
    warmup_fraction: Fraction
    num_shards: Annotated[int, Field(ge=1, le=1024)] = 1

    @model_serializer(mode="wrap")
    def _leave_out_default(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """One shard is how every training was done before there were shards."""
        content: dict[str, Any] = dump(self)
        if self.num_shards == 1:
            content.pop("num_shards", None)
        return content


class HardExamples(Section):
    """Training data that the model got wrong, as `vigil mine-hard-examples` lists it.

    Attributes:
        path: the list. All its names must be on the training side.
        repeat: how often an epoch has each listed example; 1: as often as the others.
        fraction: the largest fraction of an epoch that repeated examples may be. If the list has
            more, its first examples are repeated.
    """

    path: DataPath
    repeat: Annotated[int, Field(ge=1, le=1000)]
    fraction: Fraction
