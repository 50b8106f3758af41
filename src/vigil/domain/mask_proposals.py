"""Proposes masks in pictures to an annotator, as tasks of Label Studio with strokes of its brush.

`import_masks` reads the corrected export with `dataset.masks.format: label_studio`.
"""

from collections.abc import Callable, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

import pandas as pd

from vigil.domain.mask_formats.brush import encode_brush
from vigil.domain.pictures.annotated import COUNTS, AnnotatedPictures
from vigil.domain.pictures.run_lengths import decompress, mask_of

CONTROL, PICTURE = "mask", "image"
"""The names of the tags in the interface."""
SCORE_DECIMALS = 6

Json = dict[str, Any]


def propose_masks(
    known: AnnotatedPictures,
    table: pd.DataFrame,
    *,
    address: Callable[[str], str],
    model_version: str,
) -> list[Json]:
    """A task with one prediction for each picture. A mask without a pixel is left out.

    Args:
        known: the pictures.
        table: `image`, `label`, `score` and `counts` of each detection.
        address: where Label Studio finds the picture of a name.
    """
    rows = {str(image): own for image, own in table.groupby("image")}
    tasks = []
    for name, width, height in known.images[["width", "height"]].itertuples(name=None):
        own = rows.get(name, table.iloc[:0])
        regions = [
            region(f"mask_{number}", counts, str(label), (width, height), score=float(score))
            for number, (label, score, counts) in enumerate(
                own[["label", "score", COUNTS]].itertuples(index=False, name=None), start=1
            )
            if decompress(counts)[1::2].any()
        ]
        mean = sum(one["score"] for one in regions) / len(regions) if regions else 0.0
        prediction = {
            "model_version": model_version,
            "score": round(mean, SCORE_DECIMALS),
            "result": regions,
        }
        tasks.append({"data": {PICTURE: address(name)}, "predictions": [prediction]})
    return tasks


def region(
    region_id: str, counts: str, label: str, size_wh: tuple[int, int], *, score: float
) -> Json:
    """One object as a stroke of the brush.

    Args:
        counts: the mask as compressed run lengths.
        size_wh: of the picture.
    """
    width, height = size_wh
    return {
        "id": region_id,
        "type": "brushlabels",
        "from_name": CONTROL,
        "to_name": PICTURE,
        "origin": "prediction",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "score": round(score, SCORE_DECIMALS),
        "value": {
            "format": "rle",
            "rle": encode_brush(mask_of(decompress(counts), (height, width))),
            "brushlabels": [label],
        },
    }


def mask_config(labels: Sequence[str]) -> str:
    """The labeling interface of proposed masks, as XML. Args: labels: the classes of objects."""
    values = "\n".join(f"    <Label value={quoteattr(label)}/>" for label in labels)
    return (
        "<View>\n"
        f'  <Image name="{PICTURE}" value="${PICTURE}"/>\n'
        f'  <BrushLabels name="{CONTROL}" toName="{PICTURE}">\n'
        f"{values}\n"
        "  </BrushLabels>\n"
        "</View>\n"
    )
