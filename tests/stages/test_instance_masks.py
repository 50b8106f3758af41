"""From instance-index pictures to a detector with masks and its measures, stage by stage."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import COMMANDS, LEARNT, REAL, Outcome, Project, init_git, run_here
from pycocotools import mask as coco
from pycocotools.coco import COCO

from vigil.domain.boxes import CORNERS
from vigil.domain.detections import Detections, as_table, read_results
from vigil.domain.masks.masked import read_masked
from vigil.domain.pictures.annotated import COUNTS, read_annotated
from vigil.domain.pictures.run_lengths import masks_of
from vigil.learn.detector.training.assembly import _mask_measure
from vigil.plumbing.errors import InputError
from vigil.review.mask_proposals import propose

Run = Callable[..., Outcome]
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
"""pycocotools asks numpy in an old way."""
WIDTH, HEIGHT = 64, 48
NUM_PICTURES = 14
IMPORT_MASKS = (
    *("--annotations", "set/masks", "--images", "set/pictures"),
    *("--known", "data/masks", "--report", "data/mask_report"),
)
IMPORT = (
    *("--annotations", "data/masks/instances.json", "--images", "set/pictures"),
    *("--detections", "data/detection", "--report", "data/detection_report"),
)
STAGES = ("train_detector", "predict_detector", "pick_score", "evaluate_detector")


def objects_in(number: int) -> np.ndarray:
    """(HEIGHT, WIDTH): 0, and 1 and 2 for two people side by side."""
    values = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(values, (16 + number % 5, 22 + number % 3), (9, 17), 0, 0, 360, 1, -1)
    cv2.ellipse(values, (46 - number % 4, 26 - number % 6), (8, 15), 0, 0, 360, 2, -1)
    return values


def write(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, picture)[1].tobytes())


def words_of(stage: str) -> list[str]:
    words = {**COMMANDS, **LEARNT}[stage]
    return [word.replace("data/frames", "set/pictures") for word in words]


def fill(project: Project) -> None:
    """Writes pictures and masks, and parameters for a training of seconds."""
    colours = np.array([[90, 90, 90], [40, 60, 220], [40, 60, 220]], np.uint8)
    for number in range(NUM_PICTURES):
        values = objects_in(number)
        write(project.folder / f"set/pictures/p{number:02}.png", colours[values])
        write(project.folder / f"set/masks/p{number:02}_mask.png", values)
    data = {"root": "set/masks", "images": "set/pictures"}
    project.set_params("dataset.masks", **data, format="instances", classes=["person"])
    project.set_params("dataset.detection", root="x", images="y", format="masks", classes=[])
    project.set_params("train_detector", masks=True, monitor="val_segm_map", ema_decay=0.8)
    project.set_params("train_detector.features", neck_width=32)
    project.set_params("train_detector.anchor", head_width=32, num_sizes=2, ratios=[2.0])
    project.set_params("train_detector.fitting", max_epochs=9, batch_size=4, precision="32-true")
    project.set_params("train_detector.augmentation", max_scale=1.1, mosaic_probability=0.2)
    project.set_params("split", val_fraction=0.2, test_fraction=0.3)
    init_git(project)


def run_stages(project: Project, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("VIGIL_DEVICE", "cpu")
    patch.setenv("VIGIL_THREADS", "1")
    for stage, words in (
        ("import_masks", IMPORT_MASKS),
        ("import_detections", IMPORT),
        ("split_detector", words_of("split_detector")),
        *((stage, words_of(stage)) for stage in STAGES),
    ):
        assert run_here(project, stage, words, patch) == 0, stage


@pytest.fixture(scope="module")
def finished(untouched_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """All stages of the branch, with a small network. Do not change it."""
    project = Project(tmp_path_factory.mktemp("instance_masks") / "project")
    shutil.copytree(untouched_project.folder, project.folder)
    fill(project)
    with pytest.MonkeyPatch.context() as patch:
        run_stages(project, patch)
    return project


@pytest.fixture
def copied(finished: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy whose parameters and files may be changed, with nothing trained."""
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")
    monkeypatch.setenv("VIGIL_THREADS", "1")
    shutil.copytree(finished.folder, tmp_path / "project")
    project = Project(tmp_path / "project")
    for name in ("models", "data/predictions", "metrics"):
        shutil.rmtree(project.folder / name)
    return project


