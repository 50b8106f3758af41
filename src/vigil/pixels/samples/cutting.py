"""Plans the samples of one video from its tracks, and cuts them out of its frames."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vigil.domain.sampling import (
    Sample,
    clean,
    people_sides,
    plan_background,
    plan_people,
    uniform_sides,
)
from vigil.domain.tracks import Track
from vigil.pixels.frames import FrameArchive
from vigil.pixels.samples.crops import store_crops
from vigil.plumbing.fingerprints import code_fingerprint
from vigil.plumbing.memo import Memo, Request, file_digest
from vigil.plumbing.state import fingerprint
from vigil.settings.generate_samples import GenerateSamples


@dataclass(frozen=True)
class Plan:
    """The samples of one video, and the number of samples left out by reason."""

    samples: list[Sample]
    left_out: Counter[str]


def plan_video(
    video: str, tracks: Sequence[Track], archive: FrameArchive, settings: GenerateSamples
) -> Plan:
    """Plans the samples of one video: people on their tracks, and background beside them.

    The random numbers of a video depend on its name and the seed, not on the other videos.
    """
    people = [track for track in tracks if track.label == settings.person_label]
    facts, background = archive.facts, settings.background
    people_samples, left_out = clean(
        plan_people(
            people,
            facts.size_wh,
            num_frames=settings.num_frames,
            stride_frames=settings.stride_frames,
        ),
        min_side_px=settings.min_side_px,
        max_aspect_ratio=settings.max_aspect_ratio,
    )
    if not people_samples:
        return Plan([], left_out)
    if background.sides == "like_people":
        sides_px = people_sides(people_samples)
    else:
        longest_px = min(background.max_side_px, max(facts.size_wh))
        sides_px = uniform_sides(background.min_side_px, longest_px)
    rng = np.random.default_rng([settings.seed, *video.encode()])
    background_samples = plan_background(
        len(people_samples),
        people,
        facts,
        rng,
        sides_px=sides_px,
        num_frames=settings.num_frames,
        max_tries=background.max_tries,
        place=video,
    )
    return Plan([*people_samples, *background_samples], left_out)


class Cut(NamedTuple):
    """What is cut out of one video.

    Attributes:
        frames: the archive of the video's frames.
        array: the file of the crops, which must not exist.
    """

    samples: Sequence[Sample]
    frames: Path
    array: Path


def cut_samples(cuts: Sequence[Cut], size_px: int) -> None:
    """Writes the crops of each video with `store_crops`, or takes them from the cache.

    Args:
        size_px: the side of the square that a crop is fitted to.

    Raises:
        InputError: an archive is missing or damaged.
    """
    memo, code = Memo("samples"), code_fingerprint(store_crops)
    requests = []
    for cut in cuts:
        boxes = [[sample.first_frame, *sample.boxes_px.ravel().tolist()] for sample in cut.samples]
        facts = {
            "code": code,
            "frames": file_digest(cut.frames),
            "boxes": fingerprint({"boxes": boxes}),
            "size_px": size_px,
        }
        make = partial(_write_crops, cut.samples, cut.frames, size_px)
        requests.append(Request(facts, make, cut.frames.stem))
    memo.make_missing(requests, "cut samples", "video")
    for cut, request in zip(cuts, requests, strict=True):
        memo.fetch(request.facts, request.make, cut.array)
    memo.prune()


def _write_crops(samples: Sequence[Sample], frames: Path, size_px: int, file: Path) -> None:
    with FrameArchive(frames) as archive:
        store_crops(samples, archive, file, size_px)
