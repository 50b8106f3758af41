"""Reads masks of anomalies beside a video: a picture for each frame, black where it is normal."""

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import takewhile
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.boxes import CORNERS, pairwise_iou
from vigil.domain.clips.truth import as_regions
from vigil.pixels.numbering import USUAL_STARTS, first_number
from vigil.pixels.pictures.decoding import has_more_bits
from vigil.pixels.video.numbered import NumberedPictures, holds_pictures
from vigil.pixels.video.source import SourceFrame, frame_bgr, open_source
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.folders import is_hidden

MASKS = "_gt"
"""The suffix of the folder with a video's masks of anomalies, after the name of the video."""
WORDS = r"(gt|masks?|labels?|ann?otations?|ground[-_. ]?truths?)"
OTHER_NAMES = re.compile(rf"(?P<video>.+?)[-_. ]{WORDS}", re.IGNORECASE)
"""Names that other data sets give to folders of masks. They would be videos without a word."""
TREES = re.compile(rf"(.*[-_. ])?{WORDS}([-_. ].*)?", re.IGNORECASE)
"""Names that other data sets give to a folder that holds the masks of all videos."""
LOSSY = {".jpg", ".jpeg"}
LOSSY_WEBP = {b"VP8 ", b"VP8X"}
"""The first chunk of a WebP picture that loses values, or may do so."""
LEAST_AREA_PX = 4
"""Smaller parts of a mask are no regions."""

Boxes = npt.NDArray[np.float64]


def masks_of(video: Path) -> Path | None:
    """The folder of a video's masks, by its name with or without the ending; None if missing.

    Raises:
        InputError: there are both.
    """
    names = _names_of_masks(video)
    folders = [folder for name in names if (folder := video.with_name(name)).is_dir()]
    if len(folders) > 1:
        raise InputError(f"{video}: expected one folder of masks, found {listed(names)}")
    return folders[0] if folders else None


def check_names_of_masks(paths: Sequence[Path]) -> None:
    """Checks that no folder looks like the masks of a video beside it, under another name.

    Args:
        paths: all that lies in one folder.

    Raises:
        InputError: a folder of pictures has the name of another file or folder, with or without its
            ending, and a word for masks; letter case does not count.
    """
    known = {name.casefold(): path for path in paths for name in (path.stem, path.name)}
    right = {name for path in paths for name in _names_of_masks(path)}
    for path in paths:
        match = OTHER_NAMES.fullmatch(path.name)
        video = known.get(match["video"].casefold()) if match else None
        if video is None or path.name in right or not (path.is_dir() and holds_pictures(path)):
            continue
        raise InputError(
            f"{path}: expected another name beside {video.name}: rename it to {video.stem}{MASKS} "
            "if it holds masks, or to a name without a word for masks if it is a video"
        )


def check_trees_of_masks(folder: Path, videos: Sequence[str]) -> None:
    """Checks that no folder of pictures looks like the masks of a video elsewhere.

    Args:
        folder: the folder of all videos.
        videos: their paths below it.

    Raises:
        InputError: a folder has the name of another video, with or without its ending and a word
            for masks at its own end, and lies in a folder with a word for masks in its name; letter
            case does not count.
    """
    paths = [Path(video) for video in videos]
    suspects = [
        path
        for path in paths
        if any(TREES.fullmatch(part) for part in path.parent.parts) and (folder / path).is_dir()
    ]
    elsewhere: dict[str, list[Path]] = {}
    for path in paths:
        if path not in suspects:
            for name in {path.stem.casefold(), path.name.casefold()}:
                elsewhere.setdefault(name, []).append(path)
    for path in suspects:
        match = OTHER_NAMES.fullmatch(path.name)
        names = [path.name, *([match["video"]] if match else [])]
        alike = [video for name in names for video in elsewhere.get(name.casefold(), [])]
        if alike:  # of several, those whose folders have most names of this one's
            most = max(_num_shared(video.parent, path.parent) for video in alike)
            near = [one for one in alike if _num_shared(one.parent, path.parent) == most]
            right = " or ".join(str(one.with_name(f"{one.stem}{MASKS}")) for one in sorted(near))
            raise InputError(
                f"{folder / path}: expected a video of another name than {listed(near)}: move it "
                f"to {right} if it holds masks, or out of a folder with a word for masks if it is "
                "a video"
            )


