"""Evidence: vectors of what happens, each with the place and the time that it tells of.

A channel measures pieces of evidence, as many as it finds. A window holds those that lie wholly
within it. A scorer gives each piece a score; the largest is the window's, and says where and when.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pieces:
    """N pieces of evidence of one channel, in the order of time.

    Attributes:
        vectors: (N, D).
        boxes_xyxy: (N, 4) where, in px of the video's frames.
        spans_s: (N, 2) from when to when: the time of the last frame that counts is when a piece is
            known. In seconds from the video's first frame.
    """

    vectors: Vectors
    boxes_xyxy: Floats
    spans_s: Floats

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Pieces":
        return Pieces(self.vectors[rows], self.boxes_xyxy[rows], self.spans_s[rows])

    def within(self, start_s: float, stop_s: float) -> "Pieces":
        """The pieces whose first frame is shown from `start_s` on, whose last before `stop_s`."""
        return self[(self.spans_s[:, 0] >= start_s) & (self.spans_s[:, 1] < stop_s)]

    def moved(self, seconds: float) -> "Pieces":
        """The same pieces on a clock that shows so much more."""
        return replace(self, spans_s=self.spans_s + seconds)


def no_evidence(width: int) -> Pieces:
    """Of vectors of so many numbers."""
    return Pieces(np.empty((0, width), np.float32), np.empty((0, 4)), np.empty((0, 2)))


def join_evidence(parts: Iterable[Pieces]) -> Pieces:
    """One after the other; at least one."""
    every = list(parts)
    return Pieces(
        np.concatenate([part.vectors for part in every]),
        np.concatenate([part.boxes_xyxy for part in every]),
        np.concatenate([part.spans_s for part in every]),
    )


def piece_of_window(
    vector: Vectors, size_wh: tuple[int, int], from_s: float, time_s: float
) -> Pieces:
    """One piece: a vector (D,) of a whole window, all of the picture."""
    box = np.array([[0, 0, *size_wh]], np.float64)
    return Pieces(vector[None], box, np.array([[from_s, time_s]], np.float64))
