"""Tiny clips of squares that move in their class's way, in folders of classes."""

from pathlib import Path

import av
import numpy as np
from tiny_videos import write_video

SIZE_WH = (96, 72)
NUM_FRAMES = 16
SPEEDS_PX = {"creep": (1, 0), "stroll": (2, 0), "rise": (0, -1), "dash": (5, 4)}
SUFFIXES = (".mp4", ".avi", ".webm", ".mkv")


def square_frames(step_px: tuple[int, int], seed: int, num_frames: int = NUM_FRAMES) -> np.ndarray:
    """(num_frames, H, W, 3): a textured square on a textured ground, wrapped at the edges."""
    rng = np.random.default_rng(seed)
    width, height = SIZE_WH
    ground = rng.integers(60, 120, (height // 4, width // 4, 3)).repeat(4, 0).repeat(4, 1)
    square = rng.integers(120, 250, (6, 6, 3)).repeat(4, 0).repeat(4, 1)
    x, y = (int(value) for value in rng.integers(0, (width, height)))
    frames = []
    for frame_index in range(num_frames):
        frame = ground.copy()
        rows = np.arange(y + step_px[1] * frame_index, y + step_px[1] * frame_index + 24) % height
        columns = np.arange(x + step_px[0] * frame_index, x + step_px[0] * frame_index + 24) % width
        frame[np.ix_(rows, columns)] = square
        frames.append(frame)
    return np.stack(frames).astype(np.uint8)


def write_clip(path: Path, kind: str, seed: int, num_frames: int = NUM_FRAMES) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_video(path, list(square_frames(SPEEDS_PX[kind], seed, num_frames)))


def decode(path: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Frames (H, W, 3) RGB as a video holds them, and when each is shown, in seconds."""
    with av.open(str(path)) as container:
        shown = [
            (np.ascontiguousarray(frame.to_ndarray(format="bgr24")[..., ::-1]), frame.time)
            for frame in container.decode(video=0)
        ]
    return [picture for picture, _ in shown], np.array([time for _, time in shown])


def write_clips(
    folder: Path, num_sources: int = 5, kinds: tuple[str, ...] = tuple(SPEEDS_PX)
) -> Path:
    """`<kind>/<kind>_g<source>_c1<suffix>`, one clip a source, in four containers."""
    for number, kind in enumerate(kinds):
        for source in range(num_sources):
            suffix = SUFFIXES[(number + source) % len(SUFFIXES)]
            write_clip(
                folder / kind / f"{kind}_g{source:02d}_c1{suffix}", kind, 100 * number + source
            )
    return folder
