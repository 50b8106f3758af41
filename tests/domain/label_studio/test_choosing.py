"""Which of a task's annotations are used."""

from typing import Any

import pytest
from tiny_exports import Json, annotation, keyframe, region, task

from vigil.domain.label_studio.reading import parse_export
from vigil.domain.label_studio.tasks import Task
from vigil.plumbing.errors import InputError


def parse(export: Any, **options: Any) -> list[Task]:
    return parse_export(export, "export.json", labels=("human", "dog"), **options)


def named(name: str, **further: Any) -> Json:
    """An annotation of one region, whose position depends on its name."""
    place = float(sum(name.encode()) % 97)
    return annotation([region(name, [keyframe(1, x=place)])], **further)


def chosen(annotations: list[Json], annotators: str, **options: Any) -> Task:
    (found,) = parse([{**task(), "annotations": annotations}], annotators=annotators, **options)
    return found


def chosen_region(annotations: list[Json], annotators: str = "newest", **options: Any) -> str:
    (only,) = chosen(annotations, annotators, **options).regions
    return only.id


class TestWhatDiffers:
    @pytest.mark.parametrize("key", ["labels", "rectanglelabels"])
    def test_labels_under_any_key(self, key: str) -> None:
        annotations = [named("a"), named("a")]
        for one, label in zip(annotations, ("human", "dog"), strict=True):
            del one["result"][0]["value"]["labels"]
            one["result"][0]["value"][key] = [label]
        with pytest.raises(InputError, match="expected one annotation, or several that are alike"):
            chosen(annotations, "error")

    def test_the_video_that_a_box_lies_on(self) -> None:
        annotations = [named("a"), named("b")]
        annotations[1]["result"] = [{**annotations[0]["result"][0], "id": "b", "to_name": "video2"}]
        with pytest.raises(InputError, match="expected one annotation, or several that are alike"):
            chosen(annotations, "error")


