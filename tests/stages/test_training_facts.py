"""What a training is remembered by: all that its result depends on, and nothing else."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import REPOSITORY, Outcome, Project

from vigil.domain.clips.evidence.embeddings import Embedding, read_embeddings, write_embeddings
from vigil.domain.clips.evidence.pieces import Pieces
from vigil.domain.clips.windows import read_labels, read_windows, write_windows
from vigil.domain.samples.index import array_path, read_index
from vigil.domain.sides import read_side, write_sides
from vigil.learn.alarm.network.embedding.registry import imports_of_others
from vigil.learn.alarm.training import assembly as alarm_assembly
from vigil.learn.classifier.training import assembly as classifier_assembly
from vigil.learn.detector.training import assembly as detector_assembly
from vigil.learn.networks.weights import save_model
from vigil.plumbing import fingerprints
from vigil.plumbing.closure import closure_of, module_file
from vigil.plumbing.state import fingerprint

Run = Callable[..., Outcome]
ASSEMBLIES = (alarm_assembly, classifier_assembly, detector_assembly)


@pytest.fixture
def facts_of(
    run_stage: Run, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Project, str], dict[str, Any]]:
    """The facts that a training stage hands over; nothing trains."""
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")
    told: list[Mapping[str, Any]] = []

    def note(branch: str, facts: Mapping[str, Any], _: Any, results: Mapping[str, Path]) -> None:
        told.append(facts)
        if branch in {"alarm", "detector"}:  # which add to what their trainings wrote
            save_model({"autoencoder.x": torch.zeros(1)}, {"training": {}}, *_files(results))

    for assembly in ASSEMBLIES:
        monkeypatch.setattr(assembly, "train_once", note)

    def run(project: Project, stage: str) -> dict[str, Any]:
        outcome = run_stage(project, stage)
        assert outcome.code == 0, outcome.stderr
        fingerprint(told[-1])  # is plain values
        return dict(told[-1])

    return run


def _files(results: Mapping[str, Path]) -> tuple[Path, Path]:
    return results["weights"], results["card"]


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> set[str]:
    assert one.keys() == other.keys()
    return {name for name in one if one[name] != other[name]}


@pytest.fixture
def crops(project_before: Callable[[str], Project], run_stage: Run) -> Project:
    project = project_before("split_classifier")
    assert run_stage(project, "split_classifier").code == 0
    return project


@pytest.mark.parametrize("side", ["train", "val", "test"])
def test_crops_that_are_learnt_from_count_and_those_that_test_do_not(
    crops: Project, facts_of: Callable[[Project, str], dict[str, Any]], side: str
) -> None:
    before = facts_of(crops, "train_classifier")
    assert facts_of(crops, "train_classifier") == before
    folder = crops.folder / "data/samples"
    sample = read_index(folder).loc[read_side(crops.folder / f"data/splits/classifier/{side}.json")]
    path = array_path(folder, sample["video"].iloc[0])
    array = np.load(path)
    array[sample["row"].iloc[0], -1, -1, -1] ^= 1
    np.save(path, array)
    assert differing(before, facts_of(crops, "train_classifier")) == {side} - {"test"}


def test_labels_and_the_order_of_crops_count(
    crops: Project, facts_of: Callable[[Project, str], dict[str, Any]]
) -> None:
    before = facts_of(crops, "train_classifier")
    side = crops.folder / "data/splits/classifier/train.json"
    ids = json.loads(side.read_text())
    side.write_text(json.dumps(ids[::-1]))
    assert differing(before, facts_of(crops, "train_classifier")) == {"train"}
    side.write_text(json.dumps(ids))
    index = crops.folder / "data/samples/index.csv"
    table = pd.read_csv(index)
    row = read_index(index.parent).index.get_loc(ids[0])
    (label,) = set(table["label"]) - {table.loc[row, "label"]}
    table.loc[row, "label"] = label
    table.to_csv(index, index=False)
    assert differing(before, facts_of(crops, "train_classifier")) == {"train"}


@pytest.fixture
def pictures(crops: Project, run_stage: Run) -> Project:
    assert run_stage(crops, "split_detector").code == 0
    return crops


@pytest.mark.parametrize("side", ["train", "val", "test"])
@pytest.mark.parametrize("change", ["box", "crowd", "pixels"])
def test_pictures_and_boxes_that_are_learnt_from_count_and_those_that_test_do_not(
    pictures: Project, facts_of: Callable[[Project, str], dict[str, Any]], side: str, change: str
) -> None:
    before = facts_of(pictures, "train_detector")
    assert facts_of(pictures, "train_detector") == before
    name = read_side(pictures.folder / f"data/splits/detector/{side}.json")[0]
    path = pictures.folder / "data/detection/instances.json"
    content = json.loads(path.read_text())
    (number,) = (image["id"] for image in content["images"] if image["file_name"] == name)
    box = next(one for one in content["annotations"] if one["image_id"] == number)
    if change == "box":
        box["bbox"][2] -= 1
    elif change == "crowd":
        box["iscrowd"] = 1
    path.write_text(json.dumps(content))
    if change == "pixels":  # though instances.json still tells of the old ones
        archive, entry = name.split(".zip/")
        repack(pictures.folder / f"data/frames/{archive}.zip", entry)
    assert differing(before, facts_of(pictures, "train_detector")) == {side} - {"test"}


def repack(archive: Path, entry: str) -> None:
    """Changes the comment in one JPEG of an archive."""
    import zipfile

    with zipfile.ZipFile(archive) as file:
        content = {name: file.read(name) for name in file.namelist()}
    jpeg = content[entry]
    content[entry] = jpeg[:2] + b"\xff\xfe\x00\x03!" + jpeg[2:]
    with zipfile.ZipFile(archive, "w") as file:
        for name, one in content.items():
            file.writestr(name, one)


def test_what_a_detector_starts_from_counts(
    pictures: Project, facts_of: Callable[[Project, str], dict[str, Any]]
) -> None:
    before = facts_of(pictures, "train_detector")
    pictures.set_params("train_detector", seed=1)
    assert differing(before, facts_of(pictures, "train_detector")) == {"params", "start"}


@pytest.mark.parametrize(
    ("architecture", "name", "value", "counts"),
    [
        ("grid", "anchor.sizes_px", [16.0], False),
        ("grid", "anchor.head_width", 32, False),
        ("grid", "grid.reach_cells", 0.75, True),
        ("grid", "features.neck_width", 48, True),
        ("grid", "frames.step_s", 0.7, False),
        ("yolox_nano", "features.neck_width", 48, False),
        ("yolox_nano", "loss.box_weight", 3.0, True),
        ("anchor", "grid.reach_cells", 0.75, False),
        ("anchor", "anchor.head_width", 32, True),
        ("anchor", "anchor.ratios", [1.0], True),
        ("ssdlite320_mobilenet_v3_large", "loss.box_weight", 3.0, False),
        ("ssdlite320_mobilenet_v3_large", "features.neck_width", 48, False),
        ("ssdlite320_mobilenet_v3_large", "optimisation.learning_rate", 0.5, True),
    ],
)
def test_parameters_of_other_architectures_do_not_count(
    pictures: Project,
    facts_of: Callable[[Project, str], dict[str, Any]],
    architecture: str,
    name: str,
    value: Any,
    counts: bool,
) -> None:
    pictures.set_params("train_detector", architecture=architecture)
    pictures.set_params("train_detector.anchor", num_sizes=1)
    before = facts_of(pictures, "train_detector")
    block, key = name.split(".")
    pictures.set_params(f"train_detector.{block}", **{key: value})
    assert ("params" in differing(before, facts_of(pictures, "train_detector"))) == counts


@pytest.mark.parametrize(
    ("stage", "module", "counts"),
    [
        ("train_classifier", "learn.classifier.network.crop_transformer", True),
        ("train_classifier", "learn.classifier.training.augmentation", True),
        ("train_classifier", "learn.training.loop", True),
        ("train_classifier", "settings.training", True),
        ("train_classifier", "learn.classifier.trained", False),
        ("train_classifier", "learn.detector.network.grid", False),
        ("train_detector", "learn.detector.network.grid", True),
        ("train_detector", "learn.pictures.trunk", True),
        ("train_detector", "domain.measures.detector", True),
        ("train_detector", "pixels.fitting", True),
        ("train_detector", "learn.detector.trained", False),
        ("train_detector", "learn.detector.network.anchor", False),
        ("train_detector", "learn.detector.network.matching", False),
        ("train_detector", "learn.detector.network.torchvision_detectors", False),
        ("train_detector", "plumbing.progress", False),
    ],
)
def test_code_that_trains_counts_and_other_code_does_not(
    pictures: Project,
    facts_of: Callable[[Project, str], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    module: str,
    counts: bool,
) -> None:
    before = facts_of(pictures, stage)
    edited, digest = module_file(f"vigil.{module}"), fingerprints.code_digest
    assert edited is not None
    monkeypatch.setattr(
        fingerprints, "code_digest", lambda file: "edited" if file == edited else digest(file)
    )
    assert differing(before, facts_of(pictures, stage)) == ({"code"} if counts else set())


def test_code_of_the_kind_of_detector_counts(
    pictures: Project,
    facts_of: Callable[[Project, str], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pictures.set_params("train_detector", architecture="anchor")
    pictures.set_params("train_detector.anchor", num_sizes=1)
    before = facts_of(pictures, "train_detector")
    digest = fingerprints.code_digest
    for name, counts in (("anchor", True), ("matching", True), ("grid", False)):
        edited = module_file(f"vigil.learn.detector.network.{name}")
        with monkeypatch.context() as patch:
            patch.setattr(
                fingerprints,
                "code_digest",
                lambda file, own=edited: "x" if file == own else digest(file),
            )
            found = differing(before, facts_of(pictures, "train_detector"))
        assert found == ({"code"} if counts else set()), name


@pytest.fixture
def embeddings(untouched_project: Project, tmp_path: Path) -> Project:
    """Vectors of 10 clips: 4 train, 3 validate, one of them anomalous, and 3 test."""
    project = Project(tmp_path / "project")
    (project.folder / "scene/clips").mkdir(parents=True)
    project.write_params(untouched_project.params)
    project.set_params("dataset", clips="scene/clips")
    sides = ["train"] * 4 + ["val"] * 3 + ["test"] * 3
    clips = [f"a/{number}.mp4" for number in range(10)]
    index = pd.DataFrame(
        {
            "video": clips,
            "start_s": 0.0,
            "stop_s": np.inf,
            "digest": "0",
            "clip": clips,
            "class": "a",
            "source": [f"s{number}" for number in range(10)],
            "is_anomalous": [False] * 6 + [True] * 4,
        }
    )
    for name in ("clips", "embeddings"):
        (project.folder / "data" / name).mkdir(parents=True)
    write_windows(index, project.folder / "data/clips")
    (project.folder / "data/splits").mkdir()
    write_sides(pd.Series(sides, index=clips), project.folder / "data/splits/alarm")
    vectors = np.random.default_rng(0).normal(size=(10, 8)).astype(np.float32)
    project.set_params("fit_alarm.scorers", motion_histogram=["autoencoder"])
    write_evidence(project, "motion_histogram", index, vectors)
    return project


def write_evidence(
    project: Project, channel: str, index: pd.DataFrame, vectors: np.ndarray, **facts: Any
) -> None:
    """One piece a window, of the whole picture."""
    folder = project.folder / "data/embeddings"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    spans = np.tile([0.0, 1.0], (len(index), 1))
    boxes, sizes = np.zeros((len(index), 4)), np.ones((len(index), 2))
    pieces = Pieces(vectors, boxes, spans, sizes)
    told = {"channel": channel, **facts}
    own = Embedding(index.assign(num_pieces=1).reset_index(drop=True), pieces, told)
    write_embeddings({channel: own}, folder)


def set_label(project: Project, row: int, **values: Any) -> None:
    folder = project.folder / "data/clips"
    windows = read_windows(folder / "windows.csv").merge(read_labels(folder / "labels.csv"))
    for name, value in values.items():
        windows.loc[row, name] = value
    write_windows(windows, folder)


@pytest.mark.parametrize(
    ("row", "change", "expected"),
    [
        (0, "vector", {"vectors"}),
        (4, "vector", {"vectors"}),
        (6, "vector", set()),
        (7, "vector", set()),
        (0, "is_anomalous", {"vectors"}),
        (0, "class", set()),
        (4, "source", set()),
        (0, "facts", {"embeddings"}),
        (9, "gone", set()),
        (5, "gone", {"vectors"}),
    ],
)
def test_vectors_that_are_learnt_from_count_and_others_do_not(
    embeddings: Project,
    facts_of: Callable[[Project, str], dict[str, Any]],
    row: int,
    change: str,
    expected: set[str],
) -> None:
    before = facts_of(embeddings, "fit_alarm")
    assert facts_of(embeddings, "fit_alarm") == before
    folder = embeddings.folder / "data/embeddings"
    own = read_embeddings(folder)["motion_histogram"]
    index, vectors, facts = own.index, own.pieces.vectors, {}
    if change == "vector":
        vectors[row, 3] += 1
    elif change == "facts":
        facts["options"] = "others"
    elif change == "gone":
        index, vectors = index.drop(index=row), np.delete(vectors, row, axis=0)
    else:
        set_label(embeddings, row, **{change: True if change == "is_anomalous" else "other"})
    write_evidence(embeddings, "motion_histogram", index, vectors, **facts)
    assert differing(before, facts_of(embeddings, "fit_alarm")) == expected


def test_sides_that_change_places_count(
    embeddings: Project, facts_of: Callable[[Project, str], dict[str, Any]]
) -> None:
    before = facts_of(embeddings, "fit_alarm")
    splits = embeddings.folder / "data/splits/alarm"
    train, val = (read_side(splits / f"{side}.json") for side in ("train", "val"))
    (splits / "train.json").write_text(json.dumps([*train[1:], val[0]]))
    (splits / "val.json").write_text(json.dumps([train[0], *val[1:]]))
    assert differing(before, facts_of(embeddings, "fit_alarm")) == {"vectors"}


def test_how_to_tune_counts_only_where_it_tunes(
    embeddings: Project, facts_of: Callable[[Project, str], dict[str, Any]]
) -> None:
    before = facts_of(embeddings, "fit_alarm")
    embeddings.set_params("fit_alarm.fine_tuning", learning_rate=0.1)
    assert facts_of(embeddings, "fit_alarm") == before


@pytest.mark.parametrize("script", ["stages/embed_clips.py", "stages/fit_alarm.py"])
@pytest.mark.parametrize(
    ("backbone", "own"),
    [
        *(("r2plus1d_18", "torchvision_video"), ("s3d", "torchvision_video")),
        *(("timesformer", "timesformer"), ("x3d_s", "pytorchvideo_hub")),
    ],
)
def test_code_of_other_backbones_does_not_count(script: str, backbone: str, own: str) -> None:
    code = closure_of(REPOSITORY / script, imports_of_others(backbone))
    kinds = {"torchvision_video", "timesformer", "pytorchvideo_hub"}
    assert {file.stem for file in code} & kinds == {own}


def test_code_that_tunes_counts_only_where_it_tunes(
    embeddings: Project,
    facts_of: Callable[[Project, str], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clips = embeddings.folder / "scene/clips/a"
    clips.mkdir()
    for number in range(10):
        (clips / f"{number}.mp4").write_bytes(b"frames")
    folder = embeddings.folder / "data/embeddings"
    own = read_embeddings(folder)["motion_histogram"]
    write_evidence(embeddings, "appearance", own.index, own.pieces.vectors, backbone="r2plus1d_18")
    embeddings.set_params("embed_clips", channels=["appearance"])
    embeddings.set_params("fit_alarm.scorers", appearance=["autoencoder"])
    digest = fingerprints.code_digest
    for from_epoch in (0, 1):
        embeddings.set_params("fit_alarm.fine_tuning", from_epoch=from_epoch)
        before = facts_of(embeddings, "fit_alarm")
        for name in (
            "learn.alarm.training.fine_tuning",
            "learn.alarm.training.frames",
            "learn.alarm.network.embedding.embedder",
            "learn.alarm.network.embedding.sampling",
        ):
            edited = module_file(f"vigil.{name}")
            assert edited is not None
            with monkeypatch.context() as patch:
                patch.setattr(
                    fingerprints,
                    "code_digest",
                    lambda file, own=edited: "x" if file == own else digest(file),
                )
                found = differing(before, facts_of(embeddings, "fit_alarm"))
            assert found == ({"code"} if from_epoch else set()), name
    (clips / "0.mp4").write_bytes(b"other frames")
    assert differing(before, facts_of(embeddings, "fit_alarm")) == {"clips"}
    (clips / "9.mp4").write_bytes(b"other frames")  # tests
    again = facts_of(embeddings, "fit_alarm")
    (clips / "0.mp4").write_bytes(b"frames")
    assert differing(before, facts_of(embeddings, "fit_alarm")) == set()
    assert differing(before, again) == {"clips"}


def test_a_model_built_twice_starts_the_same(
    pictures: Project, facts_of: Callable[[Project, str], dict[str, Any]]
) -> None:
    """Whatever was drawn before."""
    before = facts_of(pictures, "train_detector")
    torch.rand(3)
    assert facts_of(pictures, "train_detector") == before
