"""Reads annotated pictures as batches of tensors."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vigil.domain.boxes import CORNERS
from vigil.domain.pictures.annotated import COUNTS, AnnotatedPictures
from vigil.domain.pictures.run_lengths import decompress, mask_of
from vigil.learn.detector.network.sequences import FrameNames
from vigil.learn.detector.network.tensors import Example, Objects, Truth, pad_objects
from vigil.learn.pictures.epoch_keys import Key, own_draw
from vigil.learn.pictures.loading import load_batches
from vigil.pixels.fitting import fit_within, letterbox
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.pictures.picture import Picture
from vigil.runtime.history import reduce_frames
from vigil.settings.train_detector import Frames

Batch = tuple[Tensor, Truth]
"""Pictures (B, 3, H, W) uint8, and the objects in them."""

Canvases = npt.NDArray[np.uint8]

SINGLE = Frames(num=1, step_s=1.0, fusion="stack", control=False)
"""Single pictures."""

MOST_STORED_BYTES = 400 * 2**20
"""Of sequences that are kept in memory, since each costs as many pictures to decode."""

Augmentation = Callable[[Callable[[int], Example], int, int, int], Example]
"""Returns a changed copy of an example.

Its arguments are a function that loads any example by its position, the position of the example,
the number of examples, and the epoch.
"""


class PictureDataset(Dataset[Example]):
    """Pictures on a canvas of one size, changed at random if an augmentation is given.

    Attributes:
        num_loose: the number of pictures that are taken as videos of one frame.
    """

    def __init__(
        self,
        images: Path,
        detections: AnnotatedPictures,
        *,
        input_size_wh: tuple[int, int],
        augmentation: Augmentation | None = None,
        seed: int = 0,
        frames: Frames | None = None,
        allows_short: bool = False,
        held_out: Mapping[str, int] | None = None,
        with_masks: bool = False,
    ) -> None:
        """Reads no picture yet.

        Args:
            frames: each picture becomes a sequence, if it has more than one frame.
            allows_short, held_out: see `FrameNames`.
            with_masks: whether objects have their masks, which all of them must have then.

        Raises:
            FieldError: pictures of sequences are not frames of a video, or of one with too few
                frames, and that is not allowed.
        """
        self.ids: list[str] = detections.images.index.tolist()
        self.classes = detections.classes
        self._source = ImageSource(images)
        sizes = detections.images[["width", "height"]].to_numpy()
        self.sizes_wh: list[tuple[int, int]] = [(w, h) for w, h in sizes.tolist()]
        self._objects = _objects_by_picture(detections)
        self._masks = _masks_by_picture(detections) if with_masks else None
        self._size_wh = input_size_wh
        self._augmentation = augmentation
        self._seed = seed
        self._frames = frames if frames is not None and frames.length > 1 else None
        self.num_loose = 0
        names = FrameNames(
            self._source,
            self._frames or SINGLE,
            allows_short=allows_short,
            held_out=held_out if self._frames else None,
        )
        self._names = self._name_frames(names, detections.images["frame_index"].tolist())
        self._stored: dict[int, Canvases] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, key: Key) -> Example:
        epoch, position = key
        if self._augmentation is None:
            return self._load(position)
        with own_draw(self._seed, key):
            return self._augmentation(self._load, position, len(self), epoch)

    def digest(self) -> str:
        """The SHA-256 of the files of all pictures and of their earlier frames, in order.

        It is in hexadecimal.
        """
        digest = hashlib.sha256()
        file_digests: dict[str, bytes] = {}
        for name in (name for names in self._names for name in names):
            if name not in file_digests:
                file_digests[name] = hashlib.sha256(self._source.content(name)).digest()
            digest.update(file_digests[name])
        return digest.hexdigest()

    def log_loose(self, side: str) -> None:
        """Prints how many pictures are taken as videos of one frame, if there are any.

        Args:
            side: "validation", or another word before "pictures".
        """
        if self.num_loose:
            print(
                f"frames.num: {self.num_loose} of {len(self)} {side} pictures are not frames of a "
                "video; each is taken as a video of one frame"
            )

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
        objects = self._objects[position]
        objects = objects._replace(
            boxes=objects.boxes * self.scale(position), masks=self._masks_on_canvas(position)
        )
        if self._frames is None:
            canvas, _ = letterbox(self.rgb(position), self._size_wh)
            picture = torch.from_numpy(np.ascontiguousarray(canvas.transpose(2, 0, 1)))
            return picture, objects
        sequence = np.ascontiguousarray(self._sequence(position).transpose(0, 3, 1, 2))
        return torch.from_numpy(sequence), objects

    def _masks_on_canvas(self, position: int) -> Tensor | None:
        """(N, H, W) bool; None without masks."""
        if self._masks is None:
            return None
        (width, height), (canvas_width, canvas_height) = self.sizes_wh[position], self._size_wh
        texts = self._masks[position]
        masks = np.zeros((len(texts), canvas_height, canvas_width), np.bool_)
        for canvas, text in zip(masks, texts, strict=True):
            mask = mask_of(decompress(text), (height, width)).astype(np.uint8) * 255
            small, _ = fit_within(mask, self._size_wh)  # resized as the picture is
            canvas[: small.shape[0], : small.shape[1]] = small >= 128
        return torch.from_numpy(masks)

    def _sequence(self, position: int) -> Canvases:
        """(T, H, W, 3), the oldest first, from memory where it was made before."""
        frames = self._frames
        assert frames is not None
        if position not in self._stored:
            canvases = [
                letterbox(self._source.rgb(name), self._size_wh)[0]
                for name in self._names[position]
            ]
            sequence = reduce_frames(np.stack(canvases), frames.fusion)
            if (len(self._stored) + 1) * sequence.nbytes > MOST_STORED_BYTES:
                return sequence
            self._stored[position] = sequence
        return self._stored[position]

    def _name_frames(self, names: FrameNames, frame_indices: Sequence[int]) -> list[list[str]]:
        if self._frames is None:
            return [[name] for name in self.ids]
        places = list(zip(self.ids, frame_indices, strict=True))
        self.num_loose = sum(names.is_loose(*place) for place in places)
        return [names.before(*place) for place in places]


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
    return load_batches(dataset, batch_size, collate, shuffle_seed=shuffle_seed, repeats=repeats)


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


def _masks_by_picture(detections: AnnotatedPictures) -> list[list[str]]:
    """The compressed run lengths of the objects of each picture."""
    texts = detections.boxes[COUNTS].groupby(detections.boxes["image"]).agg(list).to_dict()
    return [texts.get(name, []) for name in detections.images.index]
