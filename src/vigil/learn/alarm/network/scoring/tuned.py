"""An autoencoder and the backbone of its vectors. The last weights of the backbone learn, too."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from vigil.learn.alarm.network.embedding.backbone import Backbone
from vigil.learn.alarm.network.scoring.autoencoder import Autoencoder
from vigil.plumbing.errors import FieldError, InputError


class TunedAutoencoder(nn.Module):
    """Its weights are those of the autoencoder, and the tuned weights of the backbone.

    The backbone stays in evaluation mode, so the statistics of its norms do not change.
    """

    def __init__(self, autoencoder: Autoencoder, backbone: Backbone, num_tensors: int) -> None:
        """Args: num_tensors: the number of the backbone's last parameter tensors that are tuned."""
        super().__init__()
        self.autoencoder = autoencoder
        self._backbone = (
            backbone.eval().requires_grad_(False),
        )  # in a tuple, torch does not register it as a submodule
        parameters = list(backbone.named_parameters())
        if num_tensors > len(parameters):
            raise FieldError(
                "fine_tuning.num_tensors",
                f"expected at most the backbone's {len(parameters)}, got {num_tensors}",
            )
        self.tuned = nn.ParameterDict(
            {name.replace(".", "/"): tensor for name, tensor in parameters[-num_tensors:]}
        )

    def unfreeze(self) -> None:
        """Lets the last weights of the backbone learn from now on."""
        self.tuned.requires_grad_(True)

    def embed(self, frames: Tensor, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        """The vectors (B, D) of frames (B, T, S, S, 3).

        Args:
            weights: weights that replace the tuned weights, by their names in `tuned`.
        """
        backbone = self._backbone[0].to(frames.device)
        if weights is None:
            return backbone(frames)  # type: ignore[no-any-return]
        named = {name.replace("/", "."): tensor for name, tensor in weights.items()}
        return functional_call(backbone, named, (frames,))  # type: ignore[no-any-return]

    def tuned_state(self) -> dict[str, Tensor]:
        """The tuned weights, by their names in the backbone."""
        return {name.replace("/", "."): tensor for name, tensor in self.tuned.items()}


def put_into(backbone: Backbone, weights: Mapping[str, Tensor]) -> None:
    """Replaces weights of a backbone by tuned weights."""
    parameters = dict(backbone.named_parameters())
    with torch.no_grad():
        for name, tensor in weights.items():
            if name not in parameters or parameters[name].shape != tensor.shape:
                raise InputError(f"{name}: expected a tuned weight of the backbone, found another")
            parameters[name].copy_(tensor)
