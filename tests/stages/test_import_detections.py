"""Sets of every format through the stage's script, right ones and wrong ones."""

import json
import shutil
import struct
import subprocess
import sys
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import (
    NUM_FRAMES,
    REAL,
    REPOSITORY,
    SIZE_WH,
    VIDEOS,
    Outcome,
    Project,
    write_drawn,
)
from PIL import Image
from tiny_detections import (
    BOXES,
    coco_of,
    voc_object,
    voc_xml,
    write_coco,
    write_pictures,
    write_rtsd,
    write_voc,
)

from vigil.domain.boxes import CORNERS
from vigil.domain.formats.reading.findings import Findings
from vigil.domain.pictures.annotated import AnnotatedPictures, read_annotated
from vigil.pixels.importing.boxes.annotations import files_of
from vigil.pixels.pictures.images import ImageSource
from vigil.plumbing.errors import InputError

Run = Callable[..., Outcome]
STAGE = "import_detections"
FIGURES = {
    *("area.png", "aspect_ratio.png", "channels.png", "class_counts.png", "height.png"),
    *("objects_per_picture.png", "sheet.jpg", "width.png"),
}


def use(project: Project, annotation_format: str, *classes: str) -> None:
    """Says in the parameters what is in `set/`."""
    detection = {"root": "x", "images": "y", "format": annotation_format, "classes": list(classes)}
    project.set_params("dataset", detection=detection)


def run_set(run_stage: Run, project: Project, annotations: str = "set/annotations") -> Outcome:
    return run_stage(
        project,
        STAGE,
        *("--annotations", annotations, "--images", "set/images"),
        *("--detections", "data/detection", "--report", "data/detection_report"),
    )


def found_in(project: Project) -> AnnotatedPictures:
    return read_annotated(project.folder / "data/detection/instances.json")


def report_of(project: Project) -> Any:
    return json.loads((project.folder / "data/detection/report.json").read_text())


@pytest.fixture
def set_project(untouched_project: Project, tmp_path: Path) -> Project:
    """The tiny set in all formats, in `set/`."""
    project = Project(tmp_path / "project")
    project.folder.mkdir()
    project.write_params(untouched_project.params)
    folder = project.folder / "set"
    write_pictures(folder / "images", list(BOXES))
    write_voc(folder / "annotations")
    write_coco(folder / "instances.json")
    write_rtsd(folder / "gt.csv")
    use(project, "voc")
    return project


SOURCES = {"voc": "set/annotations", "coco": "set/instances.json", "rtsd": "set/gt.csv"}


@pytest.mark.parametrize("annotation_format", SOURCES)
def test_every_format_gives_the_same_set(
    annotation_format: str, set_project: Project, run_stage: Run
) -> None:
    use(set_project, annotation_format)
    outcome = run_set(run_stage, set_project, SOURCES[annotation_format])
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout == (
        "3 pictures (0 without a box), 6 boxes (0 to be ignored) of 3 classes: "
        "{'dog': 4, 'bird': 1, 'cat': 1}\n"
    )
    found = found_in(set_project)
    assert list(found.boxes[["image", "label", *CORNERS]].itertuples(index=False, name=None)) == [
        (name, *box) for name, own in BOXES.items() for box in own
    ]
    source = ImageSource(set_project.folder / "set/images")
    for image in found.images.itertuples():
        picture = source.rgb(image.file_name)
        assert picture.shape == (image.height, image.width, 3)
    assert {p.name for p in (set_project.folder / "data/detection_report").iterdir()} == FIGURES
    report = report_of(set_project)
    assert report["findings"] == {}
    assert report["by_class"]["dog"]["boxes"] == 4
    assert report["by_class"]["dog"]["pictures"] == 3
    assert report["by_class"]["dog"]["min_quartiles_max"]["width_px"][-1] == 60


def test_a_folder_with_one_file_stands_for_it(set_project: Project, run_stage: Run) -> None:
    use(set_project, "coco")
    assert run_set(run_stage, set_project, "set").code == 0


def test_coco_files_of_a_folder_are_one_set_and_may_number_their_classes_apart(
    set_project: Project, run_stage: Run
) -> None:
    use(set_project, "coco")
    assert run_set(run_stage, set_project, "set").code == 0
    whole = found_in(set_project)
    content = json.loads((set_project.folder / "set/instances.json").read_text())
    (set_project.folder / "set/instances.json").unlink()
    first = content["images"][0]["id"]
    for name, is_first, shift in (("train", True, 0), ("val", False, 7)):
        part = {
            "images": [one for one in content["images"] if (one["id"] == first) == is_first],
            "annotations": [
                one | {"category_id": one["category_id"] + shift}
                for one in content["annotations"]
                if (one["image_id"] == first) == is_first
            ],
            "categories": [one | {"id": one["id"] + shift} for one in content["categories"]],
        }
        (set_project.folder / f"set/{name}.json").write_text(json.dumps(part))
    assert run_set(run_stage, set_project, "set").code == 0
    joined = found_in(set_project)
    keys = ["image", "label", *CORNERS]
    assert joined.boxes[keys].sort_values(keys).to_numpy().tolist() == (
        whole.boxes[keys].sort_values(keys).to_numpy().tolist()
    )


