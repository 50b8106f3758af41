"""Reports the generated samples: counts, sizes and pictures."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from vigil.domain.samples.index import LABELS
from vigil.pixels.drawing.figures import figure
from vigil.pixels.sheets.samples import draw_samples
from vigil.plumbing.records import write_json

SIDES = ("width_px", "height_px")


def write_report(
    index: pd.DataFrame, left_out: Mapping[str, int], samples: Path, folder: Path
) -> None:
    """Writes `report.json` beside the samples, and draws sizes and samples of each class.

    Args:
        index: the index of all samples.
        left_out: the number of samples left out, by reason.
        samples: the folder of the crops.
        folder: the folder of the figures.
    """
    sizes = index.groupby("label")[list(SIDES)].describe().round(1)
    content = {
        "num_samples": index["label"].value_counts().to_dict(),
        "num_samples_by_video": {
            video: rows["label"].value_counts().to_dict()
            for video, rows in index.groupby("video", sort=True)
        },
        "left_out": dict(left_out),
        "size_px": {
            label: {side: sizes.loc[label, side].drop("count").to_dict() for side in SIDES}
            for label in sizes.index
        },
    }
    write_json(content, samples / "report.json")
    print(f"{content['num_samples']}, left out: {content['left_out'] or 'none'}")
    for side, name in zip(SIDES, ("width", "height"), strict=True):
        _draw_histogram(
            index["label"], index[side], folder / f"{name}.png", f"Box {name}", f"{name} (px)"
        )
    ratios = index["height_px"] / index["width_px"]
    path = folder / "aspect_ratio.png"
    _draw_histogram(index["label"], ratios, path, "Height over width", "height / width")
    draw_samples(index, samples, folder)


def sum_left_out(counts: Mapping[str, Counter[str]]) -> Counter[str]:
    """The number of samples left out of all videos by reason; `counts` holds it for each video."""
    return sum(counts.values(), Counter[str]())


def _draw_histogram(
    labels: "pd.Series[str]", values: "pd.Series[float]", path: Path, title: str, x_label: str
) -> None:
    """One histogram for each class over common bins."""
    groups = {label: values[labels == label] for label in LABELS}
    bins = np.histogram_bin_edges(pd.concat(list(groups.values())), bins=30)
    title = f"{title} by class"
    with figure(path, title=title, x_label=x_label, y_label="samples") as axes:
        for label, column in groups.items():
            axes.hist(column, bins=list(bins), label=label, alpha=0.6)
        axes.legend()
