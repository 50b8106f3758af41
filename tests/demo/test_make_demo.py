"""The stage as it is run: files, containers, frame rates, the same bytes in any folder."""

import hashlib
import json
import os
import resource
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest
import yaml
from scene.behaviours import BEHAVIOURS
from scene.clips import ClipScene
from scene.gate import GATES
from scene.production import PLACE_FRAMES

from vigil.domain.pictures.run_lengths import area, check_runs, decompress

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "demo"
NUM_FRAMES = 14
PROMISED = {
    "plaza_1.mp4": ("mov", "h264", 480, 360, Fraction(10)),
    "plaza_2.webm": ("matroska", "vp9", 480, 360, Fraction(15)),
    "plaza_3.avi": ("avi", "mpeg4", 400, 304, Fraction(12)),
    "plaza_4.mp4": ("mov", "h264", 480, 360, Fraction(15000, 1001)),
    "plaza_5.mkv": ("matroska", "h264", 480, 360, Fraction(25, 2)),
    "gate_0.mp4": ("mov", "h264", 320, 240, Fraction(12)),
}


def run(folder, num_frames=NUM_FRAMES, max_file_bytes=resource.RLIM_INFINITY):
    folder.mkdir(parents=True)
    (folder / "params.yaml").write_text(
        f"make_demo: {{seed: 7, num_frames: {num_frames}, "
        "num_scenes_per_class: 1, num_clips_per_scene: 2, num_acts: 1, num_places: 3}\n"
    )
    command = [sys.executable, str(DEMO / "make_demo.py"), "--videos", "out/videos"]
    command += ["--annotations", "out/annotations.json", "--exact-boxes", "out/exact_boxes.json"]
    command += ["--masks", "out/masks"]
    command += ["--clips", "out/clips", "--watch", "out/watch", "--truth", "out/truth.json"]
    search = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": search}
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (max_file_bytes, resource.RLIM_INFINITY)
        ),
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "first"
    finished = run(folder)
    assert finished.returncode == 0, finished.stderr
    return folder / "out"


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_another_folder_gets_the_same_bytes(made, tmp_path):
    finished = run(tmp_path / "a" / "longer" / "way")
    assert finished.returncode == 0, finished.stderr
    first = digests(made)
    pictures = 3 * len(PLACE_FRAMES)
    others = len(PROMISED) + 2 + 2 * len(BEHAVIOURS) + len(GATES) + 1
    assert len(first) == others + pictures + 1  # and the file of the masks
    assert digests(tmp_path / "a" / "longer" / "way" / "out") == first


def test_videos_are_as_promised(made):
    assert {path.name for path in (made / "videos").iterdir()} == PROMISED.keys()
    for name, (container_name, codec, width, height, fps) in PROMISED.items():
        with av.open(str(made / "videos" / name)) as container:
            stream = container.streams.video[0]
            assert container_name in container.format.name
            assert (stream.codec_context.name, stream.width, stream.height) == (
                codec,
                width,
                height,
            )
            assert stream.average_rate == fps
            assert sum(1 for _ in container.decode(stream)) == NUM_FRAMES


def test_clips_of_every_class_decode_whole(made):
    assert {path.name for path in (made / "clips").iterdir()} == BEHAVIOURS.keys()
    for scene_index, behaviour in enumerate(BEHAVIOURS):
        scene = ClipScene(behaviour, scene_index, seed=7, num_clips=2)
        assert len(list((made / "clips" / behaviour).iterdir())) == 2
        for clip in scene.clips:
            with av.open(str(made / "clips" / clip.name)) as container:
                stream = container.streams.video[0]
                assert stream.average_rate == clip.fps
                assert (stream.width, stream.height) == scene.place.size_wh
                assert sum(1 for _ in container.decode(stream)) == clip.num_frames


def test_no_versions_in_the_files(made):
    for path in [*(made / "videos").iterdir(), *(made / "clips").glob("*/*")]:
        content = path.read_bytes()
        for mark in (b"x264", b"Lavc", b"libvpx"):
            assert mark not in content, f"{path.name} names {mark!r}"


def test_annotations_and_exact_boxes_belong_together(made):
    tasks = json.loads((made / "annotations.json").read_text())
    exact = json.loads((made / "exact_boxes.json").read_text())
    assert exact.keys() == PROMISED.keys()
    names = [task["data"]["video"].split("-", 1)[1] for task in tasks]
    assert names == list(PROMISED)
    for task, name in zip(tasks, names, strict=True):
        regions = exact[name]
        ids = {result["id"] for result in task["annotations"][0]["result"]}
        assert ids == regions.keys()
        assert ids
        assert all(len(region_id) == 10 and int(region_id, 16) >= 0 for region_id in ids)
        assert all(0 <= int(index) < NUM_FRAMES for boxes in regions.values() for index in boxes)


def test_wrong_params_are_one_line(tmp_path):
    finished = run(tmp_path / "wrong", num_frames=0)
    assert finished.returncode == 1
    assert finished.stderr.startswith("make_demo: params.yaml: make_demo.num_frames")
    assert len(finished.stderr.splitlines()) == 1


def test_stage_declares_its_code_and_its_files():
    stage = yaml.safe_load((DEMO / "dvc.yaml").read_text())["stages"]["make_demo"]
    assert {"make_demo.py", "scene"} <= set(stage["deps"])
    words = stage["cmd"].split()
    assert set(stage["outs"]) == {word for word in words if word.startswith("../")}
    assert yaml.safe_load((DEMO / "params.yaml").read_text())["make_demo"].keys() == {
        "seed",
        "num_frames",
        "num_scenes_per_class",
        "num_clips_per_scene",
        "num_acts",
        "num_places",
    }


def test_without_room_nothing_stays_that_looks_whole(tmp_path):
    finished = run(tmp_path / "full", max_file_bytes=9000)
    assert finished.returncode == 1
    (line,) = finished.stderr.splitlines()
    assert line.startswith("make_demo: ")
    assert "expected to write, got: File too large" in line
    assert not [file for file in (tmp_path / "full/out").rglob("*") if file.is_file()]


def test_masks_of_people_lie_in_their_pictures_and_differ_by_place(made):
    known = json.loads((made / "masks" / "instances.json").read_text())
    images = {one["id"]: one for one in known["images"]}
    assert {one["video"] for one in images.values()} == {"place_00", "place_01", "place_02"}
    files = {str(f.relative_to(made / "masks/pictures")) for f in made.rglob("masks/*/*/*.jpg")}
    assert {one["file_name"] for one in images.values()} == files
    assert len(known["annotations"]) >= len(images)
    for one in known["annotations"]:
        runs = decompress(one["segmentation"]["counts"])
        check_runs(runs, tuple(one["segmentation"]["size"]))
        assert area(runs) > 0
