"""Scorers of how unusual a vector is: each is fitted to allowed vectors, and scores other vectors.

The parameters of a fitted scorer are named arrays, which are stored. A score is at least 0. A
higher score means a more unusual vector.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp
from sklearn.covariance import LedoitWolf
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

from vigil.plumbing.errors import FieldError

Floats = npt.NDArray[np.float64]
Arrays = Mapping[str, Floats]
LEAST_VARIANCE = 1e-4
"""Added to the variance of each component, as a fraction of the mean variance of the vectors.
Without it, a component of few vectors could have no variance in some direction. Each small
difference in this direction would then get a very high score."""

EQUAL = 1e-9
"""Vectors whose numbers differ by at most this fraction are equal."""
TINY_VARIANCE = 1e-12
"""The variance of vectors that are all equal."""


class FitOptions(NamedTuple):
    """The options of fitting.

    Attributes:
        seed: the seed of the initial parameters of a mixture.
        num_neighbours: the number of neighbours that a distance is averaged over.
        num_components: the number of components of a mixture.
        least_variance: added to the variance of each component of a mixture.
    """

    seed: int
    num_neighbours: int
    num_components: int
    least_variance: float = 0.0


class Scorer(NamedTuple):
    """A scorer.

    Attributes:
        fit: computes the parameters from allowed vectors (M, D).
        score: computes scores (N,) from the parameters and vectors (N, D).
    """

    fit: Callable[[Floats, FitOptions], dict[str, Floats]]
    score: Callable[[Arrays, Floats], Floats]


def _fit_largest(allowed: Floats, options: FitOptions) -> dict[str, Floats]:
    return {}


def score_largest(learnt: Arrays, vectors: Floats) -> Floats:
    """The largest number of each vector; this scorer has no parameters."""
    return np.asarray(vectors.max(axis=1))


def fit_mahalanobis(allowed: Floats, options: FitOptions) -> dict[str, Floats]:
    """The mean and the inverse covariance of the allowed vectors.

    The covariance is shrunk, because there are often fewer vectors than dimensions (Ledoit and
    Wolf, "A Well-Conditioned Estimator for Large-Dimensional Covariance Matrices", 2004). If all
    vectors are equal, as those of still videos may be, any other vector is far from them.
    """
    model = LedoitWolf().fit(allowed)
    precision = model.precision_
    if (np.ptp(allowed, axis=0) <= EQUAL * np.abs(allowed).max(axis=0)).all():
        precision = np.eye(allowed.shape[1]) / TINY_VARIANCE
    return {"mean": model.location_, "precision": precision}


def score_mahalanobis(learnt: Arrays, vectors: Floats) -> Floats:
    """Mahalanobis distances from the mean of the allowed vectors."""
    differences = vectors - learnt["mean"]
    squared = ((differences @ learnt["precision"]) * differences).sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(squared, 0)))


def fit_nearest_neighbours(allowed: Floats, options: FitOptions) -> dict[str, Floats]:
    """The vectors themselves, and the number of neighbours: at most the number of vectors."""
    num = min(options.num_neighbours, len(allowed))
    return {"vectors": allowed, "num_neighbours": np.array([num], np.float64)}


def score_nearest_neighbours(learnt: Arrays, vectors: Floats) -> Floats:
    """Mean Euclidean distances to the nearest allowed vectors.

    A vector that is one of the allowed vectors has one neighbour at distance zero.
    """
    num = int(learnt["num_neighbours"][0])
    model = NearestNeighbors(n_neighbors=num).fit(learnt["vectors"])
    return np.asarray(model.kneighbors(vectors)[0].mean(axis=1))


def fit_gaussian_mixture(allowed: Floats, options: FitOptions) -> dict[str, Floats]:
    """The parameters of a mixture of normal distributions, by expectation maximisation.

    Dempster, Laird and Rubin, "Maximum Likelihood from Incomplete Data via the EM Algorithm", 1977.

    Raises:
        FieldError: there are fewer vectors than components.
    """
    if len(allowed) < options.num_components:
        raise FieldError(
            "num_components",
            f"expected at most the {len(allowed)} vectors of allowed clips, got "
            f"{options.num_components}",
        )
    min_variance = LEAST_VARIANCE * float(allowed.var(axis=0).mean()) + TINY_VARIANCE
    min_variance += options.least_variance
    model = GaussianMixture(
        options.num_components, reg_covar=min_variance, random_state=options.seed % 2**32
    ).fit(allowed)
    learnt = {
        "log_weights": np.log(model.weights_),
        "means": model.means_,
        "precision_roots": model.precisions_cholesky_,
    }
    return {**learnt, "top": _log_densities(learnt, model.means_).max(keepdims=True)}


def score_gaussian_mixture(learnt: Arrays, vectors: Floats) -> Floats:
    """How much less likely each vector is than the most likely mean of a component.

    The score is the square root of twice the difference of log densities. For a single normal
    distribution, this is the Mahalanobis distance. So the score is proportional to a speed, and not
    to its square.
    """
    differences = learnt["top"] - _log_densities(learnt, vectors)
    return np.asarray(np.sqrt(2 * np.maximum(differences, 0)))


def _log_densities(learnt: Arrays, vectors: Floats) -> Floats:
    """The log densities (N,) of vectors (N, D), except for a constant."""
    parts = []
    for weight, mean, root in zip(
        learnt["log_weights"], learnt["means"], learnt["precision_roots"], strict=True
    ):
        # In these coordinates, the component is a standard normal distribution.
        whitened = (vectors - mean) @ root
        parts.append(weight + np.log(np.diagonal(root)).sum() - (whitened**2).sum(axis=1) / 2)
    return np.asarray(logsumexp(np.stack(parts), axis=0))


SCORERS: dict[str, Scorer] = {
    "largest": Scorer(_fit_largest, score_largest),
    "mahalanobis": Scorer(fit_mahalanobis, score_mahalanobis),
    "nearest_neighbours": Scorer(fit_nearest_neighbours, score_nearest_neighbours),
    "gaussian_mixture": Scorer(fit_gaussian_mixture, score_gaussian_mixture),
}
"""The scorers without a network, by name."""
