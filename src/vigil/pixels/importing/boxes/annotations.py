"""Reads annotations of pictures in all supported formats."""

from collections.abc import Callable, Sequence
from pathlib import Path

from vigil.domain.formats.coco import read_coco
from vigil.domain.formats.masked import read_masks
from vigil.domain.formats.reading.annotations import Annotations
from vigil.domain.formats.reading.findings import HIDDEN, Findings
from vigil.domain.formats.rtsd import read_rtsd
from vigil.domain.formats.tracks import annotate_frames
from vigil.domain.formats.voc import read_voc
from vigil.domain.tracks import Track, read_tracks
from vigil.domain.video_facts import VideoFacts
from vigil.pixels.frames import FRAME_NAME, FrameArchive
from vigil.pixels.importing.pictures.folders import entries_below, files_below
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.folders import is_hidden, with_ending
from vigil.settings.dataset import DetectionFormat
from vigil.settings.import_detections import ImportDetections


def read_annotations(
    annotation_format: DetectionFormat,
    annotations: Path,
    images: Path,
    settings: ImportDetections,
    findings: Findings,
) -> Annotations:
    """Reads annotations in a given format.

    Args:
        annotations: a file, or a folder.
        images: the folder of the pictures; for `tracks`, the folder of the archives of frames.
        settings: `tracks` uses `frame_stride`, `masks` none, the others `malformed_entries`.
        findings: receives the entries that are left out, and those that are read with a correction.

    Raises:
        InputError: a file is missing, or is not in that format.
    """
    malformed = settings.malformed_entries
    readers: dict[DetectionFormat, Callable[[], Annotations]] = {
        "tracks": lambda: read_frames(annotations, images, settings.frame_stride),
        "voc": lambda: read_voc(annotations, malformed, findings, lambda: _present(images)),
        "coco": lambda: Annotations.joined(
            [
                read_coco(file, malformed, findings)
                for file in files_of(annotations, ".json", findings)
            ]
        ),
        "masks": lambda: read_masks(annotations),
        "rtsd": lambda: read_rtsd(only_file(annotations, ".csv", findings), malformed, findings),
    }
    return readers[annotation_format]()


def _present(images: Path) -> list[str]:
    """The names of all files below a folder, and in archives there."""
    files, _ = files_below(images)
    return [*files, *entries_below(images, files)]


def only_file(path: Path, suffix: str, findings: Findings) -> Path:
    """As `files_of`, where only one file makes sense.

    Raises:
        InputError: the folder has no such file, or several.
    """
    files = files_of(path, suffix, findings)
    if len(files) != 1:
        raise InputError(
            f"{path}: expected one file *{suffix} in the folder, "
            f"found {listed(file.name for file in files)}"
        )
    return files[0]


def files_of(path: Path, suffix: str, findings: Findings) -> list[Path]:
    """The path itself if it is a file, else the files with the suffix in the folder, sorted.

    The suffix may be in any letter case. Hidden files are ignored and noted in `findings`.

    Raises:
        InputError: the folder has no such file.
    """
    if not path.is_dir():
        return [path]
    matches = with_ending(path.iterdir(), suffix)
    files = sorted(file for file in matches if not is_hidden(file.name))
    findings.note(HIDDEN, sorted(set(matches) - set(files)))
    if not files:
        num_below = len(with_ending(path.rglob("*"), suffix))
        raise InputError(
            f"{path}: expected a file *{suffix} in the folder itself, found none"
            + (f" but {num_below} in its sub-folders, which are not searched" if num_below else "")
        )
    return files


def read_frames(annotations: Path, images: Path, frame_stride: int) -> Annotations:
    """Reads the tracks of all videos in a folder.

    Raises:
        InputError: there are no tracks, or a file or an archive of frames is missing or damaged.
    """
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
