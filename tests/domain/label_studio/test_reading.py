import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unicodedata import normalize
from urllib.parse import quote

import pytest
from conftest import REAL
from hypothesis import given
from hypothesis import strategies as st
from label_studio_sdk.converter.converter import Converter
from tiny_exports import Json, annotation, keyframe, region, task, terminator

from vigil.domain.label_studio.reading import Task, match_videos, parse_export
from vigil.plumbing.errors import InputError

FILE = "export.json"


def parse(export: Any, labels: Sequence[str] = ("human", "dog"), **options: Any) -> list[Task]:
    return parse_export(export, FILE, labels=labels, **options)


def parse_regions(*results: Json, **options: Any) -> Task:
    return parse([task(results=results)], **options)[0]


def named(name: str, **further: Any) -> Json:
    return annotation([region(name, [keyframe(1)])], **further)


def chosen_region(annotations: list[Json], **options: Any) -> str:
    found = parse([{**task(), "annotations": annotations}], **options)
    (only,) = found[0].regions
    return only.id


class TestWhichAnnotationCounts:
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
        assert chosen_region([odd, named("truth", ground_truth=True)]) == "truth"

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
        assert chosen_region(annotations) == "truth"

    def test_the_newest_of_several_ground_truths(self) -> None:
        annotations = [
            named("newer", created_at="2024-02-01T00:00:00Z", ground_truth=True),
            named("older", created_at="2024-01-01T00:00:00Z", ground_truth=True),
            named("newest", created_at="2025-01-01T00:00:00Z"),
        ]
        assert chosen_region(annotations) == "newer"

    def test_a_cancelled_ground_truth_does_not(self) -> None:
        annotations = [named("truth", ground_truth=True, was_cancelled=True), named("other")]
        assert chosen_region(annotations) == "other"

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
            assert found == region_id
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


class TestAnnotatorRate:
    def test_it_is_the_median_over_all_keyframes(self) -> None:
        results = [
            region("a", [keyframe(12, fps=24), keyframe(24, fps=24)]),
            region("b", [keyframe(30, fps=7)]),
        ]
        assert parse_regions(*results).annotator_fps == pytest.approx(24)

    def test_of_an_even_number_it_is_the_mean_of_the_middle_two(self) -> None:
        found = parse_regions(region("a", [keyframe(10, fps=20), keyframe(30, fps=30)]))
        assert found.annotator_fps == pytest.approx(25)

    def test_missing_and_zero_times_are_no_evidence(self) -> None:
        without = keyframe(3, fps=None)
        zero = {**keyframe(4), "time": 0}
        null = {**keyframe(5), "time": None}
        assert parse_regions(region("a", [without, zero, null])).annotator_fps is None
        sequence = [without, zero, null, keyframe(6, fps=12.5)]
        assert parse_regions(region("a", sequence)).annotator_fps == pytest.approx(12.5)

    def test_without_regions_there_is_none(self) -> None:
        assert parse_regions().annotator_fps is None


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
        """Its copy of the keyframes lacks those that the export filled in for the region."""
        first, second = self.value("human"), self.value("dog")
        copies = [{**first, "sequence": first["sequence"][:num_copied]}, second]
        for copy in copies:
            del copy["labels"]
        plain = {"id": 7, "video": "door.mp4", "box": [self.value("human"), self.value("dog")]}
        (expected,) = parse([plain])
        answers = [{**copy, **answer} for copy in copies]
        answered: Json = {"activity": ["walks", *answers], **plain}
        assert parse([answered], unlabelled=unlabelled) == [expected]
        assert parse([{**plain, "activity": answers}], unlabelled=unlabelled) == [expected]

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
    with pytest.raises(InputError, match=r"under 'video', found the keys a, b"):
        parse([content])


def match(sources: Sequence[str], videos: Sequence[str]) -> dict[str, str]:
    tasks = [Task(str(n), source, (), ()) for n, source in enumerate(sources, start=1)]
    return {video: found.source for video, found in match_videos(tasks, videos, FILE).items()}