def test_boxes_are_those_of_the_masks(finished: Project):
    known = read_annotated(finished.folder / "data/detection/instances.json")
    assert known.classes == ("person",)
    assert len(known.boxes) == 2 * NUM_PICTURES
    own = known.boxes[known.boxes["image"] == "p03.png"]
    for number, row in enumerate(own.itertuples(), start=1):
        expected = objects_in(3) == number
        (mask,) = masks_of([row.counts], (HEIGHT, WIDTH))
        assert (mask == expected).all()
        ys, xs = np.nonzero(expected)
        box = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        assert [row.x1, row.y1, row.x2, row.y2] == box
    COCO(str(finished.folder / "data/detection/instances.json"))


def test_the_branch_learns_masks_and_measures_them(finished: Project):
    numbers = json.loads((finished.folder / "metrics/detector.json").read_text())
    assert numbers["segm_map_50"] > 0.6
    assert 0 < numbers["segm_map"] <= numbers["segm_map_50"]
    card = json.loads((finished.folder / "models/detector.json").read_text())
    assert card["architecture"] == card["chosen"]["architecture"] == "maskrcnn"
    assert card["training"]["params"]["masks"] is True
    assert card["config"]["strides"][0] == 4  # since people are narrow
    curves = finished.folder / "models/detector_curves/plots/metrics"
    assert (curves / "val/segm_map.tsv").is_file()
    for name in ("best", "worst", "random"):
        assert (finished.folder / f"metrics/plots/detector/pictures/{name}.jpg").is_file()


def test_predictions_are_results_that_pycocotools_loads(finished: Project):
    truth = COCO(str(finished.folder / "data/detection/instances.json"))
    file = finished.folder / "data/predictions/detector/detections.json"
    loaded = truth.loadRes(str(file))
    known = read_annotated(finished.folder / "data/detection/instances.json")
    table = read_results(known, file)
    assert len(table) == len(loaded.anns) > NUM_PICTURES
    for entry, row in zip(loaded.loadAnns(loaded.getAnnIds()), table.itertuples(), strict=True):
        (mask,) = masks_of([row.counts], (HEIGHT, WIDTH))
        assert (coco.decode(entry["segmentation"]) == mask).all()
        if mask.any():
            ys, xs = np.nonzero(mask)
            assert row.x1 - 0.51 <= xs.min()
            assert row.y1 - 0.51 <= ys.min()
            assert xs.max() + 1 <= row.x2 + 0.51
            assert ys.max() + 1 <= row.y2 + 0.51


def test_a_prediction_twice_gives_the_same_bytes(
    finished: Project, copied: Project, run_stage: Run
):
    shutil.copytree(finished.folder / "models", copied.folder / "models")
    outcome = run_stage(copied, "predict_detector", *words_of("predict_detector"))
    assert (outcome.code, outcome.stderr) == (0, "")
    name = "data/predictions/detector/detections.json"
    assert (copied.folder / name).read_bytes() == (finished.folder / name).read_bytes()


def test_boxes_alone_are_learnt_from_the_same_data(copied: Project, run_stage: Run):
    """Then nothing is told of masks."""
    copied.set_params("train_detector", masks=False, monitor="val_map")
    copied.set_params("train_detector.fitting", max_epochs=1)
    for stage in STAGES:
        outcome = run_stage(copied, stage, *words_of(stage))
        assert outcome.code == 0, outcome.stderr
    numbers = json.loads((copied.folder / "metrics/detector.json").read_text())
    assert not {"segm_map", "segm_map_50"} & numbers.keys()
    card = json.loads((copied.folder / "models/detector.json").read_text())
    assert "masks" not in card["training"]["params"]
    stored = (copied.folder / "data/predictions/detector/detections.json").read_text()
    assert "segmentation" not in stored


