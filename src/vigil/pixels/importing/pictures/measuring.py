"""Measures pictures: size, channels and digest; finds those that are unusable or damaged."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import pandas as pd

from vigil.domain.formats.reading.checks import (
    DAMAGED,
    NOT_TURNED,
    SEVERAL,
    TOO_LARGE,
    TURNED,
    UNUSABLE,
)
from vigil.domain.formats.reading.findings import Findings
from vigil.pixels.frames import NUM_THREADS
from vigil.pixels.importing.pictures.exif import is_turned, turns_when_decoded
from vigil.pixels.pictures.decoding import TooLargeError
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.sheets.pictures import CHANNELS
from vigil.pixels.video.library_output import damage_in, library_output
from vigil.pixels.video.pages import holds_several
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.fingerprints import code_fingerprint
from vigil.plumbing.memo import Memo, Request, file_digest
from vigil.plumbing.progress import progress
from vigil.plumbing.records import read_json, write_json
from vigil.settings.import_detections import KeepingPolicy, Policy

PICTURES_AT_ONCE = 64
MEASURES = [*CHANNELS, *(f"{name}_square" for name in CHANNELS)]


def measure_pictures(
    source: ImageSource,
    pictures: pd.DataFrame,
    *,
    unusable: Policy,
    damaged: KeepingPolicy,
    findings: Findings,
) -> pd.DataFrame:
    """Decodes each picture once. The results of archives are cached: only new videos are decoded.

    Args:
        pictures: the table of `Annotations`.
        unusable: what to do with a picture that is missing, not a picture, or too large.
        damaged: what to do with a picture in which the decoder concealed damage.
        findings: receives unusable and damaged pictures, whether they are kept or left out.

    Returns:
        By file name: `width`, `height`, `sha256`, `turned` (`TURNED`, `NOT_TURNED` or empty), and
        `MEASURES`, the means of the channels and of their squares. Pictures that are left out have
        no row.

    Raises:
        InputError: a picture is unusable or damaged, and its policy is `error`.
    """
    memo, code = Memo("measured_pictures"), code_fingerprint(measure_each)
    archives = pictures["file_name"].map(source.archive_of)
    groups = [
        (str(archive), names.tolist()) for archive, names in pictures["file_name"].groupby(archives)
    ]
    requests = {
        archive: Request(
            {
                "code": code,
                "archive": file_digest(source.root / archive),
                "names": names,
                "policies": [unusable, damaged],
            },
            partial(_write_measures, source.root, names, unusable, damaged),
            archive,
        )
        for archive, names in groups
        if archive
    }
    memo.make_missing(list(requests.values()), "measure pictures", "archive")
    measured: list[dict[str, Any]] = []
    for archive, names in groups:
        if request := requests.get(archive):
            measured += read_json(memo.recall(request.facts, request.make))
        else:
            measured += measure_each(source, names, unusable, damaged)
    memo.prune()
    for reason in (UNUSABLE, TOO_LARGE, DAMAGED):
        findings.note(
            reason, [entry["problem"] for entry in measured if entry.get("reason") == reason]
        )
    usable = [entry for entry in measured if "sha256" in entry]
    findings.note(SEVERAL, [entry["file_name"] for entry in usable if entry["is_several"]])
    columns = ["file_name", "width", "height", "sha256", "turned", *MEASURES]
    return pd.DataFrame(usable, columns=columns).set_index("file_name")


def _write_measures(
    root: Path, names: Sequence[str], unusable: Policy, damaged: KeepingPolicy, file: Path
) -> None:
    write_json(measure_each(ImageSource(root), names, unusable, damaged), file, indent=None)


def measure_each(
    source: ImageSource, file_names: Sequence[str], unusable: Policy, damaged: KeepingPolicy
) -> list[dict[str, Any]]:
    """The results of `measure` for each picture, in order, computed on several threads.

    If a library reports damage in a batch, each picture of the batch is decoded again on its own.
    """
    measured: list[dict[str, Any]] = []
    starts = range(0, len(file_names), PICTURES_AT_ONCE)
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        for start in progress(starts, "measure pictures", "batch"):
            names = file_names[start : start + PICTURES_AT_ONCE]
            with library_output() as lines:
                entries = list(pool.map(partial(measure, source, unusable), names))
            if damage_in(lines):
                entries = [
                    mark_damage(source, damaged, *one) for one in zip(names, entries, strict=True)
                ]
            measured += entries
    return measured


def mark_damage(
    source: ImageSource, damaged: KeepingPolicy, file_name: str, entry: dict[str, Any]
) -> dict[str, Any]:
    """Adds the damage of a picture to its entry. With `drop`, nothing else is left in the entry.

    Raises:
        InputError: the picture is damaged, and the policy is `error`.
    """
    damage = damage_of(source, file_name) if "sha256" in entry else ""
    if not damage:
        return entry
    problem = f"{source.root / file_name}: expected a picture without damage, got: {damage}"
    if damaged == "error":
        raise InputError(f"{problem}; damaged_pictures: drop or keep continues")
    kept = entry if damaged == "keep" else {}
    return {**kept, "problem": problem, "reason": DAMAGED}


def damage_of(source: ImageSource, file_name: str) -> str:
    """libjpeg's message about damage that it concealed; empty if there is none.

    Raises:
        InputError: see `ImageSource.rgb`.
    """
    with library_output() as lines:
        source.rgb(file_name)
    return damage_in(lines)


def measure(source: ImageSource, unusable: Policy, file_name: str) -> dict[str, Any]:
    """A picture's size, digest and channels; for an unusable picture, its `problem` and `reason`.

    Raises:
        InputError: the picture is unusable, and the policy is `error`.
    """
    try:
        content = source.content(file_name)
        picture = source.decode(content, file_name)
    except InputError as error:
        problem = f"{error}{_hint(source.root, file_name)}"
        if unusable == "error":
            raise InputError(
                f"{problem}; unusable_pictures: drop leaves such pictures out"
            ) from None
        reason = TOO_LARGE if isinstance(error, TooLargeError) else UNUSABLE
        return {"problem": problem, "reason": reason}
    # (3,) each. The mean of the squares is deviation² + mean²; means of squares can be averaged
    # over pictures, deviations cannot.
    mean, deviation = (values.ravel() for values in cv2.meanStdDev(picture))
    return {
        "file_name": file_name,
        "width": picture.shape[1],
        "height": picture.shape[0],
        "sha256": hashlib.sha256(content).hexdigest(),
        "is_several": holds_several(content),
        "turned": _turned(content),
        **dict(zip(MEASURES, [*mean.tolist(), *(deviation**2 + mean**2).tolist()], strict=True)),
    }


def _hint(root: Path, file_name: str) -> str:
    """Names a file that differs from a missing one by its letter case alone, if there is one."""
    path = PurePosixPath(file_name)
    folder = root / path.parent
    if path.is_absolute() or ".." in path.parts or "\0" in file_name or not folder.is_dir():
        return ""
    names = _names_in(folder, folder.stat().st_mtime_ns).get(path.name.casefold(), ())
    if not names or path.name in names:
        return ""
    return f"; there is {listed(names)}, whose name differs in capital letters"


@lru_cache(maxsize=16)
def _names_in(folder: Path, changed_ns: int) -> dict[str, tuple[str, ...]]:
    """The names in a folder by their form in lower case.

    Args:
        changed_ns: the time of the folder's last change, so that a changed folder is read again.
    """
    names: dict[str, tuple[str, ...]] = {}
    for name in sorted(path.name for path in folder.iterdir()):
        names[name.casefold()] = (*names.get(name.casefold(), ()), name)
    return names


def _turned(content: bytes) -> str:
    """Whether boxes on a picture may have been drawn on it in another orientation."""
    if not is_turned(content):
        return ""
    return TURNED if turns_when_decoded(content) else NOT_TURNED
