"""Parameters of `evaluate@alarm`."""

from typing import Annotated, ClassVar

from pydantic import Field

from vigil.plumbing.params import Section, Seed


class EvaluateAlarm(Section):
    """How the alarm is measured.

    Attributes:
        seed: the seed of the resampling.
        num_bootstrap: rounds of resampling, for confidence intervals.
        num_pictures: clips on the sheet of misses, and on the sheet of false alarms.
    """

    section: ClassVar[str] = "evaluate.alarm"

    seed: Seed
    num_bootstrap: Annotated[int, Field(ge=1, le=10_000)]
    num_pictures: Annotated[int, Field(ge=0, le=100)]