def test_a_picture_in_two_coco_files_is_refused(set_project: Project, run_stage: Run) -> None:
    use(set_project, "coco")
    folder = set_project.folder / "set"
    (folder / "older.json").write_bytes((folder / "instances.json").read_bytes())
    outcome = run_set(run_stage, set_project, "set")
    assert outcome.stderr.startswith(
        "import_detections: set/older.json: images 1: expected each picture in one file, got "
    )
    assert outcome.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("annotation_format", "name"), [("coco", "instances.JSON"), ("rtsd", "gt.Csv")]
)
def test_the_file_is_found_by_its_ending_in_capitals(
    set_project: Project, run_stage: Run, annotation_format: str, name: str
) -> None:
    """Two files whose names differ so are two, and neither is picked."""
    use(set_project, annotation_format)
    folder = set_project.folder / "set"
    source = folder / SOURCES[annotation_format].removeprefix("set/")
    source.rename(folder / name)
    assert run_set(run_stage, set_project, "set").code == 0
    assert len(found_in(set_project).boxes) == 6
    (folder / source.name).write_bytes((folder / name).read_bytes())
    outcome = run_set(run_stage, set_project, "set")
    expected = {"coco": "expected each picture in one file", "rtsd": "expected one file *.csv"}
    assert expected[annotation_format] in outcome.stderr


@pytest.mark.parametrize("policy", ["error", "drop"])
def test_a_picture_in_other_letters_is_named(
    set_project: Project, run_stage: Run, policy: str
) -> None:
    folder = set_project.folder / "set/images"
    (folder / "a.jpg").rename(folder / "A.JPG")
    use(set_project, "coco")
    set_project.set_params("import_detections", unusable_pictures=policy)
    outcome = run_set(run_stage, set_project, SOURCES["coco"])
    hint = "expected the picture 'a.jpg', found none; there is A.JPG, whose name differs in capital"
    if policy == "error":
        assert hint in outcome.stderr
    else:
        (told,) = report_of(set_project)["listed"]["picture missing or none"]
        assert hint in told


def test_channels_are_those_of_all_pixels(set_project: Project, run_stage: Run) -> None:
    write_pictures(set_project.folder / "set/images", ["b.png"], (7, 90))
    use(set_project, "rtsd")
    assert run_set(run_stage, set_project, "set/gt.csv").code == 0
    source = ImageSource(set_project.folder / "set/images")
    pixels = np.concatenate([source.rgb(name).reshape(-1, 3) for name in BOXES])
    channels = report_of(set_project)["channels"]
    for number, name in enumerate(("red", "green", "blue")):
        assert channels["mean"][name] == pytest.approx(pixels[:, number].mean(), abs=1e-3)
        deviation = channels["standard_deviation"][name]
        assert deviation == pytest.approx(pixels[:, number].std(), abs=1e-3)


def test_crowds_and_what_is_difficult_are_kept_to_be_ignored(
    set_project: Project, run_stage: Run
) -> None:
    content = coco_of()
    content["annotations"][1]["iscrowd"] = 1
    content["annotations"][3]["ignore"] = 1
    write_coco(set_project.folder / "set/instances.json", content)
    use(set_project, "coco")
    assert run_set(run_stage, set_project, "set/instances.json").code == 0
    found = found_in(set_project)
    assert found.boxes["is_crowd"].tolist() == [False, True, False, False, False, False]
    assert found.boxes["is_difficult"].tolist() == [False, False, False, True, False, False]
    report = report_of(set_project)
    assert report["num_boxes_to_ignore"] == 2
    assert report["classes_without_box"] == ["bird", "cat"]
    hard = voc_object("dog", 1, 1, 9, 9, further="<difficult>1</difficult>")
    (set_project.folder / "set/annotations/b.xml").write_text(voc_xml("b.png", [hard]))
    use(set_project, "voc")
    assert run_set(run_stage, set_project).code == 0
    found = found_in(set_project)
    assert found.boxes.loc[found.is_ignored, "image"].tolist() == ["b.png"]


