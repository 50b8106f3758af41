"""Keyframes that the server fills in, compared with the server's own code."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from label_studio_sdk._extensions.label_studio_tools.postprocessing.video import extract_key_frames
from tiny_exports import Json, keyframe, region, task, terminator

from vigil.domain.label_studio.reading import parse_export
from vigil.domain.label_studio.tasks import Task


def parse(*results: Json) -> Task:
    (found,) = parse_export([task(results=results)], "export.json", labels=["human"])
    return found


def filled(sequence: list[Json], num_frames: int, **lengths: Any) -> list[Json]:
    result = region("a", sequence)
    result["value"].update(framesCount=num_frames, duration=num_frames / 10, **lengths)
    (dense,) = extract_key_frames([result])
    return dense["value"]["sequence"]


percent = st.floats(-20, 120).map(lambda value: round(value, 3))


@st.composite
def sequences(draw: st.DrawFn) -> tuple[list[Json], int]:
    num_frames = draw(st.integers(1, 60))
    frames = draw(st.sets(st.integers(1, num_frames), min_size=1, max_size=6))
    sequence = [
        keyframe(
            frame,
            *(draw(percent) for _ in range(4)),
            enabled=draw(st.booleans()),
            rotation=draw(st.integers(-400, 400)),
        )
        for frame in sorted(frames)
    ]
    return sequence, num_frames


@settings(max_examples=200)
@given(sequences())
def test_without_them_the_keyframes_are_those_of_the_plain_export(
    drawn: tuple[list[Json], int],
) -> None:
    sequence, num_frames = drawn
    plain = parse(region("a", sequence))
    dense = parse(region("a", filled(sequence, num_frames)))
    assert dense.regions[0].keyframes == plain.regions[0].keyframes
    assert dense.warnings == ()


def test_those_towards_an_end_without_geometry_are_taken_out() -> None:
    """The server shrinks the box towards zero."""
    sequence = [keyframe(3, x=13.0), {**terminator(8), "time": 0.8}]
    dense = filled(sequence, 20)
    assert len(dense) == 6
    found = parse(region("a", dense))
    assert [one.frame for one in found.regions[0].keyframes] == [3, 8]
    assert found.counts["keyframes_filled_in"] == 4


def test_one_that_was_moved_since_counts_and_is_told() -> None:
    dense = filled([keyframe(1, x=0.0), keyframe(9, x=8.0, enabled=False)], 20)
    dense[4]["x"] = 60.0
    found = parse(region("a", dense))
    assert [one.frame for one in found.regions[0].keyframes] == list(range(1, 10))
    assert found.regions[0].keyframes[4].geometry == (60.0, 20.0, 30.0, 40.0)
    assert found.counts.get("keyframes_filled_in", 0) == 0
    (warning,) = found.warnings
    assert "7 keyframes are marked as filled in" in warning


def test_marked_ones_alone_are_keyframes() -> None:
    """Their source is unknown: the keyframes between which they were filled in are missing."""
    found = parse(region("a", [{**keyframe(n), "auto": True} for n in (2, 3)]))
    assert [one.frame for one in found.regions[0].keyframes] == [2, 3]
    assert len(found.warnings) == 1
