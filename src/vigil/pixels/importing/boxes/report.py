"""Reports the contents of a set of annotated pictures, and what was left out and why."""

from typing import Any

import numpy as np
import pandas as pd

from vigil.domain.formats.reading.findings import Findings
from vigil.domain.pictures.annotated import AnnotatedPictures
from vigil.pixels.importing.pictures.measuring import MEASURES
from vigil.pixels.sheets.pictures import CHANNELS


def describe(
    known: AnnotatedPictures, measures: pd.DataFrame, findings: Findings, num_listed: int
) -> dict[str, Any]:
    """The content of `report.json`: counts of pictures and boxes, sizes, channels and findings.

    Args:
        num_listed: how many examples of each finding are listed.
    """
    boxes, is_ignored = known.boxes, known.is_ignored
    objects = boxes[~is_ignored]
    areas = measures["width"] * measures["height"]
    weights = (areas / areas.sum()).to_numpy()
    # Averages over all pixels: (pictures,) @ (pictures, 6) gives the means of 3 channels and of
    # their squares. Rounding must not make the variance negative.
    mean, square = (weights @ measures[MEASURES].to_numpy()).reshape(2, -1)
    deviation = np.sqrt(np.maximum(square - mean**2, 0))
    sizes = pd.DataFrame(
        {
            "width_px": objects["x2"] - objects["x1"],
            "height_px": objects["y2"] - objects["y1"],
        }
    ).groupby(objects["label"])
    quartiles = sizes.quantile([0, 0.25, 0.5, 0.75, 1]).round(1)
    with_box = set(boxes["image"])
    return {
        "num_pictures": len(known.images),
        "num_pictures_without_box": len(known.images) - len(with_box),
        "num_videos": int(known.images["video"].replace("", pd.NA).nunique()),
        "num_boxes": len(boxes),
        "num_boxes_to_ignore": int(is_ignored.sum()),
        "by_class": {
            label: {
                "boxes": len(rows),
                "pictures": rows["image"].nunique(),
                "min_quartiles_max": {
                    side: quartiles.loc[label, side].tolist() for side in quartiles.columns
                },
            }
            for label, rows in objects.groupby("label")
        },
        "classes_without_box": sorted(set(known.classes) - set(objects["label"])),
        "channels": {
            "mean": dict(zip(CHANNELS, mean.round(3).tolist(), strict=True)),
            "standard_deviation": dict(zip(CHANNELS, deviation.round(3).tolist(), strict=True)),
        },
        "findings": findings.counts,
        "listed": findings.first(num_listed),
    }
