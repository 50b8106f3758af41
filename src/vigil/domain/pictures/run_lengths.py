"""Masks as run lengths: the RLE of COCO, compressed to text or as a list of numbers.

Pixels are counted down each column, the left column first. The first run is of pixels outside the
mask, and may have the length 0. The text holds the runs as numbers in base 32. A character has five
bits of a number, the lowest first, and a bit that says that more follow; 0 is written as "0". From
the fourth run on, the text holds the difference from the run two places before.

Source: https://github.com/cocodataset/cocoapi, `common/maskApi.c`.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
"""(H, W): whether a pixel belongs to an object."""
Runs = npt.NDArray[np.int64]
"""The lengths of runs; their sum is H * W."""

FIRST, MORE, SIGN, DIGITS = ord("0"), 32, 16, 5
MOST_DIGITS = 7
"""Of a run: more than any picture needs."""


def runs_of(mask: Mask) -> Runs:
    """The run lengths of a mask (H, W)."""
    flat = np.asarray(mask, bool).ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    bounds = np.concatenate([[0], changes, [flat.size]])
    runs = np.diff(bounds)
    return np.concatenate([[0], runs]) if flat.size and flat[0] else runs


def runs_of_part(part: Mask, corner_xy: tuple[int, int], size_hw: tuple[int, int]) -> Runs:
    """The run lengths of a mask that is empty outside a part of it.

    Args:
        part: (h, w): the mask within that part.
        corner_xy: its upper left corner in the whole mask.
        size_hw: of the whole mask.
    """
    height, width = size_hw
    # A row without pixels below each column keeps the runs of two columns apart.
    closed = np.zeros((part.shape[0] + 1, part.shape[1]), np.int8)
    closed[:-1] = part
    changes = np.diff(closed.ravel(order="F"), prepend=0)
    bounds = np.sort(np.concatenate([np.flatnonzero(changes == 1), np.flatnonzero(changes == -1)]))
    columns, rows = np.divmod(bounds, part.shape[0] + 1)
    places = (corner_xy[0] + columns) * height + corner_xy[1] + rows
    # A column that is full from edge to edge ends where the next one may begin.
    is_joint = np.zeros(len(places), np.bool_)
    is_joint[1:-1:2] = places[1:-1:2] == places[2::2]
    is_joint[2::2] = is_joint[1:-1:2]
    runs = np.diff(np.concatenate([[0], places[~is_joint], [height * width]]))
    return runs[:-1] if len(runs) > 1 and runs[-1] == 0 else runs


def mask_of(runs: Runs, size_hw: tuple[int, int]) -> Mask:
    """The mask (H, W) of run lengths.

    Raises:
        ValueError: the lengths do not add up to the size.
    """
    height, width = size_hw
    check_runs(runs, size_hw)
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape((width, height)).T


def masks_of(texts: Sequence[str], size_hw: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """The masks (N, H, W) of compressed run lengths.

    Raises:
        ValueError: a text is not compressed run lengths of this size.
    """
    masks = np.zeros((len(texts), *size_hw), np.bool_)
    for mask, text in zip(masks, texts, strict=True):
        mask[...] = mask_of(decompress(text), size_hw)
    return masks


def check_runs(runs: Runs, size_hw: tuple[int, int]) -> None:
    """Raises ValueError if lengths are negative or do not add up to the size."""
    if len(runs) and runs.min() < 0:
        raise ValueError("a negative run length")
    if int(runs.sum()) != size_hw[0] * size_hw[1]:
        raise ValueError(f"runs of {runs.sum()} px for {size_hw[1]}x{size_hw[0]} px")


def compress(runs: Runs) -> str:
    """The text of run lengths."""
    numbers = np.asarray(runs, np.int64).copy()
    numbers[3:] -= runs[1:-2]
    # (N, MOST_DIGITS) digits of each number, the lowest first. A number ends with the first digit
    # after which only copies of its sign follow, if that digit has the sign, too.
    shifts = DIGITS * np.arange(MOST_DIGITS + 1)
    rests = numbers[:, None] >> shifts
    digits = rests[:, :-1] & (MORE - 1)
    has_sign = (digits & SIGN) != 0
    is_last = np.where(has_sign, rests[:, 1:] == -1, rests[:, 1:] == 0)
    num_digits = is_last.argmax(axis=1) + 1
    position = np.arange(MOST_DIGITS)
    is_used = position < num_digits[:, None]
    is_followed = position < num_digits[:, None] - 1
    codes = (digits | np.where(is_followed, MORE, 0)) + FIRST
    return str(codes[is_used].astype(np.uint8).tobytes(), "ascii")


def decompress(text: str) -> Runs:
    """The run lengths of a text.

    Raises:
        ValueError: it is not such a text.
    """
    if not text.isascii():
        raise ValueError("a text that is not a compressed RLE")
    codes = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - FIRST
    if len(codes) and (codes.min() < 0 or codes.max() >= 2 * MORE or codes[-1] & MORE):
        raise ValueError("a text that is not a compressed RLE")
    is_last = (codes & MORE) == 0
    ends = np.flatnonzero(is_last)
    if not len(ends):
        return np.empty(0, np.int64)
    starts = np.concatenate([[0], ends[:-1] + 1])
    if (ends - starts).max() >= MOST_DIGITS:
        raise ValueError("a run length that no picture has")
    # The place of each digit within its number: 0 for the lowest.
    places = np.arange(len(codes)) - np.repeat(starts, ends - starts + 1)
    digits = (codes & (MORE - 1)) << (DIGITS * places)
    numbers = np.add.reduceat(digits, starts)
    is_negative = (codes[ends] & SIGN) != 0
    numbers -= np.where(is_negative, 1 << (DIGITS * (places[ends] + 1)), 0)
    # From the fourth on, each is a difference from the number two places before.
    numbers[1::2] = numbers[1::2].cumsum()
    numbers[2::2] = numbers[2::2].cumsum()
    return numbers


def area(runs: Runs) -> int:
    """The number of pixels of the mask."""
    return int(runs[1::2].sum())


def box_of(runs: Runs, height: int) -> tuple[int, int, int, int]:
    """The bounds of the mask, x1, y1, x2, y2 in px, where (x2, y2) is exclusive; zeros if empty."""
    ends = runs.cumsum()
    starts, stops = ends[:-1:2], ends[1::2]
    is_run = stops > starts
    starts, last = starts[is_run], stops[is_run] - 1
    if not len(starts):
        return 0, 0, 0, 0
    x1, x2 = int(starts[0] // height), int(last[-1] // height) + 1
    # A run that goes on in the next column touches the lower and the upper edge.
    if (starts // height != last // height).any():
        return x1, 0, x2, height
    return x1, int((starts % height).min()), x2, int((last % height).max()) + 1
