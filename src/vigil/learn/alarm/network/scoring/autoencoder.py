"""An autoencoder of embeddings. Its reconstruction error is large for unusual vectors."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from vigil.settings.fit_alarm import ErrorName


class Autoencoder(nn.Module):
    """Linear layers from the input to a few numbers and back, with batch norm on the input.

    Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", 2006.
    """

    def __init__(
        self, *, width: int, hidden: Sequence[int], dropout: float, error: ErrorName
    ) -> None:
        """Builds the layers.

        Args:
            width: the dimensions of the vectors, D.
            hidden: widths of the encoder's layers, down to the narrowest; the decoder has the same
                widths in reverse order.
            dropout: the fraction of activations that are set to zero in training.
            error: whether the squared differences of a vector are summed or averaged.
        """
        super().__init__()
        self.width, self._error = width, error
        self.norm = nn.BatchNorm1d(width)
        widths = [width, *hidden, *reversed(hidden[:-1]), width]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers[:-2])  # the last layer has no ReLU and no dropout

    def forward(self, vectors: Tensor) -> Tensor:
        """The reconstructions (B, D) of vectors (B, D)."""
        if vectors.shape[1:] != (self.width,):
            raise ValueError(
                f"vectors must have the shape (B, {self.width}), but got {tuple(vectors.shape)}"
            )
        return self.layers(self.norm(vectors))  # type: ignore[no-any-return]

    def errors(self, vectors: Tensor, targets: Tensor | None = None) -> Tensor:
        """The squared errors (B,) of reconstructions of `vectors`, or compared with `targets`."""
        targets = vectors if targets is None else targets
        squared: Tensor = (self(vectors).float() - targets.float()) ** 2
        return squared.sum(dim=1) if self._error == "sum" else squared.mean(dim=1)


def build_autoencoder(config: Mapping[str, Any]) -> Autoencoder:
    """Builds an autoencoder with random weights."""
    return Autoencoder(**config)
