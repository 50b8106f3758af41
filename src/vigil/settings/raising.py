"""When scores of windows become events: a block of what watches a video."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from vigil.plumbing.params import Count, Section
from vigil.settings.tracking import Seconds

Ratio = Annotated[float, Field(gt=0, le=1_000_000)]


class Raising(Section):
    """From when on something is an event, and until when. Times are in seconds.

    A score is in terms of its threshold: what is above 1 raises the alarm of a single window.

    Attributes:
        raise_at: a window above this score counts towards an event.
        num_above: an event is raised once so many windows
        num_windows: of the last so many are above `raise_at`; 1 of 1 raises at the first one.
        clear_at: an event goes on as long as windows reach this score.
        clear_after_s: it ends after so long without such a window; its end is that of the last one.
        merge_gap_s: two events less than this apart are one, unless other people take part.
        min_duration_s: shorter events are kept on record, and are no alarm.
        max_open_s: an event that goes on for longer after it was raised is closed, and another one
            goes on with it.
        cooldown_s: after a notification, no other for so long; events are kept all the same.
        signal_gap_s: no frames for longer is a loss of the signal: windows end there, and the time
            counts as not watched.
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
