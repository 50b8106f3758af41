import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import REAL
from hypothesis import given
from hypothesis import strategies as st
from label_studio_sdk.converter.converter import Converter
from tiny_exports import Json, annotation, keyframe, region, task, terminator

from vigil.domain.label_studio.rate import find_rate
from vigil.domain.label_studio.reading import parse_export
from vigil.domain.label_studio.tasks import Task
from vigil.plumbing.errors import InputError

FILE = "export.json"


def parse(export: Any, labels: Sequence[str] = ("human", "dog"), **options: Any) -> list[Task]:
    return parse_export(export, FILE, labels=labels, **options)


def parse_regions(*results: Json, **options: Any) -> Task:
    return parse([task(results=results)], **options)[0]


class TestUnits:
    def test_boxes_in_shares_are_refused(self) -> None:
        shares = [keyframe(1, x=0.1, y=0.5, width=0.2, height=1.0), terminator(9)]
        with pytest.raises(InputError, match="per cent of the video's size, got no number above 1"):
            parse_regions(region("a", shares))
        tiny = [keyframe(1, x=0.1, y=50.0, width=0.2, height=1.0), terminator(9)]
        assert parse_regions(region("a", shares), region("b", tiny)).regions

    def test_a_small_object_in_a_corner_is_read_if_another_task_is_in_per_cent(self) -> None:
        """Fifteen px of a wide picture are less than a per cent."""
        corner = region("a", [keyframe(1, x=0.3, y=0.5, width=0.8, height=0.9), terminator(9)])
        usual = region("b", [keyframe(1, x=30, y=20, width=10, height=10), terminator(9)])
        with pytest.raises(InputError, match=r"^export\.json: expected boxes in per cent"):
            parse([task(results=[corner]), task(results=[corner])])
        read = parse([task(results=[corner]), task(results=[usual])])
        assert [len(one.regions) for one in read] == [1, 1]

    def test_boxes_in_px_are_refused(self) -> None:
        px = [keyframe(1, x=320, y=36, width=60, height=90), keyframe(5, x=90, y=240)]
        with pytest.raises(InputError, match="per cent of the video's size, got 2 of 3 that begin"):
            parse_regions(region("a", [*px, keyframe(9, x=10, y=10)]))
        assert parse_regions(region("a", [*px, keyframe(9, x=9), keyframe(10, x=9)])).regions

    @pytest.mark.parametrize("cancelled", ["false", "true", 2, []])
    def test_whether_an_annotation_was_cancelled_is_yes_or_no(self, cancelled: Any) -> None:
        one = annotation([region("a", [keyframe(1)])], was_cancelled=cancelled)
        with pytest.raises(InputError, match="expected true or false as 'was_cancelled', got"):
            parse([{**task(results=[]), "annotations": [one]}])

    @pytest.mark.parametrize("cancelled", [0, 1, None, False, True])
    def test_databases_write_yes_and_no_as_numbers(self, cancelled: Any) -> None:
        other = annotation([region("b", [keyframe(1)])])
        one = annotation([region("a", [keyframe(1)])], was_cancelled=cancelled)
        (read,) = parse([{**task(results=[]), "annotations": [other, one]}])
        assert read.counts["annotations_cancelled"] == bool(cancelled)


