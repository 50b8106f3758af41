"""How a network is trained: the blocks that every training has."""

from typing import Annotated, Literal

from pydantic import Field

from vigil.plumbing.params import Count, Fraction, Rate, Section, Weight

Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed"]


class Fitting(Section):
    """How long a network is trained, in what steps, and with which arithmetic.

    Attributes:
        max_epochs: epochs at most.
        patience_epochs: epochs without a better value of what is monitored, after which to stop.
        min_delta: by how much an epoch must be better for the patience to start anew.
        batch_size: samples a step.
        gradient_clip: largest norm of the gradient; 0 for none.
        precision: of the arithmetic; weights are always kept in 32 bits. `auto` is `bf16-mixed`
            where the device has units for it, else `32-true`; `16-mixed` needs a GPU.
    """

    max_epochs: Count
    patience_epochs: Count
    min_delta: Weight
    batch_size: Count
    gradient_clip: Weight
    precision: Precision


class Optimisation(Section):
    """How weights are moved.

    Attributes:
        optimiser: `adam`, `adamw` or `sgd` (with Nesterov's momentum of 0.9).
        learning_rate: at its highest.
        weight_decay: of matrices and kernels; biases and norms have none.
        schedule: `constant`; `cosine`: down to zero at the last step; `step`: multiplied by
            `schedule_factor` every `schedule_epochs` epochs; `plateau`: multiplied by it once the
            monitored value has not been better for more than `schedule_epochs` epochs.
        schedule_epochs: of `step` and `plateau`.
        schedule_factor: of `step` and `plateau`.
        warmup_fraction: share of all steps in which the rate rises from zero.
    """

    optimiser: Literal["adam", "adamw", "sgd"]
    learning_rate: Rate
    weight_decay: Weight
    schedule: Literal["constant", "cosine", "step", "plateau"]
    schedule_epochs: Count
    schedule_factor: Annotated[float, Field(gt=0, lt=1)]
    warmup_fraction: Fraction
