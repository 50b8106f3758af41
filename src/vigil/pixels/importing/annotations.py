"""Annotations of pictures in any known format."""

from collections.abc import Callable, Sequence
from pathlib import Path

from vigil.domain.formats.annotations import Annotations
from vigil.domain.formats.coco import read_coco
from vigil.domain.formats.findings import HIDDEN, Findings
from vigil.domain.formats.rtsd import read_rtsd
from vigil.domain.formats.tracks import annotate_frames
from vigil.domain.formats.voc import read_voc
from vigil.domain.tracks import Track, read_tracks
from vigil.domain.video_facts import VideoFacts
from vigil.pixels.frames import FRAME_NAME, FrameArchive
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.folders import is_hidden
from vigil.settings.dataset import DetectionFormat
from vigil.settings.import_detections import ImportDetections


def read_annotations(
    annotation_format: DetectionFormat,
    annotations: Path,
    images: Path,
    settings: ImportDetections,
    findings: Findings,
) -> Annotations:
    """Reads annotations of the format named.

    Args:
        annotations: a file, or a folder.
        images: the folder of the pictures; of tracks: of archives of frames.
        settings: of tracks: `frame_stride`; of the others: `malformed_entries`.
        findings: gets what is left out, or taken for something that is not written.

    Raises:
        InputError: a file is missing, or not of that format.
    """
    malformed = settings.malformed_entries
    readers: dict[DetectionFormat, Callable[[], Annotations]] = {
        "tracks": lambda: read_frames(annotations, images, settings.frame_stride),
        "voc": lambda: read_voc(annotations, malformed, findings),
        "coco": lambda: read_coco(only_file(annotations, ".json", findings), malformed, findings),
        "rtsd": lambda: read_rtsd(only_file(annotations, ".csv", findings), malformed, findings),
    }
    return readers[annotation_format]()


def only_file(path: Path, suffix: str, findings: Findings) -> Path:
    """The file itself, or the only one of its kind in a folder, but for hidden ones."""
    if not path.is_dir():
        return path
    found = sorted(path.glob(f"*{suffix}"))
    files = [file for file in found if not is_hidden(file.name)]
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
