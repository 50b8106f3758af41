"""Torchvision's segmenters with the interface of all segmenters.

Source: https://docs.pytorch.org/vision/stable/models.html#semantic-segmentation
"""

from collections.abc import Mapping
from typing import Any

import torchvision
from torch import Tensor, nn

from vigil.learn.networks.weights import check_state
from vigil.learn.pictures.colours import normalise
from vigil.learn.segmenter.network.interface import Segmenter
from vigil.plumbing.errors import FieldError

WITHOUT_AUXILIARY = ("lraspp_mobilenet_v3_large",)
AUXILIARY = "aux_classifier."
LAST_LAYERS = (
    "classifier.4.",
    "aux_classifier.4.",
    "classifier.low_classifier.",
    "classifier.high_classifier.",
)
"""Weights that depend on the classes."""
COUNTER = ".num_batches_tracked"
"""Of norms. Nothing computes with it, and older files of torchvision lack it."""


class TorchvisionSegmenter(Segmenter):
    """Adapts a torchvision segmenter: a name always means the same network.

    The auxiliary classifier is always there, since pretrained weights have it; it is used in
    training alone.
    """

    def __init__(self, name: str, num_classes: int, *, pretrained: str = "none") -> None:
        """Builds a segmenter.

        Args:
            pretrained: `none`, `imagenet` (only the trunk) or `coco` (all but the last layers).

        Raises:
            FieldError: the weights cannot be downloaded.
        """
        super().__init__()
        builder = torchvision.models.get_model_builder(name)
        options: dict[str, Any] = {} if name in WITHOUT_AUXILIARY else {"aux_loss": True}
        trunk = "DEFAULT" if pretrained == "imagenet" else None
        try:
            self.network: nn.Module = builder(
                weights=None, weights_backbone=trunk, num_classes=num_classes, **options
            )
            if pretrained == "coco":
                self.load_published(builder(weights="DEFAULT").state_dict(), f"coco of {name}")
        except OSError as error:  # without a network, urllib raises OSErrors
            raise FieldError(
                "weights", f"expected to download the {pretrained} weights of {name}, got: {error}"
            ) from None

    def load_published(self, state: Mapping[str, Tensor], place: str) -> None:
        """Loads all but the last layers from weights by torchvision's names.

        The last layers keep their weights, since they are those of other classes. An auxiliary
        classifier that is not among the given weights keeps its own, too.

        Args:
            place: names the weights in messages.

        Raises:
            InputError: the names or shapes are those of another network.
        """
        kept = {key: tensor for key, tensor in state.items() if not key.startswith(LAST_LAYERS)}
        has_auxiliary = any(key.startswith(AUXILIARY) for key in kept)
        left_out = LAST_LAYERS if has_auxiliary else (*LAST_LAYERS, AUXILIARY)
        current = self.network.state_dict()
        expected = {key: one for key, one in current.items() if not key.startswith(left_out)}
        for key in expected.keys() - kept.keys():
            if key.endswith(COUNTER):
                kept[key] = expected[key]
        check_state(expected, kept, place)
        self.network.load_state_dict(kept, strict=False)

    def maps(self, pictures: Tensor) -> dict[str, Tensor]:
        outputs = self.network(normalise(pictures))
        if self.training and "aux" in outputs:
            return {"main": outputs["out"], "auxiliary": outputs["aux"]}
        return {"main": outputs["out"]}
