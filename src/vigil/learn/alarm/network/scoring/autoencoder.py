"""An autoencoder of embeddings: what it has not seen the like of, it reconstructs badly."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from vigil.settings.fit_alarm import ErrorName


class Autoencoder(nn.Module):
    """Linear layers down to a few numbers and back, with batch norm on the input.

    Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", 2006.
    """

    def __init__(
        self, *, width: int, hidden: Sequence[int], dropout: float, error: ErrorName
    ) -> None:
        """Builds it.

        Args:
            width: of the vectors, D.
            hidden: widths down to the narrowest, which come back in reverse.
            error: whether the squared differences of a vector are summed or averaged.
        """
        super().__init__()
        self.width, self._error = width, error
        self.norm = nn.BatchNorm1d(width)
        widths = [width, *hidden, *reversed(hidden[:-1]), width]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers[:-2])  # the last one's output may be any number

    def forward(self, vectors: Tensor) -> Tensor:
        """(B, D) to (B, D)."""
        if vectors.shape[1:] != (self.width,):
            raise ValueError(
                f"vectors must have the shape (B, {self.width}), but got {tuple(vectors.shape)}"
            )
        return self.layers(self.norm(vectors))  # type: ignore[no-any-return]

    def errors(self, vectors: Tensor, targets: Tensor | None = None) -> Tensor:
        """(B, D) to (B,): squared errors of the reconstruction, of the vectors or of `targets`."""
        wanted = vectors if targets is None else targets
        squared: Tensor = (self(vectors).float() - wanted.float()) ** 2
        return squared.sum(dim=1) if self._error == "sum" else squared.mean(dim=1)


def build_autoencoder(config: Mapping[str, Any]) -> Autoencoder:
    """Builds an autoencoder, its weights random."""
    return Autoencoder(**config)
