"""Fits the autoencoder of a channel by the training of the alarm. Only this module loads torch."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.clips.evidence.embeddings import Embedding
from vigil.domain.clips.evidence.pieces import join_evidence
from vigil.domain.clips.scores import column_of
from vigil.domain.sides import TRAIN, VAL
from vigil.learn.alarm.trained import TrainedAlarm
from vigil.learn.alarm.training.assembly import Embedded, fit_alarm
from vigil.learn.networks.machine import choose_device, prepare_torch
from vigil.settings.fit_alarm import AUTOENCODER, FitAlarm

Floats = npt.NDArray[np.float64]


def fit_autoencoder(
    channel: str, train: Embedding, val: Embedding, settings: FitAlarm, clips: Path
) -> Callable[[Floats], Floats]:
    """Trains the autoencoder of one channel, or reads the results of the same earlier training.

    Args:
        train, val: the evidence in allowed windows, after any division by the speed map.
        clips: the folder of the videos.

    Returns:
        What scores vectors (N, D).
    """
    prepare_torch()
    index = pd.concat([train.index, val.index], ignore_index=True)
    sides = np.repeat([TRAIN, VAL], [len(train.index), len(val.index)])
    table = index[["video", "start_s", "stop_s"]].assign(split=sides, is_anomalous=False)
    both = Embedding(index, join_evidence([train.pieces, val.pieces]), train.facts)
    scorers = settings.scorers.model_copy(update={channel: (AUTOENCODER,)})
    alone = settings.model_copy(update={"scorers": scorers, "speed_map": False})
    with tempfile.TemporaryDirectory() as folder:
        weights, card = Path(folder, "alarm.safetensors"), Path(folder, "alarm.json")
        data = Embedded(table, {channel: both}, clips)
        fit_alarm(data, alone, weights=weights, card=card, curves=Path(folder, "curves"))
        alarm = TrainedAlarm.from_files(weights, card, device=choose_device())
    column = column_of(channel, AUTOENCODER)
    return lambda vectors: alarm.score(channel, vectors.astype(np.float32))[column]
