"""The interface of a channel of motion: it follows one video, and measures its windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from vigil.domain.clips.evidence.pieces import Pieces
from vigil.pixels.flow.motion import Motion
from vigil.plumbing.errors import InputError

if TYPE_CHECKING:  # an exported alarm has its settings from a card, without pydantic
    from vigil.settings.embed_clips import Flow

EDGE_S = 1e-4
"""A frame may be this much before a window and still be its first: time stamps are rounded."""


class Follower(Protocol):
    """Collects the evidence of one video while its motion is measured.

    The memory holds what is later than the last `forget`, and what later evidence needs.
    """

    def see(self, motion: Motion) -> None:
        """Takes the next motion."""

    def judge(self, start_s: float, stop_s: float) -> Pieces:
        """The evidence in the window [start_s, stop_s), after all of its frames were taken.

        Raises:
            InputError: no motion was measured within the window.
            FieldError: the window is shorter than the channel needs.
        """

    def forget(self, before_s: float) -> None:
        """Drops evidence that only windows with an earlier start need."""


class Channel(NamedTuple):
    """A channel with its settings.

    Attributes:
        flow: how motion is measured; channels with equal settings share the measurement.
        width: the dimensions of a vector, D.
        needs_s: a shorter window is measured over its frames, or refused (`short_clips`).
        follow: returns a follower for a new video.
    """

    flow: Flow
    width: int
    needs_s: float
    follow: Callable[[], Follower]


def no_motion(channel: str) -> InputError:
    """The error of a window in which no motion was measured."""
    return InputError(
        f"expected at least 2 frames from flow.gap_s to 1 s apart for {channel}, found none"
    )
