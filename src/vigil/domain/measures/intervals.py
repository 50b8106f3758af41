"""Confidence intervals of measured numbers."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

Counts = npt.NDArray[np.int64]
CONFIDENCE = 0.95
DECIMALS = 4


def proportion_interval(num_true: int, num: int) -> tuple[float, float]:
    """The exact 95 % interval of a proportion (Clopper and Pearson, 1934)."""
    tail = (1 - CONFIDENCE) / 2
    low = beta.ppf(tail, num_true, num - num_true + 1) if num_true else 0.0
    high = beta.ppf(1 - tail, num_true + 1, num - num_true) if num_true < num else 1.0
    return float(low), float(high)


def source_intervals(
    sources: Sequence[str],
    measure: Callable[[Counts], Mapping[str, float | None]],
    *,
    num_rounds: int,
    seed: int,
) -> dict[str, tuple[float, float] | None]:
    """95 % intervals of numbers over videos: percentiles over resampled sources.

    Videos of one source are similar, so whole sources are drawn, with replacement (Davison and
    Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8).

    Args:
        sources: (V,) the source of each video.
        measure: gives the numbers for (V,) counts: how often each video was drawn. None: undefined.
        num_rounds: the number of rounds of resampling.
        seed: the seed of the resampling.

    Returns:
        Both ends of each number; None if it was undefined in every round, or if there is only one
        source, which cannot tell how sources differ.
    """
    names, of_video = np.unique(np.array(sources, object), return_inverse=True)
    num_sources = len(names)
    if num_sources < 2:
        return dict.fromkeys(measure(np.ones(len(of_video), np.int64)))
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {}
    for _ in range(num_rounds):
        times = np.bincount(rng.choice(num_sources, num_sources), minlength=num_sources)
        for name, value in measure(times[of_video]).items():
            drawn.setdefault(name, []).extend([] if value is None else [value])
    return {name: _ends(np.array(values)) if values else None for name, values in drawn.items()}


def _ends(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return round(float(low), DECIMALS), round(float(high), DECIMALS)
