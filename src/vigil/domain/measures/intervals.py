"""Confidence intervals of measured proportions."""

from scipy.stats import beta

CONFIDENCE = 0.95


def proportion_interval(num_true: int, num: int) -> tuple[float, float]:
    """The exact 95 % interval of a proportion (Clopper and Pearson, 1934)."""
    tail = (1 - CONFIDENCE) / 2
    low = beta.ppf(tail, num_true, num - num_true + 1) if num_true else 0.0
    high = beta.ppf(1 - tail, num_true + 1, num - num_true) if num_true < num else 1.0
    return float(low), float(high)
