"""Augments pictures together with their boxes and masks, with torchvision's transforms.

Mosaics: Bochkovskiy et al., "YOLOv4: Optimal Speed and Accuracy of Object Detection", 2020. Two
pictures in one: Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018. The last
epochs use neither: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", 2021.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import masks_to_boxes
from torchvision.transforms import v2
from torchvision.tv_tensors import BoundingBoxes, Image, Mask

from vigil.learn.detector.network.tensors import Example, Objects, join_objects
from vigil.pixels.fitting import PADDING_RGB
from vigil.settings.train_detector import Augmentation


class BoxAugmentation:
    """Changes pictures at random, within the limits of the settings.

    The random numbers are torch's global ones.
    """

    def __init__(self, settings: Augmentation, num_epochs: int) -> None:
        """Args: num_epochs: of the whole training; its last epochs join no pictures."""
        self._settings = settings
        self._num_joining = num_epochs - settings.num_alone(num_epochs)
        self._mosaics = settings.mosaics

    def __call__(
        self, load: Callable[[int], Example], position: int, num: int, epoch: int
    ) -> Example:
        """Returns a changed copy of an example, of the same size.

        Args:
            load: loads an example by its position.
            position: the position of the example.
            num: the number of examples, from which the others of a mosaic or mixture are drawn.
            epoch: counted from 0.
        """
        settings = self._settings
        example = load(position)
        if epoch >= self._num_joining:
            return self._change(example)
        if _happens(self._mosaics):
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
        if picture.ndim == 4 and _happens(self._settings.still_probability):
            # As if nothing moved: so the network also learns what objects look like by themselves.
            picture = picture[-1:].expand_as(picture).clone()
        height, width = picture.shape[-2:]
        boxes = BoundingBoxes(
            objects.boxes, format="XYXY", canvas_size=(height, width), clamping_mode=None
        )
        masks = () if objects.masks is None else (Mask(objects.masks.to(torch.uint8)),)
        changed, moved, *moved_masks = self._transform()(Image(picture), boxes, *masks)
        for one in moved_masks:
            objects = objects._replace(masks=one.as_subclass(Tensor).bool())
        return changed.as_subclass(Tensor), self._clip_boxes(
            moved.as_subclass(Tensor), objects, (width, height)
        )

    def _transform(self) -> v2.Transform:
        settings = self._settings
        steps: list[v2.Transform] = [v2.RandomHorizontalFlip(settings.flip_probability)]
        turns = settings.max_rotation_deg or settings.max_shear_deg
        if settings.max_scale > 1 or settings.max_shift or turns:
            # Scales are uniform on a logarithmic axis: half and double are equally likely.
            scale = settings.max_scale ** float(torch.empty(()).uniform_(-1, 1))
            steps.append(
                v2.RandomAffine(
                    degrees=settings.max_rotation_deg,
                    shear=settings.max_shear_deg or None,
                    translate=(settings.max_shift, settings.max_shift),
                    scale=(scale, scale),
                    interpolation=v2.InterpolationMode.BILINEAR,
                    fill={Image: list(PADDING_RGB), "others": 0},
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
        moved = objects._replace(boxes=boxes)
        limits = torch.tensor([0, 0, *size_wh], dtype=boxes.dtype)
        return _clip(moved, limits, self._settings.min_visible)


def mosaic(
    examples: Sequence[Example],
    centre: tuple[float, float] = (0.5, 0.5),
    scales: Sequence[float] = (0.5,) * 4,
    places: Sequence[Sequence[float]] = ((0.0, 0.0),) * 4,
    min_visible: float = 0.0,
) -> Example:
    """Combines four pictures of one size into one picture of that size.

    Args:
        centre: the point where the four pictures meet, as fractions of width and height.
        scales: of each picture; parts outside its quarter are cropped.
        places: of each picture, the part that is kept, as fractions of the surplus.
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
        # The first row and column of the shrunk picture that are inside its quarter.
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
        moved = objects._replace(boxes=boxes)
        if objects.masks is not None:
            small_masks = _shrunk(objects.masks, size_hw)[..., y : y + bottom - top, x:]
            small_masks = small_masks[..., : right - left]
            masks = torch.zeros_like(objects.masks)
            masks[..., top : top + cut.shape[-2], left : left + cut.shape[-1]] = small_masks
            moved = moved._replace(masks=masks)
        parts.append(_clip(moved, limits, min_visible))
    return canvas, join_objects(parts)


def mix(one: Example, other: Example) -> Example:
    """The mean of two pictures, with the objects of both."""
    mean = (one[0].to(torch.int16) + other[0] + 1) // 2
    return mean.to(one[0].dtype), join_objects([one[1], other[1]])


def _happens(probability: float) -> bool:
    return probability > 0 and float(torch.rand(())) < probability


def _scaled(side: int, scale: float, room: int) -> int:
    """The length of a shrunk side. Half of an odd side is as long as its quarter."""
    return room if scale == 0.5 else max(1, round(side * scale))


def _shrunk(picture: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """A picture (..., H, W), or masks (N, H, W) bool, resized by the mean over areas."""
    if picture.shape[-2:] == size_hw:
        return picture
    flat = picture.reshape(1, -1, *picture.shape[-2:]).float()
    if not flat.shape[1]:  # no masks, which torch refuses to resize
        return picture.new_empty((*picture.shape[:-2], *size_hw))
    small = functional.interpolate(flat, size=size_hw, mode="area")
    return small.round().to(picture.dtype).reshape(*picture.shape[:-2], *size_hw)


def _clip(objects: Objects, limits: Tensor, min_visible: float) -> Objects:
    """Clips boxes to x1, y1, x2, y2. Objects that are hardly visible are to be ignored.

    The box of an object with a mask becomes that of the mask. An object whose mask has no pixel is
    left out.
    """
    corners = torch.maximum(objects.boxes, limits[:2].repeat(2))
    clipped = torch.minimum(corners, limits[2:].repeat(2))
    full_area, visible_area = _area(objects.boxes), _area(clipped)
    inside = (clipped[:, 2] > clipped[:, 0]) & (clipped[:, 3] > clipped[:, 1])
    is_hidden = visible_area < min_visible * full_area
    left = objects._replace(boxes=clipped, is_ignored=objects.is_ignored | is_hidden)
    if left.masks is None:
        return left.select(inside)
    left = left.select(inside & left.masks.flatten(1).any(dim=1))
    assert left.masks is not None
    if len(left.masks):
        # The last pixel is a part of the box.
        past = torch.tensor([0, 0, 1, 1], dtype=left.boxes.dtype)
        left = left._replace(boxes=masks_to_boxes(left.masks).to(left.boxes.dtype) + past)
    return left


def _area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