def test_what_is_wrong_is_left_out_counted_and_listed(set_project: Project, run_stage: Run) -> None:
    objects = [
        voc_object("dog", 5, 5, 20, 20),
        voc_object("dog", 5, 5, 20, 20),
        voc_object("dog", 30, 5, 20, 20),
        voc_object("dog", 21, 5, 20, 20),
        voc_object("dog", "nan", 5, 20, 20),
        voc_object("dog", 61, 5, 70, 20),
        voc_object("dog", -5, 0, 20, 99),
        voc_object("dog", 60, 5, 70, 20),
        voc_object("ghost", 9, 9, 8, 9),
        voc_object("bird", 9, 9, 19, 19),
    ]
    (set_project.folder / "set/annotations/b.xml").write_text(voc_xml("b.png", objects))
    write_pictures(set_project.folder / "set/images", ["x/new.JPG", "notes.txt.png"])
    shutil.copy(
        set_project.folder / "set/images/a.jpg", set_project.folder / "set/images/again.jpg"
    )
    (set_project.folder / "set/annotations/d.xml").write_text(voc_xml("again.jpg", []))
    outcome = run_set(run_stage, set_project)
    assert (outcome.code, outcome.stderr) == (0, "")
    report = report_of(set_project)
    assert report["findings"] == {
        "box repeated": 1,
        "box reversed": 1,
        "box without area": 2,
        "box not finite": 1,
        "box outside its picture": 1,
        "box clipped to its picture": 2,
        "box too small": 1,
        "picture with the bytes of another": 2,
        "picture without annotations": 2,
        "XML file with another name than its picture": 1,
    }
    place = "set/annotations/b.xml: object"
    assert report["listed"]["box repeated"] == [f"{place} 2: dog [4, 4, 20, 20]"]
    assert report["listed"]["box reversed"] == [f"{place} 3: dog [29, 4, 20, 20]"]
    assert report["listed"]["picture without annotations"] == ["notes.txt.png", "x/new.JPG"]
    assert report["listed"]["picture with the bytes of another"] == ["a.jpg", "again.jpg"]
    assert report["classes_without_box"] == ["ghost"]
    assert report["num_pictures_without_box"] == 1
    for reason, number in report["findings"].items():
        assert f"  {reason}: {number}\n" in outcome.stdout
    assert "warning: no box of ghost\n" in outcome.stdout
    found = found_in(set_project)
    own = found.boxes[found.boxes["image"] == "b.png"]
    assert own[CORNERS].to_numpy().tolist() == [[4, 4, 20, 20], [0, 0, 20, 40], [8, 8, 19, 19]]
    assert found.classes == ("bird", "cat", "dog", "ghost")
    set_project.set_params(STAGE, num_listed=0)
    assert run_set(run_stage, set_project).code == 0
    assert set(map(tuple, report_of(set_project)["listed"].values())) == {()}


def test_classes_are_chosen(set_project: Project, run_stage: Run) -> None:
    use(set_project, "voc", "cat", "bird")
    assert run_set(run_stage, set_project).code == 0
    found = found_in(set_project)
    assert found.classes == ("bird", "cat")
    assert found.boxes["label"].tolist() == ["cat", "bird"]
    assert found.images.index.tolist() == list(BOXES)
    assert report_of(set_project)["findings"] == {"box of a class not chosen": 4}
    set_project.set_params(STAGE, empty_pictures="drop")
    assert run_set(run_stage, set_project).code == 0
    assert found_in(set_project).images.index.tolist() == ["a.jpg", "c.jpg"]
    assert report_of(set_project)["listed"]["picture left without an object"] == ["b.png"]


def save(picture: Image.Image) -> Callable[[Path], object]:
    return lambda path: picture.save(path)


