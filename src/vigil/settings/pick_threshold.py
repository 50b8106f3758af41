"""Parameters of `pick_threshold`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from vigil.plumbing.params import Fraction, Section

Method = Literal["max_validation_error", "quantile", "conformal", "best_f1", "youden"]


class PickThreshold(Section):
    """How a threshold is picked.

    Attributes:
        method: `max_validation_error`: the largest score of an allowed validation clip; `quantile`:
            a quantile of these scores (the score at it or next above it); `conformal`: the smallest
            of these scores for which the expected rate of false alarms is at most
            `false_alarm_rate` (split conformal prediction: Papadopoulos et al., "Inductive
            Confidence Machines for Regression", 2002); `best_f1`: the score with the best F1;
            `youden`: the score with the largest difference of recall and rate of false alarms
            (Youden, "Index for Rating Diagnostic Tests", 1950). The last two need anomalous clips
            in the validation set.
        quantile: the quantile of the method `quantile`.
        false_alarm_rate: the largest expected rate of false alarms of all channels together, for
            the method `conformal`; each channel has an equal part of it.
    """

    section: ClassVar[str] = "pick_threshold"

    method: Method
    quantile: Fraction
    false_alarm_rate: Annotated[float, Field(gt=0, lt=1)]

    @property
    def needs_anomalous(self) -> bool:
        """Whether the method needs anomalous validation clips."""
        return self.method in {"best_f1", "youden"}

    def share_of(self, num_channels: int) -> "PickThreshold":
        """The rule for one of several channels that raise the alarm."""
        return self.model_copy(update={"false_alarm_rate": self.false_alarm_rate / num_channels})
