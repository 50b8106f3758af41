"""Classical scores of how unusual a vector is, as baselines for an autoencoder."""

import numpy as np
import numpy.typing as npt
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors

Floats = npt.NDArray[np.float64]


def mahalanobis_distances(train: Floats, vectors: Floats) -> Floats:
    """Mahalanobis distances from the mean of the training vectors.

    The covariance is shrunk, because there are often fewer vectors than dimensions (Ledoit and
    Wolf, "A Well-Conditioned Estimator for Large-Dimensional Covariance Matrices", 2004).

    Args:
        train: (M, D), the vectors of allowed training clips.
        vectors: (N, D).

    Returns:
        (N,).
    """
    model = LedoitWolf().fit(train)
    return np.asarray(np.sqrt(np.maximum(model.mahalanobis(vectors), 0)))


def neighbour_distances(train: Floats, vectors: Floats, num_neighbours: int) -> Floats:
    """Mean Euclidean distances to the nearest training vectors.

    A vector that is itself among the training vectors has one neighbour at distance zero.

    Args:
        train: (M, D), the vectors of allowed training clips.
        vectors: (N, D).
        num_neighbours: the number of nearest training vectors; more than M are taken as M.

    Returns:
        (N,).
    """
    model = NearestNeighbors(n_neighbors=min(num_neighbours, len(train))).fit(train)
    return np.asarray(model.kneighbors(vectors)[0].mean(axis=1))