class TestRegions:
    def test_choices_repeat_the_id_and_a_copy_of_the_sequence(self) -> None:
        geometry = region("a", [keyframe(1), keyframe(9)])
        choices = {
            "id": "a",
            "type": "choices",
            "value": {"sequence": [keyframe(1), keyframe(500)], "choices": ["occluded"]},
        }
        for results in ([geometry, choices], [choices, geometry]):
            found = parse_regions(*results)
            assert [k.frame for k in found.regions[0].keyframes] == [1, 9]
            assert len(found.regions) == 1

    def test_labels_may_stand_in_a_result_of_their_own(self) -> None:
        geometry = region("a", [keyframe(1)], labels=None)
        others = region("b", [keyframe(1)])
        own = {"id": "a", "type": "labels", "value": {"labels": ["dog"]}}
        for results in ([geometry, others, own], [own, others, geometry]):
            labels = {found.id: found.label for found in parse_regions(*results).regions}
            assert labels == {"a": "dog", "b": "human"}

    @pytest.mark.parametrize("labels", [None, (), ""])
    def test_a_region_without_a_label_is_refused_or_named(self, labels: Any) -> None:
        found = region("a", [keyframe(1)], labels=labels)
        with pytest.raises(InputError, match=r"region a: expected a label \(one of dog, human\)"):
            parse_regions(found)
        assert parse_regions(found, unlabelled="human").regions[0].label == "human"

    @pytest.mark.parametrize("key", ["rectanglelabels", "videorectanglelabels", "videolabels"])
    def test_a_label_under_another_key_is_a_label(self, key: str) -> None:
        """Not an unlabelled box, which would become a human."""
        inside = region("a", [keyframe(1)], labels=None)
        inside["value"][key] = ["dog"]
        bare = region("a", [keyframe(1)], labels=None)
        separate = {"id": "a", "type": key, "value": {key: ["dog"]}}
        row = {"id": 1, "video": "a.mp4", "annotation_id": 3, "box": [inside["value"]]}
        for found in (
            parse_regions(inside, unlabelled="human"),
            parse_regions(bare, separate, unlabelled="human"),
            parse([row], unlabelled="human")[0],
        ):
            assert [one.label for one in found.regions] == ["dog"]
            assert found.counts["labels_under_other_keys"] == 1
            assert found.warnings == ()
        inside["value"]["labels"] = ["human"]
        with pytest.raises(InputError, match=r"expected one label, got \['human', 'dog'\]"):
            parse_regions(inside)
        inside["value"][key] = ["human"]
        assert "labels_under_other_keys" not in parse_regions(inside).counts

    def test_one_unlabelled_region_does_not_change_the_others(self) -> None:
        results = [region("a", [keyframe(1)], None), region("b", [keyframe(1)], ("dog",))]
        found = parse_regions(*results, unlabelled="human")
        assert [one.label for one in found.regions] == ["human", "dog"]

    def test_an_unknown_label_names_the_place_and_the_known_ones(self) -> None:
        with pytest.raises(InputError, match=r"task 1, region a: .*\(dog, human\), got 'cat'"):
            parse_regions(region("a", [keyframe(1)], ("cat",)))

    def test_other_results_are_ignored(self) -> None:
        relation = {"type": "relation", "from_id": "a", "to_id": "b"}
        timeline = {"id": "t", "type": "timelinelabels", "value": {"ranges": []}}
        found = parse_regions(relation, region("a", [keyframe(1)]), timeline)
        assert [one.id for one in found.regions] == ["a"]

    def test_other_results_are_counted(self) -> None:
        results = [
            {"id": "t", "type": "timelinelabels", "value": {"ranges": []}},
            {"id": "a", "type": "choices", "value": {"choices": ["runs"]}},
            {"id": "b", "type": "choices", "value": {"choices": ["runs"]}},
            region("a", [keyframe(1)]),
        ]
        found = parse_regions(*results)
        assert found.counts["left_out_timelinelabels"] == 1
        assert found.counts["left_out_choices"] == 2
        assert found.warnings == ()

    def test_shapes_that_are_no_boxes_are_left_out_with_a_warning(self) -> None:
        polygon = {"id": "p", "type": "videopolygon", "value": {"sequence": []}}
        found = parse_regions(polygon, region("a", [keyframe(1)]))
        assert [one.id for one in found.regions] == ["a"]
        assert found.counts["left_out_videopolygon"] == 1
        (warning,) = found.warnings
        assert "videopolygon" in warning

    def test_a_region_without_keyframes_holds_nothing(self) -> None:
        """As Toggle Keypoint leaves one on its only keyframe."""
        found = parse_regions(region("a", [keyframe(1)]), region("b", []))
        assert [one.id for one in found.regions] == ["a"]
        assert found.counts["empty_regions"] == 1
        (warning,) = found.warnings
        assert "region b" in warning

    @pytest.mark.parametrize("sequence", [None, {}, "", 0])
    def test_a_region_whose_keyframes_are_none_is_refused(self, sequence: Any) -> None:
        with pytest.raises(InputError, match=r"region a: expected a list of keyframes"):
            parse_regions(region("a", sequence))

    def test_regions_without_ids_get_them_from_task_and_position(self) -> None:
        """As Label Studio's own YOLO backend writes them."""
        results = [region(None, [keyframe(1)]), region("own", [keyframe(2)])]
        del results[0]["id"]
        results.append(region(None, [keyframe(3)], ("dog",)))
        found = parse_regions(*results)
        assert [(one.id, one.label) for one in found.regions] == [
            ("task1_1", "human"),
            ("own", "human"),
            ("task1_3", "dog"),
        ]
        assert found.counts["regions_without_id"] == 2

    def test_labels_without_an_id_belong_to_no_region(self) -> None:
        nameless = {"type": "labels", "value": {"labels": ["dog"]}}
        found = parse_regions(region(None, [keyframe(1)], None), nameless, unlabelled="human")
        assert [one.label for one in found.regions] == ["human"]

    def test_a_label_of_the_timeline_is_none_of_the_box(self) -> None:
        """label-studio#9744: drawn while a timeline label is selected."""
        drawn = region("a", [keyframe(1)], ("Scene",))
        copied = {
            "id": "a",
            "type": "timelinelabels",
            "value": {"sequence": [keyframe(1)], "timelinelabels": ["Scene"]},
        }
        with pytest.raises(InputError, match="region a: expected a label"):
            parse_regions(drawn, copied)
        assert parse_regions(drawn, copied, unlabelled="dog").regions[0].label == "dog"
        assert parse_regions(drawn, copied, labels=["Scene"]).regions[0].label == "Scene"
        with pytest.raises(InputError, match="got 'Scene'"):
            parse_regions(drawn, unlabelled="dog")

    def test_a_task_may_have_no_regions(self) -> None:
        assert parse_regions().regions == ()

    @pytest.mark.parametrize("region_id", ["a", "A-b_9", "-", "_", "x" * 64, "0428af92e8"])
    def test_usual_region_ids(self, region_id: str) -> None:
        assert parse_regions(region(region_id, [keyframe(1)])).regions[0].id == region_id

    @given(st.one_of(st.text(), st.integers(), st.none(), st.lists(st.text())))
    def test_no_region_id_ever_leaves_its_folder(self, region_id: Any) -> None:
        try:
            found = parse_regions(region(region_id, [keyframe(1)])).regions[0].id
        except InputError as error:
            message = str(error)
            assert "region id" in message
        else:
            assert found == ("task1_1" if region_id is None else region_id)
            assert all(c.isascii() and (c.isalnum() or c in "-_") for c in found)
            assert 1 <= len(found) <= 64


