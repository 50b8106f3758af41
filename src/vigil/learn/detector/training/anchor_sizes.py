"""Anchor sizes that suit the boxes at hand."""

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans

from vigil.plumbing.errors import FieldError


def cluster_sizes(
    boxes_wh: npt.NDArray[np.float64], num_sizes: int, seed: int
) -> tuple[float, ...]:
    """Sizes of which each box has one near: k-means (Lloyd, 1982) on the logs of sqrt(w h).

    Logs, since an anchor fits by the ratio of sizes and not by their difference.

    Args:
        boxes_wh: (N, 2) in px.

    Returns:
        Ascending sizes in px, rounded to 0.01.

    Raises:
        FieldError: fewer different sizes than are asked for.
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
