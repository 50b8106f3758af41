"""Compares corrected tracks with the tracks that were proposed, keyframe by keyframe.

A region keeps its id on the server, but Label Studio's page gives the regions of an accepted
prediction new ids. So a region is matched by its id, else by equal keyframes, else by boxes that
overlap on the same frames.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from vigil.domain.label_studio.tasks import Keyframe, Region

PERSON, MACHINE, CHANGED, REMOVED = "person", "machine", "changed", "removed"
ORIGINS = (PERSON, MACHINE, CHANGED, REMOVED)
COLUMNS = ["region", "frame", "origin"]
SAME_PERCENT = 1e-6
"""Boxes that differ by less, in per cent of the picture, are equal: JSON was written again."""

Likeness = Callable[[Region, Region], int]


def origins_of(corrected: Sequence[Region], proposed: Sequence[Region]) -> pd.DataFrame:
    """Who drew each keyframe of a video.

    Returns:
        `region`, `frame` (the annotator's number) and `origin`: `person`, `machine`, `changed` (a
        keyframe of the machine that a person changed), or `removed` (a keyframe of the machine that
        is gone; its region is the proposed one if the whole region is gone).
    """
    rows: list[tuple[str, int, str]] = []
    source_of = _match(corrected, proposed)
    for region in corrected:
        source = source_of.get(region.id)
        before = {} if source is None else {one.frame: one for one in source.keyframes}
        for keyframe in region.keyframes:
            rows.append((region.id, keyframe.frame, _origin(keyframe, before.get(keyframe.frame))))
        left = {keyframe.frame for keyframe in region.keyframes}
        rows += [(region.id, frame, REMOVED) for frame in before if frame not in left]
    matched = {source.id for source in source_of.values()}
    rows += [
        (source.id, keyframe.frame, REMOVED)
        for source in proposed
        if source.id not in matched
        for keyframe in source.keyframes
    ]
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"frame": np.int64})
    return table.sort_values(["region", "frame", "origin"], ignore_index=True)


def _origin(keyframe: Keyframe, before: Keyframe | None) -> str:
    if before is None:
        return PERSON
    return MACHINE if _is_same(keyframe, before) else CHANGED


def _match(corrected: Sequence[Region], proposed: Sequence[Region]) -> dict[str, Region]:
    """The proposed region of each corrected region that has one, by the corrected region's id."""
    by_id = {source.id: source for source in proposed}
    found = {region.id: by_id[region.id] for region in corrected if region.id in by_id}
    for likeness in (_num_equal, _num_overlapping):
        free = [s for s in proposed if s.id not in {source.id for source in found.values()}]
        open_regions = [region for region in corrected if region.id not in found]
        for number, region_id, source in sorted(
            _candidates(open_regions, free, likeness), key=lambda one: -one[0]
        ):
            taken = {source.id for source in found.values()}
            if number and region_id not in found and source.id not in taken:
                found[region_id] = source
    return found


def _candidates(
    regions: Sequence[Region], sources: Sequence[Region], likeness: Likeness
) -> Iterator[tuple[int, str, Region]]:
    for region in regions:
        for source in sources:
            yield likeness(region, source), region.id, source


def _pairs(region: Region, source: Region) -> list[tuple[Keyframe, Keyframe]]:
    """The keyframes of both regions on the same frames."""
    before = {keyframe.frame: keyframe for keyframe in source.keyframes}
    return [(one, before[one.frame]) for one in region.keyframes if one.frame in before]


def _num_equal(region: Region, source: Region) -> int:
    return sum(_is_same(one, other) for one, other in _pairs(region, source))


def _num_overlapping(region: Region, source: Region) -> int:
    return sum(_overlaps(one, other) for one, other in _pairs(region, source))


def _is_same(one: Keyframe, other: Keyframe) -> bool:
    if one.enabled != other.enabled or (one.geometry is None) != (other.geometry is None):
        return False
    numbers = [(*(k.geometry or ()), k.rotation_deg) for k in (one, other)]
    return bool(np.allclose(numbers[0], numbers[1], rtol=0, atol=SAME_PERCENT))


def _overlaps(one: Keyframe, other: Keyframe) -> bool:
    if one.geometry is None or other.geometry is None:
        return False
    (x, y, width, height), (u, v, across, down) = one.geometry, other.geometry
    return max(x, u) < min(x + width, u + across) and max(y, v) < min(y + height, v + down)