class TestKeyframes:
    def test_every_field_is_read(self) -> None:
        content = keyframe(5, 1.5, 2.5, 3.5, 4.5, enabled=False, rotation=-12.5, fps=10.0)
        (found,) = parse_regions(region("a", [content])).regions[0].keyframes
        assert found.frame == 5
        assert found.enabled is False
        assert found.geometry == (1.5, 2.5, 3.5, 4.5)
        assert found.rotation_deg == -12.5
        assert found.time_s == 0.5

    def test_what_may_be_missing(self) -> None:
        content = {"frame": 5, "x": 1, "y": 2, "width": 3, "height": 4}
        (found,) = parse_regions(region("a", [content])).regions[0].keyframes
        assert found.enabled is True
        assert found.rotation_deg == 0
        assert found.time_s is None

    def test_a_keyframe_that_only_ends_a_span(self) -> None:
        sequence = [keyframe(1), terminator(5)]
        found = parse_regions(region("a", sequence)).regions[0].keyframes
        assert found[1].geometry is None
        assert found[1].enabled is False

    def test_an_enabled_keyframe_must_have_its_geometry(self) -> None:
        with pytest.raises(InputError, match=r"keyframe 1: expected a finite number as 'x', got n"):
            parse_regions(region("a", [{"frame": 1, "enabled": True}]))

    def test_a_disabled_keyframe_has_all_of_its_geometry_or_none(self) -> None:
        with pytest.raises(InputError, match=r"keyframe 1: expected a finite number as 'y'"):
            parse_regions(region("a", [{"frame": 1, "enabled": False, "x": 3}]))

    def test_unsorted_keyframes_are_sorted(self) -> None:
        sequence = [keyframe(9, x=9.0), keyframe(1, x=1.0), keyframe(5, x=5.0)]
        found = parse_regions(region("a", sequence)).regions[0].keyframes
        assert [(k.frame, k.geometry and k.geometry[0]) for k in found] == [(1, 1), (5, 5), (9, 9)]

    def test_of_two_for_one_frame_the_later_in_the_list_wins_with_a_warning(self) -> None:
        sequence = [keyframe(5, x=1.0), keyframe(1), keyframe(5, x=2.0)]
        found = parse_regions(region("a", sequence))
        assert [k.frame for k in found.regions[0].keyframes] == [1, 5]
        assert found.regions[0].keyframes[1].geometry == (2.0, 20.0, 30.0, 40.0)
        (warning,) = found.warnings
        assert "region a" in warning
        assert "frame 5" in warning

    def test_well_formed_keyframes_bring_no_warning(self) -> None:
        assert parse_regions(region("a", [keyframe(1), keyframe(2)])).warnings == ()


