"""Random changes of pictures together with the boxes in them, by torchvision's transforms.

Mosaics: Bochkovskiy et al., "YOLOv4: Optimal Speed and Accuracy of Object Detection", 2020. Two
pictures in one: Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018. Both end before
the training does: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", 2021.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import v2
from torchvision.tv_tensors import BoundingBoxes, Image

from vigil.learn.detector.network.tensors import Example, Objects
from vigil.pixels.fitting import PADDING_RGB
from vigil.settings.train_detector import Augmentation


class BoxAugmentation:
    """Changes pictures as far as the settings allow. Draws from torch's global random numbers."""

    def __init__(self, settings: Augmentation, num_epochs: int) -> None:
        """Args: num_epochs: of the whole training, in whose last ones pictures stay alone."""
        self._settings = settings
        self._num_joining = num_epochs - settings.alone_epochs

    def __call__(
        self, load: Callable[[int], Example], position: int, num: int, epoch: int
    ) -> Example:
        """A changed copy of an example, of the same size.

        Args:
            load: gives any of `num` examples by its position.
            epoch: counted from 0.
        """
        settings = self._settings
        example = load(position)
        if epoch >= self._num_joining:
            return self._change(example)
        if _happens(settings.mosaic_probability):
            others = torch.randint(num, (3,)).tolist()
            example = self._mosaic([example, *(load(other) for other in others)])
        example = self._change(example)
        if _happens(settings.mixup_probability):
            other = self._change(load(int(torch.randint(num, ()))))
            example = mix(example, other)
        return example

    def _mosaic(self, examples: Sequence[Example]) -> Example:
        least = self._settings.mosaic_min_scale
        if least == 0.5:
            return mosaic(examples)
        centre = (torch.rand(2) / 2 + 0.25).tolist()
        scales = (least ** torch.rand(4)).tolist()
        places = torch.rand(4, 2).tolist()
        visible = self._settings.min_visible
        return mosaic(examples, (centre[0], centre[1]), scales, places, visible)

    def _change(self, example: Example) -> Example:
        picture, objects = example
        height, width = picture.shape[-2:]
        boxes = BoundingBoxes(
            objects.boxes, format="XYXY", canvas_size=(height, width), clamping_mode=None
        )
        changed, moved = self._transform()(Image(picture), boxes)
        return changed.as_subclass(Tensor), self._see(
            moved.as_subclass(Tensor), objects, (width, height)
        )

    def _transform(self) -> v2.Transform:
        settings = self._settings
        steps: list[v2.Transform] = [v2.RandomHorizontalFlip(settings.flip_probability)]
        turns = settings.max_rotation_deg or settings.max_shear_deg
        if settings.max_scale > 1 or settings.max_shift or turns:
            # Scales are drawn evenly on a logarithmic axis: as often half as double.
            scale = settings.max_scale ** float(torch.empty(()).uniform_(-1, 1))
            steps.append(
                v2.RandomAffine(
                    degrees=settings.max_rotation_deg,
                    shear=settings.max_shear_deg or None,
                    translate=(settings.max_shift, settings.max_shift),
                    scale=(scale, scale),
                    interpolation=v2.InterpolationMode.BILINEAR,
                    fill=list(PADDING_RGB),
                )
            )
        steps.append(
            v2.ColorJitter(
                settings.brightness, settings.contrast, settings.saturation, settings.hue
            )
        )
        return v2.Compose(steps)

    def _see(self, boxes: Tensor, objects: Objects, size_wh: tuple[int, int]) -> Objects:
        moved = Objects(boxes, objects.labels, objects.is_ignored)
        limits = torch.tensor([0, 0, *size_wh], dtype=boxes.dtype)
        return _cut(moved, limits, self._settings.min_visible)


def mosaic(
    examples: Sequence[Example],
    centre: tuple[float, float] = (0.5, 0.5),
    scales: Sequence[float] = (0.5,) * 4,
    places: Sequence[Sequence[float]] = ((0.0, 0.0),) * 4,
    min_visible: float = 0.0,
) -> Example:
    """Four pictures of one size as one picture of that size.

    Args:
        centre: where the four meet, as fractions of width and height.
        scales: of each picture; what is too large for its quarter is cut.
        places: of each picture, which part of it is seen, as fractions of what is too much.
        min_visible: an object of which less than this fraction is left is to be ignored.
    """
    height, width = examples[0][0].shape[-2:]
    middle_x, middle_y = int(width * centre[0]), int(height * centre[1])
    rows, columns = ((0, middle_y), (middle_y, height)), ((0, middle_x), (middle_x, width))
    canvas = torch.empty_like(examples[0][0])
    canvas[...] = torch.tensor(PADDING_RGB, dtype=canvas.dtype).view(3, 1, 1)
    parts = []
    for number, ((picture, objects), scale, place) in enumerate(
        zip(examples, scales, places, strict=True)
    ):
        (top, bottom), (left, right) = rows[number // 2], columns[number % 2]
        size_hw = (_scaled(height, scale, bottom - top), _scaled(width, scale, right - left))
        small = _shrunk(picture, size_hw)
        # What of the shrunk picture falls into its quarter.
        y, x = (
            int(max(0, size - room) * share)
            for size, room, share in zip(
                size_hw, (bottom - top, right - left), (place[1], place[0]), strict=True
            )
        )
        cut = small[..., y : y + bottom - top, x : x + right - left]
        canvas[..., top : top + cut.shape[-2], left : left + cut.shape[-1]] = cut
        shrink = torch.tensor([size_hw[1] / width, size_hw[0] / height] * 2)
        boxes = objects.boxes * shrink + torch.tensor([left - x, top - y] * 2)
        limits = torch.tensor([left, top, right, bottom], dtype=boxes.dtype)
        moved = Objects(boxes, objects.labels, objects.is_ignored)
        parts.append(_cut(moved, limits, min_visible))
    return canvas, Objects(*(torch.cat(pieces) for pieces in zip(*parts, strict=True)))


def mix(one: Example, other: Example) -> Example:
    """The mean of two pictures, with the objects of both."""
    mean = (one[0].to(torch.int16) + other[0] + 1) // 2
    objects = Objects(*(torch.cat(pair) for pair in zip(one[1], other[1], strict=True)))
    return mean.to(one[0].dtype), objects


def _happens(probability: float) -> bool:
    return probability > 0 and float(torch.rand(())) < probability


def _scaled(side: int, scale: float, room: int) -> int:
    """A side once it is shrunk; half of an odd one as its quarter is."""
    return room if scale == 0.5 else max(1, round(side * scale))


def _shrunk(picture: Tensor, size_hw: tuple[int, int]) -> Tensor:
    if picture.shape[-2:] == size_hw:
        return picture
    flat = picture.reshape(1, -1, *picture.shape[-2:]).float()
    small = functional.interpolate(flat, size=size_hw, mode="area")
    return small.round().to(picture.dtype).reshape(*picture.shape[:-2], *size_hw)


def _cut(objects: Objects, limits: Tensor, min_visible: float) -> Objects:
    """Cuts boxes to x1, y1, x2, y2, and marks as to be ignored what hardly shows."""
    corners = torch.maximum(objects.boxes, limits[:2].repeat(2))
    cut = torch.minimum(corners, limits[2:].repeat(2))
    whole, left = _area(objects.boxes), _area(cut)
    inside = (cut[:, 2] > cut[:, 0]) & (cut[:, 3] > cut[:, 1])
    hardly = left < min_visible * whole
    return Objects(cut[inside], objects.labels[inside], (objects.is_ignored | hardly)[inside])


def _area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
