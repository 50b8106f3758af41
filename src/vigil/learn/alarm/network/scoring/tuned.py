"""An autoencoder together with the backbone that feeds it, whose last weights learn too."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from vigil.learn.alarm.network.embedding.backbone import Backbone
from vigil.learn.alarm.network.scoring.autoencoder import Autoencoder
from vigil.plumbing.errors import FieldError, InputError


class TunedAutoencoder(nn.Module):
    """Its weights are the autoencoder's and the tuned ones of the backbone, and no others.

    The backbone stays in evaluation mode: the statistics of its norms are those it came with.
    """

    def __init__(self, autoencoder: Autoencoder, backbone: Backbone, num_tensors: int) -> None:
        """Args: num_tensors: how many of the backbone's last parameter tensors are tuned."""
        super().__init__()
        self.autoencoder = autoencoder
        self._backbone = (backbone.eval().requires_grad_(False),)  # in a tuple: no part of this
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
        """Lets the backbone's last weights learn from here on."""
        self.tuned.requires_grad_(True)

    def embed(self, frames: Tensor, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        """(B, T, S, S, 3) to (B, D).

        Args:
            weights: take the place of the tuned ones, by their names in `tuned`.
        """
        backbone = self._backbone[0].to(frames.device)
        if weights is None:
            return backbone(frames)  # type: ignore[no-any-return]
        named = {name.replace("/", "."): tensor for name, tensor in weights.items()}
        return functional_call(backbone, named, (frames,))  # type: ignore[no-any-return]

    def tuned_state(self) -> dict[str, Tensor]:
        """The tuned weights by the backbone's names."""
        return {name.replace("/", "."): tensor for name, tensor in self.tuned.items()}


def put_into(backbone: Backbone, weights: Mapping[str, Tensor]) -> None:
    """Gives a backbone tuned weights in place of its own."""
    own = dict(backbone.named_parameters())
    with torch.no_grad():
        for name, tensor in weights.items():
            if name not in own or own[name].shape != tensor.shape:
                raise InputError(f"{name}: expected a tuned weight of the backbone, found another")
            own[name].copy_(tensor)