class TestMinimalExport:
    def minimal(self, *regions: Json) -> Json:
        return {"id": 7, "video": "/data/upload/1/0a1b2c3d-door.mp4", "box": list(regions)}

    def value(self, *labels: str) -> Json:
        return {"sequence": [keyframe(1), keyframe(4)], "framesCount": 9, "labels": list(labels)}

    def test_regions_lie_under_the_tag_and_get_ids(self) -> None:
        (found,) = parse([self.minimal(self.value("human"), self.value("dog"))])
        assert found.id == "7"
        assert found.source.endswith("door.mp4")
        assert [one.label for one in found.regions] == ["human", "dog"]
        assert len({one.id for one in found.regions}) == 2
        assert all([k.frame for k in one.keyframes] == [1, 4] for one in found.regions)

    def test_ids_differ_between_tasks_and_stay_the_same(self) -> None:
        export = [self.minimal(self.value("human")), {**self.minimal(self.value("dog")), "id": 8}]
        ids = [one.id for found in parse(export) for one in found.regions]
        assert len(set(ids)) == 2
        assert ids == [one.id for found in parse(export) for one in found.regions]

    def test_ids_never_leave_their_folder(self) -> None:
        content = {**self.minimal(self.value("human")), "id": "../../" + "x" * 300}
        (found,) = parse([content])
        assert "/" not in found.regions[0].id
        assert "." not in found.regions[0].id
        assert len(found.regions[0].id) <= 64

    def test_without_regions_it_is_not_annotated(self) -> None:
        with pytest.raises(InputError, match="task 7: expected an annotation, found none"):
            parse([self.minimal()])

    def test_a_finished_row_without_boxes_is_an_empty_annotation(self) -> None:
        row = {"id": 7, "video": "door.mp4", "annotator": 1, "annotation_id": 3}
        (found,) = parse([row])
        assert found.regions == ()
        assert found.counted == ("3 by 1 (0 box tracks)",)

    def test_a_row_of_nobody_is_not_annotated(self) -> None:
        row = {"id": 7, "video": "door.mp4", "annotator": None, "annotation_id": None}
        with pytest.raises(InputError, match="task 7: expected an annotation, found none"):
            parse([row])

    def test_the_rows_of_one_task_are_its_annotations(self) -> None:
        rows = [
            {**self.minimal(self.value("dog")), "annotator": 2, "annotation_id": 9},
            {**self.minimal(self.value("human")), "annotator": 1, "annotation_id": 8},
        ]
        with pytest.raises(InputError, match=r"9 by 2 \(1 box track\), 8 by 1 \(1 box track\)"):
            parse(rows)
        (found,) = parse(rows, annotators="1")
        assert [one.label for one in found.regions] == ["human"]
        (merged,) = parse(rows, annotators="merge")
        assert [one.label for one in merged.regions] == ["dog", "human"]
        assert len({one.id for one in merged.regions}) == 2

    def test_one_box_under_two_controls_is_one(self) -> None:
        """label-studio#9744, where the copy has no timeline label."""
        content = {**self.minimal(self.value()), "frame_range": [self.value()]}
        (found,) = parse([content], unlabelled="human")
        assert len(found.regions) == 1
        assert found.counts["left_out_copy_of_a_box"] == 1
        (warning,) = found.warnings
        assert "two controls" in warning

    def test_the_control_that_labels_a_box_counts(self) -> None:
        content = {"id": 7, "video": "door.mp4", "range": [self.value()]}
        content["box"] = [self.value("dog")]
        assert [one.label for one in parse([content])[0].regions] == ["dog"]

    def test_a_box_drawn_twice_under_one_control_is_two(self) -> None:
        (found,) = parse([self.minimal(self.value("human"), self.value("human"))])
        assert len(found.regions) == 2

    def test_two_controls_of_boxes_are_both_read(self) -> None:
        other = {**self.value("dog"), "sequence": [keyframe(2), keyframe(5)]}
        (found,) = parse([{**self.minimal(self.value("human")), "animals": [other]}])
        assert [one.label for one in found.regions] == ["human", "dog"]

    def test_an_answer_may_stand_alone(self) -> None:
        """`choice="multiple"` of a single region is no list."""
        content = {**self.minimal(self.value("human"))}
        content["pose"] = {**self.value(), "choices": ["runs", "falls"]}
        (found,) = parse([content], unlabelled="dog")
        assert [one.label for one in found.regions] == ["human"]

    def test_a_label_may_be_missing(self) -> None:
        value = self.value()
        with pytest.raises(InputError, match="expected a label"):
            parse([self.minimal(value)])
        assert parse([self.minimal(value)], unlabelled="dog")[0].regions[0].label == "dog"

    @pytest.mark.parametrize(
        "answer",
        [
            {"choices": ["runs", "falls"]},
            {"text": ["runs", "falls"]},
            {"rating": 3},
            {"number": 0},
            {"taxonomy": [["moves", "runs"]]},
            {"datetime": "2024-03-01"},
            {"choices": ["runs", "falls"], "labels": []},
        ],
    )
    @pytest.mark.parametrize("unlabelled", ["", "dog"])
    @pytest.mark.parametrize("num_copied", [1, 2])
    def test_what_is_said_of_a_region_is_no_region(
        self, answer: Json, unlabelled: str, num_copied: int
    ) -> None:
        """The answer's copy lacks keyframes that the export filled in for the region."""
        first, second = self.value("human"), self.value("dog")
        copies = [{**first, "sequence": first["sequence"][:num_copied]}, second]
        for copy in copies:
            del copy["labels"]
        plain = {"id": 7, "video": "door.mp4", "box": [self.value("human"), self.value("dog")]}
        (expected,) = parse([plain])
        answers = [{**copy, **answer} for copy in copies]
        answered: Json = {"activity": ["walks", *answers], **plain}
        for content in (answered, {**plain, "activity": answers}):
            (found,) = parse([content], unlabelled=unlabelled)
            assert found.regions == expected.regions
            assert sum(number for name, number in found.counts.items() if "left" in name) == 2

    def test_a_labelled_region_with_an_answer_is_a_region(self) -> None:
        (found,) = parse([self.minimal({**self.value("dog"), "text": ["barks"]})])
        assert [one.label for one in found.regions] == ["dog"]

    def test_an_unlabelled_region_stays_one_beside_an_answer(self) -> None:
        content = {**self.minimal(self.value()), "activity": [{**self.value(), "rating": 3}]}
        with pytest.raises(InputError, match="expected a label"):
            parse([content])
        (found,) = parse([content], unlabelled="dog")
        assert [one.label for one in found.regions] == ["dog"]

    def test_answers_without_a_region_are_no_annotation(self) -> None:
        content = {**self.minimal(), "activity": [{**self.value(), "rating": 3}]}
        with pytest.raises(InputError, match="task 7: expected an annotation, found none"):
            parse([content], unlabelled="dog")

    def test_label_studio_s_own_conversion_gives_the_regions_of_the_full_export(
        self, tmp_path: Path
    ) -> None:
        results = []
        for name, label, choices in (("a", "human", ["runs"]), ("b", "dog", ["runs", "falls"])):
            sequence = [keyframe(1), keyframe(4, x=50.0)]
            geometry = region(name, sequence, (label,))
            answer = {**region(name, sequence, None), "type": "choices", "from_name": "activity"}
            answer["value"]["choices"] = choices
            results += [geometry, answer]
        full = task(results=results)
        (tmp_path / "full.json").write_text(json.dumps([full]), encoding="utf-8")
        config = """<View>
            <Video name="video" value="$video"/>
            <VideoRectangle name="box" toName="video"/>
            <Choices name="activity" toName="video" perRegion="true" choice="multiple">
                <Choice value="runs"/><Choice value="falls"/>
            </Choices>
        </View>"""
        Converter(config, str(tmp_path)).convert_to_json_min(
            str(tmp_path / "full.json"), str(tmp_path), is_dir=False
        )
        minimal = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
        assert "sequence" in minimal[0]["activity"][1]
        (expected,), (found,) = parse([full]), parse(minimal, unlabelled="dog")
        assert [(one.label, one.keyframes) for one in found.regions] == [
            (one.label, one.keyframes) for one in expected.regions
        ]


