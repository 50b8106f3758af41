"""The exported networks of the project beside torch: milliseconds a sample, one thread.

First, `make repro`, and the files, with their scores in `metrics/export_*.json`:

    dvc exp run export@classifier export@detector export@segmenter \\
      -S 'export.classifier.formats=[onnx,openvino]' -S export.classifier.int8.enabled=true \\
      -S 'export.detector.formats=[onnx,openvino]' -S export.detector.int8.enabled=true \\
      -S 'export.segmenter.formats=[onnx,openvino]' -S export.segmenter.int8.enabled=true

Each network gets one sample of noise at a time, as from a camera. The times of all files and of
torch in 32 bits are taken in turn.
"""

import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from measure import PROJECT, Row, log, median_ratio, side_by_side

from vigil.learn.classifier.export.classifier_files import exportable_classifier
from vigil.learn.detector.export.detector_files import exportable_detector
from vigil.learn.exporting.exportable import Exportable
from vigil.learn.segmenter.export.segmenter_files import exportable_segmenter
from vigil.runtime.session import Bytes, Floats, open_network

NAMES = ("classifier", "detector", "segmenter")
NUM_ROUNDS, LEAST_S = 7, 0.5


def run() -> list[Row]:
    """Measures the files below `exported/`."""
    os.environ["VIGIL_THREADS"] = "1"
    torch.set_num_threads(1)
    rows: list[Row] = []
    for exportable in _exportables():
        folder = PROJECT / "exported" / exportable.name
        files = sorted([*folder.glob("*.onnx"), *folder.glob("*.xml")])
        if not files:
            rows.append(Row(f"{exportable.name}: no exported file; see benchmarks/exported.py", ""))
            continue
        log(f"exported: {exportable.name}, {len(files)} files and torch")
        sample = exportable.example(1).numpy()
        computes = [exportable.by_torch, *(open_network(file).run for file in files)]
        runs = [partial(_ms, compute, sample) for compute in computes]
        by_torch, *others = side_by_side(runs, NUM_ROUNDS)
        rows += [
            Row(
                f"{file.name}, ms a sample, against torch in 32 bits",
                f"{statistics.median(times):.1f}",
                f"{statistics.median(by_torch):.1f}",
                median_ratio(times, by_torch),
            )
            for file, times in zip(files, others, strict=True)
        ]
    return rows


def _exportables() -> list[Exportable]:
    """The networks of the project's trained models; empty without all of these."""

    def files_of(name: str) -> tuple[Path, Path]:
        return PROJECT / f"models/{name}.safetensors", PROJECT / f"models/{name}.json"

    if not all(file.is_file() for name in NAMES for file in files_of(name)):
        log("exported: expected trained models, found none; `make repro` trains them")
        return []
    return [
        exportable_classifier(*files_of("classifier")),
        exportable_detector(*files_of("detector"), None),
        exportable_segmenter(*files_of("segmenter")),
    ]


def _ms(compute: Callable[[Bytes], Floats], sample: Bytes) -> float:
    """Milliseconds of a call, as the mean of calls over at least `LEAST_S`."""
    start, num = time.perf_counter(), 0
    while (passed_s := time.perf_counter() - start) < LEAST_S:
        compute(sample)
        num += 1
    return 1000 * passed_s / num