GREY = Image.fromarray(np.tile(np.arange(60, dtype=np.uint8), (40, 1)))
KINDS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "grey": ("b.jpg", save(GREY)),
    "RGBA": ("b.png", save(GREY.convert("RGBA"))),
    "CMYK": ("b.jpg", save(GREY.convert("CMYK"))),
    "16-bit": (
        "b.png",
        lambda path: cv2.imwrite(str(path), np.asarray(GREY).astype(np.uint16) * 257),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_of_other_kinds_are_converted(
    kind: str, set_project: Project, run_stage: Run
) -> None:
    name, write = KINDS[kind]
    (set_project.folder / "set/images/b.png").unlink()
    write(set_project.folder / "set/images" / name)
    (set_project.folder / "set/annotations/b.xml").write_text(
        voc_xml(name, [voc_object("dog", 1, 1, 9, 9)])
    )
    outcome = run_set(run_stage, set_project)
    assert (outcome.code, outcome.stderr) == (0, "")
    picture = ImageSource(set_project.folder / "set/images").rgb(name).astype(int)
    assert np.abs(picture - np.asarray(GREY.convert("RGB"))).max() <= 3


def test_unusable_pictures_can_be_left_out(set_project: Project, run_stage: Run) -> None:
    (set_project.folder / "set/images/a.jpg").write_text("no picture")
    (set_project.folder / "set/images/b.png").unlink()
    set_project.set_params(STAGE, unusable_pictures="drop")
    outcome = run_set(run_stage, set_project)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert found_in(set_project).images.index.tolist() == ["c.jpg"]
    first, second = report_of(set_project)["listed"]["picture missing or none"]
    assert "a.jpg: expected a picture" in first
    assert "expected the picture 'b.png', found none" in second


@pytest.mark.parametrize("policy", ["drop", "keep"])
def test_damaged_pictures_can_be_left_out_or_kept(
    set_project: Project, run_stage: Run, policy: str
) -> None:
    damage_a_jpeg(set_project)
    set_project.set_params(STAGE, damaged_pictures=policy)
    outcome = run_set(run_stage, set_project)
    assert (outcome.code, outcome.stderr) == (0, "")  # nor libjpeg's own line
    kept = ["c.jpg"] if policy == "keep" else []
    assert found_in(set_project).images.index.tolist() == ["a.jpg", "b.png", *kept]
    (told,) = report_of(set_project)["listed"]["picture damaged"]
    assert "c.jpg: expected a picture without damage, got: Corrupt JPEG data: " in told


def test_pictures_of_too_many_pixels_are_counted_as_such(
    set_project: Project, run_stage: Run
) -> None:
    write_empty_png(set_project.folder / "set/images/b.png", 20_000, 20_000)
    set_project.set_params(STAGE, unusable_pictures="drop")
    assert run_set(run_stage, set_project).code == 0
    assert report_of(set_project)["findings"] == {"picture of too many pixels": 1}


@pytest.mark.parametrize("orientation", [3, 6])
def test_pictures_that_exif_turns_are_counted(
    set_project: Project, run_stage: Run, orientation: int
) -> None:
    """Turned twice, a picture has the size that is annotated, and its boxes are elsewhere."""
    path = set_project.folder / "set/images/a.jpg"
    exif = Image.Exif()
    exif[274] = orientation
    with Image.open(path) as picture:
        picture.save(path, exif=exif)
    set_project.set_params(STAGE, wrong_sizes="keep")
    assert run_set(run_stage, set_project).code == 0
    found = report_of(set_project)
    assert found["findings"]["picture turned by EXIF"] == 1
    assert found["listed"]["picture turned by EXIF"] == ["a.jpg"]


def test_files_of_several_pictures_are_counted(set_project: Project, run_stage: Run) -> None:
    path = set_project.folder / "set/images/b.png"
    with Image.open(path) as picture:
        first = picture.convert("RGB")
    first.save(path, save_all=True, append_images=[Image.new("RGB", first.size)] * 2)
    assert run_set(run_stage, set_project).code == 0
    listed = report_of(set_project)["listed"]
    assert listed["picture of several pages or frames, the first taken"] == ["b.png"]


def test_what_others_leave_in_folders_is_left_out(set_project: Project, run_stage: Run) -> None:
    folder = set_project.folder / "set"
    for name in ("._a.xml", "__MACOSX/annotations/._b.xml", ".ipynb_checkpoints/a.xml"):
        (folder / "annotations" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "annotations" / name).write_bytes(b"\0\5\x16\7Mac OS X")
    for name in ("._a.jpg", "__MACOSX/._a.jpg", ".ipynb_checkpoints/a.jpg", ".thumbs/b.png"):
        (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "images/a.jpg", folder / "images" / name)
    for name in ("Thumbs.db", ".DS_Store", "desktop.ini", "._a.json", "._gt.csv"):
        for place in ("images", "annotations", "."):
            (folder / place / name).write_bytes(b"\0\1")
    outcome = run_set(run_stage, set_project)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert found_in(set_project).images.index.tolist() == list(BOXES)
    assert report_of(set_project)["findings"] == {"hidden or system file": 7}
    for annotation_format in ("coco", "rtsd"):
        use(set_project, annotation_format)
        assert run_set(run_stage, set_project, "set").code == 0
        assert report_of(set_project)["findings"] == {"hidden or system file": 5}


@pytest.mark.parametrize("annotation_format", SOURCES)
def test_pictures_are_found_by_what_others_call_them(
    annotation_format: str, set_project: Project, run_stage: Run
) -> None:
    folder = set_project.folder / "set"
    other = {"a.jpg": "images\\straße é.jpg", "b.png": "b", "c.jpg": "/home/me/day 1/c.jpg"}
    files = {"a.jpg": unicodedata.normalize("NFD", "straße é.jpg"), "c.jpg": "day 1/c.jpg"}
    (folder / "images/day 1").mkdir()
    for name, file in files.items():
        (folder / "images" / name).rename(folder / "images" / file)
    told = {other[name]: boxes for name, boxes in BOXES.items()}
    shutil.rmtree(folder / "annotations")
    write_voc(folder / "annotations", BOXES)
    for name in BOXES:
        xml = folder / f"annotations/{Path(name).stem}.xml"
        xml.write_text(xml.read_text().replace(f">{name}<", f">{other[name]}<"))
    write_coco(folder / "instances.json", coco_of(told))
    write_rtsd(folder / "gt.csv", told)
    use(set_project, annotation_format)
    outcome = run_set(run_stage, set_project, SOURCES[annotation_format])
    assert (outcome.code, outcome.stderr) == (0, "")
    rows = found_in(set_project).boxes[["image", "label", *CORNERS]]
    assert sorted(rows.itertuples(index=False, name=None)) == sorted(
        (files.get(name, name), *box) for name, own in BOXES.items() for box in own
    )
    findings = report_of(set_project)["findings"]
    # The XML file of a.jpg is called a.xml still.
    is_told = findings.pop("XML file with another name than its picture", 0)
    assert is_told == (annotation_format == "voc")
    assert findings == {"picture found under another name": 3}


def test_names_that_files_and_archives_have_are_theirs(
    set_project: Project, run_stage: Run
) -> None:
    """A file without an ending beside one with it; an archive beside the same picture."""
    images = set_project.folder / "set/images"
    shutil.copy(images / "b.png", images / "a")
    write_pictures(set_project.folder, ["x.png", "x2.png"])
    with zipfile.ZipFile(images / "all.zip", "w") as file:
        file.write(set_project.folder / "x2.png", "b.png")
        file.write(set_project.folder / "x.png", unicodedata.normalize("NFD", "é.png"))
    told = dict.fromkeys(("a", "all.zip/b.png", "all.zip/é.png"), BOXES["b.png"])
    write_coco(set_project.folder / "set/instances.json", coco_of(told))
    use(set_project, "coco")
    outcome = run_set(run_stage, set_project, "set/instances.json")
    assert (outcome.code, outcome.stderr) == (0, "")
    found = unicodedata.normalize("NFD", "all.zip/é.png")
    assert found_in(set_project).images.index.tolist() == ["a", "all.zip/b.png", found]
    assert report_of(set_project)["findings"]["picture found under another name"] == 1


def test_malformed_entries_can_be_left_out(set_project: Project, run_stage: Run) -> None:
    (set_project.folder / "set/annotations/d.xml").write_text("<annotation>")
    b_xml(voc_object("dog", 4, 5, 9, 12), voc_object("", 1, 1, 9, 9))(set_project)
    set_project.set_params(STAGE, malformed_entries="drop")
    outcome = run_set(run_stage, set_project)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert found_in(set_project).boxes["label"].tolist() == [
        "dog",
        "cat",
        "dog",
        "bird",
        "dog",
        "dog",
    ]
    assert len(report_of(set_project)["listed"]["entry malformed"]) == 2


RUN = (
    "import resource, runpy, sys; limit = int(sys.argv[1]); "
    "resource.setrlimit(resource.RLIMIT_AS, (limit, limit)); "
    "sys.argv = sys.argv[2:]; runpy.run_path(sys.argv[0], run_name='__main__')"
)


@pytest.mark.parametrize("limit_gb", [0.9, 1.2, 1.4, 2.5])
def test_too_little_memory_is_no_verdict_on_a_picture(
    set_project: Project, run_stage: Run, limit_gb: float
) -> None:
    """Wherever the room that is left does not do: for the picture, the decoder or what follows."""
    write_empty_png(set_project.folder / "set/images/b.png", 11_000, 11_000)
    set_project.set_params(STAGE, unusable_pictures="drop", wrong_sizes="keep", num_pictures=0)
    words = [
        *(str(REPOSITORY / "stages/import_detections.py"), "--annotations", "set/annotations"),
        *("--images", "set/images", "--detections", "data/detection"),
        *("--report", "data/detection_report"),
    ]
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(int(limit_gb * 2**30)), *words],
        cwd=set_project.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        assert "b.png" in found_in(set_project).images.index
    else:
        assert done.stderr.startswith("import_detections: expected more memory, got: ")
        assert done.stderr.count("\n") == 1
    assert (done.returncode == 0) == (limit_gb > 1.4) or limit_gb == 1.4


