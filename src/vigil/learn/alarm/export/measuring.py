"""Measures an exported alarm on stored evidence, beside the stored scores of the pipeline."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from vigil.domain.clips.evidence.embeddings import Embedding
from vigil.domain.clips.found import strongest_in_windows
from vigil.domain.clips.verdicts import LARGEST_RATIO, ratio_of
from vigil.learn.alarm.trained import TrainedAlarm
from vigil.runtime.alarm import ExportedAlarm

DECIMALS = 3


def measure_exported(
    file: Path,
    trained: TrainedAlarm,
    embeddings: Mapping[str, Embedding],
    is_test: "pd.Series[bool]",
    is_anomalous: "pd.Series[bool]",
) -> dict[str, Any]:
    """The score of torch and of the file on the windows of test clips, and how scores differ.

    Args:
        is_test, is_anomalous: of each window of the embeddings.
    """
    exported = ExportedAlarm.from_file(file)
    chosen, targets = is_test.to_numpy(), is_anomalous.to_numpy()
    largest = 0.0
    ratios: dict[str, list[Any]] = {"torch": [], "exported": []}
    for name, embedding in embeddings.items():
        mine = exported.score(name, exported.by_place(name, embedding.pieces))
        theirs = trained.score(name, trained.by_place(name, embedding.pieces))
        for scorer, scores in theirs.items():
            scale = max(float(np.abs(scores).max()), 1e-12)
            largest = max(largest, float(np.abs(mine[scorer] - scores).max()) / scale)
        raising = next(iter(theirs))
        for told, by_scorer in (("torch", theirs), ("exported", mine)):
            strongest = strongest_in_windows(embedding, by_scorer[raising])
            limit = trained.thresholds[raising]
            ratios[told].append([min(ratio_of(one, limit), LARGEST_RATIO) for one in strongest])
    numbers: dict[str, Any] = {}
    for told, by_channel in ratios.items():
        of_windows = np.max(by_channel, axis=0)[chosen]
        auroc = float(roc_auc_score(targets[chosen], of_windows))
        numbers[told] = {"auroc_of_windows": round(auroc, DECIMALS)}
    numbers["exported"]["largest_relative_difference"] = float(f"{largest:.1e}")
    return numbers
