"""A self-supervised vision transformer as a network of clips."""

from dataclasses import replace

from torch import Tensor

from vigil.learn.alarm.network.embedding.backbone import InputFacts
from vigil.learn.alarm.network.embedding.by_frame import FramesBackbone, check_cells, square
from vigil.learn.vision_transformers.network import AttentiveTransformer
from vigil.learn.vision_transformers.opening import open_transformer
from vigil.plumbing.errors import FieldError
from vigil.settings.vision_transformer import TransformerName, VisionTransformer

LONGEST_SIDE_PX = 224


def build(name: TransformerName, weights: str) -> AttentiveTransformer:
    """The transformer with its weights. Raises FieldError, InputError: see `open_transformer`."""
    return open_transformer(VisionTransformer(architecture=name, weights=weights))


class DinoFrames(FramesBackbone):
    """The vector of a frame is its class token; that of a cell is the mean of its patches' tokens.

    All tokens are those after the last norm.
    """

    network: AttentiveTransformer

    def __init__(
        self, network: AttentiveTransformer, inputs: InputFacts, *, num_cells: int, size_px: int
    ) -> None:
        """Builds a network of clips.

        Args:
            size_px: the side of the squares that it sees; 0: the side of the pictures that it was
                trained on, but at most `LONGEST_SIDE_PX`.

        Raises:
            FieldError: the side is not a multiple of the patches' side, or the patches along
                it of the number of cells.
        """
        patch = network.patch_px
        if size_px % patch:
            raise FieldError(
                "network.size_px",
                f"expected a multiple of the {patch} px of a patch, got {size_px}",
            )
        side = size_px or min(network.size_px, LONGEST_SIDE_PX) // patch * patch
        check_cells(num_cells, side, patch)
        super().__init__(network, replace(inputs, size=square(side, num_cells)), num_cells)

    def maps(self, frames: Tensor) -> Tensor:
        """The tokens (N, D, h, w) of the patches of normalised frames (N, 3, S, S)."""
        return self.network.patches(frames).permute(0, 3, 1, 2)

    def whole(self, frames: Tensor) -> Tensor:
        """The class tokens (N, D) of normalised frames (N, 3, S, S)."""
        return self.network(frames)  # type: ignore[no-any-return]
