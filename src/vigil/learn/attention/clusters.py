"""Groups pictures by their class tokens, and draws the most typical ones of each group."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans

from vigil.pixels.drawing.on_pictures import tile, write_picture
from vigil.pixels.fitting import centre_on_black
from vigil.pixels.pictures.picture import Picture

NUM_TRIES = 10
NUM_SHOWN = 8
SHOWN_WH = (160, 120)

Vectors = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


def cluster(vectors: Vectors, num_clusters: int, seed: int) -> tuple[Integers, Integers]:
    """Groups vectors by their directions: k-means of vectors of length 1.

    Args:
        vectors: (N, D), N at least 1.
        num_clusters: at most this many clusters; there are fewer if fewer vectors differ.

    Returns:
        (N,) the cluster of each vector, the largest cluster first; and (N,) the rank of each vector
        in its cluster, the most typical one first.
    """
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    directions = vectors / np.maximum(lengths, 1e-12)
    num_distinct = len(np.unique(directions.round(6), axis=0))
    means = KMeans(min(num_clusters, num_distinct), n_init=NUM_TRIES, random_state=seed)
    found = means.fit(directions).labels_.astype(np.int64)
    distances = np.linalg.norm(directions - means.cluster_centers_[found], axis=1)
    # The largest cluster becomes number 0; of equal ones, the one with the first vector.
    numbers, firsts, counts = np.unique(found, return_index=True, return_counts=True)
    order = numbers[np.lexsort((firsts, -counts))]
    clusters = np.argsort(order)[found]
    ranks = np.empty(len(found), np.int64)
    for number in range(len(order)):
        members = np.flatnonzero(clusters == number)
        ranks[members[np.argsort(distances[members].round(9), kind="stable")]] = np.arange(
            len(members)
        )
    return clusters, ranks


def draw_clusters(pictures: Sequence[Sequence[Picture]], sizes: Sequence[int], file: Path) -> None:
    """Draws a row for each cluster.

    Args:
        pictures: BGR pictures of each cluster, at most `NUM_SHOWN`.
        sizes: the number of pictures in each cluster.
    """
    total = sum(sizes)
    num_columns = max(len(row) for row in pictures)
    shown, captions = [], []
    for number, (row, size) in enumerate(zip(pictures, sizes, strict=True)):
        blank = np.full((SHOWN_WH[1], SHOWN_WH[0], 3), 255, np.uint8)
        spare = num_columns - len(row)
        shown += [centre_on_black(picture, SHOWN_WH) for picture in row] + [blank] * spare
        captions += [f"cluster {number + 1}: {size} of {total}", *[""] * (num_columns - 1)]
    title = "Clusters of pictures by their class tokens, the most typical pictures first"
    write_picture(tile(shown, captions, num_columns=num_columns, title=title), file)