def test_one_task_exported_by_itself() -> None:
    assert len(parse(task(results=[region("a", [keyframe(1)])]))) == 1


def test_the_video_may_lie_under_another_key() -> None:
    content = task()
    content["data"] = {"clip": "videos/door.mp4", "comment": "in the morning"}
    assert parse([content])[0].source == "videos/door.mp4"


def test_which_key_holds_the_video_must_be_plain() -> None:
    content = task()
    content["data"] = {"a": "one.mp4", "b": "two.mp4"}
    with pytest.raises(InputError, match=r"several videos or tags \(a, b\); set .*data_key_of_tag"):
        parse([content])


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "data",
                    "video",
                    "annotations",
                    "predictions",
                    "result",
                    "type",
                    "value",
                    "sequence",
                    "labels",
                    "frame",
                    "enabled",
                    "x",
                    "y",
                    "width",
                    "height",
                    "time",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(values)
def test_any_json_is_understood_or_refused(export: Any) -> None:
    try:
        parse(export, use_predictions=True)
    except InputError as error:
        message = str(error)
        assert message.startswith(FILE)


WELL_FORMED = task(
    results=[
        region("a", [keyframe(1), terminator(5)]),
        region("b", [keyframe(2)], None),
        {"id": "b", "type": "labels", "value": {"labels": ["dog"]}},
    ]
)


