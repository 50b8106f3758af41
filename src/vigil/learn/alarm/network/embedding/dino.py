"""A self-supervised vision transformer as a network of clips: the mean class token of its frames.

Its frames are embedded one by one, so the vector describes what a clip shows, not how it moves.
"""

from dataclasses import replace

from torch import Tensor

from vigil.learn.alarm.network.embedding.backbone import Backbone, InputFacts
from vigil.learn.vision_transformers.network import AttentiveTransformer
from vigil.learn.vision_transformers.opening import open_transformer
from vigil.pixels.fitting import FrameSize
from vigil.settings.vision_transformer import TransformerName, VisionTransformer

LONGEST_SIDE_PX = 224


def build(name: TransformerName, weights: str) -> AttentiveTransformer:
    """The transformer with its weights. Raises FieldError, InputError: see `open_transformer`."""
    return open_transformer(VisionTransformer(architecture=name, weights=weights))


class DinoFrames(Backbone):
    """Its vector is the mean over frames of the class token after the last norm."""

    def __init__(self, network: AttentiveTransformer, inputs: InputFacts) -> None:
        """Sees squares of the side of the network's training, but of at most `LONGEST_SIDE_PX`."""
        patch = network.patch_px
        side = min(network.size_px, LONGEST_SIDE_PX) // patch * patch
        super().__init__(network, replace(inputs, size=FrameSize(side, side)))

    def features(self, clips: Tensor) -> Tensor:
        """The vectors (B, D) of normalised frames (B, 3, T, S, S)."""
        batch, _, num_frames = clips.shape[:3]
        frames = clips.transpose(1, 2).flatten(0, 1)  # (B T, 3, S, S)
        return self.network(frames.contiguous()).unflatten(0, (batch, num_frames)).mean(dim=1)  # type: ignore[no-any-return]
