"""Reads masks of pictures and checks them against the pictures."""

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from vigil.domain.formats.reading.annotations import BOX_DTYPES, Annotations
from vigil.domain.formats.reading.checks import (
    check_sizes,
    drop_empty,
    note_same_bytes,
    note_turned,
)
from vigil.domain.formats.reading.findings import Findings
from vigil.domain.mask_formats.class_table import read_table
from vigil.domain.mask_formats.coco import CocoMasks
from vigil.domain.mask_formats.label_studio import LabelStudioMasks
from vigil.domain.mask_formats.masks import INVALID, Masks
from vigil.domain.mask_formats.repeated import once
from vigil.domain.masks.masked import MOST_CLASSES, MaskedPictures
from vigil.pixels.importing.masks.mask_pictures import read_mask_pictures
from vigil.pixels.importing.masks.pairing import masks_among
from vigil.pixels.importing.pictures.folders import find_pictures
from vigil.pixels.importing.pictures.measuring import measure_pictures
from vigil.pixels.pictures.images import ImageSource
from vigil.plumbing.errors import FieldError, InputError, listed
from vigil.settings.dataset import MaskData
from vigil.settings.import_masks import ImportMasks

OF_ONE_FILE = ("coco", "label_studio")
"""Formats whose masks are in one file. Those of all others are pictures."""
CLASS_NOT_CHOSEN = "mask of a class not chosen"
CLASS_NOT_USED = "category without a mask, no class"


@dataclass(frozen=True)
class ImportedMasks:
    """Pictures with masks that passed all checks.

    Attributes:
        known: the pictures and their masks.
        measures: size, channels and digest of each picture, by the picture's name.
        findings: what was left out, changed, or read with a correction, by reason.
    """

    known: MaskedPictures
    measures: pd.DataFrame
    findings: Findings


def import_masks(root: Path, images: Path, data: MaskData, settings: ImportMasks) -> ImportedMasks:
    """Reads masks, and checks each mask and each picture.

    Args:
        root: the file or the folder of the masks.
        images: the folder of the pictures.

    Raises:
        InputError: a problem that the settings make an error, or no mask to learn from.
    """
    findings = Findings()
    source = ImageSource(images)
    read = _choose_classes(_read(root, images, data, settings, findings), data, findings)
    names = Annotations(read.pictures, pd.DataFrame(columns=list(BOX_DTYPES)), ())
    labels = () if data.format in OF_ONE_FILE else masks_among(root, images)
    found = find_pictures(names, images, findings, labels)
    read = read.renamed(found.pictures["file_name"].tolist())
    measures = measure_pictures(
        source,
        read.pictures,
        unusable=settings.unusable_pictures,
        damaged=settings.damaged_pictures,
        findings=findings,
    )
    pictures, objects = _check(read, measures, settings, findings)
    if (objects["is_crowd"] | objects["is_difficult"]).all():
        raise InputError(
            f"{root}: expected pictures with masks, found none besides {len(objects)} masks to be "
            f"ignored (left out: {findings.counts or 'nothing'})"
        )
    digests = measures.loc[pictures["file_name"], "sha256"].to_numpy()
    background = "" if read.tells_all else data.background
    known = MaskedPictures.of(pictures.assign(sha256=digests), objects, read.classes, background)
    if not 2 <= len(known.classes) <= MOST_CLASSES:
        raise FieldError(
            "masks.classes",
            f"expected 2 to {MOST_CLASSES} classes, the background included, got "
            f"{listed(known.classes)}",
        )
    note_same_bytes(known.images, findings)
    return ImportedMasks(known, measures.loc[known.images.index], findings)


def _read(
    root: Path, images: Path, data: MaskData, settings: ImportMasks, findings: Findings
) -> Masks:
    malformed = settings.malformed_entries
    if data.format == "coco":
        return CocoMasks(_only_file(root), malformed, findings).read()
    if data.format == "label_studio":
        return LabelStudioMasks(_only_file(root), malformed, findings).read()
    table = None
    if data.format in ("index", "colour"):
        table = read_table(data.table, root, data.ignored, of_colours=data.format == "colour")
    return read_mask_pictures(
        root, images, data, table, findings, ignores_unknown=settings.unknown_values == "ignore"
    )


def _only_file(root: Path) -> Path:
    """The path itself if it is a file, else the only JSON file in the folder."""
    if not root.is_dir():
        return root
    files = sorted(root.glob("*.json"))
    if len(files) != 1:
        raise InputError(
            f"{root}: expected one file *.json in the folder, "
            f"found {listed(file.name for file in files)}"
        )
    return files[0]


def _choose_classes(read: Masks, data: MaskData, findings: Findings) -> Masks:
    """Leaves out the masks of other classes. Without any, the classes are those that occur."""
    if data.background in read.classes and not read.tells_all:
        raise FieldError(
            "masks.background",
            f"expected another name than those of the classes, got {data.background}",
        )
    if not data.classes:
        # A file may declare the 80 classes of COCO for masks of one of them.
        used = set(read.classes) if read.tells_all else set(read.objects["label"])
        findings.note(CLASS_NOT_USED, [one for one in read.classes if one not in used])
        return replace(read, classes=tuple(one for one in read.classes if one in used))
    if unknown := set(data.classes) - set(read.classes):
        raise FieldError(
            "masks.classes",
            f"expected classes that occur ({listed(read.classes, 20)}), got {listed(unknown)}",
        )
    chosen = read.objects["label"].isin(list(data.classes))
    left_out = read.objects[~chosen]
    findings.note(CLASS_NOT_CHOSEN, left_out["place"] + ": " + left_out["label"])
    return Masks(read.pictures, read.objects[chosen], tuple(sorted(data.classes)), read.tells_all)


def _check(
    read: Masks, measures: pd.DataFrame, settings: ImportMasks, findings: Findings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The usable pictures, and the masks on them."""
    reasons = [reason for reason in INVALID if findings[reason]]
    if reasons and settings.invalid_masks == "error":
        raise InputError(
            f"{findings[reasons[0]][0]}: {reasons[0]} ({sum(len(findings[r]) for r in reasons)} "
            "invalid masks, polygons or regions; invalid_masks: drop leaves such out, and boxes "
            "instead of masks count neither way)"
        )
    pictures = read.pictures[read.pictures["file_name"].isin(measures.index)]
    sizes = measures.loc[pictures["file_name"]]
    pictures = check_sizes(pictures, sizes, settings.wrong_sizes, findings, "drop")
    objects = read.objects[read.objects["image"].isin(pictures["file_name"])]
    objects = once(objects, findings)
    with_object = objects["image"].unique()
    note_turned(measures.loc[with_object, "turned"], findings)
    if settings.empty_pictures == "drop":
        pictures = drop_empty(pictures, with_object, findings)
    return pictures, objects
