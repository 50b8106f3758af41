"""Decides whether the speeds of an alarm are compared with those usual at their place."""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from vigil.pixels.places import share_of_one_place
from vigil.settings.fit_alarm import MAPPED, SPEED_MAP, FitAlarm

LEAST_SHARE = 0.9
"""Of the pairs of training videos, at least so many show the same place, if there is one camera."""


class Decision(NamedTuple):
    """Settings without `speed_map: auto`.

    Attributes:
        facts: the value and what it depends on, for the alarm's card; empty if there was nothing to
            decide.
        line: the value and the reason, as text; empty likewise.
    """

    settings: FitAlarm
    facts: dict[str, Any]
    line: str


def decide_speed_map(
    settings: FitAlarm, channels: Iterable[str], videos: Sequence[Path]
) -> Decision:
    """Replaces `speed_map: auto` by a value.

    Args:
        channels: the channels of the alarm.
        videos: the allowed training videos; no others are looked at.

    Raises:
        InputError: a video cannot be read.
    """
    if settings.speed_map != "auto" or not set(channels) & set(MAPPED):
        return Decision(settings, {}, "")
    if len(videos) < 2:
        value, reason = False, "a map is tested on other videos, and there is one training video"
        by: dict[str, Any] = {"num_videos": len(videos)}
    else:
        share = _share(tuple(videos))
        value = share >= LEAST_SHARE
        reason = f"{share:.0%} of the pairs of training videos show the same place"
        by = {"share_of_one_place": round(share, 3)}
    return Decision(
        settings.model_copy(update={SPEED_MAP: value}),
        {SPEED_MAP: value, "by": by},
        f"auto: {SPEED_MAP}: {str(value).lower()}, since {reason}",
    )


_share = cache(share_of_one_place)  # the settings that are compared have the same videos
