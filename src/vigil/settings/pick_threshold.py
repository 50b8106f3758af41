"""Parameters of `pick_threshold`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from vigil.plumbing.params import Fraction, Section

Method = Literal["max_validation_error", "quantile", "conformal", "best_f1", "youden"]


class PickThreshold(Section):
    """How a threshold is picked.

    Attributes:
        method: `max_validation_error`, the largest score of an allowed clip; `quantile` of those
            scores (the score at or next above it); `conformal`: the smallest of them for which the
            expected rate of false alarms is at most `false_alarm_rate` (split conformal
            prediction: Papadopoulos et al., "Inductive Confidence Machines for Regression", 2002);
            `best_f1` and `youden` (recall less false alarms: Youden, "Index for Rating Diagnostic
            Tests", 1950), which need anomalous clips in validation.
        quantile: of `quantile`.
        false_alarm_rate: of `conformal`, of all channels together: each has an equal part of it.
    """

    section: ClassVar[str] = "pick_threshold"

    method: Method
    quantile: Fraction
    false_alarm_rate: Annotated[float, Field(gt=0, lt=1)]

    @property
    def needs_anomalous(self) -> bool:
        """Whether the method looks at anomalous clips of validation too."""
        return self.method in {"best_f1", "youden"}

    def share_of(self, num_channels: int) -> "PickThreshold":
        """The rule for one of several channels that raise the alarm."""
        return self.model_copy(update={"false_alarm_rate": self.false_alarm_rate / num_channels})