def test_a_detector_of_masks_that_finds_nothing_has_an_map_of_0(
    finished: Project, copied: Project, run_stage: Run
):
    """So the value is lost neither to a comparison nor to a watch over it."""
    for name in ("models", "data/predictions"):
        shutil.copytree(finished.folder / name, copied.folder / name)
    (copied.folder / "data/predictions/detector/detections.json").write_text("[]")
    words = words_of("evaluate_detector")
    outcome = run_stage(copied, "evaluate_detector", *words)
    assert outcome.code == 0, outcome.stderr
    numbers = json.loads((copied.folder / "metrics/detector.json").read_text())
    expected = json.loads((finished.folder / "metrics/detector.json").read_text())
    assert list(numbers) == list(expected)
    assert numbers["segm_map"] == numbers["segm_map_50"] == numbers["map"] == 0.0
    shutil.rmtree(copied.folder / "metrics")
    card = copied.folder / "models/detector.json"
    content = json.loads(card.read_text())
    del content["training"]["params"]["masks"]  # as for boxes alone
    card.write_text(json.dumps(content))
    assert run_stage(copied, "evaluate_detector", *words).code == 0
    numbers = json.loads((copied.folder / "metrics/detector.json").read_text())
    assert numbers["map"] == 0.0
    assert not {"segm_map", "segm_map_50"} & numbers.keys()


def test_validation_that_finds_nothing_has_an_map_of_0(finished: Project):
    known = read_annotated(finished.folder / "data/detection/instances.json")
    names = list(known.images.index)
    nothing = Detections(np.empty((0, 4)), np.empty(0), np.empty(0, object))
    for masks in (None, np.empty(0, object)):
        found = as_table(names, [replace(nothing, masks=masks)] * len(names))
        assert _mask_measure(known)(found) == 0.0


def test_found_masks_are_proposed_and_taken_back(
    finished: Project, copied: Project, run_stage: Run, monkeypatch: pytest.MonkeyPatch
):
    for name in ("models", "data/predictions"):
        shutil.copytree(finished.folder / name, copied.folder / name)
    monkeypatch.chdir(copied.folder)
    line = propose(Path("proposed"), "test")
    tasks = json.loads(Path("proposed/label_studio.json").read_text())
    num_masks = sum(len(task["predictions"][0]["result"]) for task in tasks)
    assert line == f"proposed/label_studio.json: {num_masks} masks in {len(tasks)} pictures"
    assert {task["data"]["image"].rpartition("=")[2] for task in tasks} <= {
        f"p{number:02}.png" for number in range(NUM_PICTURES)
    }
    for task in tasks:
        (prediction,) = task.pop("predictions")
        task["annotations"] = [{"was_cancelled": False, "result": prediction["result"]}]
    Path("export.json").write_text(json.dumps(tasks))
    copied.set_params("dataset.masks", format="label_studio", classes=[])
    shutil.rmtree("data/masks")
    shutil.rmtree("data/mask_report")
    words = [word.replace("set/masks", "export.json") for word in IMPORT_MASKS]
    assert run_stage(copied, "import_masks", *words).code == 0
    known = read_masked(Path("data/masks/instances.json"))
    assert len(known.objects) == num_masks > 0


def test_boxes_alone_cannot_be_proposed_as_masks(
    finished: Project, copied: Project, monkeypatch: pytest.MonkeyPatch
):
    for name in ("models", "data/predictions"):
        shutil.copytree(finished.folder / name, copied.folder / name)
    monkeypatch.chdir(copied.folder)
    file = Path("data/predictions/detector/detections.json")
    entries = json.loads(file.read_text())
    for entry in entries:
        del entry["segmentation"]
    file.write_text(json.dumps(entries))
    with pytest.raises(InputError, match=r"detections with masks .*, got boxes alone"):
        propose(Path("proposed"), None)


