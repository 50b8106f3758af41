"""Crops of samples: cut from frames in order, fitted to a square, stored in one array."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vigil.domain.sampling import Sample
from vigil.pixels.fit_crop import fit_crop
from vigil.pixels.frames import FrameArchive
from vigil.plumbing.progress import progress


def store_crops(
    samples: Sequence[Sample], archive: FrameArchive, array_file: Path, size_px: int
) -> None:
    """Writes the samples' crops as a `.npy` array of (N, T, size_px, size_px) uint8.

    The frames are read once, in order. Each crop is written straight to its place in the file, so
    memory does not grow with the video.
    """
    num_frames = len(samples[0].boxes_px) if samples else 0
    crops_by_frame: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for row, sample in enumerate(samples):
        for step in range(num_frames):
            crops_by_frame[sample.first_frame + step].append((row, step))
    shape = (len(samples), num_frames, size_px, size_px)
    with array_file.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        # The array starts after the header. The file gets its full size at once. Each crop then has
        # a fixed offset, so crops can be written in the order of frames.
        start = file.tell()
        file.truncate(start + int(np.prod(shape)))
        frames = archive.grey_in_order(sorted(crops_by_frame))
        for frame_index, picture in progress(
            frames, archive.path.stem, "frame", len(crops_by_frame)
        ):
            for row, step in crops_by_frame[frame_index]:
                crop = fit_crop(picture, samples[row].boxes_px[step], size_px)
                file.seek(start + (row * num_frames + step) * size_px**2)
                file.write(crop.tobytes())
