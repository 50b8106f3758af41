"""Reads annotated pictures as batches of tensors."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from vigil.domain.pictures.annotated import CORNERS, AnnotatedPictures
from vigil.learn.detector.network.tensors import Example, Objects, Truth, pad_objects
from vigil.learn.networks.machine import num_workers, one_thread
from vigil.learn.networks.order import EpochSampler
from vigil.pixels.fitting import letterbox
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.pictures.picture import Picture

Batch = tuple[Tensor, Truth]
"""Pictures (B, 3, H, W) uint8, and the objects in them."""

Key = tuple[int, int]
"""Epoch and position of a picture. With the seed, they determine its augmentation."""

MOST_EPOCHS = 1_000_001
"""More than any training has."""

Augmentation = Callable[[Callable[[int], Example], int, int], Example]
"""Returns a changed copy of an example.

Its arguments are a function that loads any example by its position, the position of the example,
and the number of examples.
"""


class PictureDataset(Dataset[Example]):
    """Pictures on a canvas of one size, changed at random if an augmentation is given."""

    def __init__(
        self,
        images: Path,
        detections: AnnotatedPictures,
        *,
        input_size_wh: tuple[int, int],
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        self.ids: list[str] = detections.images.index.tolist()
        self.classes = detections.classes
        self._source = ImageSource(images)
        sizes = detections.images[["width", "height"]].to_numpy()
        self.sizes_wh: list[tuple[int, int]] = [(w, h) for w, h in sizes.tolist()]
        self._objects = _objects_by_picture(detections)
        self._size_wh = input_size_wh
        self._augmentation = augmentation
        self._seed = seed

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, key: Key) -> Example:
        epoch, position = key
        if self._augmentation is None:
            return self._load(position)
        with one_thread(), torch.random.fork_rng(devices=[]):
            # The changes do not depend on the worker process, nor on earlier random numbers.
            draw = np.random.SeedSequence((self._seed, epoch, position)).generate_state(1, "u8")[0]
            # torch.manual_seed would be slow: it formats a stack trace for each kind of GPU.
            torch.default_generator.manual_seed(int(draw) >> 1)
            return self._augmentation(self._load, position, len(self))

    def digest(self) -> str:
        """The SHA-256 of the files of all pictures, in order, in hexadecimal."""
        digest = hashlib.sha256()
        for name in self.ids:
            digest.update(hashlib.sha256(self._source.content(name)).digest())
        return digest.hexdigest()

    def name(self, key: Key) -> str:
        """The id of the picture that a key refers to."""
        return self.ids[key[1]]

    def scale(self, position: int) -> float:
        """The factor that turns coordinates in the picture into coordinates on the canvas."""
        width, height = self.sizes_wh[position]
        return min(self._size_wh[0] / width, self._size_wh[1] / height)

    def boxes_on_canvas(self) -> Tensor:
        """(N, 4): the boxes of all objects of all pictures on the canvas, without augmentation."""
        parts = [
            objects.boxes[~objects.is_ignored] * self.scale(position)
            for position, objects in enumerate(self._objects)
        ]
        return torch.cat(parts)

    def rgb(self, position: int) -> Picture:
        """(H, W, 3): the original picture."""
        return self._source.rgb(self.ids[position])

    def _load(self, position: int) -> Example:
        canvas, scale = letterbox(self.rgb(position), self._size_wh)
        objects = self._objects[position]
        picture = torch.from_numpy(np.ascontiguousarray(canvas.transpose(2, 0, 1)))
        return picture, objects._replace(boxes=objects.boxes * scale)


def batches(
    dataset: PictureDataset,
    batch_size: int,
    *,
    shuffle_seed: int | None,
    repeats: Sequence[int] = (),
) -> DataLoader[Batch]:
    """Batches of a dataset, in order, or shuffled anew in each epoch if there is a seed.

    Args:
        repeats: positions that a shuffled epoch has in addition to each position once.
    """
    workers, num_entries = num_workers(), len(dataset) + len(repeats)
    return DataLoader(
        dataset,  # type: ignore[arg-type]  # the type after `collate`
        batch_size,
        sampler=EpochKeys(len(dataset), shuffle_seed, repeats),
        collate_fn=collate,
        # Batch norms cannot learn from a single picture, so a last batch of one picture is left
        # out. In the next epoch, it is another picture.
        drop_last=shuffle_seed is not None
        and num_entries > batch_size > 1 == num_entries % batch_size,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


class EpochKeys(Sampler[Key]):
    """Yields each position in an epoch, together with the epoch.

    A position that is repeated has a number of its own in place of the epoch, so that it is
    augmented in another way.
    """

    def __init__(
        self, num_samples: int, shuffle_seed: int | None, repeats: Sequence[int] = ()
    ) -> None:
        self._num_samples, self._epoch = num_samples, 0
        self._order = (
            None if shuffle_seed is None else EpochSampler(num_samples, shuffle_seed, repeats)
        )

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self._epoch = epoch
        if self._order is not None:
            self._order.set_epoch(epoch)

    def __len__(self) -> int:
        return self._num_samples if self._order is None else len(self._order)

    def __iter__(self) -> Iterator[Key]:
        num_seen: Counter[int] = Counter()
        for position in range(self._num_samples) if self._order is None else self._order:
            yield self._epoch + num_seen[position] * MOST_EPOCHS, position
            num_seen[position] += 1


def collate(examples: Sequence[Example]) -> Batch:
    """Stacks pictures and pads their objects."""
    pictures = torch.stack([picture for picture, _ in examples])
    return pictures, pad_objects([objects for _, objects in examples])


def _objects_by_picture(detections: AnnotatedPictures) -> list[Objects]:
    numbers = {label: number for number, label in enumerate(detections.classes)}
    boxes = torch.from_numpy(detections.boxes[CORNERS].to_numpy(np.float32))
    labels = torch.tensor(detections.boxes["label"].map(numbers).to_numpy(np.int64))
    is_ignored = torch.tensor(detections.is_ignored.to_numpy(bool))
    rows = detections.boxes.groupby("image").indices
    no_rows = np.empty(0, np.int64)
    objects = []
    for name in detections.images.index:
        picture_rows = torch.from_numpy(rows.get(name, no_rows))
        objects.append(Objects(boxes[picture_rows], labels[picture_rows], is_ignored[picture_rows]))
    return objects
