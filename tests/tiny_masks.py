"""Pictures of ellipses, which a small detector with masks can learn from."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from tiny_detectors import SIZE_WH
from torch import Tensor

from vigil.domain.boxes import CORNERS
from vigil.domain.pictures.annotated import COUNTS, AnnotatedPictures
from vigil.domain.pictures.run_lengths import compress, runs_of
from vigil.learn.detector.network.tensors import Objects


def draw_ellipses(
    num_pictures: int, seed: int = 0, size_wh: tuple[int, int] = SIZE_WH
) -> tuple[Tensor, list[Objects]]:
    """Noisy pictures with one or two ellipses beside each other; the class is their colour."""
    rng = np.random.default_rng(seed)
    width, height = size_wh
    pictures = rng.integers(90, 110, (num_pictures, height, width, 3)).astype(np.uint8)
    objects = []
    for picture in pictures:
        masks, labels = [], []
        for half in range(1 + int(rng.integers(2))):
            radii = rng.uniform([0.12, 0.2], [0.2, 0.4]) * size_wh
            middle = np.array([0.25 + 0.5 * half, 0.5]) * size_wh + rng.uniform(-2, 2, 2)
            mask = np.zeros((height, width), np.uint8)
            centre = (round(middle[0]), round(middle[1]))
            cv2.ellipse(mask, centre, (round(radii[0]), round(radii[1])), 0, 0, 360, 1, -1)
            label = int(rng.integers(2))
            picture[mask > 0] = [30 + 200 * (channel == 2 * label) for channel in range(3)]
            masks.append(mask > 0)
            labels.append(label)
        objects.append(objects_of(np.stack(masks), labels))
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))), objects


def objects_of(masks: np.ndarray, labels: list[int]) -> Objects:
    """Args: masks: (N, H, W), none of them empty."""
    boxes = [box_of_pixels(mask) for mask in masks]
    return Objects(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(labels, dtype=torch.int64),
        torch.zeros(len(labels), dtype=torch.bool),
        torch.from_numpy(masks),
    )


def box_of_pixels(mask: np.ndarray) -> list[int]:
    ys, xs = np.nonzero(mask)
    return [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]


def write_ellipses(
    folder: Path, num_pictures: int = 4, size_wh: tuple[int, int] = SIZE_WH
) -> AnnotatedPictures:
    """Writes pictures that `draw_ellipses` gives, and tells what is on them."""
    pictures, objects = draw_ellipses(num_pictures, size_wh=size_wh)
    names = [f"{number}.png" for number in range(num_pictures)]
    for name, picture in zip(names, pictures, strict=True):
        rgb = np.ascontiguousarray(picture.numpy().transpose(1, 2, 0))
        assert cv2.imwrite(str(folder / name), rgb[..., ::-1])
    return known_of(names, objects, size_wh)


def known_of(
    names: list[str], objects: list[Objects], size_wh: tuple[int, int]
) -> AnnotatedPictures:
    rows = [
        (name, str(int(label)), *box.tolist(), compress(runs_of(mask.numpy())), False, bool(hidden))
        for name, own in zip(names, objects, strict=True)
        for box, label, hidden, mask in zip(*own, strict=True)
    ]
    columns = ["image", "label", *CORNERS, COUNTS, "is_crowd", "is_difficult"]
    images = pd.DataFrame(
        {
            "file_name": names,
            **{"width": size_wh[0], "height": size_wh[1], "video": "", "frame_index": -1},
            "sha256": "",
        }
    )
    return AnnotatedPictures.of(images, pd.DataFrame(rows, columns=columns), ("0", "1"))
