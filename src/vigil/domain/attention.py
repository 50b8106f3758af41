"""Maps of attention: which patches hold most of it, and the scale of a video's colours."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Maps = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]


def largest_share(maps: Maps, keep_fraction: float) -> Bools:
    """The fewest patches of each map that hold a fraction of its attention.

    Of equal patches, the first counts.

    Args:
        maps: (..., h, w), not negative.
        keep_fraction: in [0, 1]; 0 keeps no patch, 1 keeps every patch with attention.

    Returns:
        (..., h, w) bool.
    """
    flat = np.asarray(maps, np.float64).reshape(*maps.shape[:-2], -1)
    order = np.argsort(-flat, axis=-1, kind="stable")
    falling = np.take_along_axis(flat, order, axis=-1)
    # A patch is kept if the patches before it hold less than the fraction.
    before = np.cumsum(falling, axis=-1) - falling
    needed = keep_fraction * flat.sum(axis=-1, keepdims=True)
    is_kept = (before < needed * (1 - 1e-12)) & (falling > 0)
    kept = np.zeros(flat.shape, np.bool_)
    np.put_along_axis(kept, order, is_kept, axis=-1)
    return kept.reshape(maps.shape)


def brightest(maps: Iterable[Maps], percentile: float) -> float:
    """The attention that has the brightest colour: a percentile of all values, above 0.

    Args:
        maps: arrays of any shapes; at least one value.
    """
    values = np.concatenate([np.asarray(one, np.float64).ravel() for one in maps])
    highest = float(np.percentile(values, percentile))
    return highest if highest > 0 else max(float(values.max()), 1e-12)
