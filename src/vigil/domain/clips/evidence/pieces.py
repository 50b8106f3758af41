"""Evidence: vectors that describe motion or appearance, each with its place and time.

A channel measures pieces of evidence. A window contains the pieces whose span is completely within
it. A scorer gives each piece a score. The score of a window is the largest score of its pieces, and
this piece gives the place and time.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

OBJECTS = "objects"
"""The channel of what tracked objects do: the only one that may have no evidence in a window."""
Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pieces:
    """N pieces of evidence of one channel, in the order of time.

    Attributes:
        vectors: (N, D).
        boxes_xyxy: (N, 4) the places, in px of the video's frames.
        spans_s: (N, 2) the times of the first and the last frame of each piece, in seconds from the
            video's first frame. A piece is known from the time of its last frame on.
        sizes_wh: (N, 2) width and height of the video's frames, in px.
    """

    vectors: Vectors
    boxes_xyxy: Floats
    spans_s: Floats
    sizes_wh: Floats

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Pieces":
        return Pieces(
            self.vectors[rows], self.boxes_xyxy[rows], self.spans_s[rows], self.sizes_wh[rows]
        )

    def within(self, start_s: float, stop_s: float) -> "Pieces":
        """The pieces with a first frame at or after `start_s` and a last frame before `stop_s`."""
        return self[(self.spans_s[:, 0] >= start_s) & (self.spans_s[:, 1] < stop_s)]

    def moved(self, seconds: float) -> "Pieces":
        """The same pieces with this number of seconds added to their times."""
        return replace(self, spans_s=self.spans_s + seconds)


def no_evidence(width: int) -> Pieces:
    """No pieces, for vectors with this number of dimensions."""
    return Pieces(
        np.empty((0, width), np.float32), np.empty((0, 4)), np.empty((0, 2)), np.empty((0, 2))
    )


def join_evidence(parts: Iterable[Pieces]) -> Pieces:
    """Joins the pieces of one or more parts, in order."""
    all_parts = list(parts)
    return Pieces(
        np.concatenate([part.vectors for part in all_parts]),
        np.concatenate([part.boxes_xyxy for part in all_parts]),
        np.concatenate([part.spans_s for part in all_parts]),
        np.concatenate([part.sizes_wh for part in all_parts]),
    )


def piece_of_window(
    vector: Vectors, size_wh: tuple[int, int], from_s: float, time_s: float
) -> Pieces:
    """One piece with the vector (D,) of a whole window; its box is the whole picture."""
    box = np.array([[0, 0, *size_wh]], np.float64)
    return Pieces(vector[None], box, np.array([[from_s, time_s]], np.float64), box[:, 2:])


def pieces_of_cells(vectors: Vectors, size_wh: tuple[int, int], times_s: Floats) -> Pieces:
    """A piece for each of the equal cells of several frames.

    Args:
        vectors: (T * n**2, D), in the order frame, row, column, of n by n cells.
        times_s: (T,) of the frames.
    """
    num_cells = math.isqrt(len(vectors) // len(times_s))
    rows, columns = np.divmod(np.arange(num_cells**2), num_cells)
    corners = np.stack([columns, rows, columns + 1, rows + 1], axis=1) / num_cells
    boxes = np.tile(corners * np.tile(size_wh, 2), (len(times_s), 1))
    spans = np.repeat(times_s, num_cells**2)[:, None].repeat(2, axis=1)
    return Pieces(vectors, boxes, spans, np.tile(np.array(size_wh, np.float64), (len(vectors), 1)))
