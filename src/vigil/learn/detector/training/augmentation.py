"""Augments pictures together with their boxes, with torchvision's transforms.

Mosaics: Bochkovskiy et al., "YOLOv4: Optimal Speed and Accuracy of Object Detection", 2020.
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
    """Changes pictures at random, within the limits of the settings.

    The random numbers are torch's global ones.
    """

    def __init__(self, settings: Augmentation) -> None:
        self._settings = settings

    def __call__(self, load: Callable[[int], Example], position: int, num: int) -> Example:
        """Returns a changed copy of an example, of the same size.

        Args:
            load: loads an example by its position.
            position: the position of the example.
            num: the number of examples, from which a mosaic's others are drawn.
        """
        settings = self._settings
        example = load(position)
        if settings.mosaic_probability and float(torch.rand(())) < settings.mosaic_probability:
            others = torch.randint(num, (3,)).tolist()
            example = mosaic([example, *(load(other) for other in others)])
        return self._change(example)

    def _change(self, example: Example) -> Example:
        picture, objects = example
        height, width = picture.shape[-2:]
        boxes = BoundingBoxes(
            objects.boxes, format="XYXY", canvas_size=(height, width), clamping_mode=None
        )
        changed, moved = self._transform()(Image(picture), boxes)
        return changed.as_subclass(Tensor), self._clip_boxes(
            moved.as_subclass(Tensor), objects, (width, height)
        )

    def _transform(self) -> v2.Transform:
        settings = self._settings
        steps: list[v2.Transform] = [v2.RandomHorizontalFlip(settings.flip_probability)]
        if settings.max_scale > 1 or settings.max_shift:
            # Scales are uniform on a logarithmic axis: half and double are equally likely.
            scale = settings.max_scale ** float(torch.empty(()).uniform_(-1, 1))
            steps.append(
                v2.RandomAffine(
                    degrees=0,
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

    def _clip_boxes(self, boxes: Tensor, objects: Objects, size_wh: tuple[int, int]) -> Objects:
        """Clips boxes to the picture. Objects that are hardly visible are to be ignored."""
        limit = torch.tensor([*size_wh, *size_wh], dtype=boxes.dtype)
        clipped = torch.minimum(boxes.clamp(min=0), limit)
        full_area, visible_area = _area(boxes), _area(clipped)
        inside = visible_area > 0
        is_hidden = visible_area < self._settings.min_visible * full_area
        is_ignored = (objects.is_ignored | is_hidden)[inside]
        return Objects(clipped[inside], objects.labels[inside], is_ignored)


def mosaic(examples: Sequence[Example]) -> Example:
    """Combines four pictures of one size, each at half its width and height, into one picture."""
    height, width = examples[0][0].shape[-2:]
    rows, columns = (height // 2, height - height // 2), (width // 2, width - width // 2)
    canvas = torch.empty_like(examples[0][0])
    parts = []
    for number, (picture, objects) in enumerate(examples):
        row, column = divmod(number, 2)
        top, left = row * rows[0], column * columns[0]
        size = (rows[row], columns[column])
        small = functional.interpolate(picture[None].float(), size=size, mode="area")[0]
        canvas[:, top : top + size[0], left : left + size[1]] = small.round().to(canvas.dtype)
        shrink = torch.tensor([size[1] / width, size[0] / height] * 2)
        boxes = objects.boxes * shrink + torch.tensor([left, top] * 2)
        parts.append(Objects(boxes, objects.labels, objects.is_ignored))
    return canvas, Objects(*(torch.cat(pieces) for pieces in zip(*parts, strict=True)))


def _area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