def test_pictures_of_another_size_can_be_left_out_or_kept(
    set_project: Project, run_stage: Run
) -> None:
    write_pictures(set_project.folder / "set/images", ["a.jpg"], (40, 60))
    set_project.set_params(STAGE, wrong_sizes="drop")
    assert run_set(run_stage, set_project).code == 0
    assert found_in(set_project).images.index.tolist() == ["b.png", "c.jpg"]
    set_project.set_params(STAGE, wrong_sizes="keep")
    assert run_set(run_stage, set_project).code == 0
    found = found_in(set_project)
    assert found.images.loc["a.jpg", ["width", "height"]].tolist() == [40, 60]
    assert found.boxes.loc[0, CORNERS].tolist() == [0, 0, 40, 40]
    assert report_of(set_project)["findings"]["box clipped to its picture"] == 1


Change = Callable[[Project], object]


def write(path: str, content: str | bytes) -> Change:
    data = content.encode() if isinstance(content, str) else content
    return lambda project: (project.folder / path).write_bytes(data)


def b_xml(*objects: str, **options: Any) -> Change:
    return write("set/annotations/b.xml", voc_xml("b.png", objects, **options))


def strict(change: Change) -> Change:
    def apply(project: Project) -> None:
        project.set_params(STAGE, invalid_boxes="error")
        change(project)

    return apply


