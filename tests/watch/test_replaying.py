"""Other settings on stored scores: without networks, with the differences as a result."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tiny_watch import watched_scene, watching

from vigil.plumbing.errors import InputError
from vigil.plumbing.records import read_json, write_json
from vigil.watch import replaying
from vigil.watch.replaying import changed_settings, compare, format_diff


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source with an event from 4.5 to 8.5 s and one from 12.5 to 14.5 s."""
    folder = tmp_path_factory.mktemp("watched")
    return watched_scene(folder, 18.0, lit=((5.0, 8.0), (13.0, 14.0)))


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def replay(folder: Path, changes: list[str]) -> dict[str, Any]:
    return replaying.replay(folder, changes, Path("replay"))


def test_the_same_settings_bring_the_same_events(watched: Path):
    diff = replay(watched, [])
    assert (diff["gone"], diff["new"], diff["changed"], diff["same"]) == ([], [], [], 2)


def test_a_rule_that_asks_for_more_loses_the_short_one(watched: Path):
    diff = replay(watched, ["watch.raising.raise_at=2"])
    assert [event["start_s"] for event in diff["gone"]] == [12.5]
    assert [pair["after"]["raised_s"] for pair in diff["changed"]] == [pytest.approx(6.5, abs=0.01)]
    assert "- 12.5 to 14.5 s" in format_diff(diff)
    stored = json.loads(Path("replay", watched.name, "events.json").read_text())
    assert stored["rule"]["raise_at"] == 2
    assert not (watched / "replay").exists(), "the folder may be an output of the pipeline"
    assert len(json.loads((watched / "events.json").read_text())["events"]) == 2, "nothing is lost"


def test_a_minimum_length_is_told_as_a_change(watched: Path):
    diff = replay(watched, ["watch.raising.min_duration_s=3"])
    assert [pair["after"]["suppressed"] for pair in diff["changed"]] == [
        None,  # people are message of it later
        "shorter than min_duration_s",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("watch.stride_s=1", "networks must run again"),
        ("watch.tracking.lost_s=2", "without running detector and alarm"),
        ("watch.judging.min_side_px=9", "without running detector and alarm"),
        ("watch.judging.person_label=car", "without running detector and alarm"),
        ("watch.raising.raise_up=1", "no such parameter"),
        ("watch.raising.raise_at", "expected a setting and its value"),
        ("split.seed=1", "expected a setting and its value"),
        ("watch.raising.raise_at=high", "raise_at: expected"),
        ("watch.raising.clear_at=7", "clear_at <= raise_at"),
    ],
)
def test_what_cannot_be_replayed_is_said(watched: Path, change: str, message: str):
    with pytest.raises(InputError, match=message):
        replay(watched, [change])


def test_a_run_of_an_earlier_version_is_replayed(watched: Path, tmp_path: Path):
    earlier = shutil.copytree(watched, tmp_path / "earlier")
    run = read_json(earlier / "run.json")
    del run["settings"]["judging"]["person_label"]
    write_json(run, earlier / "run.json")
    assert replay(earlier, ["watch.raising.raise_at=2"]) == replay(
        watched, ["watch.raising.raise_at=2"]
    )


def test_a_replay_takes_the_place_of_no_watched_source(watched: Path):
    with pytest.raises(InputError, match="expected another folder than that of watched"):
        replaying.replay(watched, [], watched.parent)


def test_a_folder_that_nobody_watched_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"run\.json: expected a JSON file"):
        replay(tmp_path, [])


def test_settings_of_a_run_change_by_name_alone():
    before = watching().model_dump(exclude={"root", "videos"})
    changed = changed_settings(before, ["watch.judging.least_probability=0.25"])
    assert changed.judging.least_probability == 0.25
    assert changed.raising == watching().raising


def test_an_event_that_begins_elsewhere_is_changed_and_not_new():
    event = {"id": "a", "kind": "unusual", "start_s": 1.0, "raised_s": 2.0, "end_s": 5.0,
           "peak_score": 2.0, "suppressed": None, "notified_s": 2.0}  # fmt: skip
    diff = compare([event], [{**event, "id": "b", "start_s": 2.0}])
    assert (diff["gone"], diff["new"], len(diff["changed"])) == ([], [], 1)