def places_in(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    return [path, *(place for key, value in pairs for place in places_in(value, (*path, key)))]


@given(st.sampled_from(places_in([WELL_FORMED])[1:]), values)
def test_any_value_in_any_place_is_understood_or_refused(
    place: tuple[Any, ...], value: Any
) -> None:
    export = json.loads(json.dumps([WELL_FORMED]))
    inner = export
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    try:
        parse(export, use_predictions=True)
    except InputError as error:
        message = str(error)
        assert message.startswith(FILE)


@pytest.mark.skipif(
    not (REAL / "labelstudio").is_dir(), reason="the real exports are not beside the project"
)
@pytest.mark.parametrize(("number", "num_tracks"), [(1, 16), (2, 7)])
def test_real_predictions(number: int, num_tracks: int) -> None:
    file = REAL / "labelstudio" / f"opossum_snow_short_{number}.json"
    predictions = json.loads(file.read_text(encoding="utf-8"))
    content = {**task(), "annotations": [], "predictions": predictions}
    (found,) = parse([content], labels=["person", "airplane"], use_predictions=True)
    assert len(found.regions) == num_tracks
    rate = find_rate(found, 30_000 / 1001, FILE)
    assert rate.fps == pytest.approx(29.97, rel=1e-3)


def on(tag: str, region_id: str, frame: int = 1) -> Json:
    return {**region(region_id, [keyframe(frame), terminator(frame + 9)]), "to_name": tag}


class TestSeveralVideos:
    """Two `<Video>` tags side by side: each box belongs to the video of its own tag."""

    def two(self, *results: Json, **data: str) -> Json:
        content = task("gate.mp4", results)
        content["data"].update(data or {"video2": "yard.mp4"})
        return content

    def boxes(self, *tasks: Json, **options: Any) -> list[tuple[str, list[str]]]:
        return [(t.source, [r.id for r in t.regions]) for t in parse(list(tasks), **options)]

    def test_tags_that_are_named_like_the_keys_say_it(self) -> None:
        content = self.two(on("video", "a"), on("video2", "b"), on("video2", "c"))
        assert self.boxes(content) == [("gate.mp4", ["a"]), ("yard.mp4", ["b", "c"])]

    def test_a_video_without_a_box_was_annotated_where_another_task_has_its_tag(self) -> None:
        tasks = [self.two(on("video2", "b")), self.two(on("video", "a")), self.two()]
        assert self.boxes(*tasks) == [
            ("gate.mp4", []),
            ("yard.mp4", ["b"]),
            ("gate.mp4", ["a"]),
            ("yard.mp4", []),
            ("gate.mp4", []),
            ("yard.mp4", []),
        ]

    @pytest.mark.parametrize("tags", [("left", "right"), ("video", "right"), ("left", "left"), ()])
    def test_other_tags_are_refused(self, tags: tuple[str, ...]) -> None:
        content = self.two(*(on(tag, f"r{n}") for n, tag in enumerate(tags)))
        with pytest.raises(
            InputError, match=r"task 1: expected to know the video .* set .*_of_tag"
        ):
            self.boxes(content)

    def test_several_tags_on_one_known_video_are_refused(self) -> None:
        content = task("gate.mp4", [on("left", "a"), on("right", "b")])
        with pytest.raises(InputError, match="boxes of left, right, found several videos or tags"):
            self.boxes(content)

    def test_a_map_says_it(self) -> None:
        content = self.two(on("left", "a"), on("right", "b"))
        both = {"left": "video2", "right": "video"}
        assert self.boxes(content, data_key_of_tag=both) == [
            ("yard.mp4", ["a"]),
            ("gate.mp4", ["b"]),
        ]
        same = {"left": "video2", "right": "video2"}
        assert self.boxes(content, data_key_of_tag=same) == [("yard.mp4", ["a", "b"])]

    @pytest.mark.parametrize("told", [{"left": "video"}, {"left": "video", "right": "none"}])
    def test_a_map_must_name_every_tag_and_a_key(self, told: dict[str, str]) -> None:
        with pytest.raises(
            InputError, match=r"^data_key_of_tag: expected .* task 1 .* none for right"
        ):
            self.boxes(self.two(on("left", "a"), on("right", "b")), data_key_of_tag=told)

    @pytest.mark.parametrize("tag", ["video", "box", "anything"])
    @pytest.mark.parametrize(
        "further", [{"poster": "gate.jpg"}, {"url": "https://h/gate.mp4?x=1"}, {"note": "v1.2"}]
    )
    def test_one_video_needs_no_tag(self, tag: str, further: dict[str, str]) -> None:
        assert self.boxes(self.two(on(tag, "a"), **further)) == [("gate.mp4", ["a"])]

    def test_the_usual_tag_and_key_go_together(self) -> None:
        content = self.two(on("video", "a"), original="gate.mov")
        assert self.boxes(content) == [("gate.mp4", ["a"])]

    def test_json_min_names_no_tag(self) -> None:
        box = {"sequence": [keyframe(1)], "labels": ["human"]}
        row = {"id": 1, "annotation_id": 5, "video": "gate.mp4", "video2": "yard.mp4"}
        row |= {"box": [box], "box2": [box | {"labels": ["dog"]}]}
        with pytest.raises(InputError, match="several videos or tags"):
            self.boxes(row)
        found = parse([row], data_key_of_tag={"box": "video", "box2": "video2"})
        assert [(t.source, [r.label for r in t.regions]) for t in found] == [
            ("gate.mp4", ["human"]),
            ("yard.mp4", ["dog"]),
        ]

    def test_tasks_of_other_videos_may_have_several(self) -> None:
        tasks = [self.two(on("left", "a")), task("door.mp4", [on("video", "b")], id=2)]
        assert self.boxes(*tasks, only_videos=["door.mp4"])[1] == ("door.mp4", ["b"])
        with pytest.raises(InputError, match="several videos"):
            self.boxes(*tasks, only_videos=["door.mp4", "yard.mp4"])
