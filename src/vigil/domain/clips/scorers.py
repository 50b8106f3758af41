"""Scorers of how unusual a vector is: what each learns of allowed vectors, and how it scores.

What a scorer learns are arrays by name, which are stored. A score is at least 0, and the higher,
the more unusual.
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
"""Added to each component's, as a share of the mean variance of the vectors' numbers: a component
of few vectors would else have none in some direction, where nothing is as unusual as it seems."""


class FitOptions(NamedTuple):
    """What fitting may be told.

    Attributes:
        seed: of a mixture's first guess.
        num_neighbours: whose mean distance counts.
        num_components: of a mixture.
    """

    seed: int
    num_neighbours: int
    num_components: int


class Scorer(NamedTuple):
    """A scorer.

    Attributes:
        fit: from allowed vectors (M, D) to what is learnt of them.
        score: from that and vectors (N, D) to scores (N,).
    """

    fit: Callable[[Floats, FitOptions], dict[str, Floats]]
    score: Callable[[Arrays, Floats], Floats]


def _fit_largest(allowed: Floats, options: FitOptions) -> dict[str, Floats]:
    return {}


def score_largest(learnt: Arrays, vectors: Floats) -> Floats:
    """The largest number of each vector: nothing is learnt."""
    return np.asarray(vectors.max(axis=1))


def fit_mahalanobis(allowed: Floats, options: FitOptions) -> dict[str, Floats]:
    """The mean and the inverse covariance.

    The covariance is shrunk, since there are often fewer vectors than dimensions (Ledoit and Wolf,
    "A Well-Conditioned Estimator for Large-Dimensional Covariance Matrices", 2004).
    """
    model = LedoitWolf().fit(allowed)
    return {"mean": model.location_, "precision": model.precision_}


def score_mahalanobis(learnt: Arrays, vectors: Floats) -> Floats:
    """Distances from the mean of the allowed vectors, in terms of their covariance."""
    apart = vectors - learnt["mean"]
    squared = np.einsum("nd,de,ne->n", apart, learnt["precision"], apart)
    return np.asarray(np.sqrt(np.maximum(squared, 0)))


def fit_nearest_neighbours(allowed: Floats, options: FitOptions) -> dict[str, Floats]:
    """The vectors themselves, and how many neighbours count: at most as many as there are."""
    num = min(options.num_neighbours, len(allowed))
    return {"vectors": allowed, "num_neighbours": np.array([num], np.float64)}


def score_nearest_neighbours(learnt: Arrays, vectors: Floats) -> Floats:
    """Mean Euclidean distances to the nearest allowed vectors.

    A vector that is itself among them has one neighbour at distance zero.
    """
    num = int(learnt["num_neighbours"][0])
    model = NearestNeighbors(n_neighbors=num).fit(learnt["vectors"])
    return np.asarray(model.kneighbors(vectors)[0].mean(axis=1))


def fit_gaussian_mixture(allowed: Floats, options: FitOptions) -> dict[str, Floats]:
    """A mixture of normal distributions by expectation maximisation.

    Dempster, Laird and Rubin, "Maximum Likelihood from Incomplete Data via the EM Algorithm", 1977.

    Raises:
        FieldError: fewer vectors than components.
    """
    if len(allowed) < options.num_components:
        raise FieldError(
            "num_components",
            f"expected at most the {len(allowed)} vectors of allowed clips, got "
            f"{options.num_components}",
        )
    least = LEAST_VARIANCE * float(allowed.var(axis=0).mean()) + 1e-12
    model = GaussianMixture(
        options.num_components, reg_covar=least, random_state=options.seed % 2**32
    ).fit(allowed)
    learnt = {
        "log_weights": np.log(model.weights_),
        "means": model.means_,
        "precision_roots": model.precisions_cholesky_,
    }
    return {**learnt, "top": _log_densities(learnt, model.means_).max(keepdims=True)}


def score_gaussian_mixture(learnt: Arrays, vectors: Floats) -> Floats:
    """How much less likely a vector is than the most likely mean.

    Told as a distance, as that from a single normal distribution would be: the root of twice the
    difference of logarithms. So it grows like a speed does, not like its square.
    """
    less = learnt["top"] - _log_densities(learnt, vectors)
    return np.asarray(np.sqrt(2 * np.maximum(less, 0)))


def _log_densities(learnt: Arrays, vectors: Floats) -> Floats:
    """(N, D) to (N,), but for a constant."""
    parts = []
    for weight, mean, root in zip(
        learnt["log_weights"], learnt["means"], learnt["precision_roots"], strict=True
    ):
        apart = (vectors - mean) @ root
        parts.append(weight + np.log(np.diagonal(root)).sum() - (apart**2).sum(axis=1) / 2)
    return np.asarray(logsumexp(np.stack(parts), axis=0))


SCORERS: dict[str, Scorer] = {
    "largest": Scorer(_fit_largest, score_largest),
    "mahalanobis": Scorer(fit_mahalanobis, score_mahalanobis),
    "nearest_neighbours": Scorer(fit_nearest_neighbours, score_nearest_neighbours),
    "gaussian_mixture": Scorer(fit_gaussian_mixture, score_gaussian_mixture),
}
"""Those that need no network, by name."""