def test_a_detector_of_masks_that_found_nothing_proposes_nothing(
    finished: Project, copied: Project, monkeypatch: pytest.MonkeyPatch
):
    for name in ("models", "data/predictions"):
        shutil.copytree(finished.folder / name, copied.folder / name)
    monkeypatch.chdir(copied.folder)
    Path("data/predictions/detector/detections.json").write_text("[]")
    assert propose(Path("proposed"), None).startswith("proposed/label_studio.json: 0 masks in ")


def without_masks(project: Project) -> None:
    file = project.folder / "data/detection/instances.json"
    content = json.loads(file.read_text())
    for entry in content["annotations"]:
        del entry["segmentation"]
    file.write_text(json.dumps(content))


def change_mask(project: Project, **values: Any) -> None:
    file = project.folder / "data/detection/instances.json"
    content = json.loads(file.read_text())
    content["annotations"][3]["segmentation"] |= values
    file.write_text(json.dumps(content))


def half_without(project: Project) -> None:
    file = project.folder / "data/detection/instances.json"
    content = json.loads(file.read_text())
    del content["annotations"][3]["segmentation"]
    file.write_text(json.dumps(content))


BAD: dict[str, tuple[Callable[[Project], object], str]] = {
    "an architecture without masks": (
        lambda p: p.set_params("train_detector", architecture="yolox_nano"),
        "params.yaml: train_detector: expected masks to be false for yolox_nano, which finds boxes "
        "alone",
    ),
    "an architecture with masks, not wanted": (
        lambda p: p.set_params("train_detector", architecture="maskrcnn", masks=False),
        "params.yaml: train_detector: expected masks to be true for maskrcnn",
    ),
    "data without masks": (
        without_masks,
        "params.yaml: train_detector.masks: expected false, since the imported objects have boxes "
        "alone (dataset.detection.format: masks takes those of import_masks), got true",
    ),
    "an empty mask": (
        lambda p: change_mask(p, counts=_text_of(np.zeros((HEIGHT, WIDTH), bool))),
        "instances.json: expected what import_detections writes, got: 'a mask without a pixel",
    ),
    "a mask of another size": (
        lambda p: change_mask(p, counts=_text_of(np.ones((HEIGHT, WIDTH + 1), bool))),
        "instances.json: expected what import_detections writes, got: 'runs of 3120 px for 64x48",
    ),
    "a mask that is no text of run lengths": (
        lambda p: change_mask(p, counts="é"),
        "instances.json: expected what import_detections writes, got: 'a text that is not",
    ),
    "masks of some objects": (
        half_without,
        "instances.json: expected what import_detections writes, got: 'masks of some objects alone",
    ),
    "weights of another network": (
        lambda p: (
            p.set_params("train_detector", architecture="maskrcnn"),
            p.set_params("train_detector", weights="first/detector.safetensors"),
            shutil.copytree(FIRST[0], p.folder / "first"),
            p.set_params("train_detector.features", neck_width=48),
        ),
        "first/detector.safetensors: network.backbone.features.neck",
    ),
}
FIRST: list[Path] = []
"""The folder of the trained model."""


def _text_of(mask: np.ndarray) -> str:
    return coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told_in_one_line(
    finished: Project, copied: Project, run_stage: Run, name: str
):
    FIRST[:] = [finished.folder / "models"]
    spoil, expected = BAD[name]
    spoil(copied)
    outcome = run_stage(copied, "train_detector", *words_of("train_detector"))
    assert outcome.code == 1
    assert outcome.stderr.count("\n") == 1, outcome.stderr
    assert expected in outcome.stderr
    assert not (copied.folder / "models/detector.safetensors").exists()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"counts": "é"}, "expected detections in the imported pictures, got: 'a text that is not"),
        ({"counts": "0"}, "expected detections in the imported pictures, got: 'runs of 0 px"),
        ({}, "expected detections in the imported pictures, got: \"'counts'\""),
    ],
)
def test_spoilt_predictions_are_told_in_one_line(
    finished: Project, copied: Project, run_stage: Run, content: dict, expected: str
):
    for name in ("models", "data/predictions"):
        shutil.copytree(finished.folder / name, copied.folder / name)
    file = copied.folder / "data/predictions/detector/detections.json"
    entries = json.loads(file.read_text())
    entries[0]["segmentation"] = {"size": [HEIGHT, WIDTH], **content}
    file.write_text(json.dumps(entries))
    outcome = run_stage(copied, "evaluate_detector", *words_of("evaluate_detector"))
    assert outcome.code == 1
    assert outcome.stderr.count("\n") == 1
    assert expected in outcome.stderr


