"""Finds masks that a file has twice: of one class, or of several."""

import pandas as pd

from vigil.domain.formats.reading.findings import Findings

REPEATED = "mask repeated"
CONTRADICTED = "mask both to be ignored and to be counted"
TWO_CLASSES = "mask of several classes"
IGNORING = ("is_crowd", "is_difficult")


def once(objects: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    """Leaves out masks that repeat another mask of the same picture and class, pixel by pixel.

    If only some of such masks are to be ignored, the mask that stays is ignored: nobody knows which
    was meant, and an ignored mask does no harm. Equal masks of several classes are noted and stay.

    Args:
        objects: of `Masks`.
    """
    key = ["image", "label", "counts"]
    groups = objects.groupby(key, sort=False)
    ignored = {column: groups[column].transform("any") for column in IGNORING}
    is_first = ~objects.duplicated(key)
    changed = pd.concat(
        [ignored[name] != groups[name].transform("all") for name in IGNORING], axis=1
    )
    findings.note(CONTRADICTED, _described(objects[changed.any(axis=1) & is_first]))
    findings.note(REPEATED, _described(objects[~is_first]))
    kept = objects.assign(**ignored)[is_first]
    findings.note(TWO_CLASSES, _described(kept[kept.duplicated(["image", "counts"])]))
    return kept


def _described(objects: pd.DataFrame) -> list[str]:
    """Each mask with its place and label, for messages."""
    return [f"{one.place}: {one.label}" for one in objects.itertuples()]
