"""Parameters of `pick_threshold`."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from vigil.plumbing.errors import FieldError
from vigil.plumbing.params import Count, Fraction, Section

Method = Literal["max_validation_error", "quantile", "conformal", "best_f1", "youden", "hourly"]
HOURLY: Method = "hourly"


class Hourly(Section):
    """How the method `hourly` bounds the alarms of `vigil watch`.

    Attributes:
        block_s: the length of a block of normal footage; 3600 for a bound per hour.
        alarm_probability: the largest probability that a new normal block raises an alarm.
        num_above, num_windows: the rule that raises: this many of the last windows; those of
            `watch.raising`.
    """

    block_s: Annotated[float, Field(gt=0, le=86_400)]
    alarm_probability: Annotated[float, Field(gt=0, lt=1)]
    num_above: Count
    num_windows: Count


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
            in the validation set. `hourly`: a threshold for `vigil watch`, from the normal long
            videos of the validation set; see `vigil.domain.hourly`.
        quantile: the quantile of the method `quantile`.
        false_alarm_rate: the largest expected rate of false alarms of all channels together, for
            the method `conformal`; each channel has an equal part of it.
        hourly: the parameters of the method `hourly`.
    """

    section: ClassVar[str] = "pick_threshold"

    method: Method
    quantile: Fraction
    false_alarm_rate: Annotated[float, Field(gt=0, lt=1)]
    hourly: Hourly

    def check_against(self, sections: Mapping[str, Any]) -> None:
        """The bound of `hourly` holds only for windows and a rule like those of `watch`."""
        if self.method != HOURLY:
            return
        clips, watch = sections["import_clips"], sections["watch"]
        needed = {
            "num_above": (watch.raising.num_above, self.hourly.num_above),
            "num_windows": (watch.raising.num_windows, self.hourly.num_windows),
        }
        for name, (expected, got) in needed.items():
            if expected != got:
                raise FieldError(
                    f"hourly.{name}",
                    f"expected {expected}, as watch.raising.{name} is, got {got}",
                )
        for name in ("window_s", "stride_s"):
            expected, got = getattr(clips, name), getattr(watch, name)
            if expected != got:
                raise FieldError(
                    "method",
                    f"expected import_clips.{name} and watch.{name} to be equal for hourly, got "
                    f"{expected:g} and {got:g}",
                )
        if watch.raising.raise_at != 1:
            raise FieldError(
                "method",
                f"expected 1 as watch.raising.raise_at for hourly, got {watch.raising.raise_at:g}",
            )

    @property
    def needs_anomalous(self) -> bool:
        """Whether the method needs anomalous validation clips."""
        return self.method in {"best_f1", "youden"}

    def share_of(self, num_channels: int) -> "PickThreshold":
        """The rule for one of several channels that raise the alarm."""
        return self.model_copy(update={"false_alarm_rate": self.false_alarm_rate / num_channels})