def remove(path: str) -> Change:
    return lambda project: (project.folder / path).unlink()


def damage_a_jpeg(project: Project) -> None:
    """A hole of zeros in the middle of the coded pixels, as a disk that fails leaves one."""
    size_wh = (320, 240)
    write_pictures(project.folder / "set/images", ["c.jpg"], size_wh)
    (project.folder / "set/annotations/c.xml").write_text(
        voc_xml("c.jpg", [voc_object("dog", 2, 2, 20, 20)], size_wh)
    )
    path = project.folder / "set/images/c.jpg"
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(content)


def write_empty_png(path: Path, width: int, height: int) -> None:
    """A black picture in as few bytes as there can be, without room for its pixels."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in parts
        )
    )


def link_out(project: Project) -> None:
    (project.folder / "secret.png").write_bytes((project.folder / "set/images/b.png").read_bytes())
    (project.folder / "set/images/b.png").unlink()
    (project.folder / "set/images/b.png").symlink_to(project.folder / "secret.png")


BAD_VOC: dict[str, tuple[Change, str]] = {
    "malformed XML": (write("set/annotations/b.xml", "<annotation><a>"), "b.xml: expected VOC's"),
    "an entity bomb": (
        write(
            "set/annotations/b.xml", '<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>'
        ),
        "b.xml: expected VOC's XML, got: 'a document type'",
    ),
    "a size of words": (
        b_xml(voc_object("dog", 1, 1, 9, 9), size_wh=("wide", 40)),
        "b.xml: expected a number as size/width, got 'wide'; "
        "malformed_entries: drop leaves such out",
    ),
    "a damaged JPEG": (
        damage_a_jpeg,
        "set/images/c.jpg: expected a picture without damage, got: Corrupt JPEG data: ",
    ),
    "a picture of too many pixels": (
        lambda project: write_empty_png(project.folder / "set/images/b.png", 20_000, 20_000),
        "b.png: expected a picture of at most 134217728 px, got 20000x20000; "
        "unusable_pictures: drop",
    ),
    "xmin > xmax": (
        strict(b_xml(voc_object("dog", 1, 1, 9, 9), voc_object("dog", 9, 1, 3, 9))),
        "b.xml: object 2: dog [8, 0, 3, 9]: box reversed (1 of 7 boxes are invalid; "
        "invalid_boxes: drop leaves such out)",
    ),
    "a box outside": (
        strict(b_xml(voc_object("dog", 100, 1, 120, 9))),
        "b.xml: object 1: dog [99, 0, 120, 9]: box outside its picture",
    ),
    "no picture": (
        remove("set/images/b.png"),
        "set/images: expected the picture 'b.png', found none; unusable_pictures: drop",
    ),
    "a picture that is not one": (
        write("set/images/b.png", "<html>404</html>"),
        "set/images/b.png: expected a picture, got 16 bytes that are not a complete picture",
    ),
    "an empty picture": (write("set/images/b.png", ""), "b.png: expected a picture, got 0 bytes"),
    "another size": (
        lambda project: write_pictures(project.folder / "set/images", ["b.png"], (40, 60)),
        "b.xml: 'b.png': 60x40 annotated, 40x60 found (1 of 3 pictures; turned by EXIF? "
        "wrong_sizes: drop or keep goes on)",
    ),
    "a picture outside": (
        write("set/annotations/b.xml", voc_xml("../../params.yaml", [])),
        "set/images: expected names of pictures below it, got '../../params.yaml'",
    ),
    "a link outside": (link_out, "set/images: expected no links that lead out of it, got 'b.png'"),
    "no annotations": (
        lambda project: shutil.rmtree(project.folder / "set/annotations"),
        "set/annotations: expected a folder of VOC's XML files, found none",
    ),
    "no pictures": (
        lambda project: shutil.rmtree(project.folder / "set/images"),
        "set/images: expected a folder of pictures, found none",
    ),
    "no boxes at all": (
        lambda project: write_voc(project.folder / "set/annotations", {name: [] for name in BOXES}),
        "set/annotations: expected pictures with boxes, found none besides 0 boxes to be "
        "ignored (left out: nothing)",
    ),
    "no box that is one": (
        lambda project: write_voc(
            project.folder / "set/annotations", {name: [("dog", 9, 9, 3, 9)] for name in BOXES}
        ),
        "found none besides 0 boxes to be ignored (left out: {'box reversed': 3})",
    ),
    "a class that does not occur": (
        lambda project: use(project, "voc", "dog", "Cat"),
        "params.yaml: dataset.detection.classes: expected classes that occur (bird, cat, dog), "
        "got Cat",
    ),
    "a format that does not exist": (
        lambda project: use(project, "yolo"),
        "params.yaml: dataset.detection.format: expected 'tracks', 'voc', 'coco', 'rtsd' or "
        "'masks', got 'yolo'",
    ),
    "a stride of nothing": (
        lambda project: project.set_params(STAGE, frame_stride=0),
        "import_detections.frame_stride: expected a whole number from 1 to 1000000, got 0",
    ),
}


@pytest.mark.parametrize("case", BAD_VOC)
def test_bad_input_is_refused(
    case: str, set_project: Project, run_stage: Run, assert_refused: Callable[..., None]
) -> None:
    change, expected = BAD_VOC[case]
    change(set_project)
    outcome = run_set(run_stage, set_project)
    assert_refused(outcome, set_project, STAGE)
    assert expected in outcome.stderr


BAD_FILES: dict[str, tuple[str, Change, str]] = {
    "CSV without a column": (
        "rtsd",
        write("set/gt.csv", "filename,x_from,y_from,width,sign_class\na.jpg,1,2,3,x\n"),
        "set/gt.csv: expected the columns filename, x_from, y_from, width, height, sign_class, got",
    ),
    "CSV with words": (
        "rtsd",
        write("set/gt.csv", "filename,x_from,y_from,width,height,sign_class\na.jpg,1,2,3,tall,x\n"),
        "set/gt.csv: row 1: expected a number as height, got 'tall'",
    ),
    "CSV without rows": (
        "rtsd",
        write("set/gt.csv", "filename,x_from,y_from,width,height,sign_class\n"),
        "set/gt.csv: expected pictures with boxes, found none",
    ),
    "no CSV": ("rtsd", remove("set/gt.csv"), "set/gt.csv: expected a table, found no such file"),
    "no JSON": ("coco", write("set/instances.json", "{"), "set/instances.json: expected JSON"),
    "JSON of something else": (
        "coco",
        write("set/instances.json", '{"images": []}'),
        "set/instances.json: expected a list of categories, got None",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_refused(
    case: str, set_project: Project, run_stage: Run, assert_refused: Callable[..., None]
) -> None:
    annotation_format, change, expected = BAD_FILES[case]
    use(set_project, annotation_format)
    change(set_project)
    outcome = run_set(run_stage, set_project, SOURCES[annotation_format])
    assert_refused(outcome, set_project, STAGE)
    assert expected in outcome.stderr


class TestTracks:
    @pytest.fixture
    def project(self, project_before: Callable[[str], Project]) -> Project:
        return project_before(STAGE)

    @pytest.mark.parametrize("stride", [1, 4, 5, 100])
    def test_every_nth_frame_as_interpolated(
        self, project: Project, run_stage: Run, stride: int
    ) -> None:
        """Against the COCO file that the annotations' own stage wrote."""
        project.set_params(STAGE, frame_stride=stride)
        outcome = run_stage(project, STAGE)
        assert (outcome.code, outcome.stderr) == (0, "")
        found = found_in(project)
        expected = []
        for video in VIDEOS:
            file = project.folder / "data/annotations" / video / "coco.json"
            content = json.loads(file.read_text())
            for entry in content["annotations"]:
                x, y, width, height = entry["bbox"]
                if (entry["image_id"] - 1) % stride == 0:
                    name = f"{video}.zip/{entry['image_id'] - 1:06d}.jpg"
                    expected.append((name, "human", x, y, x + width, y + height))
        rows = found.boxes[["image", "label", *CORNERS]].itertuples(index=False, name=None)
        for one, other in zip(sorted(rows), sorted(expected), strict=True):
            assert one[:2] == other[:2]
            assert one[2:] == pytest.approx(other[2:], abs=2e-3)
        frames = list(range(0, NUM_FRAMES, stride))
        for video, own in found.images.groupby("video"):
            assert own["frame_index"].tolist() == frames
            assert set(own["width"]) == {SIZE_WH[0]}
            assert own.index.str.startswith(f"{video}.zip/").all()
        assert set(found.images["video"]) == set(VIDEOS)
        source = ImageSource(project.folder / "data/frames")
        assert source.rgb(found.images.index[-1]).shape == (SIZE_WH[1], SIZE_WH[0], 3)

    def test_two_runs_give_the_same_bytes_and_the_second_decodes_nothing(
        self, project: Project, run_stage: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def run() -> dict[str, bytes]:
            assert run_stage(project, STAGE).code == 0
            return {p.name: p.read_bytes() for o in project.outputs(STAGE) for p in o.iterdir()}

        first = run()
        shutil.rmtree(project.folder / ".vigil")
        assert run() == first
        project.set_params(STAGE, num_pictures=0)
        monkeypatch.setattr(cv2, "imdecode", None)
        again = run()
        del again["sheet.jpg"]  # says that no pictures were asked for
        assert again.items() <= first.items()
        assert first.keys() - again.keys() == {"sheet.jpg"}

    def test_a_new_video_costs_itself_and_one_taken_away_leaves_no_trace(
        self, project: Project, run_stage: Run
    ) -> None:
        aside = project.folder / "aside"
        folder = project.folder / "data/annotations/door_2.webm"
        folder.rename(aside)
        assert run_stage(project, STAGE).code == 0
        memo = project.folder / ".vigil/memo/measured_pictures"
        assert len(list(memo.iterdir())) == 2
        before = (project.folder / "data/detection/instances.json").read_bytes()
        aside.rename(folder)
        assert run_stage(project, STAGE).code == 0
        assert len(list(memo.iterdir())) == 3
        assert set(found_in(project).images["video"]) == set(VIDEOS)
        folder.rename(aside)
        assert run_stage(project, STAGE).code == 0
        assert (project.folder / "data/detection/instances.json").read_bytes() == before

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            (
                lambda project: shutil.rmtree(project.folder / "data/annotations"),
                "data/annotations: expected tracks as <video>/ieos_vid_labels/<id>.json",
            ),
            (remove("data/frames/door_2.webm.zip"), "data/frames/door_2.webm.zip: expected"),
            (
                write("data/frames/door_2.webm.zip", b"PK no archive"),
                "data/frames/door_2.webm.zip: expected an archive of frames",
            ),
            (
                write(
                    "data/annotations/door_2.webm/ieos_vid_labels/v1-person_0.json",
                    '{"id": "a", "label": "human", "frames": [400], "coords": [[1, 2, 3, 4]]}',
                ),
                "door_2.webm: track a: expected frames below 30, got 400",
            ),
        ],
        ids=["no tracks", "no frames", "no archive", "a track past the end"],
    )
    def test_bad_input_is_refused(
        self,
        change: Change,
        expected: str,
        project: Project,
        run_stage: Run,
        assert_refused: Callable[..., None],
    ) -> None:
        change(project)
        outcome = run_stage(project, STAGE)
        assert_refused(outcome, project, STAGE)
        assert expected in outcome.stderr


