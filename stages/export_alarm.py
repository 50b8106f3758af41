"""Writes the fitted alarm for programs without torch, and measures what was written."""

from pathlib import Path

from vigil.domain.clips.evidence.embeddings import read_embeddings
from vigil.domain.clips.windows import MIXED, label_windows, read_labels
from vigil.domain.sides import TEST
from vigil.learn.alarm.export.alarm_file import ALLOWED, copy_allowed, write_alarm
from vigil.learn.alarm.export.measuring import measure_exported
from vigil.learn.alarm.trained import TrainedAlarm
from vigil.learn.networks.machine import prepare_torch
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import write_json
from vigil.plumbing.runner import run_stage
from vigil.settings.export_alarm import ExportAlarm


def main(
    *,
    embeddings: Path,
    labels: Path,
    splits: Path,
    threshold: Path,
    allowed: Path,
    weights: Path,
    card: Path,
    exported: Path,
    metrics: Path,
    settings: ExportAlarm,
) -> None:
    numbers = {}
    with whole(exported) as folder:
        folder.mkdir()
        if settings.formats:
            prepare_torch()
            print(write_alarm(weights, card, threshold, folder / "alarm.zip"))
            print(copy_allowed(allowed, weights, folder / ALLOWED))
            trained = TrainedAlarm.from_files(weights, card, threshold)
            channels = read_embeddings(embeddings)
            windows = next(iter(channels.values())).index
            labelled = label_windows(windows, read_labels(labels), splits)
            numbers = measure_exported(
                folder / "alarm.zip",
                trained,
                channels,
                (labelled["split"] == TEST) & (labelled["class"] != MIXED),
                labelled["is_anomalous"],
            )
    write_json(numbers, metrics)


if __name__ == "__main__":
    run_stage(main)
