"""Reads pictures and their maps of classes as batches of tensors."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vigil.domain.masks.class_map import IGNORED, ClassMap, ClassMaps
from vigil.domain.masks.masked import MaskedPictures
from vigil.learn.pictures.epoch_keys import Key, own_draw
from vigil.learn.pictures.loading import load_batches
from vigil.pixels.canvases import Tile, cut_tile, fitted_size, tiles_of
from vigil.pixels.class_maps import fit_classes
from vigil.pixels.fitting import letterbox
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.pictures.picture import Picture
from vigil.settings.train_segmenter import View


class Masked(NamedTuple):
    """A picture (H, W, 3) RGB and its map of classes (H, W)."""

    picture: Picture
    classes: ClassMap


Example = tuple[Tensor, Tensor]
"""A picture (3, H, W) uint8 and the classes (H, W) int64 of its pixels."""
Batch = tuple[Tensor, Tensor]
"""Pictures (B, 3, H, W) uint8, and classes (B, H, W) int64."""

MOST_STORED_BYTES = 400 * 2**20
"""Of pictures on the canvas that are kept in memory."""

Augmentation = Callable[[Masked, tuple[int, int]], Masked]
"""Returns a changed copy, of a given width and height."""


class MaskDataset(Dataset[Example]):
    """Pictures on a canvas with their classes, changed at random if an augmentation is given.

    With the view `tiled`, an entry is a part of a picture: a random one with an augmentation, else
    each of the parts that cover all pictures.
    """

    def __init__(
        self,
        images: Path,
        known: MaskedPictures,
        *,
        canvas_wh: tuple[int, int],
        view: View,
        augmentation: Augmentation | None = None,
        part_wh: tuple[int, int] | None = None,
        seed: int = 0,
    ) -> None:
        """Reads no picture yet.

        Args:
            part_wh: the size of what the augmentation makes; None: that of the canvas.
        """
        self.ids: list[str] = known.images.index.tolist()
        self.classes = known.classes
        self._source, self._maps = ImageSource(images), ClassMaps(known)
        self._canvas_wh, self._view = canvas_wh, view
        self._augmentation, self._seed = augmentation, seed
        self._part_wh = part_wh or canvas_wh
        sizes = known.images[["width", "height"]].to_numpy().tolist()
        self._tiles: list[tuple[int, Tile]] = []
        if view == "tiled" and augmentation is None:
            self._tiles = [
                (position, tile)
                for position, (width, height) in enumerate(sizes)
                for tile in tiles_of((width, height), canvas_wh, 0.0)
            ]
        self._stored: dict[int, Masked] = {}
        self._stored_bytes = 0

    def __len__(self) -> int:
        return len(self._tiles) or len(self.ids)

    def __getitem__(self, key: Key) -> Example:
        if self._augmentation is not None:
            with own_draw(self._seed, key):
                return as_tensors(self._augmentation(self.load(key[1]), self._part_wh))
        if self._tiles:
            position, tile = self._tiles[key[1]]
            return as_tensors(_cut(self.load(position), tile, self._canvas_wh))
        return as_tensors(self.load(key[1]))

    def name(self, key: Key) -> str:
        """The id of the picture that a key refers to."""
        return self.ids[self._tiles[key[1]][0] if self._tiles else key[1]]

    def digest(self) -> str:
        """The SHA-256 of the files of all pictures, in order, in hexadecimal."""
        digest = hashlib.sha256()
        for name in self.ids:
            digest.update(hashlib.sha256(self._source.content(name)).digest())
        return digest.hexdigest()

    def rgb(self, position: int) -> Picture:
        """(H, W, 3): the original picture."""
        return self._source.rgb(self.ids[position])

    def load(self, position: int) -> Masked:
        """A picture and its classes: on the canvas, or in their own size with the view `tiled`."""
        if position in self._stored:
            return self._stored[position]
        whole = Masked(self.rgb(position), self._maps[self.ids[position]])
        loaded = whole if self._view == "tiled" else fit_to_canvas(whole, self._canvas_wh)
        num_bytes = loaded.picture.nbytes + loaded.classes.nbytes
        if self._stored_bytes + num_bytes <= MOST_STORED_BYTES:
            self._stored[position] = loaded
            self._stored_bytes += num_bytes
        return loaded


def fit_to_canvas(masked: Masked, canvas_wh: tuple[int, int]) -> Masked:
    """Resizes in proportion; the rest of the canvas counts neither way."""
    picture, _ = letterbox(masked.picture, canvas_wh)
    width, height = fitted_size((masked.picture.shape[1], masked.picture.shape[0]), canvas_wh)
    classes = np.full((canvas_wh[1], canvas_wh[0]), IGNORED, np.uint8)
    classes[:height, :width] = fit_classes(masked.classes, (width, height))
    return Masked(picture, classes)


def _cut(masked: Masked, tile: Tile, canvas_wh: tuple[int, int]) -> Masked:
    """A part of a picture; where the picture is smaller than the canvas, the rest is padding."""
    x1, y1, x2, y2 = tile
    classes = np.full((canvas_wh[1], canvas_wh[0]), IGNORED, np.uint8)
    classes[: y2 - y1, : x2 - x1] = masked.classes[y1:y2, x1:x2]
    return Masked(cut_tile(masked.picture, tile, canvas_wh), classes)


def as_tensors(masked: Masked) -> Example:
    """The tensors that networks and losses take."""
    picture = np.ascontiguousarray(masked.picture.transpose(2, 0, 1))
    return torch.from_numpy(picture), torch.from_numpy(masked.classes.astype(np.int64))


def batches(
    dataset: MaskDataset, batch_size: int, *, shuffle_seed: int | None
) -> DataLoader[Batch]:
    """Batches of a dataset, in order, or shuffled anew in each epoch if there is a seed."""
    return load_batches(dataset, batch_size, collate, shuffle_seed=shuffle_seed)


def collate(examples: Sequence[Example]) -> Batch:
    """Stacks pictures, and stacks their classes."""
    return (
        torch.stack([picture for picture, _ in examples]),
        torch.stack([classes for _, classes in examples]),
    )
