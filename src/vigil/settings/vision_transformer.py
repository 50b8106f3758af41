"""The block of parameters that names a self-supervised vision transformer and its weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field

from vigil.plumbing.errors import FieldError, shorten
from vigil.plumbing.params import Section

TransformerName = Literal[
    "dinov2_reg_small",
    "dinov2_reg_base",
    "dinov2_reg_large",
    "dino_small_16",
    "dino_small_8",
    "dino_base_16",
    "dino_base_8",
    "dinov3_small",
    "dinov3_base",
    "dinov3_large",
    "trained",
]
TRAINED: TransformerName = "trained"
PublishedWeights = Literal["published", "none"]
PUBLISHED, NO_WEIGHTS = get_args(PublishedWeights)


class VisionTransformer(Section):
    """A vision transformer that was trained without labels.

    Attributes:
        architecture: the name of the network: DINOv2 with registers, DINO with patches of 16 or 8
            px, DINOv3, or `trained`: the network of the stage `train_dino`, which the card beside
            its weights describes.
        weights: `published` (by the network's authors; read from the cache of the library
            huggingface_hub, or downloaded), a folder in the form of the library transformers, a
            file, or `none` (random).
    """

    architecture: TransformerName
    weights: Annotated[str, Field(min_length=1, max_length=4096)]

    @property
    def weights_path(self) -> Path | None:
        """The file or folder of the weights; None if the weights are published or random."""
        return None if self.weights in get_args(PublishedWeights) else Path(self.weights)

    def check_weights(self, field: str, named: Sequence[str] = get_args(PublishedWeights)) -> None:
        """Checks that the weights can exist, before the first stage runs.

        Args:
            field: the name of this block within its section.
            named: the weights that may be named, for the message.

        Raises:
            FieldError: they cannot.
        """
        path = self.weights_path
        if self.architecture == TRAINED and (path is None or not path.is_file()):
            raise FieldError(
                f"{field}.weights",
                "expected the file that train_dino wrote, as models/dino/dino.safetensors, for "
                f"the architecture {TRAINED}, got {shorten(self.weights)}",
            )
        if path is not None and not path.exists():
            raise FieldError(
                f"{field}.weights",
                f"expected {', '.join(named)}, a file or a folder, got {shorten(self.weights)}",
            )