class TestTheNewest:
    def test_the_newest(self) -> None:
        annotations = [
            named("older", created_at="2024-03-01T09:00:00.000000Z"),
            named("newest", created_at="2024-03-02T08:00:00.000000Z"),
            named("oldest", created_at="2023-12-31T23:59:59.999999Z"),
        ]
        assert chosen_region(annotations) == "newest"

    @pytest.mark.parametrize(
        ("older", "newer"),
        [
            ("2024-03-01T10:00:00Z", "2024-03-01T10:00:00.500000Z"),
            ("2024-03-01T11:00:00+02:00", "2024-03-01T10:00:00Z"),
            ("2024-03-01T10:00:00Z", "2024-03-01T09:00:01-01:00"),
            ("2024-03-01T10:00:00+00:00", "2024-03-01T10:00:00.1Z"),
            ("2024-03-01T10:00:00", "2024-03-01T10:00:01Z"),
            ("2024-03-01T10:00:00Z", "2024-03-01 10:00:01"),
            ("2024-03-01", "2024-03-01T00:00:01"),
            ("0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59-12:00"),
            (None, "0001-01-02T00:00:00Z"),
            ("", "0001-01-02T00:00:00Z"),
        ],
    )
    def test_the_newest_by_time_not_by_text(self, older: str | None, newer: str) -> None:
        annotations = [named("older", created_at=older), named("newer", created_at=newer)]
        assert chosen_region(annotations) == chosen_region(annotations[::-1]) == "newer"

    def test_one_instant_written_in_two_ways_leaves_the_last_in_the_list(self) -> None:
        annotations = [
            named("first", created_at="2024-03-01T12:00:00+02:00"),
            named("last", created_at="2024-03-01T10:00:00.000Z"),
        ]
        assert chosen_region(annotations) == "last"
        assert chosen_region(annotations[::-1]) == "first"

    @pytest.mark.parametrize("told", ["yesterday", "2024-13-01T10:00:00Z", 1709287200, ["2024"]])
    def test_a_date_that_is_none_is_refused_where_it_decides(self, told: Any) -> None:
        odd = named("odd", created_at=told, id=31)
        with pytest.raises(InputError, match=r"task 1, annotation 31: .*ISO 8601.*'created_at'"):
            chosen_region([odd, named("other")])
        assert chosen_region([odd]) == "odd"
        truth = named("truth", ground_truth=True)
        assert chosen_region([odd, truth], "ground_truth") == "truth"

    def test_a_cancelled_one_never(self) -> None:
        annotations = [
            named("kept", created_at="2024-01-01T00:00:00Z"),
            named("cancelled", created_at="2025-01-01T00:00:00Z", was_cancelled=True),
        ]
        assert chosen_region(annotations) == "kept"

    def test_ground_truth_before_newer_ones(self) -> None:
        annotations = [
            named("truth", created_at="2024-01-01T00:00:00Z", ground_truth=True),
            named("newer", created_at="2025-01-01T00:00:00Z"),
        ]
        assert chosen_region(annotations, "ground_truth") == "truth"

    def test_a_cancelled_ground_truth_does_not(self) -> None:
        annotations = [named("truth", ground_truth=True, was_cancelled=True), named("other")]
        assert chosen_region(annotations, "ground_truth") == "other"

    def test_of_equal_dates_the_last_in_the_list(self) -> None:
        assert chosen_region([named("first"), named("last")]) == "last"

    def test_dates_may_be_missing(self) -> None:
        undated = named("undated")
        del undated["created_at"]
        assert chosen_region([undated, named("dated")]) == "dated"
        assert chosen_region([named("dated"), {**undated, "created_at": None}]) == "dated"

    def test_none_is_an_error_that_tells_of_cancelled_ones(self) -> None:
        with pytest.raises(InputError, match=r"task 1: expected an annotation.*1 cancelled"):
            chosen_region([named("cancelled", was_cancelled=True)])

    def test_predictions_are_ignored(self) -> None:
        content = {**task(), "annotations": [], "predictions": [named("guess")]}
        with pytest.raises(InputError, match="expected an annotation"):
            parse([content])

    def test_predictions_count_where_asked_for_and_nothing_else_does(self) -> None:
        guesses = [named("first"), named("last")]
        content = {**task(), "annotations": [], "predictions": guesses}
        assert parse([content], use_predictions=True)[0].regions[0].id == "last"
        content["annotations"] = [named("annotated", created_at="2000-01-01T00:00:00Z")]
        assert parse([content], use_predictions=True)[0].regions[0].id == "annotated"

    def test_other_keys_are_ignored(self) -> None:
        content = {
            **task(results=[region("a", [keyframe(1)])]),
            "drafts": [{"result": 3}],
            "prediction": {},
            "import_id": None,
            "meta": {},
        }
        assert parse([content])[0].regions[0].id == "a"

    def test_one_that_was_left_out_is_counted_and_told(self) -> None:
        found = chosen([named("first"), named("last", id=9, completed_by=4)], "newest")
        assert found.counts["annotations_left_out"] == 1
        assert found.counted == ("9 by 4 (1 box track)",)
        (warning,) = found.warnings
        assert "annotation 9 by 4 (1 box track) counts" in warning


BY_ANN = named("a", id=8, completed_by=1, created_at="2025-05-01T10:00:00Z")
BY_BEN = named("b", id=9, completed_by=2, created_at="2025-05-02T10:00:00Z")
EMPTY = annotation([], id=10, completed_by=3, created_at="2025-05-03T10:00:00Z")


