"""A watched source as a task for Label Studio, and the task read back by the pipeline."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_settings import shipped
from tiny_watch import FPS, models, scene_picture, watching, write_scene

from vigil.domain.boxes import CORNERS
from vigil.domain.label_studio.names import match_videos
from vigil.domain.label_studio.reading import parse_export
from vigil.domain.thinning import is_near
from vigil.domain.tracking.table import read_track_table
from vigil.domain.tracks import read_tracks
from vigil.pixels.frames import extract_frames
from vigil.pixels.importing.tracks import Annotator
from vigil.plumbing.errors import InputError
from vigil.plumbing.memo import tree_digest
from vigil.settings.interpolate_annotations import InterpolateAnnotations
from vigil.settings.watch import Watch
from vigil.watch.recording import Recorder
from vigil.watch.results.proposing import address_of


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))


def watch(video: Path, target: Path, **changes: object) -> Path:
    digests = {"detector.safetensors": "0" * 64}
    Recorder(digests, models, watching(**changes), Fraction(FPS)).watch(video, target)
    return target


def test_the_pipeline_reads_the_tracks_of_people_again(tmp_path: Path) -> None:
    video = write_scene(tmp_path / "door one.mp4")
    folder = watch(video, tmp_path / "watched")
    export: Any = json.loads((folder / "label_studio.json").read_text())
    assert export[0]["data"] == {
        "video": "/data/local-files/?d=door%20one.mp4",
        "fps": 10.0,
        "source_sha256": tree_digest(video),
        "first_frame_s": 0.0,
    }
    tasks = parse_export(export, "e", labels=["human"], use_predictions=True)
    task = match_videos(tasks, ["door one.mp4"], "e")["door one.mp4"]
    extract_frames(video, tmp_path / f"{video.name}.zip", jpeg_quality=90)
    annotator = Annotator(tmp_path / "e", shipped(InterpolateAnnotations))
    (tmp_path / "read").mkdir()
    ((_, report),) = annotator.annotate({video.name: task}, tmp_path, tmp_path / "read")
    assert report["annotator_fps"] == FPS
    assert not [text for text in report["warnings"] if "frames a second" in text]
    (track,) = read_tracks(tmp_path / "read" / video.name / "ieos_vid_labels")
    rows = read_track_table(folder / "tracks.csv")
    person = rows[rows["track_id"] == int(track.id.removeprefix("track_"))]
    assert track.frames.tolist() == person["frame_index"].tolist()
    assert is_near(track.boxes_xyxy, person[CORNERS].to_numpy(np.float64)).all()


def test_a_refused_track_is_not_proposed_and_an_alarm_is(tmp_path: Path) -> None:
    video = write_scene(tmp_path / "door.mp4")
    kinds = {}
    for least in (0.5, 0.0):
        folder = watch(video, tmp_path / f"w{least}", **{"judging.least_probability": least})
        (task,) = json.loads((folder / "label_studio.json").read_text())
        results = task["predictions"][0]["result"]
        kinds[least] = [result["type"] for result in results]
        events = json.loads((folder / "events.json").read_text())["events"]
        assert results[-1]["id"] == f"event_{events[0]['id']}"
    assert kinds == {
        0.5: ["videorectangle", "timelinelabels"],
        0.0: ["videorectangle"] * 2 + ["timelinelabels"],
    }


def test_the_interface_names_all_classes_of_the_detector(tmp_path: Path) -> None:
    video = write_scene(tmp_path / "door.mp4", lit=())
    text = (watch(video, tmp_path / "watched") / "label_config.xml").read_text()
    assert 'framerate="$fps"' in text
    assert '<Label value="human"/>' in text


def test_numbered_pictures_are_expected_as_a_video_of_their_name(tmp_path: Path) -> None:
    from PIL import Image

    pictures = tmp_path / "yard"
    pictures.mkdir()
    for index in range(40):
        Image.fromarray(scene_picture(index)).save(pictures / f"{index:04d}.png")
    (task,) = json.loads((watch(pictures, tmp_path / "w") / "label_studio.json").read_text())
    assert task["data"]["video"] == "/data/local-files/?d=yard.mp4"
    (read,) = parse_export([task], "e", labels=["human"], use_predictions=True)
    assert match_videos([read], ["yard"], "e").keys() == {"yard"}


@pytest.mark.parametrize(
    ("changes", "address"),
    [
        ({}, "/data/local-files/?d=a%20%26%20b.mp4"),
        ({"folder": "cams/ü"}, "/data/local-files/?d=cams/%C3%BC/a%20%26%20b.mp4"),
        ({"address": "upload", "folder": "7"}, "/data/upload/7/a%20%26%20b.mp4"),
    ],
)
def test_an_address_leads_to_its_video(changes: dict[str, str], address: str) -> None:
    found = address_of("a & b.mp4", False, watching(proposals=changes).proposals)
    assert found == address
    export = [{"id": 1, "data": {"video": found}, "predictions": [{"result": []}]}]
    tasks = parse_export(export, "e", labels=["human"], use_predictions=True)
    assert match_videos(tasks, ["a & b.mp4"], "e").keys() == {"a & b.mp4"}


@pytest.mark.parametrize("folder", ["/etc", "a//b", "../up", "a/.", "a\\b", "a/"])
def test_a_folder_that_is_none_is_refused(folder: str) -> None:
    with pytest.raises(InputError, match=r"proposals\.folder: expected a folder"):
        shipped(Watch, **{"proposals.folder": folder})
