"""The frames that a transformer learns from: decoded once, resized, and kept in memory."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vigil.learn.networks.order import EpochSampler
from vigil.pixels.fitting import fit_within
from vigil.pixels.pictures.picture import Picture, swap_red_and_blue
from vigil.pixels.stepped_frames import read_stepped
from vigil.plumbing.errors import InputError
from vigil.settings.train_dino import Frames, TrainDino


class FrameBatch(NamedTuple):
    """Frames in the upper left corners of canvases of one size.

    Attributes:
        pictures: (B, H, W, 3) RGB uint8.
        sizes_wh: (B, 2) width and height of each frame in px.
    """

    pictures: Tensor
    sizes_wh: Tensor


class FrameDataset(Dataset[FrameBatch]):
    """Frames by their positions."""

    def __init__(self, frames: Sequence[Picture], names: Sequence[str]) -> None:
        """Args:
        frames: (H, W, 3) RGB each, of any sizes.
        names: of the frames, for errors.
        """
        height, width = np.max([frame.shape[:2] for frame in frames], axis=0).tolist()
        self._pictures: npt.NDArray[np.uint8] = np.zeros((len(frames), height, width, 3), np.uint8)
        for canvas, frame in zip(self._pictures, frames, strict=True):
            canvas[: frame.shape[0], : frame.shape[1]] = frame
        self._sizes_wh = np.array([frame.shape[1::-1] for frame in frames], np.float32)
        self._names = list(names)

    def __len__(self) -> int:
        return len(self._pictures)

    def name(self, position: int) -> str:
        """The video and the number of a frame."""
        return self._names[position]

    def __getitem__(self, position: int) -> FrameBatch:
        batch = self.__getitems__([position])
        return FrameBatch(batch.pictures[0], batch.sizes_wh[0])

    def __getitems__(self, positions: Sequence[int]) -> FrameBatch:
        """The frames at the given positions as one batch."""
        chosen = np.asarray(positions)
        return FrameBatch(
            torch.from_numpy(self._pictures[chosen]), torch.from_numpy(self._sizes_wh[chosen])
        )


def read_frames(
    videos: Sequence[Path], settings: Frames, picture_fps: Fraction
) -> tuple[FrameDataset, FrameDataset]:
    """The frames of videos for training, and those for validation: the last part of each video.

    Raises:
        InputError: a video cannot be read, or has fewer than two frames at this step.
    """
    sides: tuple[list[Picture], list[Picture]] = ([], [])
    names: tuple[list[str], list[str]] = ([], [])
    for path in videos:
        frames, numbers = [], []
        for frame in read_stepped(path, settings.step_s, picture_fps):
            frames.append(_fit(frame.picture, settings.short_side_px))
            numbers.append(f"{path.name}/{frame.index}")
        if len(frames) < 2:
            raise InputError(
                f"{path}: expected at least 2 frames at a step of {settings.step_s:g} s, one to "
                f"learn from and one to validate, got {len(frames)}"
            )
        num_val = min(max(1, round(settings.val_fraction * len(frames))), len(frames) - 1)
        for side, part in enumerate((slice(None, -num_val), slice(-num_val, None))):
            sides[side].extend(frames[part])
            names[side].extend(numbers[part])
    train, val = (FrameDataset(*both) for both in zip(sides, names, strict=True))
    return train, val


def batches(dataset: FrameDataset, settings: TrainDino, *, shuffle: bool) -> DataLoader[FrameBatch]:
    """Batches in order; or shuffled anew in each epoch, with each frame once for each region."""
    sampler = None
    if shuffle:
        repeats = [*range(len(dataset))] * (settings.frames.regions - 1)
        sampler = EpochSampler(len(dataset), settings.seed, repeats)
    return DataLoader(
        dataset,
        settings.fitting.batch_size,
        sampler=sampler,
        collate_fn=_as_is,
        pin_memory=torch.cuda.is_available(),
    )


def _as_is(batch: Any) -> Any:
    """Does nothing: `__getitems__` has already made a batch."""
    return batch


def _fit(picture: Picture, short_side_px: int) -> Picture:
    """A BGR frame with at most this short side, as RGB."""
    height, width = picture.shape[:2]
    scale = min(1.0, short_side_px / min(height, width))
    fitted, _ = fit_within(picture, (round(width * scale), round(height * scale)))
    return swap_red_and_blue(fitted)
