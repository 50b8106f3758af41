"""The stages of the segmenter, each on its own and one after the other."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import REAL, Project, init_git, run_here
from label_studio_sdk.converter.brush import mask2rle
from pycocotools import mask as coco
from pycocotools.coco import COCO

from vigil.domain.masks.class_map import ClassMaps
from vigil.domain.masks.masked import read_masked

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
"""pycocotools asks numpy in an old way."""
WIDTH, HEIGHT = 48, 40
NUM_PICTURES = 12
IMPORT = (
    *("--annotations", "set/masks", "--images", "set/pictures"),
    *("--known", "data/masks", "--report", "data/mask_report"),
)
MASKS = ("--masks", "data/masks/instances.json")
IMAGES = ("--images", "set/pictures")
SPLITS = ("--splits", "data/splits/segmenter")
MODEL = ("--weights", "models/segmenter.safetensors", "--card", "models/segmenter.json")
SPLIT = (*MASKS, "--given", "splits/drawn.csv", *SPLITS, "--metrics", "metrics/split.json")
TRAIN = (
    *(*IMAGES, *MASKS, "--train", "data/splits/segmenter/train.json"),
    *("--val", "data/splits/segmenter/val.json", *MODEL, "--curves", "models/curves"),
)
PREDICT = (*IMAGES, *MASKS, *SPLITS, *MODEL, "--predictions", "data/predictions/segmenter")
EVALUATE = (
    *(*IMAGES, *MASKS, *SPLITS, "--predictions", "data/predictions/segmenter"),
    *("--metrics", "metrics/segmenter.json", "--plots", "metrics/plots/segmenter"),
)


def objects_of(number: int) -> np.ndarray:
    """(HEIGHT, WIDTH): 0, and 1 and 2 for two objects."""
    values = np.zeros((HEIGHT, WIDTH), np.uint8)
    values[5:25, 3 + 2 * number : 15 + 2 * number] = 1
    values[20:36, 8:20] = 2
    return values


def write(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, picture)[1].tobytes())


@pytest.fixture
def masked(untouched_project: Project, tmp_path: Path) -> Project:
    """Twelve pictures; each case writes its own masks."""
    shutil.copytree(untouched_project.folder, tmp_path / "project")
    project = Project(tmp_path / "project")
    for number in range(NUM_PICTURES):
        values = objects_of(number)
        colours = np.array([[90, 90, 90], [20, 40, 220], [200, 180, 10]], np.uint8)
        write(project.folder / f"set/pictures/p{number:02}.png", colours[values])
    project.set_params("dataset.masks", root="set/masks", images="set/pictures")
    init_git(project)
    return project


def coco_of(segment: Callable[[np.ndarray], Any], **extra: Any) -> dict[str, Any]:
    """COCO instances of both objects of all pictures."""
    images, annotations = [], []
    for number in range(NUM_PICTURES):
        images.append(
            {"id": number, "file_name": f"p{number:02}.png", "width": WIDTH, "height": HEIGHT}
        )
        for value in (1, 2):
            mask = objects_of(number) == value
            annotations.append(
                {"id": len(annotations), "image_id": number, "category_id": value,
                 "segmentation": segment(mask), "iscrowd": 0, **extra}
            )  # fmt: skip
    categories = [{"id": 1, "name": "car"}, {"id": 2, "name": "person"}]
    return {"images": images, "annotations": annotations, "categories": categories}


def polygon(mask: np.ndarray) -> list[list[float]]:
    ys, xs = np.nonzero(mask)
    x1, y1, x2, y2 = (float(v) for v in (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1))
    return [[x1, y1, x2, y1, x2, y2, x1, y2]]


def compressed(mask: np.ndarray) -> dict[str, Any]:
    encoded = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": encoded["size"], "counts": encoded["counts"].decode()}


def counted(mask: np.ndarray) -> dict[str, Any]:
    flat = mask.ravel(order="F")
    bounds = np.flatnonzero(np.diff(np.concatenate([[not flat[0]], flat, [not flat[-1]]])))
    runs = np.diff(bounds).tolist()
    return {"size": list(mask.shape), "counts": [0, *runs] if flat[0] else runs}


def write_coco(project: Project, content: dict[str, Any]) -> None:
    file = project.folder / "set/masks/instances.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def write_index(project: Project) -> None:
    for number in range(NUM_PICTURES):
        write(project.folder / f"set/masks/p{number:02}_L.png", objects_of(number))
    project.set_params("dataset.masks", format="index", table={"nothing": 0, "car": 1, "person": 2})


def write_colour(project: Project) -> None:
    colours = np.array([[0, 0, 0], [1, 2, 3], [255, 128, 0]], np.uint8)
    for number in range(NUM_PICTURES):
        picture = colours[objects_of(number)][..., ::-1]
        write(project.folder / f"set/masks/p{number:02}.png", picture)
    lines = "# R G B name\n0 0 0\tnothing\n1 2 3 car\n255 128 0 person\n"
    (project.folder / "set/masks/colours.txt").write_text(lines)
    project.set_params("dataset.masks", format="colour", table="colours.txt")


def write_label_studio(project: Project) -> None:
    tasks = []
    for number in range(NUM_PICTURES):
        results = []
        size = {"original_width": WIDTH, "original_height": HEIGHT}
        corners = polygon(objects_of(number) == 1)[0]
        points = np.array(corners).reshape(-1, 2) / [WIDTH, HEIGHT] * 100
        value = {"points": points.tolist(), "polygonlabels": ["car"], "closed": True}
        results.append({"id": "a", "type": "polygonlabels", "value": value, **size})
        numbers = mask2rle((255 * (objects_of(number) == 2)).astype(np.uint8))
        value = {"format": "rle", "rle": numbers, "brushlabels": ["person"]}
        results.append({"id": "b", "type": "brushlabels", "value": value, **size})
        source = f"/data/upload/1/0123abcd-p{number:02}.png"
        annotation = {"was_cancelled": False, "result": results}
        tasks.append({"id": number, "data": {"image": source}, "annotations": [annotation]})
    file = project.folder / "set/masks/export.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(tasks))
    project.set_params("dataset.masks", format="label_studio")


EXPORT = (
    *(*IMAGES, *MASKS, *SPLITS, *MODEL, "--exported", "exported/segmenter"),
    *("--metrics", "metrics/export_segmenter.json"),
)
FORMATS: dict[str, Callable[[Project], None]] = {
    "polygons": lambda project: write_coco(project, coco_of(polygon)),
    "compressed": lambda project: write_coco(project, coco_of(compressed)),
    "counted": lambda project: write_coco(project, coco_of(counted)),
    "index": write_index,
    "colour": write_colour,
    "label_studio": write_label_studio,
}


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_gives_the_same_maps_of_classes(masked: Project, run_stage, name: str):
    FORMATS[name](masked)
    outcome = run_stage(masked, "import_masks", *IMPORT)
    assert outcome.code == 0, outcome.stderr
    known = read_masked(masked.folder / "data/masks/instances.json")
    background = "nothing" if name in ("index", "colour") else "background"
    numbers = np.array([known.classes.index(n) for n in (background, "car", "person")])
    maps = ClassMaps(known)
    for number in range(NUM_PICTURES):
        assert (maps[f"p{number:02}.png"] == numbers[objects_of(number)]).all()
    COCO(str(masked.folder / "data/masks/instances.json"))
    assert {file.name for file in (masked.folder / "data/mask_report").iterdir()} == {
        "area_by_class.png", "classes_by_picture.png", "sheet.jpg",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["instances", "binary"])
def test_masks_of_one_class_keep_their_objects_apart(masked: Project, run_stage, name: str):
    for number in range(NUM_PICTURES):
        values = objects_of(number)
        if name == "instances":
            write(masked.folder / f"set/masks/p{number:02}_mask.png", values)
        else:
            for value in (1, 2):
                mask = 255 * (values == value).astype(np.uint8)
                write(masked.folder / f"set/masks/p{number:02}/{value}.png", mask)
    masked.set_params("dataset.masks", format=name, classes=["person"])
    assert run_stage(masked, "import_masks", *IMPORT).code == 0
    known = read_masked(masked.folder / "data/masks/instances.json")
    areas = known.objects.groupby("image")["area"].apply(list)
    expected = [int((objects_of(0) == value).sum()) for value in (1, 2)]
    assert areas["p00.png"] == expected


def test_crowds_count_neither_way(masked: Project, run_stage):
    content = coco_of(compressed)
    content["annotations"][1]["iscrowd"] = 1
    write_coco(masked, content)
    assert run_stage(masked, "import_masks", *IMPORT).code == 0
    known = read_masked(masked.folder / "data/masks/instances.json")
    assert (ClassMaps(known)["p00.png"][objects_of(0) == 2] == 255).all()


def test_the_box_of_an_object_without_a_mask_counts_neither_way(masked: Project, run_stage):
    box = {"segmentation": [], "bbox": [8, 20, 12, 16]}
    content = coco_of(compressed)
    content["annotations"][1].update(box)
    write_coco(masked, content)
    outcome = run_stage(masked, "import_masks", *IMPORT)
    assert outcome.code == 0, outcome.stderr
    known = read_masked(masked.folder / "data/masks/instances.json")
    is_car = objects_of(0) == 1
    expected = np.full((HEIGHT, WIDTH), known.classes.index("background"))
    expected[20:36, 8:20] = 255
    expected[is_car] = known.classes.index("car")
    assert (ClassMaps(known)["p00.png"] == expected).all()
    masked.set_params("import_masks", invalid_masks="error")
    outcome = run_stage(masked, "import_masks", *IMPORT)
    assert outcome.code == 1
    assert "annotations 2: annotation without a mask (1 invalid masks" in outcome.stderr


def findings_of(project: Project) -> tuple[dict[str, int], dict[str, list[str]]]:
    """Counts by reason, and the entries that are listed."""
    report = json.loads((project.folder / "data/masks/report.json").read_text())
    return report["findings"], report["listed"]


def test_a_mask_that_is_there_twice_is_counted(masked: Project, run_stage):
    content = coco_of(compressed)
    again = [dict(content["annotations"][number]) for number in (0, 1, 3)]
    again[1]["iscrowd"], again[2]["category_id"] = 1, 1
    content["annotations"] += [one | {"id": 100 + n} for n, one in enumerate(again)]
    write_coco(masked, content)
    outcome = run_stage(masked, "import_masks", *IMPORT)
    assert outcome.code == 0, outcome.stderr
    counts, listed = findings_of(masked)
    assert counts["mask repeated"] == 2
    assert counts["mask both to be ignored and to be counted"] == 1
    assert counts["mask of several classes"] == 1
    assert [line.split(": ")[-1] for line in listed["mask repeated"]] == ["car", "person"]
    known = read_masked(masked.folder / "data/masks/instances.json")
    assert len(known.objects) == 2 * NUM_PICTURES + 1
    maps = ClassMaps(known)
    assert (maps["p00.png"][objects_of(0) == 2] == 255).all(), "to be ignored in one of them"
    car = known.classes.index("car")
    assert (maps["p01.png"][objects_of(1) == 2] == car).all(), "the later class is in front"


def test_masks_in_the_folder_of_the_pictures_are_no_pictures_without_annotations(
    masked: Project, run_stage
):
    write_index(masked)
    shutil.move(masked.folder / "set/pictures/p00.png", masked.folder / "set/pictures/none.png")
    (masked.folder / "set/masks/p00_L.png").unlink()
    (masked.folder / "set/all").mkdir()
    shutil.move(masked.folder / "set/pictures", masked.folder / "set/all/pictures")
    shutil.move(masked.folder / "set/masks", masked.folder / "set/all/masks")
    masked.set_params("dataset.masks", root="set/all/masks", images="set/all")
    words = [word.replace("set/masks", "set/all/masks") for word in IMPORT]
    words = [word.replace("set/pictures", "set/all") for word in words]
    outcome = run_stage(masked, "import_masks", *words)
    assert outcome.code == 0, outcome.stderr
    counts, listed = findings_of(masked)
    assert counts["picture without annotations"] == 1
    assert listed["picture without annotations"] == ["pictures/none.png"]


def test_categories_without_a_mask_are_no_classes_unless_they_are_asked_for(
    masked: Project, run_stage
):
    content = coco_of(compressed)
    content["categories"] = [
        {"id": 0, "name": "person", "supercategory": "none"},
        {"id": 1, "name": "car", "supercategory": "person"},
        {"id": 2, "name": "person", "supercategory": "person"},
        {"id": 3, "name": "bus", "supercategory": "none"},
    ]
    write_coco(masked, content)
    outcome = run_stage(masked, "import_masks", *IMPORT)
    assert outcome.code == 0, outcome.stderr
    known = read_masked(masked.folder / "data/masks/instances.json")
    assert known.classes == ("background", "car", "person")
    counts, listed = findings_of(masked)
    assert counts["category that only groups others"] == 1
    assert listed["category without a mask, no class"] == ["bus"]
    masked.set_params("dataset.masks", classes=["bus", "car"])
    assert run_stage(masked, "import_masks", *IMPORT).code == 0
    known = read_masked(masked.folder / "data/masks/instances.json")
    assert known.classes == ("background", "bus", "car")


def alter(content: dict[str, Any], **values: Any) -> dict[str, Any]:
    content["annotations"][0].update(values)
    return content


BAD: dict[str, tuple[Callable[[Project], object], str]] = {
    "no mask at all": (lambda p: (p.folder / "set/masks").mkdir(), "expected one file"),
    "another size": (
        lambda p: write_coco(
            p, alter(coco_of(compressed), segmentation={"size": [3, 4], "counts": "<"})
        ),
        "expected a mask of the picture's height and width, [40, 48], got [3, 4]",
    ),
    "runs that do not add up": (
        lambda p: write_coco(
            p, alter(coco_of(counted), segmentation={"size": [HEIGHT, WIDTH], "counts": [7, 2]})
        ),
        "expected run lengths that add up to the picture",
    ),
    "runs whose sum overflows": (
        lambda p: write_coco(
            p,
            alter(
                coco_of(counted),
                segmentation={
                    "size": [HEIGHT, WIDTH],
                    "counts": [9, 2**63 - 1, 2**63 - 1, HEIGHT * WIDTH - 7],
                },
            ),
        ),
        "expected run lengths that add up to the picture, got: 'a run of",
    ),
    "a category that is not listed": (
        lambda p: write_coco(p, alter(coco_of(polygon), category_id=9)),
        "expected a category_id that the file lists, got 9",
    ),
    "odd polygon": (
        lambda p: write_coco(p, alter(coco_of(polygon), segmentation=[[1, 2, 3]])),
        "expected a polygon as [x, y, x, y, …], got [1, 2, 3]",
    ),
    "an index that the table lacks": (
        lambda p: (
            write_index(p),
            write(p.folder / "set/masks/p03_L.png", np.full((HEIGHT, WIDTH), 7, np.uint8)),
        ),
        "p03_L.png: 7 (1920 px): expected values of masks.table (0, 1, 2)",
    ),
    "a colour that the table lacks": (
        lambda p: (
            write_colour(p),
            write(p.folder / "set/masks/p00.png", np.full((HEIGHT, WIDTH, 3), 9, np.uint8)),
        ),
        "p00.png: [9, 9, 9] (1920 px): expected values of masks.table",
    ),
    "colours where indices are told": (
        lambda p: (write_colour(p), p.set_params("dataset.masks", format="index", table={"a": 0})),
        "expected one number a pixel for format index, got colours (RGB); is the format colour?",
    ),
    "0 and 255 taken for classes": (
        lambda p: (
            [
                write(
                    p.folder / f"set/masks/p{n:02}.png",
                    255 * (objects_of(n) > 0).astype(np.uint8),
                )
                for n in range(NUM_PICTURES)
            ],
            p.set_params(
                "dataset.masks",
                format="index",
                table={"nothing": 0, "person": 1, "void": 255},
                ignored=["void"],
            ),
        ),
        "got masks of 0 and 255 alone",
    ),
    "a mask without a picture": (
        lambda p: (
            write_index(p),
            write(p.folder / "set/masks/other.png", objects_of(0)),
        ),
        "other.png: expected a picture of the same name, found none",
    ),
    "a mask of another size than its picture": (
        lambda p: (write_index(p), write(p.folder / "set/masks/p05_L.png", objects_of(0)[1:])),
        "'p05.png': 48x39 annotated, 48x40 found (1 of 12 pictures; turned by EXIF? "
        "wrong_sizes: drop goes on)",
    ),
    "a brush that is cut off": (
        lambda p: (
            write_label_studio(p),
            (p.folder / "set/masks/export.json").write_text(
                (p.folder / "set/masks/export.json").read_text().replace('"rle": [0, ', '"rle": [')
            ),
        ),
        "expected a brush in Label Studio's RLE",
    ),
    "a table that names no such class": (
        lambda p: (write_index(p), p.set_params("dataset.masks", ignored=["void"])),
        "masks.ignored: expected classes of masks.table (car, nothing, person), got void",
    ),
    "a background that is a class": (
        lambda p: (
            write_coco(p, coco_of(polygon)),
            p.set_params("dataset.masks", background="car"),
        ),
        "masks.background: expected another name than those of the classes, got car",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_one_clear_line(masked: Project, run_stage, name: str):
    make, expected = BAD[name]
    make(masked)
    outcome = run_stage(masked, "import_masks", *IMPORT)
    assert outcome.code == 1
    assert outcome.stderr.count("\n") == 1, outcome.stderr
    assert outcome.stderr.startswith("import_masks: ")
    assert expected in outcome.stderr
    assert outcome.stderr.count("malformed_entries") <= 1
    assert not (masked.folder / "data/masks").exists()


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        ([], "annotation without a mask"),
        ([[1, 1, 5, 5]], "polygon with fewer than three corners"),
        ([[100, 100, 120, 100, 120, 130]], "polygon outside its picture"),
        ([[3, 3, 20, 20, 20, 3, 3, 20]], "polygon that crosses itself"),
        ([[-9, 3, 20, 3, 20, 20]], "polygon clipped to its picture"),
        ({"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH]}, "mask without a pixel"),
    ],
)
def test_odd_masks_are_counted_by_reason(masked: Project, run_stage, segmentation, reason: str):
    write_coco(masked, alter(coco_of(polygon), segmentation=segmentation))
    assert run_stage(masked, "import_masks", *IMPORT).code == 0
    report = json.loads((masked.folder / "data/masks/report.json").read_text())
    assert report["findings"][reason] == 1
    masked.set_params("import_masks", invalid_masks="error")
    shutil.rmtree(masked.folder / "data")
    is_invalid = any(word in reason for word in ("fewer", "outside", "pixel", "without"))
    outcome = run_stage(masked, "import_masks", *IMPORT)
    assert (outcome.code == 1 and reason in outcome.stderr) == is_invalid


@pytest.fixture(scope="module")
def finished(untouched_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """All stages of the branch, with a small network. Do not change it."""
    project = Project(tmp_path_factory.mktemp("masks") / "project")
    shutil.copytree(untouched_project.folder, project.folder)
    for number in range(NUM_PICTURES):
        colours = np.array([[90, 90, 90], [20, 40, 220], [200, 180, 10]], np.uint8)
        write(project.folder / f"set/pictures/p{number:02}.png", colours[objects_of(number)])
    write_coco(project, coco_of(compressed))
    project.set_params("dataset.masks", root="set/masks", images="set/pictures")
    project.set_params("train_segmenter.unet", trunk="plain", width=8, finest_stride=1)
    project.set_params("train_segmenter.fitting", max_epochs=25, batch_size=2, precision="32-true")
    project.set_params("train_segmenter.optimisation", learning_rate=0.01)
    init_git(project)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIGIL_THREADS", "1")
        for stage, words in (
            ("import_masks", IMPORT), ("split_segmenter", SPLIT), ("train_segmenter", TRAIN),
            ("predict_segmenter", PREDICT), ("evaluate_segmenter", EVALUATE),
        ):  # fmt: skip
            assert run_here(project, stage, words, patch) == 0, stage
    return project


def test_the_branch_learns_and_measures(finished: Project):
    numbers = json.loads((finished.folder / "metrics/segmenter.json").read_text())
    assert numbers["mean_iou"] > 0.7
    assert set(numbers["by_class"]) == {"background", "car", "person"}
    plots = finished.folder / "metrics/plots/segmenter"
    assert {file.name for file in plots.iterdir()} == {
        "confusion.csv", "iou_by_area.csv", "iou_by_class.csv", "pictures",
    }  # fmt: skip
    assert {file.name for file in (plots / "pictures").iterdir()} == {
        "best.jpg", "confusion.png", "random.jpg", "worst.jpg",
    }  # fmt: skip
    card = json.loads((finished.folder / "models/segmenter.json").read_text())
    assert card["chosen"]["canvas_wh"] == [48, 40]
    assert card["chosen"]["class_weights"] == "balanced", "there are three classes"
    assert card["class_weights"]["person"] > card["class_weights"]["background"]


def test_predictions_are_results_that_pycocotools_loads(finished: Project):
    truth = COCO(str(finished.folder / "data/masks/instances.json"))
    loaded = truth.loadRes(str(finished.folder / "data/predictions/segmenter/masks.json"))
    covered = np.zeros((HEIGHT, WIDTH), int)
    image = truth.getImgIds()[0]
    for one in loaded.loadAnns(loaded.getAnnIds(imgIds=[image])):
        covered += coco.decode(one["segmentation"])
        assert 0 <= one["score"] <= 1
    assert (covered == 1).all()


def test_the_exported_model_is_measured_beside_torch(finished: Project, tmp_path: Path, run_stage):
    """No file is written unless a format is named."""
    project = Project(tmp_path / "project")
    shutil.copytree(finished.folder, project.folder)
    metrics = project.folder / "metrics/export_segmenter.json"
    assert run_stage(project, "export_segmenter", *EXPORT).code == 0
    assert json.loads(metrics.read_text()) == {}
    assert not [*(project.folder / "exported/segmenter").iterdir()]
    int8 = {"enabled": True, "num_samples": 4}
    project.set_params("export.segmenter", formats=["onnx"], int8=int8)
    outcome = run_stage(project, "export_segmenter", *EXPORT)
    assert outcome.code == 0, outcome.stderr
    names = {file.name for file in (project.folder / "exported/segmenter").iterdir()}
    assert names == {"segmenter.onnx", "segmenter_int8.onnx"}
    numbers = json.loads(metrics.read_text())
    evaluated = json.loads((project.folder / "metrics/segmenter.json").read_text())
    assert numbers["torch"] == {"mean_iou": evaluated["mean_iou"]}
    assert numbers["onnx"]["mean_iou"] == pytest.approx(evaluated["mean_iou"], abs=1e-3)
    assert numbers["onnx"]["share_of_other_classes"] <= 1e-3
    assert numbers["onnx"]["largest_score_difference"] <= 1e-3
    assert numbers["int8"]["mean_iou"] > 0.5
    project.set_params("export.segmenter", formats=[])
    outcome = run_stage(project, "export_segmenter", *EXPORT)
    assert outcome.code == 1
    assert "export.segmenter.formats: expected onnx, which int8.enabled needs" in outcome.stderr


def test_the_same_training_is_not_done_again(finished: Project, run_stage):
    weights = finished.folder / "models/segmenter.safetensors"
    before = weights.read_bytes()
    outcome = run_stage(finished, "train_segmenter", *TRAIN)
    assert "nothing that this training depends on has changed" in outcome.stdout
    assert weights.read_bytes() == before


@pytest.mark.skipif(not (REAL / "camvid").is_dir(), reason="no real data beside the project")
def test_real_street_scenes_are_read(masked: Project, run_stage):
    names = "sky building pole road pavement tree sign fence car pedestrian bicyclist void"
    masked.set_params(
        "dataset.masks",
        format="index",
        table={name: number for number, name in enumerate(names.split())},
        ignored=["void"],
    )
    for kind, place in (("val", "pictures"), ("val_labels", "masks")):
        shutil.rmtree(masked.folder / "set" / place, ignore_errors=True)
        (masked.folder / "set" / place).mkdir(parents=True)
        for file in sorted((REAL / "camvid" / kind).iterdir())[:4]:
            shutil.copy(file, masked.folder / "set" / place)
    outcome = run_stage(masked, "import_masks", *IMPORT)
    assert outcome.code == 0, outcome.stderr
    known = read_masked(masked.folder / "data/masks/instances.json")
    assert len(known.classes) == 11
    assert known.background == ""
    for name in known.images.index:
        file = masked.folder / "set/masks" / Path(name).with_suffix(".png").name
        label = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        order = np.array([known.classes.index(n) for n in names.split()[:-1]] + [255])
        assert (ClassMaps(known)[name] == order[label]).all()