@pytest.mark.skipif(not REAL.is_dir(), reason="no real data beside the project")
class TestRealData:
    def test_photographs(self, set_project: Project, run_stage: Run) -> None:
        for name in ("annotations", "images"):
            shutil.rmtree(set_project.folder / "set" / name)
            (set_project.folder / "set" / name).symlink_to(REAL / "raccoon" / name)
        outcome = run_set(run_stage, set_project)
        assert (outcome.code, outcome.stderr) == (0, "")
        report = report_of(set_project)
        assert (report["num_pictures"], report["num_boxes"]) == (200, 217)
        assert report["findings"] == {"picture with the bytes of another": 8}
        write_drawn(set_project)
        outcome = run_stage(set_project, "split_detector")
        assert (outcome.code, outcome.stderr) == (0, "")
        table = json.loads((set_project.folder / "metrics/split_detector.json").read_text())
        assert sum(table["pictures"].values()) == 200
        # params of the tiny scene: a third for the test, of the rest a half to validate
        for own in table["by_class"]["raccoon"].values():
            assert own["share_of_pictures"] == pytest.approx(0.33, abs=0.03)

    def test_surveillance_video(self, set_project: Project, run_stage: Run) -> None:
        project, folder = set_project, REAL / "pets09"
        (project.folder / "scene").symlink_to(folder)
        videos = ["window_vid_1.mp4", "window_vid_2.webm", "window_vid_4.avi"]
        project.set_params("dataset", videos=videos)
        for stage in ("extract_frames", "interpolate_annotations"):
            assert run_stage(project, stage).code == 0
        use(project, "tracks")
        project.set_params(STAGE, frame_stride=2, min_side_px=0.1)
        assert run_stage(project, STAGE).code == 0
        found = found_in(project)
        assert found.images["video"].value_counts().to_dict() == dict.fromkeys(videos, 133)
        dense = json.loads((folder / "dense_boxes.json").read_text())
        expected = [
            (f"{video}.zip/{int(index):06d}.jpg", *np.clip(box, 0, [480, 360, 480, 360]))
            for video in videos
            for boxes in dense[Path(video).stem].values()
            for index, box in boxes.items()
            if int(index) % 2 == 0
        ]
        rows = list(found.boxes[["image", *CORNERS]].itertuples(index=False, name=None))
        assert len(rows) == len(expected)
        for name in sorted({row[0] for row in expected}):
            own = np.array([row[1:] for row in rows if row[0] == name])
            told = np.array([row[1:] for row in expected if row[0] == name])
            assert own.shape == told.shape
            nearest = np.abs(own[:, None] - told[None]).max(axis=2).min(axis=1)
            assert nearest.max() <= 1.25


def test_files_in_sub_folders_are_told_and_not_searched(tmp_path: Path) -> None:
    for side in ("train", "valid"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "_annotations.coco.json").write_text("{}")
    expected = r"expected a file \*.json in the folder itself, found none but 2 in its sub-folders"
    with pytest.raises(InputError, match=expected):
        files_of(tmp_path, ".json", Findings())
    with pytest.raises(
        InputError, match=r"expected a file \*.csv in the folder itself, found none$"
    ):
        files_of(tmp_path, ".csv", Findings())