class TestFileNames:
    @pytest.mark.parametrize(
        ("source", "video"),
        [
            ("/data/upload/1/5ad17d38-door.mp4", "door.mp4"),
            ("/data/upload/1/5ad17d38-opossum_snow.mp4", "opossum snow.mp4"),
            ("/data/upload/12/5ad17d38-a_b__1_.mp4", "a b (1).mp4"),
            ("/data/local-files/?d=cameras/north/door.mp4", "door.mp4"),
            ("/data/local-files/?d=cameras%2Fnorth%2Fthe%20door.mp4", "the door.mp4"),
            ("/data/local-files/?d=C%3A%5Cvideos%5Cdoor.mp4", "door.mp4"),
            ("http://localhost:8080/data/local-files/?d=x/door.mp4", "door.mp4"),
            ("s3://bucket/folder/door.mp4", "door.mp4"),
            ("gs://bucket/door.mp4", "door.mp4"),
            ("https://example.org/a/door.mp4?token=x.avi&expires=9", "door.mp4"),
            ("https://example.org/a/the%20door.mp4?token=x", "the door.mp4"),
            ("https://example.org/a/door.mp4?d=20240301", "door.mp4"),
            ("videos/door.mp4", "door.mp4"),
            ("/home/me/videos/door.mp4", "door.mp4"),
            ("C:\\videos\\door.mp4", "door.mp4"),
            ("door.mp4", "door.mp4"),
            ("door.mov", "door.mp4"),  # converted since
            ("5ad17d38-door.mp4", "5ad17d38-door.mp4"),  # the prefix is the file's own
            ("/data/upload/1/0a1b2c3d-5ad17d38-door.mp4", "5ad17d38-door.mp4"),
            ("100%.mp4", "100%.mp4"),
            ("two.dots.mp4", "two.dots.mp4"),
        ],
    )
    def test_a_video_is_found_by_its_file_name(self, source: str, video: str) -> None:
        assert match([source], [video]) == {video: source}

    @pytest.mark.parametrize(
        ("source", "video"),
        [
            ("/data/upload/1/5ad17d38-door.mp4", "door_2.mp4"),
            ("/data/upload/1/5ad17d3-door.mp4", "door.mp4"),  # seven digits
            ("/data/upload/1/5ad17d38_door.mp4", "door.mp4"),
            ("door/other.mp4", "door.mp4"),
            ("two.dots.mp4", "two.mp4"),
        ],
    )
    def test_no_match_is_an_error_that_names_both(self, source: str, video: str) -> None:
        with pytest.raises(InputError) as error:
            match([source], [video])
        assert video in str(error.value)
        assert source.rsplit("/", 1)[-1] in str(error.value)

    @pytest.mark.parametrize("source_form", ["NFC", "NFD"])
    @pytest.mark.parametrize("video_form", ["NFC", "NFD"])
    @pytest.mark.parametrize(
        "source",
        [
            "/data/local-files/?d=north/{}",
            "/data/upload/1/5ad17d38-{}",
            "videos/{}",
            "https://example.org/{}",
        ],
    )
    def test_an_accent_is_a_part_of_its_letter_or_a_character(
        self, source: str, source_form: Any, video_form: Any
    ) -> None:
        video = normalize(video_form, "café Zürich.mp4")
        named = source.format(normalize(source_form, "café Zürich.mp4"))
        assert match([named], [video]) == {video: named}
        quoted = source.format(quote(normalize(source_form, "café Zürich.mp4")))
        if "/data/" in source or "://" in source:
            assert match([quoted], [video]) == {video: quoted}

    @pytest.mark.parametrize("form", ["NFC", "NFD"])
    @pytest.mark.parametrize("replaced", ["caf_.mp4", "cafe_.mp4"])
    def test_an_accent_may_have_been_replaced_in_either_form(
        self, form: Any, replaced: str
    ) -> None:
        video, source = normalize(form, "café.mp4"), f"/data/upload/1/5ad17d38-{replaced}"
        assert match([source], [video]) == {video: source}

    def test_two_videos_whose_names_differ_by_the_form_alone_are_told_apart(self) -> None:
        videos = [normalize("NFC", "café.mp4"), normalize("NFD", "café.mp4")]
        assert videos[0] != videos[1]
        assert match(videos, videos) == {video: video for video in videos}

    def test_accents_tell_names_apart(self) -> None:
        sources = [normalize("NFD", "é.mp4"), normalize("NFD", "è.mp4")]
        assert match(sources, ["è.mp4", "é.mp4"]) == {"è.mp4": sources[1], "é.mp4": sources[0]}
        with pytest.raises(InputError, match=r"matches è\.mp4, é\.mp4"):
            match(["0a1b2c3d-e_.mp4"], ["è.mp4", "é.mp4"])

    def test_tasks_are_given_in_the_order_of_the_videos(self) -> None:
        found = match(["b.mp4", "a.mp4"], ["a.mp4", "b.mp4"])
        assert list(found.items()) == [("a.mp4", "a.mp4"), ("b.mp4", "b.mp4")]

    def test_tasks_of_other_videos_are_left_out(self) -> None:
        assert match(["a.mp4", "b.mp4"], ["b.mp4"]) == {"b.mp4": "b.mp4"}

    def test_same_stem_and_different_ending_is_told_apart_by_the_ending(self) -> None:
        sources = ["/data/upload/1/0a1b2c3d-a.mp4", "/data/upload/1/1a1b2c3d-a.avi"]
        assert match(sources, ["a.avi", "a.mp4"]) == {"a.avi": sources[1], "a.mp4": sources[0]}

    def test_same_stem_and_neither_ending_is_an_error_that_names_both(self) -> None:
        with pytest.raises(InputError, match=r"task 1: .*a\.webm.* matches a\.avi, a\.mp4"):
            match(["a.webm"], ["a.mp4", "a.avi"])

    def test_two_videos_of_one_name_after_replacement_are_an_error_that_names_both(self) -> None:
        with pytest.raises(InputError, match=r"matches a b\.mp4, a_b\.mp4"):
            match(["/data/upload/1/0a1b2c3d-a_b.mp4"], ["a b.mp4", "a_b.mp4"])

    def test_names_that_were_not_replaced_are_told_apart(self) -> None:
        sources = ["/data/local-files/?d=%E6%9D%B1.mp4", "/data/local-files/?d=%E8%A5%BF.mp4"]
        assert match(sources, ["東.mp4", "西.mp4"]) == {"東.mp4": sources[0], "西.mp4": sources[1]}

    def test_two_tasks_of_one_video_are_an_error_that_names_both(self) -> None:
        with pytest.raises(InputError, match=r"tasks 1 and 2 both belong to a\.mp4"):
            match(["0a1b2c3d-a.mp4", "1a1b2c3d-a.mp4"], ["a.mp4"])

    def test_a_video_without_a_task_is_an_error_that_names_it(self) -> None:
        with pytest.raises(InputError, match=r"found none for b\.mp4"):
            match(["a.mp4"], ["a.mp4", "b.mp4"])

    @given(st.text())
    def test_any_text_matches_or_is_refused(self, source: str) -> None:
        try:
            found = match([source], ["door.mp4"])
        except InputError:
            return
        assert found == {"door.mp4": source}


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
    for position, result in enumerate(predictions[-1]["result"]):
        result.setdefault("id", f"r{position}")  # given by the server that takes them in
    content = {**task(), "annotations": [], "predictions": predictions}
    (found,) = parse([content], labels=["person", "airplane"], use_predictions=True)
    assert len(found.regions) == num_tracks
    assert found.annotator_fps == pytest.approx(29.97, rel=0.01)
