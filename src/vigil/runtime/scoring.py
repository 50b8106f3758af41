"""Scores vectors of evidence with numpy alone: how unusual each is under a fitted scorer.

These are the scores of `domain/clips/learnt/scorers.py`. Fitting them needs scipy and scikit-learn.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from vigil.domain.clips.evidence.pieces import Pieces, Vectors

Floats = npt.NDArray[np.float64]
Arrays = Mapping[str, Floats]
AT_ONCE = 256
"""Vectors that are compared with all stored vectors at once."""


def score_largest(learnt: Arrays, vectors: Floats) -> Floats:
    """The largest number of each vector; this scorer has no parameters."""
    return np.asarray(vectors.max(axis=1))


def score_mahalanobis(learnt: Arrays, vectors: Floats) -> Floats:
    """Mahalanobis distances from the mean of the allowed vectors."""
    differences = vectors - learnt["mean"]
    squared = ((differences @ learnt["precision"]) * differences).sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(squared, 0)))


def score_nearest_neighbours(learnt: Arrays, vectors: Floats) -> Floats:
    """Mean Euclidean distances to the nearest allowed vectors."""
    num, known = int(learnt["num_neighbours"][0]), learnt["vectors"]
    middle = known.mean(axis=0)  # products of large numbers would round away small distances
    centred = known - middle
    squares = np.einsum("kd,kd->k", centred, centred)
    means = []
    for start in range(0, len(vectors), AT_ONCE):
        part = vectors[start : start + AT_ONCE]
        # In a row, these have the order of the distances. They need no array of all differences.
        order = squares - 2 * ((part - middle) @ centred.T)
        nearest = np.argpartition(order, num - 1, axis=1)[:, :num]
        distances = np.sqrt(((part[:, None] - known[nearest]) ** 2).sum(axis=2))
        means.append(np.sort(distances, axis=1).mean(axis=1))
    return np.concatenate([np.empty(0), *means])


def score_gaussian_mixture(learnt: Arrays, vectors: Floats) -> Floats:
    """How much less likely each vector is than the most likely mean of a component."""
    parts = []
    for weight, mean, root in zip(
        learnt["log_weights"], learnt["means"], learnt["precision_roots"], strict=True
    ):
        # In these coordinates, the component is a standard normal distribution.
        whitened = (vectors - mean) @ root
        parts.append(weight + np.log(np.diagonal(root)).sum() - (whitened**2).sum(axis=1) / 2)
    densities = np.stack(parts)
    largest = densities.max(axis=0)
    log_sum = largest + np.log(np.exp(densities - largest).sum(axis=0))
    return np.asarray(np.sqrt(2 * np.maximum(learnt["top"] - log_sum, 0)))


SCORERS: dict[str, Callable[[Arrays, Floats], Floats]] = {
    "largest": score_largest,
    "mahalanobis": score_mahalanobis,
    "nearest_neighbours": score_nearest_neighbours,
    "gaussian_mixture": score_gaussian_mixture,
}
"""The scorers without a network, by name."""


def check_learnt(scorer: str, learnt: Arrays, width: int) -> None:
    """Checks the parameters of a scorer of vectors of this width.

    Raises:
        ValueError: they are not those of the scorer, or are no numbers that it can use.
    """
    sizes = {"D": width}
    if learnt.keys() != SHAPES[scorer].keys():
        raise ValueError(f"other parameters of {scorer}")
    for name, letters in SHAPES[scorer].items():
        shape = learnt[name].shape
        if len(shape) != len(letters) or not learnt[name].size:
            raise ValueError(f"{name} of {scorer} of the shape {shape}")
        for letter, size in zip(letters, shape, strict=True):
            if sizes.setdefault(letter, 1 if letter == "1" else size) != size:
                raise ValueError(f"{name} of {scorer} of the shape {shape}")
        _check_finite(name, learnt[name])
    if "num_neighbours" in learnt:
        num, most = learnt["num_neighbours"][0], len(learnt["vectors"])
        if num != int(num) or not 1 <= num <= most:
            raise ValueError(f"{num:g} neighbours of {most} vectors")
    roots = learnt.get("precision_roots")
    if roots is not None and not (np.diagonal(roots, axis1=1, axis2=2) > 0).all():
        raise ValueError(f"precision_roots of {scorer} with a diagonal that is not positive")


def check_map(learnt: Arrays) -> None:
    """Checks the map of usual speeds; empty: none was learnt.

    Raises:
        ValueError: it is no square of positive numbers.
    """
    if not learnt:
        return
    if learnt.keys() != {"ratios"}:
        raise ValueError("other parameters of the map of speeds")
    ratios = learnt["ratios"]
    if ratios.ndim != 2 or not ratios.size or len(set(ratios.shape)) != 1:
        raise ValueError(f"a map of speeds of the shape {ratios.shape}")
    _check_finite("the map of speeds", ratios)
    if not (ratios > 0).all():
        raise ValueError("a map of speeds that are not positive")


def _check_finite(name: str, array: Floats) -> None:
    if array.dtype != np.float64 or not np.isfinite(array).all():
        raise ValueError(f"{name} with numbers that are not finite, or of another type")


SHAPES: dict[str, dict[str, str]] = {
    "largest": {},
    "mahalanobis": {"mean": "D", "precision": "DD"},
    "nearest_neighbours": {"vectors": "KD", "num_neighbours": "1"},
    "gaussian_mixture": {"log_weights": "C", "means": "CD", "precision_roots": "CDD", "top": "1"},
}
"""The shapes of the parameters of each scorer, a letter an axis: equal letters are equal sizes."""


def divide_by_map(pieces: Pieces, speed_map: Floats) -> Vectors:
    """The vectors (N, D), each divided by the usual speed at its place, as `speed_map.py` does."""
    num = len(speed_map)
    middles = (pieces.boxes_xyxy[:, :2] + pieces.boxes_xyxy[:, 2:]) / 2
    places = (middles / pieces.sizes_wh * num).astype(np.int64)
    column, row = np.clip(places, 0, num - 1).T
    return np.asarray(pieces.vectors / speed_map[row, column][:, None], np.float32)
