"""Synthetic surveillance pictures: a textured place, people who walk by, and camera noise."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt

FPS = 25
NUM_LANES = 5
FRAMES_PER_WALK = 60

Pixels = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]


def person_boxes(frame_index: int, size_wh: tuple[int, int]) -> list[Box]:
    """x1, y1, x2, y2 of the person on each lane, who changes every `FRAMES_PER_WALK` frames."""
    width, height = size_wh
    person_height = height // 6
    person_width = person_height * 2 // 5
    boxes = []
    for lane in range(NUM_LANES):
        done = frame_index % FRAMES_PER_WALK / FRAMES_PER_WALK
        done = 1 - done if lane % 2 else done
        x = round((0.1 + 0.7 * done) * width)
        y = lane * height // NUM_LANES + height // 60
        boxes.append((x, y, x + person_width, y + person_height))
    return boxes


def frames(num_frames: int, size_wh: tuple[int, int]) -> Iterator[Pixels]:
    """Yields RGB pictures (H, W, 3)."""
    rng = np.random.default_rng(0)
    width, height = size_wh
    place = _texture(rng, size_wh).astype(np.int16)
    clothes = [_texture(rng, size_wh)[: height // 6, : height // 15] // 2 for _ in range(20)]
    noise = rng.normal(0, 2.5, (height + 64, width + 64, 3)).round().astype(np.int16)
    for frame_index in range(num_frames):
        picture = place.copy()
        for lane, (x1, y1, x2, y2) in enumerate(person_boxes(frame_index, size_wh)):
            who = frame_index // FRAMES_PER_WALK * NUM_LANES + lane
            picture[y1:y2, x1:x2] = clothes[who % len(clothes)]
        dy, dx = rng.integers(64, size=2)
        picture += noise[dy : dy + height, dx : dx + width]
        yield picture.clip(0, 255).astype(np.uint8)


def write_video(path: Path, num_frames: int, size_wh: tuple[int, int], bit_rate: int) -> None:
    """Writes H.264 at about `bit_rate` bits a second; a file that already exists is kept."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.mp4")
    with av.open(str(partial), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = bit_rate
        for frame_index, pixels in enumerate(frames(num_frames, size_wh)):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = frame_index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    partial.rename(path)


def export(video: str, num_frames: int, size_wh: tuple[int, int]) -> list[dict[str, Any]]:
    """A Label Studio export of the walks: a keyframe every tenth frame."""
    regions = []
    for first in range(0, num_frames, FRAMES_PER_WALK):
        last = min(first + FRAMES_PER_WALK, num_frames) - 1
        shown = [*range(first, last, 10), last]
        for lane in range(NUM_LANES):
            sequence = [
                _keyframe(index, person_boxes(index, size_wh)[lane], size_wh, index < last)
                for index in shown
            ]
            value = {"labels": ["human"], "sequence": sequence}
            regions.append({"id": f"walk{first}-{lane}", "type": "videorectangle", "value": value})
    return [{"id": 1, "data": {"video": video}, "annotations": [{"result": regions}]}]


def _keyframe(index: int, box: Box, size_wh: tuple[int, int], enabled: bool) -> dict[str, Any]:
    x1, y1, x2, y2 = (100 * v / side for v, side in zip(box, size_wh * 2, strict=True))
    frame = index + 1
    geometry = {"x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1}
    return {"frame": frame, "time": frame / FPS, "enabled": enabled, "rotation": 0, **geometry}


def _texture(rng: np.random.Generator, size_wh: tuple[int, int]) -> Pixels:
    """A texture of blotches of all sizes, the smallest of 2 px."""
    width, height = size_wh
    total = np.full((height, width, 3), 128.0)
    for blotch_px, strength in ((256, 30), (64, 20), (16, 15), (4, 10), (2, 8)):
        shape = (height // blotch_px + 2, width // blotch_px + 2, 3)
        total += cv2.resize(rng.normal(0, strength, shape), size_wh, interpolation=cv2.INTER_CUBIC)
    return total.clip(0, 255).astype(np.uint8)
