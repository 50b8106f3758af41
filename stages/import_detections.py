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
    EMPTY,
    SAME_BYTES,
    UNLISTED,
    UNUSABLE,
    Findings,
    check_boxes,
    check_sizes,
    choose_classes,
)
from vigil.domain.formats.coco import read_coco
from vigil.domain.formats.rtsd import read_rtsd
from vigil.domain.formats.tracks import annotate_frames
from vigil.domain.formats.voc import read_voc
from vigil.domain.pictures.annotated import DetectionSet, write_detections
from vigil.domain.tracks import Track, read_tracks
from vigil.domain.video_facts import VideoFacts
from vigil.pixels.images import ImageSource
from vigil.pixels.sheets.picture_figures import CHANNELS, draw_detections
from vigil.pixels.video.frames import FRAME_NAME, NUM_THREADS, FrameArchive
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.memo import Memo, file_digest
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import Count, CountOr0, Detection, Section
from vigil.plumbing.progress import progress
from vigil.plumbing.records import read_json, write_json
from vigil.plumbing.stages import code_fingerprint, run_stage

PICTURE_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
MEASURES = [*CHANNELS, *(f"{name}_square" for name in CHANNELS)]


class Params(Section):
    frame_stride: Count
    min_side_px: Annotated[float, Field(ge=0.1, le=1_000_000)]
    invalid_boxes: Literal["error", "drop"]
    unusable_pictures: Literal["error", "drop"]
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
    told = read_annotations(detection.format, annotations, images, params.frame_stride)
    told = choose_classes(told, detection.classes, findings)
    if detection.format != "tracks":
        findings.note(UNLISTED, find_unlisted(images, told.pictures["file_name"]))
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
        draw_detections(found, means, source, figures, num_pictures=params.num_pictures)
    print(summarise(content))


def read_annotations(
    annotation_format: str, annotations: Path, images: Path, frame_stride: int
) -> Annotations:
    """Reads annotations of the format named."""
    if annotation_format == "tracks":
        return read_frames(annotations, images, frame_stride)
    if annotation_format == "voc":
        return read_voc(annotations)
    if annotation_format == "coco":
        return read_coco(only_file(annotations, ".json"))
    return read_rtsd(only_file(annotations, ".csv"))


def only_file(path: Path, suffix: str) -> Path:
    """The file itself, or the only one of its kind in a folder."""
    if not path.is_dir():
        return path
    files = sorted(path.glob(f"*{suffix}"))
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
        names, is_strict = own.tolist(), params.unusable_pictures == "error"
        if not archive:
            measured += measure_each(source, names, is_strict)
            continue
        path = source.root / str(archive)
        facts = {"code": code, "archive": file_digest(path), "names": names, "strict": is_strict}

        def write(target: Path, names: list[str] = names, is_strict: bool = is_strict) -> None:
            write_json(measure_each(source, names, is_strict), target, indent=None)

        measured += read_json(memo.recall(facts, write))
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
            raise InputError(
                f"{error}; import_detections.unusable_pictures: drop leaves such out"
            ) from None
        return {"problem": str(error)}
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
