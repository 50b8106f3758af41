"""Who drew a keyframe, after a person corrected what a machine proposed."""

from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.corrections import origins_of
from vigil.domain.label_studio.tasks import Keyframe, Region


def keyframe(frame: int, x: float = 10.0, enabled: bool = True) -> Keyframe:
    return Keyframe(frame, enabled, (x, 20.0, 30.0, 40.0), 0.0, frame / 25)


def region(name: str, *keyframes: Keyframe) -> Region:
    return Region(name, "human", keyframes)


def told(corrected: list[Region], proposed: list[Region]) -> list[tuple[str, int, str]]:
    return list(origins_of(corrected, proposed).itertuples(index=False, name=None))


PROPOSED = [region("track_1", keyframe(1), keyframe(10, 12.0), keyframe(20, 14.0, False))]


def test_each_kind_of_correction_is_told() -> None:
    corrected = region("track_1", keyframe(1), keyframe(10, 15.0), keyframe(15, 16.0))
    assert told([corrected], PROPOSED) == [
        ("track_1", 1, "machine"),
        ("track_1", 10, "changed"),
        ("track_1", 15, "person"),
        ("track_1", 20, "removed"),
    ]
    ended = region("track_1", keyframe(1), keyframe(10, 12.0), keyframe(20, 14.0, True))
    assert told([ended], PROPOSED)[2] == ("track_1", 20, "changed"), "it no longer ends there"


def test_a_region_with_a_new_id_is_known_by_its_keyframes() -> None:
    again = region("a1B2c3", *PROPOSED[0].keyframes)
    assert {origin for _, _, origin in told([again], PROPOSED)} == {"machine"}
    moved = region("a1B2c3", keyframe(1, 11.0), keyframe(10, 13.0), keyframe(20, 15.0, False))
    assert {origin for _, _, origin in told([moved], PROPOSED)} == {"changed"}
    elsewhere = region("a1B2c3", keyframe(1, 80.0), keyframe(10, 80.0))
    assert {o for name, _, o in told([elsewhere], PROPOSED) if name == "a1B2c3"} == {"person"}


def test_a_region_that_is_gone_is_removed_and_one_without_a_proposal_is_a_persons() -> None:
    assert told([], PROPOSED) == [("track_1", frame, "removed") for frame in (1, 10, 20)]
    assert told(PROPOSED, []) == [("track_1", frame, "person") for frame in (1, 10, 20)]
    assert told([], []) == []


FRAMES = st.lists(st.integers(1, 60), min_size=1, max_size=8, unique=True).map(sorted)


@given(st.lists(FRAMES, max_size=4), st.lists(FRAMES, max_size=4), st.randoms())
def test_every_keyframe_is_told_once(ours: object, theirs: object, random: object) -> None:
    corrected = [
        region(f"c{n}", *(keyframe(f, random.choice([10.0, 11.0, 90.0])) for f in frames))
        for n, frames in enumerate(ours)
    ]
    proposed = [
        region(f"p{n}", *(keyframe(f, random.choice([10.0, 90.0])) for f in frames))
        for n, frames in enumerate(theirs)
    ]
    table = origins_of(corrected, proposed)
    drawn = table[table["origin"] != "removed"]
    expected = sorted((r.id, k.frame) for r in corrected for k in r.keyframes)
    assert list(drawn[["region", "frame"]].itertuples(index=False, name=None)) == expected
    of_machine = table["origin"].isin(["machine", "changed", "removed"]).sum()
    assert of_machine == sum(len(one.keyframes) for one in proposed)
