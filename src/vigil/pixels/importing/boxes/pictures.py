"""Reads annotations of pictures and checks them against the pictures."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from vigil.domain.formats.reading.annotations import Annotations
from vigil.domain.formats.reading.checks import (
    check_boxes,
    check_sizes,
    choose_classes,
    drop_empty,
    note_same_bytes,
    note_turned,
)
from vigil.domain.formats.reading.findings import Findings
from vigil.domain.pictures.annotated import COUNTS, AnnotatedPictures
from vigil.pixels.importing.boxes.annotations import read_annotations
from vigil.pixels.importing.pictures.folders import find_pictures
from vigil.pixels.importing.pictures.measuring import measure_pictures
from vigil.pixels.pictures.images import ImageSource
from vigil.plumbing.errors import InputError
from vigil.settings.dataset import Detection
from vigil.settings.import_detections import ImportDetections


@dataclass(frozen=True)
class ImportedPictures:
    """Annotated pictures that passed all checks.

    Attributes:
        known: the pictures and their boxes.
        measures: size, channels and digest of each picture, by the picture's name.
        findings: what was left out, changed, or read with a correction, by reason.
    """

    known: AnnotatedPictures
    measures: pd.DataFrame
    findings: Findings


def import_pictures(
    annotations: Path, images: Path, detection: Detection, settings: ImportDetections
) -> ImportedPictures:
    """Reads annotations, and checks each box and each picture.

    Args:
        annotations: a file or a folder in the format that `detection` names.
        images: the folder of the pictures.

    Raises:
        InputError: a problem that the settings make an error, or no box to learn from.
    """
    findings = Findings()
    source = ImageSource(images)
    read = read_annotations(detection.format, annotations, images, settings, findings)
    read = choose_classes(read, detection.classes, findings)
    if detection.format != "tracks":
        read = find_pictures(read, images, findings)
    measures = measure_pictures(
        source,
        read.pictures,
        unusable=settings.unusable_pictures,
        damaged=settings.damaged_pictures,
        findings=findings,
    )
    pictures, boxes = _check(read, measures, settings, findings)
    if (boxes["is_crowd"] | boxes["is_difficult"]).all():
        raise InputError(
            f"{annotations}: expected pictures with boxes, found none besides {len(boxes)} boxes "
            f"to be ignored (left out: {findings.counts or 'nothing'})"
        )
    digests = measures.loc[pictures["file_name"], "sha256"].to_numpy()
    known = AnnotatedPictures.of(pictures.assign(sha256=digests), boxes, read.classes)
    note_same_bytes(known.images, findings)
    return ImportedPictures(known, measures.loc[known.images.index], findings)


def _check(
    read: Annotations, measures: pd.DataFrame, settings: ImportDetections, findings: Findings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The usable pictures, and the valid boxes on them."""
    pictures = read.pictures[read.pictures["file_name"].isin(measures.index)]
    sizes = measures.loc[pictures["file_name"]]
    has_masks = COUNTS in read.boxes
    # A mask has a pixel for each pixel of its picture, so it does not fit one of another size.
    policy = "error" if has_masks and settings.wrong_sizes == "keep" else settings.wrong_sizes
    remedy = "drop" if has_masks else "drop or keep"
    pictures = check_sizes(pictures, sizes, policy, findings, remedy)
    boxes = check_boxes(
        read.boxes[read.boxes["image"].isin(pictures["file_name"])],
        pictures,
        invalid=settings.invalid_boxes,
        min_side_px=settings.min_side_px,
        findings=findings,
    )
    with_object = boxes["image"].unique()
    note_turned(measures.loc[with_object, "turned"], findings)
    if settings.empty_pictures == "drop":
        pictures = drop_empty(pictures, with_object, findings)
    return pictures, boxes
