"""Scorers that score each feature of a vector by itself, and say which feature is most unusual.

A feature is some columns of the vectors. Its score is divided by a scale of its own: a quantile of
the largest scores of allowed training videos that the feature was not learnt from. So the ratios of
all features can be compared, and the score of a vector is the largest of them. A sum would hide one
strange feature among many usual ones.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from vigil.domain.clips.learnt.scorers import SCORERS, Arrays, FitOptions, Floats
from vigil.plumbing.errors import InputError

NUM_FOLDS = 5
LEAST_SCALE = 1.0
"""The least scale of a feature, in units of the feature: less is an error of measurement."""
SCALES = "scales"
Columns = Mapping[str, slice]
Names = npt.NDArray[np.object_]


def fit_by_feature(
    scorer: str,
    allowed: Floats,
    columns: Columns,
    units: Mapping[str, float],
    videos: Names,
    sources: Names,
    *,
    options: FitOptions,
    quantile: float,
) -> dict[str, Floats]:
    """Fits a scorer to each feature of allowed vectors.

    Args:
        scorer: a name of `SCORERS`.
        allowed: (M, D).
        columns: the columns of each feature.
        units: the least difference of each feature that means something.
        videos, sources: (M,) the video of each vector, and its source. A feature is learnt from
            some sources, and its scores are measured on the others.
        quantile: of the videos' largest scores, which gives the scale.

    Returns:
        The parameters of each feature, named `<feature>__<name>`, and `scales`.

    Raises:
        InputError: there are vectors of fewer than two sources.
    """
    _, source_of = np.unique(sources.astype(str), return_inverse=True)
    _, video_of = np.unique(videos.astype(str), return_inverse=True)
    num_sources = int(source_of.max(initial=-1)) + 1
    if num_sources < 2:
        raise InputError(
            "expected objects in allowed training videos of at least 2 sources, to scale their "
            f"features, got {num_sources}"
        )
    fold_of = source_of % min(NUM_FOLDS, num_sources)
    options = options._replace(least_variance=1.0)  # of one unit
    learnt: dict[str, Floats] = {}
    scales = []
    for name, own in columns.items():
        values = allowed[:, own] / units[name]
        scores = np.empty(len(values))
        for fold in range(fold_of.max() + 1):
            held = fold_of == fold
            model = _fit(scorer, values[~held], options)
            scores[held] = SCORERS[scorer].score(model, values[held])
        largest = np.zeros(video_of.max() + 1)
        np.maximum.at(largest, video_of, scores)
        scale = float(np.quantile(largest, quantile, method="higher"))
        scales.append(max(scale, LEAST_SCALE))
        for key, array in _fit(scorer, values, options).items():
            learnt[f"{name}__{key}"] = array
    return {**learnt, SCALES: np.array(scales)}


def _fit(scorer: str, values: Floats, options: FitOptions) -> dict[str, Floats]:
    """Fits a scorer; a mixture has at most as many components as there are different values."""
    most = min(options.num_components, len(np.unique(values, axis=0)))
    return SCORERS[scorer].fit(values, options._replace(num_components=most))


def score_by_feature(
    scorer: str, learnt: Arrays, vectors: Floats, columns: Columns, units: Mapping[str, float]
) -> Floats:
    """The ratios (N, F) of each feature's score to its scale; the largest is that of a vector."""
    ratios = []
    for (name, own), scale in zip(columns.items(), learnt[SCALES], strict=True):
        model = {
            key.removeprefix(f"{name}__"): array
            for key, array in learnt.items()
            if key.startswith(f"{name}__")
        }
        ratios.append(SCORERS[scorer].score(model, vectors[:, own] / units[name]) / scale)
    return np.stack(ratios, axis=1)
