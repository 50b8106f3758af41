"""Contact sheets of clips."""

from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from vigil.pixels.drawing.on_pictures import tile, write_picture
from vigil.pixels.video.clips import Positions, read_frames, resize, sample_uniformly
from vigil.pixels.video.picture import Picture

NUM_FRAMES = 6
SIZE_WH = (144, 108)


def draw_clip_sheet(paths: Sequence[Path], captions: Sequence[str], file: Path) -> None:
    """Writes a picture of one row for each clip: frames spread over it, fitted to one size.

    Without clips it is an empty sheet that says so.
    """
    pictures: list[Picture] = []
    texts: list[str] = []
    for path, caption in zip(paths, captions, strict=True):
        frames, _ = read_frames(path, partial(_choose, path), letterbox)
        pictures.extend(frames[0])
        texts.extend([caption, *[""] * (NUM_FRAMES - 1)])
    if not pictures:
        pictures, texts = [np.zeros((SIZE_WH[1], SIZE_WH[0]), np.uint8)], ["none"]
    write_picture(tile(pictures, texts, num_columns=NUM_FRAMES), file)


def _choose(path: Path, num_frames: int, fps: Fraction) -> Positions:
    return sample_uniformly(num_frames, NUM_FRAMES, 1, "repeat_last", path)


def letterbox(picture: Picture) -> Picture:
    """(H, W, 3) to the sheet's size, its shape kept, black beside it."""
    height, width = picture.shape[:2]
    scale = min(SIZE_WH[0] / width, SIZE_WH[1] / height)
    new_width, new_height = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (SIZE_WH[0] - new_width) // 2, (SIZE_WH[1] - new_height) // 2
    boxed = np.zeros((SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
    boxed[top : top + new_height, left : left + new_width] = resize(
        picture, (new_width, new_height)
    )
    return boxed
