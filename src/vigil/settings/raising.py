"""When scores of windows become events: a block of the section `watch`."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from vigil.plumbing.params import Count, Section
from vigil.settings.tracking import Seconds

Ratio = Annotated[float, Field(gt=0, le=1_000_000)]


class Raising(Section):
    """When an event is raised, and when it ends. Times are in seconds.

    A score is divided by its threshold: above 1, a single window raises the alarm.

    Attributes:
        raise_at: a window above this score counts towards an event.
        num_above: an event is raised when this many of the last `num_windows` windows are above
            `raise_at`.
        num_windows: the number of last windows that are counted. 1 of 1 raises an event at the
            first window above `raise_at`.
        clear_at: an event continues while windows reach this score.
        clear_after_s: an event ends after this time without such a window. The end of the event is
            the end of its last window.
        merge_gap_s: two events with a shorter gap between them are merged, unless different people
            take part in them.
        min_duration_s: shorter events are stored, but are no alarms.
        max_open_s: an event is closed this long after it was raised. If the activity goes on, a new
            event continues it.
        cooldown_s: the least time between two notifications. Events in between are stored.
        signal_gap_s: a longer time without frames is a loss of the signal. Windows end there, and
            the time counts as not watched.
    """

    raise_at: Ratio
    num_above: Count
    num_windows: Count
    clear_at: Ratio
    clear_after_s: Seconds
    merge_gap_s: Seconds
    min_duration_s: Seconds
    max_open_s: Annotated[float, Field(gt=0, le=86_400)]
    cooldown_s: Seconds
    signal_gap_s: Annotated[float, Field(gt=0, le=86_400)]

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.clear_at > self.raise_at:
            raise ValueError(
                f"expected clear_at <= raise_at, got {self.clear_at} and {self.raise_at}"
            )
        if self.num_above > self.num_windows:
            raise ValueError(
                f"expected num_above <= num_windows, got {self.num_above} and {self.num_windows}"
            )
        return self
