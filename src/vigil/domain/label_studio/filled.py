"""Removes the keyframes that an export with `interpolate_key_frames=true` fills in.

The server fills each visible span, frame by frame, and marks its keyframes with `auto: true`. Its
interpolation differs from that of the page: rotation may take the longer arc, a span that ends
without geometry shrinks the box towards zero, and an object without an end gets keyframes up to
`framesCount`, which look like annotated ones. Without these keyframes the export has the same
meaning as an export without interpolation.
"""

from collections.abc import Sequence

from vigil.domain.label_studio.tasks import Keyframe

TOLERANCE_PERCENT = 0.01
NO_GEOMETRY = (0.0, 0.0, 0.0, 0.0)


def without_filled(
    keyframes: Sequence[Keyframe], marks: Sequence[bool]
) -> tuple[list[Keyframe], int]:
    """The annotator's keyframes, in the given order.

    If an export was imported and edited again, an annotator may have moved a marked keyframe. It
    then does not lie on the line between its neighbours. Such a keyframe is kept, and so are all
    filled-in keyframes between the same neighbours.

    Args:
        marks: whether each keyframe is marked as filled in.

    Returns:
        The keyframes, and how many of them are kept in spite of their mark.
    """
    moved: set[int] = set()
    before: Keyframe | None = None
    # The marked keyframes since `before`, the last unmarked one.
    run: list[Keyframe] = []
    unmarked = [
        keyframe for keyframe, is_marked in zip(keyframes, marks, strict=True) if not is_marked
    ]
    pairs = zip(keyframes, marks, strict=True)
    # The last entry stands for the end, where the last run is checked too.
    ordered = [*sorted(pairs, key=lambda pair: pair[0].frame), (None, False)]
    for keyframe, is_marked in ordered:
        if is_marked and keyframe is not None:
            run.append(keyframe)
            continue
        if any(not _is_on_line(marked, before, keyframe) for marked in run):
            moved |= {marked.frame for marked in run}
        run, before = [], keyframe
    kept = [
        keyframe
        for keyframe, is_marked in zip(keyframes, marks, strict=True)
        if not is_marked or keyframe.frame in moved
    ]
    return kept, len(kept) - len(unmarked)


def _is_on_line(middle: Keyframe, before: Keyframe | None, after: Keyframe | None) -> bool:
    """Whether a filled-in keyframe lies on the line that the server draws between two others."""
    if before is None or before.geometry is None or middle.geometry is None or not middle.enabled:
        return False
    end, share = before.geometry, 0.0
    if after is not None:
        end = after.geometry or NO_GEOMETRY
        share = (middle.frame - before.frame) / max(after.frame - before.frame, 1)
    return all(
        abs(a + share * (b - a) - value) <= TOLERANCE_PERCENT
        for a, b, value in zip(before.geometry, end, middle.geometry, strict=True)
    )
