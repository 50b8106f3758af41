"""Turns annotations of any known format into one set of pictures and boxes, checked and drawn."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import cv2
import numpy as np
import pandas as pd
from pydantic import Field

from vigil.domain.formats.annotations import Annotations
from vigil.domain.formats.checks import (
    DAMAGED,
    EMPTY,
    SAME_BYTES,
    TOO_LARGE,
    UNLISTED,
    UNUSABLE,
    check_boxes,
    check_sizes,
    choose_classes,
)
from vigil.domain.formats.coco import read_coco
from vigil.domain.formats.findings import HIDDEN, OTHER_NAME, Findings, Policy
from vigil.domain.formats.names import match_names
from vigil.domain.formats.rtsd import read_rtsd
from vigil.domain.formats.tracks import annotate_frames
from vigil.domain.formats.voc import read_voc
from vigil.domain.pictures.annotated import DetectionSet, write_detections
from vigil.domain.system_files import is_system_file
from vigil.domain.tracks import Track, read_tracks
from vigil.domain.video_facts import VideoFacts
from vigil.pixels.decoding import TooLargeError
from vigil.pixels.images import ImageSource
from vigil.pixels.library_output import damage_in, library_output
from vigil.pixels.picture_folders import damage_of, entries_below, files_below, is_picture
from vigil.pixels.sheets.picture_figures import CHANNELS, draw_detections
from vigil.pixels.video.frames import FRAME_NAME, NUM_THREADS, FrameArchive
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.memo import Memo, file_digest
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import Count, CountOr0, Detection, Section
from vigil.plumbing.progress import progress
from vigil.plumbing.records import read_json, write_json
from vigil.plumbing.stages import code_fingerprint, run_stage

PICTURES_AT_ONCE = 64
MEASURES = [*CHANNELS, *(f"{name}_square" for name in CHANNELS)]


class Params(Section):
    frame_stride: Count
    min_side_px: Annotated[float, Field(ge=0.1, le=1_000_000)]
    malformed_entries: Policy
    invalid_boxes: Policy
    unusable_pictures: Policy
    damaged_pictures: Literal["error", "drop", "keep"]
    wrong_sizes: Literal["error", "drop", "keep"]
    empty_pictures: Literal["keep", "drop"]
    num_listed: CountOr0
    num_pictures: Annotated[int, Field(ge=0, le=1000)]


def main(
    *,
    annotations: Path,
    images: Path,
    detections: Path,
    report: Path,
    detection: Detection,
    params: Params,
) -> None:
    source, findings = ImageSource(images), Findings()
    told = read_annotations(detection.format, annotations, images, params, findings)
    told = choose_classes(told, detection.classes, findings)
    if detection.format != "tracks":
        told = find_pictures(told, source, findings)
    memo, code = Memo("import_detections"), code_fingerprint(main)
    measures = measure_pictures(source, told.pictures, params, findings, memo, code)
    memo.prune()
    pictures = told.pictures[told.pictures["file_name"].isin(measures.index)]
    sizes = measures.loc[pictures["file_name"]]
    pictures = check_sizes(pictures, sizes, params.wrong_sizes, findings)
    boxes = check_boxes(
        told.boxes[told.boxes["image"].isin(pictures["file_name"])],
        pictures,
        invalid=params.invalid_boxes,
        min_side_px=params.min_side_px,
        findings=findings,
    )
    if params.empty_pictures == "drop":
        empty = ~pictures["file_name"].isin(boxes["image"])
        findings.note(EMPTY, pictures.loc[empty, "file_name"])
        pictures = pictures[~empty]
    if (boxes["is_crowd"] | boxes["is_difficult"]).all():
        raise InputError(
            f"{annotations}: expected pictures with boxes, found none but {len(boxes)} to be "
            f"ignored ({findings.counts or 'nothing was left out'})"
        )
    digests = measures.loc[pictures["file_name"], "sha256"].to_numpy()
    found = DetectionSet.of(pictures.assign(sha256=digests), boxes, told.classes)
    same = found.images[found.images["sha256"].duplicated(keep=False)]
    findings.note(SAME_BYTES, same.sort_values(["sha256", "file_name"])["file_name"])
    measures = measures.loc[found.images.index]
    content = describe(found, measures, findings, params.num_listed)
    with whole(detections) as folder, whole(report) as figures:
        folder.mkdir()
        write_detections(found, folder / "instances.json")
        write_json(content, folder / "report.json")
        figures.mkdir()
        means = measures[list(CHANNELS)].to_numpy()
        with library_output():  # of damaged pictures that are kept, told above
            draw_detections(found, means, source, figures, num_pictures=params.num_pictures)
    print(summarise(content))


def read_annotations(
    annotation_format: str, annotations: Path, images: Path, params: Params, findings: Findings
) -> Annotations:
    """Reads annotations of the format named."""
    if annotation_format == "tracks":
        return read_frames(annotations, images, params.frame_stride)
    malformed = params.malformed_entries
    if annotation_format == "voc":
        return read_voc(annotations, malformed, findings)
    if annotation_format == "coco":
        return read_coco(only_file(annotations, ".json", findings), malformed, findings)
    return read_rtsd(only_file(annotations, ".csv", findings), malformed, findings)


def only_file(path: Path, suffix: str, findings: Findings) -> Path:
    """The file itself, or the only one of its kind in a folder, but for hidden ones."""
    if not path.is_dir():
        return path
    found = sorted(path.glob(f"*{suffix}"))
    files = [file for file in found if not is_system_file(file.relative_to(path))]
    findings.note(HIDDEN, sorted(set(found) - set(files)))
    if len(files) != 1:
        raise InputError(
            f"{path}: expected one file *{suffix} in the folder, "
            f"found {listed(file.name for file in files)}"
        )
    return files[0]


def read_frames(annotations: Path, images: Path, frame_stride: int) -> Annotations:
    """Reads the tracks of all videos of a folder."""
    folders = sorted(annotations.glob("*/ieos_vid_labels"))
    if not folders:
        raise InputError(
            f"{annotations}: expected tracks as <video>/ieos_vid_labels/<id>.json, found none"
        )

    def read_video(folder: Path) -> tuple[str, Sequence[Track], VideoFacts]:
        video = folder.parent.name
        with FrameArchive(images / f"{video}.zip") as archive:
            return video, read_tracks(folder), archive.facts

    frame_name = "{video}.zip/" + FRAME_NAME
    return annotate_frames(
        map(read_video, folders), frame_stride=frame_stride, frame_name=frame_name
    )


def find_pictures(told: Annotations, source: ImageSource, findings: Findings) -> Annotations:
    """Gives pictures the names of their files, and notes files that no annotation speaks of."""
    files, hidden = files_below(source.root)
    names = set(told.pictures["file_name"])
    if names - set(files):
        present = {*files, *entries_below(source.root, files), *names.intersection(hidden)}
        file_of = match_names(names, present)
        findings.note(OTHER_NAME, [f"{name} is {file}" for name, file in sorted(file_of.items())])
        told = told.renamed(file_of)
        names = set(told.pictures["file_name"])
    findings.note(HIDDEN, filter(is_picture, sorted(set(hidden) - names)))
    # Without objects, or forgotten?
    findings.note(UNLISTED, filter(is_picture, sorted(set(files) - names)))
    return told


def measure_pictures(
    source: ImageSource,
    pictures: pd.DataFrame,
    params: Params,
    findings: Findings,
    memo: Memo,
    code: str,
) -> pd.DataFrame:
    """Decodes each picture once; an archive's are remembered, so that a new video costs itself.

    Returns:
        By file name: `width`, `height`, `sha256`, and `MEASURES`, the means of the channels and of
        their squares; without pictures that are missing or none.

    Raises:
        InputError: there is such a picture and `params` make it an error.
    """
    archives = pictures["file_name"].map(source.archive_of)
    measured: list[dict[str, Any]] = []
    for archive, own in pictures["file_name"].groupby(archives):
        names, strict = own.tolist(), (params.unusable_pictures, params.damaged_pictures)
        if not archive:
            measured += measure_each(source, names, *strict)
            continue
        path = source.root / str(archive)
        facts = {"code": code, "archive": file_digest(path), "names": names, "strict": strict}

        def write(target: Path, names: list[str] = names, strict: tuple[str, str] = strict) -> None:
            write_json(measure_each(source, names, *strict), target, indent=None)

        measured += read_json(memo.recall(facts, write))
    for reason in (UNUSABLE, TOO_LARGE, DAMAGED):
        findings.note(
            reason, [entry["problem"] for entry in measured if entry.get("reason") == reason]
        )
    usable = [entry for entry in measured if "sha256" in entry]
    columns = ["file_name", "width", "height", "sha256", *MEASURES]
    return pd.DataFrame(usable, columns=columns).set_index("file_name")


def measure_each(
    source: ImageSource, file_names: Sequence[str], unusable: str, damaged: str
) -> list[dict[str, Any]]:
    """What `measure` tells of each picture, in their order, over a few threads.

    Where a library says that one of a few pictures is damaged, each is decoded once more.
    """
    found: list[dict[str, Any]] = []
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
            found += entries
    return found


def mark_damage(
    source: ImageSource, damaged: str, file_name: str, entry: dict[str, Any]
) -> dict[str, Any]:
    """Adds to a picture's entry what is damaged of it, or leaves nothing but that."""
    told = damage_of(source, file_name) if "sha256" in entry else ""
    if not told:
        return entry
    problem = f"{source.root / file_name}: expected a picture without damage, got: {told}"
    if damaged == "error":
        raise InputError(f"{problem}; import_detections.damaged_pictures: drop or keep goes on")
    kept = entry if damaged == "keep" else {}
    return {**kept, "problem": problem, "reason": DAMAGED}


