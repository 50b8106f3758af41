"""Corrections of annotators come back into the annotations, on the side of their video."""

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from tiny_project import VIDEOS, Project, task_of, write_video

from vigil.domain.sides import SIDES
from vigil.domain.watched import read_truth
from vigil.plumbing.errors import InputError
from vigil.plumbing.memo import tree_digest
from vigil.plumbing.records import write_json
from vigil.review.params_edit import changed_params
from vigil.review.pulling import Request, carry_out, describe, plan_pull

Json = dict[str, Any]
SCENE = Path("data/scene")
EXPORT = SCENE / "export.json"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def project(made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project in the current folder with a split of its videos: one on each side."""
    monkeypatch.chdir(made.folder)
    changing = ("params.yaml", "data", "splits")
    for name in changing:
        copy(Path(name), tmp_path / name)
    for branch, ending in (("classifier", "/3"), ("detector", ".zip/000003.jpg")):
        for side, video in zip(SIDES, VIDEOS, strict=True):
            write_json([f"{video}{ending}"], Path(f"data/splits/{branch}/{side}.json"))
    yield made
    for name in changing:
        copy(tmp_path / name, Path(name))


def copy(source: Path, target: Path) -> None:
    if source.is_file():
        shutil.copy(source, target)
        return
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


def corrected(number: int = 0, video: str = "", **changes: Any) -> Json:
    """A task as a person corrected it: one keyframe moved, of a proposal."""
    video = video or VIDEOS[number]
    task = task_of(video, number)
    result = task["annotations"][0]["result"]
    proposal = {"id": 5, "model_version": "vigil-0", "result": json.loads(json.dumps(result))}
    result[0]["value"]["sequence"][1]["x"] += 1.0
    task["data"] = {
        "video": f"/data/local-files/?d={video}",
        "fps": 12.0,
        "source_sha256": tree_digest(SCENE / "videos" / video),
    }
    return task | {"id": 900 + number, "predictions": [proposal], **changes}


def export_of(*tasks: Json) -> Path:
    write_json(list(tasks), Path("corrected.json"))
    return Path("corrected.json")


def pull(*tasks: Json, **options: Any) -> str:
    plan = plan_pull(Path.cwd(), Request([export_of(*tasks)], **options))
    carry_out(plan)
    return describe(plan)


def test_a_correction_replaces_the_task_of_its_video_and_keeps_its_id(project: Project) -> None:
    before = json.loads(EXPORT.read_text())
    told = pull(corrected(0))
    after = json.loads(EXPORT.read_text())
    assert [task["id"] for task in after] == [task["id"] for task in before]
    assert after[1:] == before[1:]
    moved = after[0]["annotations"][0]["result"][0]["value"]["sequence"]
    assert moved[1]["x"] == pytest.approx(task_x(before[0]) + 1)
    assert f"{VIDEOS[0]} (train): keyframes: 0 person, 1 machine, 1 changed, 0 removed" in told
    origins = pd.read_csv(SCENE / "corrections.csv")
    assert origins["origin"].tolist() == ["machine", "changed"]


def task_x(task: Json) -> float:
    x: float = task["annotations"][0]["result"][0]["value"]["sequence"][1]["x"]
    return x


def test_it_says_what_reruns_before_anything_is_written(project: Project) -> None:
    before = EXPORT.read_bytes(), Path("params.yaml").read_bytes()
    plan = plan_pull(Path.cwd(), Request([export_of(corrected(0))]))
    told = describe(plan)
    assert (EXPORT.read_bytes(), Path("params.yaml").read_bytes()) == before
    first, further = plan.reruns
    assert set(first) == {
        "interpolate_annotations",
        *(f"split@{branch}" for branch in ("classifier", "detector", "segmenter", "alarm")),
    }
    assert {"train_classifier", "train_detector", "evaluate@detector"} <= set(further)
    assert "extract_frames" not in first + further
    assert "dvc repro reruns: interpolate_annotations" in told


def test_all_videos_keep_their_sides_for_ever(project: Project) -> None:
    pull(corrected(0))
    given = yaml.safe_load(Path("params.yaml").read_text())["split"]["given"]
    for branch in ("classifier", "detector"):
        ledger = pd.read_csv(given[branch], index_col="name")["side"]
        assert ledger.to_dict() == dict(zip(VIDEOS, SIDES, strict=True))
    # Another pull keeps the sides, although the folder of the split says otherwise by now.
    write_json([f"{VIDEOS[0]}/3"], Path("data/splits/classifier/test.json"))
    told = pull(corrected(0), corrected(1))
    assert f"{VIDEOS[0]} (train)" in told
    assert "params.yaml" not in told


def test_a_new_video_needs_a_side_and_gets_a_new_task(project: Project) -> None:
    write_video(SCENE / "videos" / "d.mp4", 3)
    project.change("dataset", videos=[*VIDEOS, "d.mp4"])
    with pytest.raises(InputError, match=r"d\.mp4: expected --side \(train, val, test\)"):
        pull(corrected(3, "d.mp4"))
    told = pull(corrected(3, "d.mp4"), side="train")
    assert "d.mp4 (train)" in told
    assert [task["id"] for task in json.loads(EXPORT.read_text())] == [1, 2, 3, 4]
    for branch in ("classifier", "detector"):
        text = Path(f"splits/reviewed_{branch}.csv").read_text()
        assert "d.mp4,train" in text
    with pytest.raises(InputError, match=r"d\.mp4: expected no other side than train"):
        pull(corrected(3, "d.mp4"), side="val")


def test_a_video_that_measures_watching_is_never_trained_on(project: Project) -> None:
    write_video(SCENE / "videos" / "d.mp4", 3)
    Path("long").mkdir()
    (Path("long") / "gate.mp4").write_bytes((SCENE / "videos" / "d.mp4").read_bytes())
    write_json({"gate.mp4": {"events": [], "tracks": None}}, Path("truth.json"))
    project.change("dataset", videos=[*VIDEOS, "d.mp4"])
    project.change("watch", root="long", videos=[])
    project.change("evaluate.watch", truth="truth.json")
    with pytest.raises(InputError, match=r"expected --side test, got train: it is gate\.mp4"):
        pull(corrected(3, "d.mp4"), side="train")


def test_the_test_side_is_corrected_only_when_asked_for(project: Project) -> None:
    before = EXPORT.read_bytes()
    with pytest.raises(InputError, match="got one of the test side; --evaluation"):
        pull(corrected(2))
    assert EXPORT.read_bytes() == before
    told = pull(corrected(2), corrects_test=True)
    assert f"{VIDEOS[2]} (test)" in told
    ledger = pd.read_csv("splits/reviewed_classifier.csv", index_col="name")["side"]
    assert ledger[VIDEOS[2]] == "test"


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([{"data": {"video": "/data/upload/1/0a1b2c3d-other.mp4"}}], "export of another project"),
        ([{"data": {"video": VIDEOS[0], "source_sha256": "0" * 64}}], "video of other content"),
        ([{}, {"id": 77}], "expected one task for each video, got several for a one"),
        ([{"annotations": []}], "expected a finished annotation, found none"),
        ([{"predictions": [7]}], "got only their ids, and found no nowhere"),
    ],
)
def test_what_is_refused_changes_nothing(project: Project, tasks: list[Json], message: str) -> None:
    before = EXPORT.read_bytes()
    with pytest.raises(InputError, match=message) as caught:
        pull(*(corrected(0, **changes) for changes in tasks), watched=Path("nowhere"))
    assert "\n" not in str(caught.value)
    assert EXPORT.read_bytes() == before
    assert not Path("splits/reviewed_classifier.csv").exists()


def test_a_video_on_several_sides_is_refused(project: Project) -> None:
    write_json([f"{VIDEOS[0]}/9"], Path("data/splits/classifier/val.json"))
    with pytest.raises(InputError, match="got several sides for a one"):
        pull(corrected(0))


def test_an_export_that_a_stage_makes_is_refused(project: Project) -> None:
    project.change("dataset", root="data/demo", annotations="annotations.json")
    with pytest.raises(InputError, match=r"annotations\.json: .* got an output of .*make_demo"):
        pull(corrected(0))


def test_an_export_without_predictions_is_compared_with_the_watched_source(
    project: Project,
) -> None:
    task = corrected(0)
    stored = {"data": task["data"], "predictions": task.pop("predictions")}
    write_json([stored], Path("w") / VIDEOS[0] / "label_studio.json")
    assert "1 machine, 1 changed" in pull(task, watched=Path("w"))


def test_tasks_that_nobody_annotated_are_counted(project: Project) -> None:
    told = pull(corrected(0), corrected(1, annotations=[]))
    assert "left out: 1 tasks without a finished annotation" in told


def test_the_command_says_and_does_or_only_says(project: Project) -> None:
    words = ["python", "-m", "vigil", "review", "pull", str(export_of(corrected(0)))]
    before = EXPORT.read_bytes()
    assert "dvc repro reruns" in project.run(*words, "--dry-run")
    assert EXPORT.read_bytes() == before
    assert f"{EXPORT} is written" in project.run(*words)
    assert EXPORT.read_bytes() != before
    status = project.run("dvc", "status", "interpolate_annotations")
    assert "data/scene/export.json" in status


def test_params_keep_their_comments_and_layout() -> None:
    text = "a: # block\n  b: x # why\n  c: [1,\n    2] # list\nd:\n  - 1\n  - 2\ne: 3\n"
    new = changed_params(text, {"a.b": "y", "a.c": [], "d": []})
    assert new == 'a: # block\n  b: "y" # why\n  c: [] # list\nd:\n  []\ne: 3\n'
    assert yaml.safe_load(new) == {"a": {"b": "y", "c": []}, "d": [], "e": 3}
    with pytest.raises(InputError, match=r"a\.z: expected this parameter"):
        changed_params(text, {"a.z": 1})


def with_event(task: Json, *frames: tuple[int, int]) -> Json:
    ranges = [{"start": start, "end": end} for start, end in frames]
    value = {"ranges": ranges, "timelinelabels": ["unusual"]}
    task["annotations"][0]["result"].append({"id": "e", "type": "timelinelabels", "value": value})
    return task


def test_events_in_videos_of_the_test_side_measure_watching(project: Project) -> None:
    told = pull(with_event(corrected(0), (1, 12)))
    assert f"{VIDEOS[0]} (train): unusual events: 1, of no use, since the alarm learns" in told
    told = pull(corrected(0))  # a person removed a false alarm
    assert f"{VIDEOS[0]} (train): unusual events: 0, so it is allowed behaviour: for vigil" in told
    file = SCENE / "corrected_events.json"
    assert not file.exists()
    told = pull(with_event(corrected(2), (13, 24), (37, 40)), corrects_test=True)
    assert f"{VIDEOS[2]} (test): unusual events: 2, written to {file}" in told
    events = read_truth(file)[VIDEOS[2]].events
    assert events.values.tolist() == [["unusual", 1.0, 2.0], ["unusual", 3.0, 3.333]]
    pull(corrected(2), corrects_test=True)  # a person removed them
    assert read_truth(file)[VIDEOS[2]].events.empty
    known = json.loads(file.read_text())
    write_json({**known, "other.mp4": {"events": []}}, file)
    pull(with_event(corrected(2), (1, 2)), corrects_test=True)
    assert set(read_truth(file)) == {VIDEOS[2], "other.mp4"}


def spans_of(ends: Sequence[int], task: Json) -> Json:
    """The task with an annotation for each end of a span of the timeline, and equal boxes."""
    (first,) = task["annotations"]
    task["annotations"] = []
    for number, end in enumerate(ends):
        value = {"ranges": [{"start": 1, "end": end}], "timelinelabels": ["fall"]}
        result = [*first["result"], {"id": "s", "type": "timelinelabels", "value": value}]
        task["annotations"].append(first | {"id": number + 1, "result": result})
    return task


def test_annotators_may_differ_on_events_that_train_nothing(project: Project) -> None:
    assert "unusual events: 1" in pull(spans_of([20, 21], corrected(0)))
    task = spans_of([20, 21], corrected(0))
    del task["annotations"][-1]["result"][-1]  # the newest annotation has no event, the other one
    task["annotations"][0]["result"][0]["value"]["sequence"][0]["x"] += 1.0  # other boxes, too
    project.change("interpolate_annotations", annotators="newest")
    assert "unusual events: 1" in pull(task)


def test_annotators_who_differ_on_events_that_measure_are_refused(project: Project) -> None:
    before = EXPORT.read_bytes()
    with pytest.raises(InputError, match="alike on the timeline"):
        pull(spans_of([20, 21], corrected(2)), corrects_test=True)
    assert EXPORT.read_bytes() == before
