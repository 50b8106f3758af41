"""Chooses anchor sizes for the boxes of a training set."""

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans

from vigil.plumbing.errors import FieldError


def cluster_sizes(
    boxes_wh: npt.NDArray[np.float64], num_sizes: int, seed: int
) -> tuple[float, ...]:
    """Clusters box sizes by k-means (Lloyd, 1982) on the logarithms of sqrt(w h).

    Logarithms are used since the fit of an anchor depends on the ratio of sizes, not on their
    difference.

    Args:
        boxes_wh: (N, 2) in px.

    Returns:
        Ascending sizes in px, rounded to 0.01.

    Raises:
        FieldError: the boxes have fewer different sizes than `num_sizes`.
    """
    logs = 0.5 * np.log(boxes_wh.prod(axis=1))[:, None]
    num_different = len(np.unique(logs.round(6)))
    if num_different < num_sizes:
        raise FieldError(
            "anchor.num_sizes",
            f"expected training boxes of at least {num_sizes} different sizes, "
            f"found {num_different}",
        )
    clusters = KMeans(num_sizes, n_init=10, random_state=seed).fit(logs)
    return tuple(np.sort(np.exp(clusters.cluster_centers_[:, 0])).round(2).tolist())
