"""Takes out the frames that an export with `interpolate_key_frames=true` fills in.

The server fills each visible span, frame by frame, and marks what it made with `auto: true`. It
does so in a way of its own: rotation goes the long way round, an end without geometry draws the box
towards nothing, and an object that stays on gets frames up to `framesCount`, so that its ghost
looks annotated. Without them the export means what the plain one means.
"""

from collections.abc import Sequence

from vigil.domain.label_studio.tasks import Keyframe

TOLERANCE_PERCENT = 0.01
NOTHING = (0.0, 0.0, 0.0, 0.0)


def without_filled(
    keyframes: Sequence[Keyframe], marks: Sequence[bool]
) -> tuple[list[Keyframe], int]:
    """The annotator's own keyframes, in the order given.

    A frame that is marked and was moved since, as in an export that was imported and worked on
    again, does not lie on the line between its neighbours. It is a keyframe like any other then,
    and so are those filled in beside it.

    Args:
        marks: which keyframes are marked as filled in.

    Returns:
        The keyframes, and how many of them stay in spite of their mark.
    """
    moved: set[int] = set()
    before: Keyframe | None = None
    run: list[Keyframe] = []
    own = [keyframe for keyframe, is_marked in zip(keyframes, marks, strict=True) if not is_marked]
    pairs = zip(keyframes, marks, strict=True)
    ends = [*sorted(pairs, key=lambda pair: pair[0].frame), (None, False)]
    for keyframe, is_marked in ends:
        if is_marked and keyframe is not None:
            run.append(keyframe)
            continue
        if any(not _is_on_line(one, before, keyframe) for one in run):
            moved |= {one.frame for one in run}
        run, before = [], keyframe
    kept = [
        keyframe
        for keyframe, is_marked in zip(keyframes, marks, strict=True)
        if not is_marked or keyframe.frame in moved
    ]
    return kept, len(kept) - len(own)


def _is_on_line(one: Keyframe, before: Keyframe | None, after: Keyframe | None) -> bool:
    if before is None or before.geometry is None or one.geometry is None or not one.enabled:
        return False
    end, share = before.geometry, 0.0
    if after is not None:
        end = after.geometry or NOTHING
        share = (one.frame - before.frame) / max(after.frame - before.frame, 1)
    return all(
        abs(a + share * (b - a) - found) <= TOLERANCE_PERCENT
        for a, b, found in zip(before.geometry, end, one.geometry, strict=True)
    )