def test_two_objects_of_one_box_are_two(copied: Project, run_stage: Run):
    """Boxes that repeat each other are one; masks may differ in one box."""
    values = np.zeros((HEIGHT, WIDTH), np.uint8)
    values[10:30, 10:20], values[10:30, 20:30] = 1, 1
    for y in range(10, 30):  # two combs into each other, both from edge to edge
        values[y, 10:30] = 1 + y % 2
    values[10, 10:20], values[29, 20:30] = 2, 1
    write(copied.folder / "set/masks/p00_mask.png", values)
    for name in ("data/masks", "data/mask_report", "data/detection", "data/detection_report"):
        shutil.rmtree(copied.folder / name)
    assert run_stage(copied, "import_masks", *IMPORT_MASKS).code == 0
    assert run_stage(copied, "import_detections", *IMPORT).code == 0
    known = read_annotated(copied.folder / "data/detection/instances.json")
    own = known.boxes[known.boxes["image"] == "p00.png"]
    assert own[CORNERS].to_numpy().tolist() == [[10, 10, 30, 30]] * 2
    assert own[COUNTS].nunique() == 2


def test_pictures_of_another_size_than_their_masks_are_never_kept(copied: Project, run_stage: Run):
    write(copied.folder / "set/pictures/p00.png", np.zeros((HEIGHT, WIDTH + 3, 3), np.uint8))
    copied.set_params("import_detections", wrong_sizes="keep")
    outcome = run_stage(copied, "import_detections", *IMPORT)
    assert outcome.code == 1
    assert "'p00.png': 64x48 annotated, 67x48 found" in outcome.stderr
    assert "wrong_sizes: drop goes on" in outcome.stderr
    copied.set_params("import_detections", wrong_sizes="drop")
    for name in ("data/detection", "data/detection_report"):
        shutil.rmtree(copied.folder / name)
    assert run_stage(copied, "import_detections", *IMPORT).code == 0
    known = read_annotated(copied.folder / "data/detection/instances.json")
    assert len(known.images) == NUM_PICTURES - 1


@pytest.mark.skipif(not (REAL / "pennfudan").is_dir(), reason="no real data beside the project")
def test_real_people_are_read(copied: Project, run_stage: Run):
    for name in ("pictures", "masks"):
        shutil.rmtree(copied.folder / "set" / name)
    shutil.copytree(REAL / "pennfudan/images", copied.folder / "set/pictures")
    shutil.copytree(REAL / "pennfudan/instance_masks", copied.folder / "set/masks")
    for name in ("data/masks", "data/mask_report", "data/detection", "data/detection_report"):
        shutil.rmtree(copied.folder / name)
    assert run_stage(copied, "import_masks", *IMPORT_MASKS).code == 0
    assert run_stage(copied, "import_detections", *IMPORT).code == 0
    known = read_annotated(copied.folder / "data/detection/instances.json")
    assert len(known.images) == 102
    assert known.has_masks
    for name in known.images.index[:5]:
        (file,) = (copied.folder / "set/masks").glob(f"{Path(name).stem}*")
        values = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        own = known.boxes[known.boxes["image"] == name]
        assert len(own) == values.max()
        joined = masks_of(own[COUNTS].tolist(), values.shape).any(axis=0)
        assert (joined == (values > 0)).all()
