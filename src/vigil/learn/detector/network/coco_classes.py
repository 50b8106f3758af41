"""The names of COCO's classes, in the orders that published weights have them."""

from torchvision.models.detection import FasterRCNN_ResNet50_FPN_V2_Weights

_NO_NAMES = {"__background__", "N/A"}

COCO_BY_ID: tuple[str | None, ...] = tuple(
    None if name in _NO_NAMES else name
    for name in FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1.meta["categories"]
)
"""By COCO's ids, 0 to 90; None: no class has this id."""

COCO_CLASSES: tuple[str, ...] = tuple(name for name in COCO_BY_ID if name is not None)
"""The 80 classes, in the order of their ids."""
