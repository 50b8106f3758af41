"""Keeps evidence of allowed clips beside the alarm, with pictures, to compare alarms with."""

from fractions import Fraction
from pathlib import Path

import pandas as pd

from vigil.domain.clips.allowed import Allowed, allowed_table, choose_spread, write_allowed
from vigil.domain.clips.evidence.embeddings import read_embeddings
from vigil.domain.clips.windows import label_windows, read_labels
from vigil.domain.sides import TRAIN
from vigil.learn.alarm.trained import TrainedAlarm
from vigil.learn.networks.machine import choose_device, prepare_torch
from vigil.pixels.sheets.allowed import draw_allowed
from vigil.plumbing.memo import file_digest
from vigil.plumbing.outputs import whole
from vigil.plumbing.runner import run_stage


def main(
    *,
    clips: Path,
    embeddings: Path,
    labels: Path,
    splits: Path,
    weights: Path,
    card: Path,
    allowed: Path,
    picture_fps: float,
) -> None:
    prepare_torch()
    channels = read_embeddings(embeddings)
    windows = label_windows(next(iter(channels.values())).index, read_labels(labels), splits)
    is_learnt = ((windows["split"] == TRAIN) & ~windows["is_anomalous"]).to_numpy()
    alarm = TrainedAlarm.from_files(weights, card, device=choose_device())
    tables, vectors = [], {}
    for name in alarm.facts:
        scored = alarm.scored_vectors(name, channels[name], clips)
        learnt = is_learnt[channels[name].windows].nonzero()[0]
        rows = learnt[choose_spread(scored[learnt])]
        vectors[name] = scored[rows]
        tables.append(allowed_table(name, channels[name], rows))
    table = pd.concat(tables, ignore_index=True)
    pictures = draw_allowed(table, clips, Fraction(str(picture_fps)))
    with whole(allowed) as folder:
        folder.mkdir()
        write_allowed(Allowed(file_digest(weights), table, vectors, pictures), folder)


if __name__ == "__main__":
    run_stage(main)
