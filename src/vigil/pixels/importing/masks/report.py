"""Reports the contents of a set of pictures with masks, and what was left out and why."""

from typing import Any

import numpy as np
import pandas as pd

from vigil.domain.formats.reading.findings import Findings
from vigil.domain.masks.masked import MaskedPictures


def describe(known: MaskedPictures, findings: Findings, num_listed: int) -> dict[str, Any]:
    """The content of `report.json`: counts of pictures and masks, areas, and findings.

    Args:
        num_listed: how many examples of each finding are listed.
    """
    objects = known.objects[~known.is_ignored]
    areas = (known.images["width"] * known.images["height"]).sum()
    quartiles = objects.groupby("label")["area"].quantile([0, 0.25, 0.5, 0.75, 1]).round(1)
    with_mask = set(objects["image"])
    return {
        "num_pictures": len(known.images),
        "num_pictures_without_mask": len(known.images) - len(with_mask),
        "num_masks": len(known.objects),
        "num_masks_to_ignore": int(known.is_ignored.sum()),
        "background": known.background,
        "by_class": {
            str(label): {
                "masks": len(rows),
                "pictures": rows["image"].nunique(),
                "share_of_all_pixels": float(np.round(rows["area"].sum() / areas, 5)),
                "area_quartiles_px": quartiles.loc[label].tolist(),
            }
            for label, rows in objects.groupby("label")
        },
        "classes_without_mask": sorted(
            set(known.classes) - set(objects["label"]) - {known.background}
        ),
        "findings": findings.counts,
        "listed": findings.first(num_listed),
    }


def class_shares(known: MaskedPictures) -> pd.DataFrame:
    """(pictures, classes): the share of each picture that the masks of each class have."""
    objects = known.objects[~known.is_ignored]
    sums = objects.pivot_table(index="image", columns="label", values="area", aggfunc="sum")
    labels = [label for label in known.classes if label != known.background]
    table = sums.reindex(index=known.images.index, columns=labels).fillna(0.0)
    return table.div(known.images["width"] * known.images["height"], axis=0)