def measure(source: ImageSource, unusable: str, file_name: str) -> dict[str, Any]:
    """A picture's size, digest and channels, or the `problem` with it where that is no error."""
    try:
        content = source.content(file_name)
        picture = source.decode(content, file_name)
    except InputError as error:
        if unusable == "error":
            raise InputError(
                f"{error}; import_detections.unusable_pictures: drop leaves such out"
            ) from None
        reason = TOO_LARGE if isinstance(error, TooLargeError) else UNUSABLE
        return {"problem": str(error), "reason": reason}
    mean, deviation = (values.ravel() for values in cv2.meanStdDev(picture))
    return {
        "file_name": file_name,
        "width": picture.shape[1],
        "height": picture.shape[0],
        "sha256": hashlib.sha256(content).hexdigest(),
        **dict(zip(MEASURES, [*mean.tolist(), *(deviation**2 + mean**2).tolist()], strict=True)),
    }


def describe(
    detections: DetectionSet, measures: pd.DataFrame, findings: Findings, num_listed: int
) -> dict[str, Any]:
    """What was found, what was left out and why, in numbers."""
    boxes, is_ignored = detections.boxes, detections.is_ignored
    objects = boxes[~is_ignored]
    areas = measures["width"] * measures["height"]
    weights = (areas / areas.sum()).to_numpy()
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
        "num_pictures": len(detections.images),
        "num_pictures_without_box": len(detections.images) - len(with_box),
        "num_videos": int(detections.images["video"].replace("", pd.NA).nunique()),
        "num_boxes": len(boxes),
        "num_boxes_to_ignore": int(is_ignored.sum()),
        "by_class": {
            label: {
                "boxes": len(own),
                "pictures": own["image"].nunique(),
                "min_quartiles_max": {
                    side: quartiles.loc[label, side].tolist() for side in quartiles.columns
                },
            }
            for label, own in objects.groupby("label")
        },
        "classes_without_box": sorted(set(detections.classes) - set(objects["label"])),
        "channels": {
            "mean": dict(zip(CHANNELS, mean.round(3).tolist(), strict=True)),
            "standard_deviation": dict(zip(CHANNELS, deviation.round(3).tolist(), strict=True)),
        },
        "findings": findings.counts,
        "listed": findings.first(num_listed),
    }


def summarise(content: dict[str, Any]) -> str:
    """A line on the set, and one on what is worth a look."""
    counts = {label: values["boxes"] for label, values in content["by_class"].items()}
    shown = dict(sorted(counts.items(), key=lambda item: -item[1])[:8])
    lines = [
        f"{content['num_pictures']} pictures ({content['num_pictures_without_box']} without a "
        f"box), {content['num_boxes']} boxes ({content['num_boxes_to_ignore']} to be ignored) of "
        f"{len(counts)} classes: {shown}",
        *(f"  {reason}: {number}" for reason, number in sorted(content["findings"].items())),
    ]
    if content["classes_without_box"]:
        lines.append(f"  warning: no box of {listed(content['classes_without_box'])}")
    return "\n".join(lines)


if __name__ == "__main__":
    run_stage(main)
