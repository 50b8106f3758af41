"""What a channel of motion is: it follows one video, and judges its windows."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from vigil.domain.clips.evidence import Pieces
from vigil.pixels.flow.motion import Motion
from vigil.settings.embed_clips import Flow

EDGE_S = 1e-4
"""By which a frame may lie before a window and still be its first: stamps are rounded."""


class Follower(Protocol):
    """Gathers the evidence of one video as its motion goes by.

    Its memory holds what lies after the last `forget`, and what it needs to go on.
    """

    def see(self, motion: Motion) -> None:
        """Takes the motion up to the next frame."""

    def judge(self, start_s: float, stop_s: float) -> Pieces:
        """The evidence of the window [start_s, stop_s), all of whose frames were seen.

        Raises:
            InputError: no motion was measured within the window.
            FieldError: it is shorter than the channel asks for.
        """

    def forget(self, before_s: float) -> None:
        """No window is asked for any more that starts before this."""


class Channel(NamedTuple):
    """A channel by its settings.

    Attributes:
        flow: how it wants motion to be measured; channels of equal settings share the work.
        width: numbers of a vector, D.
        follow: begins a video.
    """

    flow: Flow
    width: int
    follow: Callable[[], Follower]