def _num_shared(one: Path, other: Path) -> int:
    """How many of the last parts of two paths are the same."""
    pairs = zip(reversed(one.parts), reversed(other.parts), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _names_of_masks(video: Path) -> list[str]:
    return sorted({f"{video.name}{MASKS}", f"{video.stem}{MASKS}"})


def read_masks(
    folder: Path, video: Path, name: str, num_frames: int, picture_fps: Fraction
) -> pd.DataFrame:
    """The regions of a video's masks: connected parts, and the track of each.

    A region continues the track of a region in the frame before that it overlaps, each track once,
    the largest overlaps first: a small part that a body loses does not take its track.

    Args:
        name: the name of the video in tables.
        num_frames: the number of frames of the video.

    Raises:
        InputError: the number of masks, their numbers or their size differ from the frames; masks
            are JPEG or lossy WebP, which mark pixels around an anomaly as well; or their values
            have more than 8 bits, of which small ones would be black after scaling.
    """
    if lossy := sorted(file.name for file in folder.iterdir() if file.suffix.lower() in LOSSY):
        raise InputError(f"{folder}: expected masks in a format that keeps values, got {lossy[0]}")
    masks = NumberedPictures(folder, picture_fps)
    if len(masks) != num_frames:
        raise InputError(
            f"{folder}: expected a mask for each of the {num_frames} frames of {name}, got "
            f"{len(masks)}"
        )
    first, allowed = first_number(folder), set(USUAL_STARTS)
    if video.is_dir():
        allowed.add(first_number(video))
    if first not in allowed:
        raise InputError(
            f"{folder}: expected masks that count from {listed(allowed)}, as the "
            f"frames of {name} do, got {first}"
        )
    for file in sorted(folder.iterdir()):
        if is_hidden(file.name):
            continue
        content = file.read_bytes()
        if content[12:16] in LOSSY_WEBP:
            raise InputError(f"{file}: expected a mask in a format that keeps values, got WebP")
        if has_more_bits(content):
            raise InputError(f"{file}: expected a mask with values of 8 bits, got more")
    frames: Iterator[SourceFrame] = iter(open_source(video, picture_fps, 1))
    size = frame_bgr(next(frames)).shape[:2]
    rows: list[list[object]] = []
    before: tuple[Boxes, list[int]] = (np.empty((0, 4)), [])
    num_tracks = 0
    for index, mask in enumerate(masks):
        picture = frame_bgr(mask)
        if picture.shape[:2] != size:
            raise InputError(
                f"{folder}: expected masks of {size[1]}x{size[0]} px as the frames of {name}, got "
                f"{picture.shape[1]}x{picture.shape[0]}"
            )
        boxes = boxes_of(picture.max(axis=2) if picture.ndim == 3 else picture)
        continued = _pairs(pairwise_iou(boxes, before[0]))
        tracks: list[int] = []
        for at in range(len(boxes)):
            if at in continued:
                tracks.append(before[1][continued[at]])
            else:
                tracks.append(num_tracks)
                num_tracks += 1
        rows += [[name, index, *region] for region in zip(tracks, *boxes.T.tolist(), strict=True)]
        before = boxes, tracks
    return as_regions([pd.DataFrame(rows, columns=["video", "frame", "track", *CORNERS])])


def _pairs(overlaps: npt.NDArray[np.float64]) -> dict[int, int]:
    """Pairs of a row and a column that overlap, each once, those of the largest overlap first."""
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    rows, columns = np.nonzero(overlaps > 0)
    order = np.argsort(-overlaps[rows, columns], kind="stable")
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in pairs and column not in taken:
            pairs[row] = column
            taken.add(column)
    return pairs


def boxes_of(mask: npt.NDArray[np.uint8]) -> Boxes:
    """The box (N, 4) of each connected part of a mask (H, W); parts may connect at corners."""
    is_marked = (mask > 0).astype(np.uint8)
    _, _, facts, _ = cv2.connectedComponentsWithStats(is_marked, connectivity=8)
    x, y, width, height, area = facts[1:].T  # the first part is the background
    boxes = np.stack([x, y, x + width, y + height], axis=1).astype(np.float64)
    is_large: npt.NDArray[np.bool_] = np.asarray(area) >= LEAST_AREA_PX
    large_boxes: Boxes = boxes[is_large]
    return large_boxes
