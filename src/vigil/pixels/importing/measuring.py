"""Pictures as they really are: size, channels and digest of each, and those that are none."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import pandas as pd

from vigil.domain.formats.checks import UNUSABLE, Findings
from vigil.pixels.frames import NUM_THREADS
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.sheets.pictures import CHANNELS
from vigil.plumbing.errors import InputError
from vigil.plumbing.fingerprints import code_fingerprint
from vigil.plumbing.memo import Memo, file_digest
from vigil.plumbing.progress import progress
from vigil.plumbing.records import read_json, write_json
from vigil.settings.import_detections import Unusable

PICTURE_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
MEASURES = [*CHANNELS, *(f"{name}_square" for name in CHANNELS)]


def find_unlisted(images: Path, file_names: "pd.Series[str]") -> list[str]:
    """Pictures of the folder that no annotation speaks of: without objects, or forgotten?"""
    found = {
        path.relative_to(images).as_posix()
        for path in images.rglob("*")
        if path.suffix.lower() in PICTURE_SUFFIXES
    }
    return sorted(found.difference(file_names))


def measure_pictures(
    source: ImageSource,
    pictures: pd.DataFrame,
    unusable: Unusable,
    findings: Findings,
) -> pd.DataFrame:
    """Decodes each picture once; an archive's are remembered, so that a new video costs itself.

    Returns:
        By file name: `width`, `height`, `sha256`, and `MEASURES`, the means of the channels and of
        their squares; without pictures that are missing or none.

    Raises:
        InputError: there is such a picture, and it is an error.
    """
    memo, code = Memo("measured_pictures"), code_fingerprint(measure_each)
    archives = pictures["file_name"].map(source.archive_of)
    measured: list[dict[str, Any]] = []
    for archive, own in pictures["file_name"].groupby(archives):
        names, is_strict = own.tolist(), unusable == "error"
        if not archive:
            measured += measure_each(source, names, is_strict)
            continue
        path = source.root / str(archive)
        facts = {"code": code, "archive": file_digest(path), "names": names, "strict": is_strict}

        def write(target: Path, names: list[str] = names, is_strict: bool = is_strict) -> None:
            write_json(measure_each(source, names, is_strict), target, indent=None)

        measured += read_json(memo.recall(facts, write))
    memo.prune()
    findings.note(UNUSABLE, [entry["problem"] for entry in measured if "problem" in entry])
    usable = [entry for entry in measured if "problem" not in entry]
    columns = ["file_name", "width", "height", "sha256", *MEASURES]
    return pd.DataFrame(usable, columns=columns).set_index("file_name")


def measure_each(
    source: ImageSource, file_names: Sequence[str], is_strict: bool
) -> list[dict[str, Any]]:
    """What `measure` tells of each picture, in their order, over a few threads."""
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        found = pool.map(partial(measure, source, is_strict), file_names)
        return list(progress(found, "measure pictures", "picture", len(file_names)))


def measure(source: ImageSource, is_strict: bool, file_name: str) -> dict[str, Any]:
    """A picture's size, digest and channels, or the `problem` with it where that is no error."""
    try:
        content = source.content(file_name)
        picture = source.decode(content, file_name)
    except InputError as error:
        if is_strict:
            raise InputError(f"{error}; unusable_pictures: drop leaves such out") from None
        return {"problem": str(error)}
    mean, deviation = (values.ravel() for values in cv2.meanStdDev(picture))
    return {
        "file_name": file_name,
        "width": picture.shape[1],
        "height": picture.shape[0],
        "sha256": hashlib.sha256(content).hexdigest(),
        **dict(zip(MEASURES, [*mean.tolist(), *(deviation**2 + mean**2).tolist()], strict=True)),
    }
