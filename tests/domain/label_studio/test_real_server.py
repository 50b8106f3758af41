"""How a real Label Studio changes names and exports. This test starts the server.

python -m venv /tmp/ls && /tmp/ls/bin/pip install label-studio
VIGIL_LABEL_STUDIO=/tmp/ls/bin/label-studio make test-slow
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any
from unicodedata import normalize

import numpy as np
import pytest
from label_studio_server import NEEDS_SERVER, Server, label_studio
from tiny_exports import Json, keyframe, region

from vigil.domain.label_studio.clock import Clock
from vigil.domain.label_studio.interpolation import interpolate_task
from vigil.domain.label_studio.names import file_name, match_videos, stored_name
from vigil.domain.label_studio.rate import find_rate
from vigil.domain.label_studio.reading import parse_export
from vigil.domain.label_studio.tasks import Task
from vigil.domain.proposals import label_config, propose
from vigil.domain.tracking.table import track_table
from vigil.domain.tracking.tracker import TrackedBox
from vigil.domain.tracks import Track
from vigil.domain.video_facts import VideoFacts
from vigil.plumbing.errors import InputError

pytestmark = [pytest.mark.slow, NEEDS_SERVER]

FACTS = VideoFacts((100, 100), 150, Fraction(25))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with label_studio(tmp_path_factory.mktemp("label_studio")) as started:
        yield started


NAMES = [
    *("gate (1).mp4", "a&b+c.mp4", "cam'3'.mp4", 'cam"4".mp4', "100%.mp4", "x,y;z=1.mp4"),
    *(" lead space.mp4", "--lead.mp4", "...dots.mp4", "UPPER.MP4", "deadbeef-cam.mp4"),
    *("video😀.mp4", "½cam².mp4", "день.mp4", "東京 2.mp4", "हिन्दी.mp4", "Kamera – Süd.mp4"),
    *(normalize(form, "Zürich Straße.mp4") for form in ("NFC", "NFD")),
    *("tab\tname.mp4", "a\u3000b.mp4", "p&amp;q.mp4", "dir\\sub.mp4"),
    "camera_north_gate_2024_05_31_morning_shift_recording_" + "x" * 60 + ".mp4",
]


def test_names_are_found_again(server: Server) -> None:
    project = server.project()
    for name in NAMES:
        source = server.upload(project, name)
        assert match_videos([Task("1", source, (), ())], [name], "export").keys() == {name}
        if len(name) < 60:
            assert file_name(source)[9:] == stored_name(name)


def results() -> list[Json]:
    car = [keyframe(10, x=1.0, fps=25.0), keyframe(30, x=41.0, fps=25.0, enabled=False)]
    man = [keyframe(100, x=5.0, fps=25.0, rotation=170), keyframe(120, fps=25.0, rotation=-170)]
    found = [region("carA", car, ("Car",)), region("manB", man, ("Man",))]
    for one in found:
        one["value"].update(framesCount=150, duration=6.0)
    pose = {**region("carA", car, None), "type": "choices", "from_name": "pose"}
    pose["value"] = {**found[0]["value"], "choices": ["stands"]}
    del pose["value"]["labels"]
    scene = {"id": "sceneC", "type": "timelinelabels", "from_name": "tl", "to_name": "video"}
    scene["value"] = {"ranges": [{"start": 3, "end": 8}], "timelinelabels": ["Scene"]}
    return [*found, pose, scene]


def tracks_of(export: Any) -> list[Track]:
    (task,) = parse_export(export, "export", labels=["Car", "Man"])
    clock = Clock(find_rate(task, 25.0, "export").fps, FACTS)
    return interpolate_task(task, clock, FACTS, "export")


def test_all_kinds_of_export_mean_the_same(server: Server) -> None:
    project = server.annotated(results())
    expected = tracks_of(server.export(project, "JSON"))
    assert [(track.id, track.label) for track in expected] == [("carA", "Car"), ("manB", "Man")]
    assert [track.frames.tolist() for track in expected] == [
        list(range(9, 30)),
        list(range(99, 150)),
    ]
    for kind in ("JSON", "JSON_MIN"):
        for filled in ("false", "true"):
            found = tracks_of(server.export(project, kind, interpolate_key_frames=filled))
            for one, other in zip(found, expected, strict=True):
                assert one.label == other.label
                assert one.frames_past_last_keyframe == other.frames_past_last_keyframe
                np.testing.assert_array_equal(one.frames, other.frames)
                np.testing.assert_allclose(one.boxes_xyxy, other.boxes_xyxy, atol=1e-9)


@pytest.mark.parametrize("kind", ["JSON", "JSON_MIN"])
def test_a_newer_empty_annotation_is_refused(server: Server, kind: str) -> None:
    export = server.export(server.annotated(results(), []), kind)
    with pytest.raises(InputError, match=r"\(2 box tracks\)"):
        tracks_of(export)
    (task,) = parse_export(export, "export", labels=["Car", "Man"], annotators="merge")
    assert len(task.regions) == 2


@pytest.mark.parametrize("kind", ["JSON", "JSON_MIN"])
def test_regions_without_ids_get_them(server: Server, kind: str) -> None:
    nameless = [{key: value for key, value in results()[0].items() if key != "id"}]
    export = server.export(server.annotated(nameless), kind)
    (track,) = tracks_of(export)
    assert track.id.startswith("task")
    assert track.frames.tolist() == list(range(9, 30))


def test_a_project_without_annotations_is_refused(server: Server) -> None:
    for kind in ("JSON", "JSON_MIN"):
        with pytest.raises(InputError, match="expected an annotation, found none"):
            tracks_of(server.export(server.annotated(), kind))


def proposal(facts: VideoFacts) -> tuple[Json, str, list[TrackedBox]]:
    """A task of a watched video with a track and an alarm, its interface, and the track's boxes."""
    boxes = [
        TrackedBox(1, frame, frame / 25, (5 + frame / 2, 20, 25 + frame / 2, 70), 0.8, "Man")
        for frame in range(10, 90)
    ]
    source = {"address": "/data/upload/1/0a1b2c3d-door.mp4", "source": "00"}
    alarms = [("ab12", 1.0, 2.0)]
    task = propose(track_table(boxes), alarms, facts, model_version="vigil-1", **source)
    return task, label_config(["Car", "Man"]), boxes


def test_a_watched_video_is_imported_and_corrected(server: Server) -> None:
    task, config, boxes = proposal(FACTS)
    project = server.ask("/api/projects", {"title": "watched", "label_config": config})["id"]
    server.ask(f"/api/projects/{project}/import", [task])
    (listed,) = server.ask(f"/api/tasks?project={project}&fields=all")["tasks"]
    (shown,) = server.ask(f"/api/tasks/{listed['id']}")["predictions"]
    assert shown["model_version"] == "vigil-1"
    assert shown["score"] == task["predictions"][0]["score"]
    assert shown["result"] == task["predictions"][0]["result"], "it shows what was written"
    # As the page does when a person accepts a prediction.
    accepted = {"result": shown["result"], "parent_prediction": shown["id"]}
    server.ask(f"/api/tasks/{listed['id']}/annotations", accepted)
    (exported,) = server.export(project, "JSON")
    assert exported["data"] == task["data"]
    assert [one["origin"] for one in exported["annotations"][0]["result"]] == ["prediction"] * 2
    for kind in ("JSON", "JSON_MIN"):
        (track,) = tracks_of(server.export(project, kind))
        assert track.frames.tolist() == list(range(10, 90))
        expected = np.array([box.box_xyxy for box in boxes])
        np.testing.assert_allclose(track.boxes_xyxy, expected, atol=1e-6)
