"""Annotated pictures as batches of tensors."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from vigil.domain.pictures.annotated import CORNERS, AnnotatedPictures
from vigil.learn.detector.network.sequences import FrameNames, reduce_frames
from vigil.learn.detector.network.tensors import Example, Objects, Truth, pad_objects
from vigil.learn.networks.machine import num_workers, one_thread
from vigil.learn.networks.order import EpochSampler
from vigil.pixels.fitting import letterbox
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.pictures.picture import Picture
from vigil.settings.train_detector import Frames

Batch = tuple[Tensor, Truth]
"""Pictures (B, 3, H, W) uint8, and what is in them."""

Canvases = npt.NDArray[np.uint8]

MOST_STORED_BYTES = 400 * 2**20
"""Of sequences that are kept in memory, since each costs as many pictures to decode."""

Key = tuple[int, int]
"""Epoch and position of a picture: all that its random changes depend on, but for the seed."""

Augmentation = Callable[[Callable[[int], Example], int, int, int], Example]
"""Makes a changed copy of the example at a position, given a way to load any of so many, and the
epoch."""


class PictureDataset(Dataset[Example]):
    """Pictures on a canvas of one size, changed at random where an augmentation is given."""

    def __init__(
        self,
        images: Path,
        detections: AnnotatedPictures,
        *,
        input_size_wh: tuple[int, int],
        augmentation: Augmentation | None = None,
        seed: int = 0,
        frames: Frames | None = None,
    ) -> None:
        """Args: frames: makes each picture a sequence, where it has more than one.

        Raises:
            FieldError: sequences are asked for, of pictures that are no frames of a video or of a
                video that has too few.
        """
        self.ids: list[str] = detections.images.index.tolist()
        self.classes = detections.classes
        self._source = ImageSource(images)
        sizes = detections.images[["width", "height"]].to_numpy()
        self.sizes_wh: list[tuple[int, int]] = [(w, h) for w, h in sizes.tolist()]
        self._objects = _objects_by_picture(detections)
        self._size_wh = input_size_wh
        self._augmentation = augmentation
        self._seed = seed
        self._frames = frames if frames is not None and frames.num > 1 else None
        self._names = self._name_frames(detections.images["frame_index"].tolist())
        self._stored: dict[int, Canvases] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, key: Key) -> Example:
        epoch, position = key
        if self._augmentation is None:
            return self._load(position)
        with one_thread(), torch.random.fork_rng(devices=[]):
            # The same changes in any worker, and after any history.
            draw = np.random.SeedSequence((self._seed, epoch, position)).generate_state(1, "u8")[0]
            # Not torch.manual_seed, which formats a stack trace for each kind of GPU.
            torch.default_generator.manual_seed(int(draw) >> 1)
            return self._augmentation(self._load, position, len(self), epoch)

    def digest(self) -> str:
        """SHA-256 of the bytes of all pictures and of the frames before, in order, hexadecimal."""
        found = hashlib.sha256()
        digests: dict[str, bytes] = {}
        for name in (name for names in self._names for name in names):
            if name not in digests:
                digests[name] = hashlib.sha256(self._source.content(name)).digest()
            found.update(digests[name])
        return found.hexdigest()

    def name(self, key: Key) -> str:
        """Which picture a key asks for."""
        return self.ids[key[1]]

    def scale(self, position: int) -> float:
        """By which factor coordinates grow from the picture to the canvas."""
        width, height = self.sizes_wh[position]
        return min(self._size_wh[0] / width, self._size_wh[1] / height)

    def boxes_on_canvas(self) -> Tensor:
        """(N, 4): all objects of all pictures, as the network sees them unchanged."""
        parts = [
            objects.boxes[~objects.is_ignored] * self.scale(position)
            for position, objects in enumerate(self._objects)
        ]
        return torch.cat(parts)

    def rgb(self, position: int) -> Picture:
        """(H, W, 3): the picture as it is."""
        return self._source.rgb(self.ids[position])

    def _load(self, position: int) -> Example:
        objects = self._objects[position]
        boxes = objects.boxes * self.scale(position)
        if self._frames is None:
            canvas, _ = letterbox(self.rgb(position), self._size_wh)
            picture = torch.from_numpy(np.ascontiguousarray(canvas.transpose(2, 0, 1)))
            return picture, objects._replace(boxes=boxes)
        sequence = np.ascontiguousarray(self._sequence(position).transpose(0, 3, 1, 2))
        return torch.from_numpy(sequence), objects._replace(boxes=boxes)

    def _sequence(self, position: int) -> Canvases:
        """(T, H, W, 3), the oldest first, from memory where it was made before."""
        frames = self._frames
        assert frames is not None
        if position not in self._stored:
            canvases = [
                letterbox(self._source.rgb(name), self._size_wh)[0]
                for name in self._names[position]
            ]
            made = reduce_frames(np.stack(canvases), frames)
            if (len(self._stored) + 1) * made.nbytes > MOST_STORED_BYTES:
                return made
            self._stored[position] = made
        return self._stored[position]

    def _name_frames(self, frame_indices: Sequence[int]) -> list[list[str]]:
        if self._frames is None:
            return [[name] for name in self.ids]
        names = FrameNames(self._source, self._frames)
        return [
            names.before(name, index) for name, index in zip(self.ids, frame_indices, strict=True)
        ]


def batches(
    dataset: PictureDataset, batch_size: int, *, shuffle_seed: int | None
) -> DataLoader[Batch]:
    """Batches of a dataset, in order or shuffled anew in each epoch."""
    workers = num_workers()
    return DataLoader(
        dataset,  # type: ignore[arg-type]  # what it gives once collated
        batch_size,
        sampler=EpochKeys(len(dataset), shuffle_seed),
        collate_fn=collate,
        # Norms cannot learn from one picture; another one is left out in the next epoch.
        drop_last=shuffle_seed is not None
        and len(dataset) > batch_size > 1 == len(dataset) % batch_size,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


class EpochKeys(Sampler[Key]):
    """Every position once an epoch, together with the epoch."""

    def __init__(self, num_samples: int, shuffle_seed: int | None) -> None:
        self._num_samples, self._epoch = num_samples, 0
        self._order = None if shuffle_seed is None else EpochSampler(num_samples, shuffle_seed)

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self._epoch = epoch
        if self._order is not None:
            self._order.set_epoch(epoch)

    def __len__(self) -> int:
        return self._num_samples

    def __iter__(self) -> Iterator[Key]:
        order = range(self._num_samples) if self._order is None else self._order
        return ((self._epoch, position) for position in order)


def collate(examples: Sequence[Example]) -> Batch:
    """Stacks pictures and pads what is in them."""
    pictures = torch.stack([picture for picture, _ in examples])
    return pictures, pad_objects([objects for _, objects in examples])


def _objects_by_picture(detections: AnnotatedPictures) -> list[Objects]:
    numbers = {label: number for number, label in enumerate(detections.classes)}
    boxes = torch.from_numpy(detections.boxes[CORNERS].to_numpy(np.float32))
    labels = torch.tensor(detections.boxes["label"].map(numbers).to_numpy(np.int64))
    is_ignored = torch.tensor(detections.is_ignored.to_numpy(bool))
    rows = detections.boxes.groupby("image").indices
    nothing = np.empty(0, np.int64)
    found = []
    for name in detections.images.index:
        own = torch.from_numpy(rows.get(name, nothing))
        found.append(Objects(boxes[own], labels[own], is_ignored[own]))
    return found