class TestOfSeveralThatDiffer:
    def test_none_is_picked_in_silence(self) -> None:
        named_both = r"8 by 1 \(1 box track\), 9 by 2 \(1 box track\).*annotators to choose"
        with pytest.raises(InputError, match=named_both):
            chosen([BY_ANN, BY_BEN], "error")

    def test_an_empty_one_that_was_finished_differs(self) -> None:
        with pytest.raises(InputError, match=r"8 by 1 \(1 box track\), 10 by 3 \(0 box tracks\)"):
            chosen([BY_ANN, EMPTY], "error")

    def test_a_region_without_keyframes_is_nothing_drawn(self) -> None:
        undone = {**EMPTY, "result": [region("u", [])]}
        assert chosen([EMPTY, undone], "error").regions == ()
        with pytest.raises(InputError, match=r"8 by 1 .*10 by 3 \(0 box tracks\)"):
            chosen([BY_ANN, undone], "error")

    def test_what_was_said_of_boxes_is_no_difference(self) -> None:
        said = {"id": "a", "type": "choices", "value": {"choices": ["runs"]}}
        other = {**BY_ANN, "id": 11, "result": [*BY_ANN["result"], said]}
        assert len(chosen([BY_ANN, other], "error").regions) == 1

    def test_alike_ones_are_fine_whatever_their_ids(self) -> None:
        alike = annotation([region("z", [keyframe(1, x=float(97 % 97))])], id=12, completed_by=2)
        first = annotation([region("a", [keyframe(1, x=0.0)])], id=11, completed_by=1)
        assert len(chosen([first, alike], "error").regions) == 1

    def test_labels_are_a_difference(self) -> None:
        one, other = (
            annotation([region("a", [keyframe(1)], (name,))]) for name in ("human", "dog")
        )
        with pytest.raises(InputError, match="or several that are alike"):
            chosen([one, other], "error")

    def test_cancelled_ones_never_count(self) -> None:
        cancelled = {**BY_BEN, "was_cancelled": True}
        found = chosen([BY_ANN, cancelled], "error")
        assert [one.id for one in found.regions] == ["a"]
        assert found.counts["annotations_cancelled"] == 1

    def test_merged_all_their_boxes_count(self) -> None:
        found = chosen([BY_ANN, BY_BEN, EMPTY], "merge")
        assert [one.id for one in found.regions] == ["a", "b"]
        assert len(found.counted) == 3

    def test_merged_a_box_that_two_drew_alike_counts_once(self) -> None:
        again = {**BY_ANN, "id": 11, "result": [*BY_ANN["result"], *BY_BEN["result"]]}
        assert [one.id for one in chosen([BY_ANN, again], "merge").regions] == ["a", "b"]

    def test_merged_a_box_that_one_annotator_drew_twice_counts_twice(self) -> None:
        twice = annotation([region(name, [keyframe(1)]) for name in "pq"])
        assert len(chosen([twice, EMPTY], "merge").regions) == 2

    def test_one_region_in_two_versions_cannot_be_merged(self) -> None:
        moved = annotation([region("a", [keyframe(1, x=77.0)])], id=11)
        with pytest.raises(
            InputError, match="region 'a': expected the same box in all annotations"
        ):
            chosen([BY_ANN, moved], "merge")

    @pytest.mark.parametrize("annotator", ["2", "Ben@home.example"])
    def test_an_annotator_may_be_named(self, annotator: str) -> None:
        ben = {**BY_BEN, "completed_by": {"id": 2, "email": "ben@home.example", "first_name": ""}}
        assert chosen_region([BY_ANN, ben, EMPTY], annotator) == "b"

    def test_one_who_annotated_nothing_is_an_error_that_names_who_did(self) -> None:
        with pytest.raises(InputError, match=r"annotation by '5', found 8 by 1 .*, 9 by 2"):
            chosen([BY_ANN, BY_BEN], "5")

    def test_several_of_the_one_named_that_differ_are_an_error(self) -> None:
        with pytest.raises(InputError, match=r"found 8 by 1 .*, 9 by 1"):
            chosen([BY_ANN, {**BY_BEN, "completed_by": 1}, EMPTY], "1")

    def test_without_a_ground_truth_none_is_taken_for_it(self) -> None:
        with pytest.raises(InputError, match=r"ground truth, found 8 by 1 .*, 9 by 2"):
            chosen([BY_ANN, BY_BEN], "ground_truth")

    def test_two_ground_truths_that_differ_are_an_error(self) -> None:
        both = [{**one, "ground_truth": True} for one in (BY_ANN, BY_BEN)]
        with pytest.raises(InputError, match=r"8 by 1 \(1 box track, ground truth\), 9"):
            chosen([*both, EMPTY], "ground_truth")

    @pytest.mark.parametrize("rule", ["error", "newest", "ground_truth", "merge", "5", "x@y"])
    def test_a_single_one_counts_by_any_rule(self, rule: str) -> None:
        assert chosen_region([BY_ANN], rule) == "a"


def test_drafts_are_counted_and_told() -> None:
    (found,) = parse([{**task(), "drafts": [{"result": []}]}])
    assert found.counts["drafts_left_out"] == 1
    assert "never submitted" in found.warnings[0]


def test_predictions_that_are_ids_alone_are_refused_where_they_would_count() -> None:
    content = {**task(), "annotations": [], "predictions": [2, 3]}
    with pytest.raises(InputError, match=r"task 1: .*only their ids \(2, 3\).*only_id: false"):
        parse([content], use_predictions=True)
    with pytest.raises(InputError, match="task 1: expected an annotation, found none"):
        parse([content])


def test_of_several_predictions_the_others_are_told() -> None:
    content = {**task(), "annotations": [], "predictions": [named("first"), named("last")]}
    (found,) = parse([content], use_predictions=True)
    assert found.regions[0].id == "last"
    assert found.counts["predictions_left_out"] == 1
    assert "2 predictions" in found.warnings[0]
