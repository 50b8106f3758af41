"""What comes from someone else reads, runs and writes nothing but what it is meant to."""

import csv
import json
import os
import shutil
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import Outcome, Project, files_of, no_longer_than
from tiny_clips import write_clips
from tiny_detections import BOXES, coco_of, voc_xml, write_coco, write_pictures, write_rtsd
from tiny_videos import write_coded_video

from vigil.domain.clips.evidence.embeddings import Embedding, write_embeddings
from vigil.domain.clips.evidence.pieces import Pieces
from vigil.domain.clips.windows import read_windows, write_windows
from vigil.domain.pictures.annotated import read_annotated
from vigil.domain.samples.index import read_index
from vigil.plumbing.errors import InputError
from vigil.plumbing.folders import below, check_folder

Run = Callable[..., Outcome]
Check = Callable[[Outcome, Project, str], None]

NAMES_THAT_LEAD_OUT = [
    "../secret.png",
    "../../../../../../../../etc/passwd",
    "/etc/passwd",
    "images/../../secret.png",
    "all.zip/../secret.png",
    "..",
]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


# Names


@pytest.mark.parametrize(
    "name", ["../door_1.mp4", "/etc/passwd", "a/door_1.mp4", "..", ".", "a\\b"]
)
def test_names_of_videos_are_names(
    project: Project, run_stage: Run, assert_refused: Check, name: str
) -> None:
    project.set_params("dataset", videos=[name])
    outcome = run_stage(project, "extract_frames")
    assert_refused(outcome, project, "extract_frames")
    assert "must be a file name without a folder" in outcome.stderr


@pytest.mark.parametrize(
    "source",
    [
        "../../../door_1.mp4",
        "/../../etc/door_1.mp4",
        "file:///etc/../door_1.mp4",
        "https://example.com/%2e%2e/%2e%2e%2fdoor_1.mp4",
        "s3://bucket/../../door_1.mp4",
        "/data/local-files/?d=../../../../door_1.mp4",
        "C:\\..\\..\\door_1.mp4",
    ],
)
def test_addresses_of_videos_give_a_name_alone(
    project_before: Callable[[str], Project], run_stage: Run, source: str
) -> None:
    project = project_before("interpolate_annotations")
    export = project.export
    export[0]["data"]["video"] = source
    project.write_export(export)
    before = files_of(project.folder)
    assert run_stage(project, "interpolate_annotations").code == 0
    made = files_of(project.folder)
    assert {name.split("/")[2] for name in made.keys() - before} == set(
        project.params["dataset"]["videos"]
    )
    assert {name: made[name] for name in before} == before


@pytest.mark.parametrize("name", NAMES_THAT_LEAD_OUT)
@pytest.mark.parametrize("kind", ["voc", "coco", "rtsd"])
@pytest.mark.parametrize("unusable", ["error", "drop"])
def test_names_of_pictures_stay_below_their_folder(
    set_project: Project, run_stage: Run, assert_refused: Check, kind: str, name: str, unusable: str
) -> None:
    folder = set_project.folder / "set"
    write_pictures(set_project.folder, ["secret.png"])
    boxes = {name: BOXES["b.png"]}
    if kind == "voc":
        (folder / "annotations").mkdir()
        (folder / "annotations/x.xml").write_text(voc_xml(name, []))
    elif kind == "coco":
        write_coco(folder / "annotations", coco_of(boxes))
    else:
        write_rtsd(folder / "annotations", boxes)
    set_project.set_params("import_detections", unusable_pictures=unusable)
    outcome = import_set(set_project, run_stage, kind)
    assert_refused(outcome, set_project, "import_detections")
    assert "expected names of pictures below it, got " in outcome.stderr


def test_nothing_is_taken_out_of_an_archive(set_project: Project, run_stage: Run) -> None:
    images = set_project.folder / "set/images"
    with zipfile.ZipFile(images / "all.zip", "w") as file:
        for name in ("b.png", "../../evil.png", "/tmp/evil.png", "c:\\evil.png"):
            file.write(images / "b.png", name)
    write_coco(set_project.folder / "set/annotations", coco_of({"all.zip/b.png": BOXES["b.png"]}))
    before = files_of(set_project.folder)
    assert import_set(set_project, run_stage, "coco").code == 0
    new = files_of(set_project.folder).keys() - before
    assert {name.split("/")[1] for name in new} == {"detection", "detection_report"}
    found = read_annotated(set_project.folder / "data/detection/instances.json")
    assert list(found.images.index) == ["all.zip/b.png"]


NAMES_OF_CLIPS_THAT_LEAD_OUT = ["../secret.mp4", "/etc/passwd", "creep/../../secret.mp4", "", "."]


@pytest.mark.parametrize("name", NAMES_OF_CLIPS_THAT_LEAD_OUT)
def test_names_of_clips_among_windows_stay_below_their_folder(
    clips_project: Project, run_stage: Run, assert_refused: Check, name: str
) -> None:
    write_some_windows(clips_project, name)
    write_coded_video(clips_project.folder / "scene/secret.mp4", 9)
    outcome = run_stage(clips_project, "embed_clips")
    assert_refused(outcome, clips_project, "embed_clips")
    assert outcome.stderr.startswith("embed_clips: scene/clips: expected names below it, got ")


@pytest.mark.parametrize("name", ["../labels.csv", "/etc/passwd", "creep/../../labels.csv", "."])
def test_the_labels_of_frames_lie_below_their_folder(
    clips_project: Project, run_stage: Run, assert_refused: Check, name: str
) -> None:
    labels = clips_project.folder / "scene/labels.csv"
    labels.write_text("video,start_frame,stop_frame\ndash/dash_g00_c1.webm,0,9\n")
    clips_project.set_params("dataset", clip_labels=name)
    outcome = run_stage(clips_project, "import_clips")
    assert_refused(outcome, clips_project, "import_clips")
    assert outcome.stderr.startswith("import_clips: scene/clips: expected names below it, got ")


@pytest.mark.parametrize("name", ["../secret.mp4", "/etc/passwd", "creep/../../secret.mp4"])
def test_names_of_videos_among_labels_of_frames_are_of_those_found(
    clips_project: Project, run_stage: Run, assert_refused: Check, name: str
) -> None:
    write_coded_video(clips_project.folder / "scene/secret.mp4", 9)
    labels = clips_project.folder / "scene/clips/labels.csv"
    labels.write_text(f"video,start_frame,stop_frame\n{name},0,9\n")
    clips_project.set_params("dataset", clip_labels="labels.csv")
    outcome = run_stage(clips_project, "import_clips")
    assert_refused(outcome, clips_project, "import_clips")
    assert f", got {name}" in outcome.stderr


def test_paths_are_made_of_names_below_a_folder(tmp_path: Path) -> None:
    assert below(tmp_path, ["a", "b/c..mp4"]) == [tmp_path / "a", tmp_path / "b/c..mp4"]
    for name in ("..", "a/..", "/a", "", ".", "a\0"):
        with pytest.raises(InputError, match="expected names below it, got "):
            below(tmp_path, ["a", name])


def test_names_in_an_index_of_samples_stay_below_their_folder(
    project_before: Callable[[str], Project], run_stage: Run
) -> None:
    from vigil.learn.classifier.network.data import CropDataset

    samples = project_before("split_classifier").folder / "data/samples"
    shutil.copy(samples / "door_1.mp4.npy", samples.parent / "secret.npy")
    text = (samples / "index.csv").read_text()
    (samples / "index.csv").write_text(text.replace("door_1.mp4,", "../secret,"))
    with pytest.raises(InputError, match=r"expected names below it, got '\.\./secret\.npy'"):
        CropDataset(samples, list(read_index(samples).index))


# Links and pipes


def link(to: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(to)


LEADING_OUT: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file": (link("../../secret.mp4"), "links that lead out of it"),
    "a folder": (link("/"), "links that lead out of it"),
    "nothing": (link("/nowhere/at all"), "links that lead out of it"),
    "a device": (link("/dev/zero"), "links that lead out of it"),
    "a pipe": (os.mkfifo, "got something else"),
}


@pytest.mark.parametrize("kind", LEADING_OUT)
@pytest.mark.parametrize("place", ["videos/door_1.mp4", "videos/unlisted", "videos/in/deep"])
def test_links_out_of_the_videos_are_refused(
    project: Project, run_stage: Run, assert_refused: Check, kind: str, place: str
) -> None:
    path = project.folder / "scene" / place
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    shutil.copy(project.video("door_2.webm"), project.folder / "secret.mp4")
    make, expected = LEADING_OUT[kind]
    make(path)
    with no_longer_than(20):
        outcome = run_stage(project, "extract_frames")
    assert_refused(outcome, project, "extract_frames")
    assert "scene/videos: expected " in outcome.stderr
    assert expected in outcome.stderr
    assert place.removeprefix("videos/") in outcome.stderr


@pytest.mark.parametrize("stage", ["import_clips", "embed_clips"])
def test_links_out_of_the_clips_are_refused(
    clips_project: Project, run_stage: Run, assert_refused: Check, stage: str
) -> None:
    write_some_windows(clips_project, "creep/creep_g00_c1.mp4")
    if stage == "import_clips":
        shutil.rmtree(clips_project.folder / "data/clips")
    write_coded_video(clips_project.folder / "scene/secret.mp4", 9)
    (clips_project.folder / "scene/clips/creep/x.mp4").symlink_to("../../secret.mp4")
    outcome = run_stage(clips_project, stage)
    assert_refused(outcome, clips_project, stage)
    assert outcome.stderr.endswith(
        "clips: expected no links that lead out of it, got 'creep/x.mp4'\n"
    )


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"
LISTS = {
    "a playlist": PLAYLIST,
    "a playlist with a mark of UTF-8": f"\ufeff{PLAYLIST}",
    "a list of FFmpeg's": "ffconcat version 1.0\nfile '{}'\n",
    "one of dashes": (
        "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static' "
        "mediaPresentationDuration='PT1S' profiles='urn:mpeg:dash:profile:isoff-live:2011'>"
        "<Period><AdaptationSet contentType='video'><Representation id='1' bandwidth='9' "
        "mimeType='video/mp2t' codecs='avc1' width='64' height='48'><BaseURL>{}</BaseURL>"
        "<SegmentList duration='1'><SegmentURL media='{}'/></SegmentList></Representation>"
        "</AdaptationSet></Period></MPD>"
    ),
}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("a playlist", "list.m3u8"),
        ("a playlist with a mark of UTF-8", "list.m3u8"),
        ("a list of FFmpeg's", "door_1.mp4"),
        ("one of dashes", "list.mpd"),
    ],
)
@pytest.mark.parametrize("where", ["beside", "above", "anywhere", "an address"])
def test_videos_that_are_lists_of_others_are_refused(
    project: Project, run_stage: Run, assert_refused: Check, kind: str, name: str, where: str
) -> None:
    secret = project.folder / "scene/secret.ts"
    place = {
        "beside": "secret.ts",
        "above": "../secret.ts",
        "anywhere": str(secret),
        "an address": secret.as_uri(),
    }[where]
    if where == "beside":
        secret = project.folder / "scene/videos/secret.ts"
    write_coded_video(secret, 9)
    (project.folder / "scene/videos" / name).write_text(LISTS[kind].replace("{}", place))
    project.set_params("dataset", videos=[name])
    outcome = run_stage(project, "extract_frames")
    assert_refused(outcome, project, "extract_frames")
    assert f"{name}: expected a video, got" in outcome.stderr


@pytest.mark.parametrize("kind", LISTS)
def test_clips_that_are_lists_of_others_are_refused(
    clips_project: Project, run_stage: Run, assert_refused: Check, kind: str
) -> None:
    write_some_windows(clips_project, "creep/list.m3u8")
    secret = clips_project.folder / "secret.ts"
    write_coded_video(secret, 9)
    (clips_project.folder / "scene/clips/creep/list.m3u8").write_text(
        LISTS[kind].replace("{}", str(secret))
    )
    outcome = run_stage(clips_project, "embed_clips")
    assert_refused(outcome, clips_project, "embed_clips")
    assert "clips/creep/list.m3u8: expected a video, got" in outcome.stderr
    # A video that is cut is read by the stage that lists it.
    clips_project.set_params("import_clips", num_windows=2)
    shutil.rmtree(clips_project.folder / "data/clips")
    outcome = run_stage(clips_project, "import_clips")
    assert_refused(outcome, clips_project, "import_clips")
    assert "clips/creep/list.m3u8: expected a video, got" in outcome.stderr


def test_links_out_of_the_annotations_are_refused(
    set_project: Project, run_stage: Run, assert_refused: Check
) -> None:
    (set_project.folder / "secret.xml").write_text(voc_xml("b.png", []))
    (set_project.folder / "set/annotations").mkdir()
    (set_project.folder / "set/annotations/b.xml").symlink_to("../../secret.xml")
    outcome = import_set(set_project, run_stage, "voc")
    assert_refused(outcome, set_project, "import_detections")
    assert "set/annotations: expected no links that lead out of it, got 'b.xml'" in outcome.stderr


def test_links_of_the_user_of_dvc_and_within_a_folder_are_followed(
    project: Project, run_stage: Run
) -> None:
    stored = project.folder / ".dvc/cache/files/md5/ab" / ("0" * 30)
    stored.parent.mkdir(parents=True)
    project.video("door_1.mp4").rename(stored)
    project.video("door_1.mp4").symlink_to(stored)
    project.video("door_2.webm").rename(project.video("other"))
    project.video("door_2.webm").symlink_to("other")
    (project.folder / "scene/videos").rename(project.folder / "disk")
    (project.folder / "scene/videos").symlink_to("../disk")
    assert run_stage(project, "extract_frames").code == 0


@pytest.mark.parametrize("kind", ["a link out", "a link to a device", "a pipe"])
def test_an_export_is_a_file_of_its_folder(
    project: Project, run_stage: Run, assert_refused: Check, kind: str
) -> None:
    assert run_stage(project, "extract_frames").code == 0
    export = project.folder / "scene/annotations.json"
    if kind == "a link out":
        (project.folder / "secret").mkdir()
        export.rename(project.folder / "secret/export.json")
        export.symlink_to("../secret/export.json")
    else:
        export.unlink()
        if kind == "a pipe":
            os.mkfifo(export)
        else:
            export.symlink_to("/dev/zero")
    with no_longer_than(20):
        outcome = run_stage(project, "interpolate_annotations")
    assert_refused(outcome, project, "interpolate_annotations")
    expected = {
        "a link out": "no link that leads out of its folder",
        "a link to a device": "a file or a folder, got something else",
        "a pipe": "a file or a folder, got something else",
    }[kind]
    assert f"scene/annotations.json: expected {expected}\n" in outcome.stderr


def test_links_in_a_circle_are_left_to_who_follows_them(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "own").symlink_to(".")
    check_folder(tmp_path)


# XML, JSON and YAML


def laughs(levels: int) -> str:
    entities = ['<!ENTITY e0 "ha">']
    entities += [f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, levels)]
    return f"<!DOCTYPE annotation [{''.join(entities)}]>"


XML_BOMBS = {
    "entities within entities": laughs(12) + voc_xml("a.jpg", []).replace("a.jpg", "&e11;"),
    "a long entity many times": f'<!DOCTYPE a [<!ENTITY e "{"x" * 10**5}">]>'
    + voc_xml("a.jpg", []).replace("a.jpg", "&e;" * 10**5),
    "an entity that is a file": '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    + voc_xml("a.jpg", []).replace("a.jpg", "&e;"),
    "an entity that is an address": '<!DOCTYPE a [<!ENTITY e SYSTEM "http://localhost/e">]>'
    + voc_xml("a.jpg", []).replace("a.jpg", "&e;"),
    "a parameter entity": '<!DOCTYPE a [<!ENTITY % e SYSTEM "http://localhost/e"> %e;]>'
    + voc_xml("a.jpg", []),
    "attributes with defaults": '<!DOCTYPE a [<!ATTLIST a b CDATA "c">]>' + voc_xml("a.jpg", []),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("case", XML_BOMBS)
def test_entities_of_xml_are_refused_unread(
    set_project: Project, run_stage: Run, assert_refused: Check, case: str, encoding: str
) -> None:
    folder = set_project.folder / "set/annotations"
    folder.mkdir()
    (folder / "a.xml").write_bytes(XML_BOMBS[case].encode(encoding))
    with no_longer_than(20):
        outcome = import_set(set_project, run_stage, "voc")
    assert_refused(outcome, set_project, "import_detections")
    assert "a.xml: expected VOC's XML, got: 'a document type'" in outcome.stderr


def test_deep_xml_is_one_line(set_project: Project, run_stage: Run, assert_refused: Check) -> None:
    folder = set_project.folder / "set/annotations"
    folder.mkdir()
    deep = "<object>" * 200_000 + "</object>" * 200_000
    (folder / "a.xml").write_text(voc_xml("a.jpg", [deep]))
    with no_longer_than(20):
        outcome = import_set(set_project, run_stage, "voc")
    assert_refused(outcome, set_project, "import_detections")


DEPTHS = (90, 400, 700, 800, 850, 900, 930, 960, 980, 995, 5000, 200_000)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("key", ["the export", "id", "data", "result", "value", "labels"])
def test_deep_exports_are_one_line(
    project_before: Callable[[str], Project],
    run_stage: Run,
    assert_refused: Check,
    key: str,
    opening: str,
) -> None:
    project = project_before("interpolate_annotations")
    export = project.export
    own = export[0]["annotations"][0]["result"][0]
    places: dict[str, tuple[Any, Any]] = {
        "the export": (export, 0),
        "id": (own, "id"),
        "data": (export[0], "data"),
        "result": (export[0]["annotations"][0], "result"),
        "value": (own, "value"),
        "labels": (own["value"], "labels"),
    }
    container, place = places[key]
    container[place] = "DEEP"
    text = json.dumps(export)
    closing = "]" if opening == "[" else "}"
    for depth in DEPTHS:
        deep = opening * depth + "1" + closing * depth
        project.write_export(text.replace('"DEEP"', deep))
        assert_refused(
            run_stage(project, "interpolate_annotations"), project, "interpolate_annotations"
        )


@pytest.mark.parametrize("depth", DEPTHS)
def test_deep_lists_of_a_split_and_deep_sets_are_one_line(
    set_project: Project, clips_project: Project, run_stage: Run, assert_refused: Check, depth: int
) -> None:
    deep = "[" * depth + "]" * depth
    (set_project.folder / "set/annotations").write_text(f'{{"images": {deep}}}')
    assert_refused(import_set(set_project, run_stage, "coco"), set_project, "import_detections")
    assert run_stage(clips_project, "import_clips").code == 0
    windows = read_windows(clips_project.folder / "data/clips/windows.csv")
    (clips_project.folder / "data/embeddings").mkdir()
    num = len(windows)
    pieces = Pieces(np.zeros((num, 3), np.float32), np.zeros((num, 4)), *[np.ones((num, 2))] * 2)
    measured = {"motion_histogram": Embedding(windows.assign(num_pieces=1), pieces, {})}
    write_embeddings(measured, clips_project.folder / "data/embeddings")
    splits = clips_project.folder / "data/splits/alarm"
    splits.mkdir(parents=True)
    for side in ("train", "val", "test"):
        (splits / f"{side}.json").write_text(deep)
    outcome = run_stage(clips_project, "fit_alarm")
    assert_refused(outcome, clips_project, "fit_alarm")
    assert outcome.stderr.startswith("fit_alarm: data/splits/alarm/train.json: expected ")


@pytest.mark.parametrize(
    "text",
    [
        f"[{', '.join(['0'] * 10**6)}]",
        f'[{{"id": "{"x" * 10**7}"}}]',
        f'"{"[" * 10**7}"',
        f"[{', '.join(['{}'] * 10**5)}]",
    ],
    ids=["a million numbers", "a long id", "a long text", "many tasks"],
)
def test_large_exports_are_one_short_line_soon(
    project_before: Callable[[str], Project], run_stage: Run, assert_refused: Check, text: str
) -> None:
    project = project_before("interpolate_annotations")
    project.write_export(text)
    with no_longer_than(20):
        outcome = run_stage(project, "interpolate_annotations")
    assert_refused(outcome, project, "interpolate_annotations")
    assert len(outcome.stderr) < 600


def bomb(levels: int) -> str:
    """Ten times as many values with each line."""
    lines = ["split: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


def merges(levels: int) -> str:
    lines = ["split: &a0 {seed: 0}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, levels)]
    return "\n".join(lines)


BAD_YAML = {
    "a call": ("split: !!python/object/apply:os.system ['touch pwned']", "expected YAML"),
    "a new object": ("split: !!python/object/new:os.system ['touch pwned']", "expected YAML"),
    "an object": ("split: !!python/object:vigil.plumbing.memo.Memo {}", "expected YAML"),
    "a function": ("split: !!python/name:os.system", "expected YAML"),
    "a module": ("split: !!python/module:os", "expected YAML"),
    "a tuple": ("split: !!python/tuple [1]", "expected YAML"),
    "a tag of one's own": ("split: !thing 3", "expected YAML"),
    "aliases of aliases": (bomb(12), "at most 100000 are read"),
    "aliases in a section": (f"{bomb(7)}\ndataset: [*a6]", "at most 100000 are read"),
    "merges of merges": (merges(12), "at most 100000 are read"),
    "a list within itself": ("split: &a [*a]", "split"),
    "a section twice": ("split: {seed: 0}\nsplit: {seed: 1}", "split more than once"),
    "a key twice": ("split:\n  seed: 0\n  seed: 1", "seed more than once in what starts on line 2"),
    "a deep list": ("split: " + "[" * 50_000 + "]" * 50_000, "expected YAML"),
    "deep mappings": ("split: " + "{a: " * 50_000 + "}" * 50_000, "expected YAML"),
    "two documents": ("split: 1\n---\nsplit: 2", "expected YAML"),
}


@pytest.mark.parametrize("case", BAD_YAML)
def test_parameters_are_plain_and_told_once(
    project: Project, run_stage: Run, assert_refused: Check, case: str
) -> None:
    text, expected = BAD_YAML[case]
    params = project.params
    for section in ("split", "dataset"):
        if text.startswith(section) or f"\n{section}:" in text:
            del params[section]
    project.write_params(f"{text}\n" if "---" in text else yaml.safe_dump(params) + text)
    with no_longer_than(30):
        outcome = run_stage(project, "split_classifier")
    assert_refused(outcome, project, "split_classifier")
    assert "params.yaml: " in outcome.stderr
    if case != "a key twice":
        assert expected in outcome.stderr
    assert not (project.folder / "pwned").exists()


def test_parameters_may_refer_to_each_other(project: Project, run_stage: Run) -> None:
    params = project.params
    del params["extract_frames"], params["split"]
    text = yaml.safe_dump(params)
    text += "extract_frames: &a {jpeg_quality: 90, damaged_frames: error}\n"
    text += "split: &base {seed: 1, val_fraction: 0.5, test_fraction: 0.3, test_videos: [],\n"
    text += "  gap_frames: 3, anomalous_val_fraction: 0.0,\n"
    text += "  given: {classifier: &drawn splits/drawn.csv, detector: *drawn, segmenter: *drawn,\n"
    text += "    alarm: *drawn}}\n"
    project.write_params(text.replace("&a {", "{<<: &a {jpeg_quality: 50}, "))
    outcome = run_stage(project, "extract_frames")
    assert outcome.code == 0, outcome.stderr


# Pickles


@pytest.mark.parametrize("kind", ["of torch", "of python"])
def test_pickles_with_code_are_not_run(
    project_before: Callable[[str], Project],
    run_stage: Run,
    assert_refused: Check,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    import pickle

    import torch

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, ("touch pwned",)

    monkeypatch.setenv("VIGIL_DEVICE", "cpu")
    project = project_before("split_classifier")
    path = project.folder / "evil.pt"
    if kind == "of torch":
        torch.save({"model": {"w": torch.zeros(1)}, "x": Evil()}, path)
    else:
        path.write_bytes(pickle.dumps({"w": Evil()}))
    project.set_params("train_detector", weights="evil.pt")
    project.set_params("train_detector.features", neck_width=0, deepest_stride=8)
    assert run_stage(project, "split_detector").code == 0
    outcome = run_stage(project, "train_detector")
    assert outcome.code == 1
    assert outcome.stderr == (
        "train_detector: evil.pt: expected safetensors or a state dict, got: "
        "'a pickle that holds more than weights; no code of it was run'\n"
    )
    assert not (project.folder / "models").exists()
    assert not (project.folder / "pwned").exists()


# Spreadsheets and terminals


def test_formulas_are_texts_in_tables_and_themselves_when_read(
    project: Project, run_stage: Run
) -> None:
    videos = ["=1+1.mp4", "+x.webm", "@SUM(1+1).avi"]
    export = project.export
    for number, (old, new) in enumerate(
        zip(project.params["dataset"]["videos"], videos, strict=True)
    ):
        project.video(old).rename(project.video(new))
        export[number]["data"]["video"] = new
        for own in export[number]["annotations"][0]["result"]:
            own["id"] = f"-{own['id']}"
    project.write_export(export)
    project.set_params("dataset", videos=videos)
    for stage in (
        *("extract_frames", "interpolate_annotations", "generate_samples", "split_classifier"),
    ):
        outcome = run_stage(project, stage)
        assert outcome.code == 0, outcome.stderr
    samples = project.folder / "data/samples"
    with (samples / "index.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["video"] for row in rows} == {f"'{video}" for video in videos}
    assert {row["track"][:2] for row in rows if row["label"] == "person"} == {"'-"}
    index = read_index(samples)
    assert set(index["video"]) == set(videos)
    files = project.folder.glob("data/splits/*/*.json")
    assigned = {name for file in files for name in json.loads(file.read_text())}
    assert assigned
    assert assigned <= set(index.index)


def test_names_of_classes_that_are_formulas_are_kept(set_project: Project, run_stage: Run) -> None:
    labels = ["=1+1", "'=1+1", "''x", "-", "+7", "@a"]
    boxes = {"a.jpg": [(label, 2.0, 3.0, 20.0, 30.0) for label in labels]}
    write_rtsd(set_project.folder / "set/annotations", boxes)
    assert import_set(set_project, run_stage, "rtsd").code == 0
    found = read_annotated(set_project.folder / "data/detection/instances.json")
    assert found.boxes["label"].tolist() == labels


def test_what_a_terminal_would_obey_is_written_out(
    project_before: Callable[[str], Project], run_stage: Run, assert_refused: Check
) -> None:
    project = project_before("interpolate_annotations")
    export = project.export
    export.append(
        {**export[0], "id": "\x1b[2J9", "data": {"video": "\x1b]0;mine\x07\x1b[31mevil\u202e.mp4"}}
    )
    project.write_export(export)
    outcome = run_stage(project, "interpolate_annotations")
    assert_refused(outcome, project, "interpolate_annotations")
    assert outcome.stderr.strip().isprintable()
    assert r"\x1b]0;mine\x07\x1b[31mevil\u202e.mp4" in outcome.stderr
    project.set_params("interpolate_annotations", unlisted_tasks="skip")
    outcome = run_stage(project, "interpolate_annotations")
    assert outcome.code == 0
    assert all(line.isprintable() for line in outcome.stdout.splitlines())


# What the fuzz campaign found


def test_a_video_of_an_unknown_codec(
    project: Project, run_stage: Run, assert_refused: Check
) -> None:
    path = project.video("door_1.mp4")
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    outcome = run_stage(project, "extract_frames")
    assert_refused(outcome, project, "extract_frames")
    assert "door_1.mp4: expected a video, got one of an unknown codec" in outcome.stderr


def test_rows_of_more_cells_than_names(
    set_project: Project, run_stage: Run, assert_refused: Check
) -> None:
    header = "filename,x_from,y_from,width,height,sign_class,sign_id\n"
    (set_project.folder / "set/annotations").write_text(f"{header}7,a.jpg,1,2,9,9,x,7\n")
    outcome = import_set(set_project, run_stage, "rtsd")
    assert_refused(outcome, set_project, "import_detections")
    assert "expected as many cells in each row as names in the first, got more" in outcome.stderr


# The ground they stand on


@pytest.fixture
def set_project(untouched_project: Project, tmp_path: Path) -> Project:
    """Pictures in `set/images`; their annotations go to `set/annotations`."""
    project = Project(tmp_path / "set_project")
    write_pictures(project.folder / "set/images", list(BOXES))
    project.write_params(untouched_project.params)
    return project


def import_set(project: Project, run_stage: Run, kind: str) -> Outcome:
    detection = {"root": "x", "images": "y", "format": kind, "classes": []}
    project.set_params("dataset", detection=detection)
    return run_stage(
        project,
        "import_detections",
        *("--annotations", "set/annotations", "--images", "set/images"),
        *("--detections", "data/detection", "--report", "data/detection_report"),
    )


@pytest.fixture(scope="session")
def some_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("some_clips"), 2)


@pytest.fixture
def clips_project(untouched_project: Project, some_clips: Path, tmp_path: Path) -> Project:
    project = Project(tmp_path / "clips_project")
    shutil.copytree(some_clips, project.folder / "scene/clips")
    project.write_params(untouched_project.params)
    project.set_params(
        "dataset", clips="scene/clips", anomalous_classes=["dash"], clip_group_pattern=""
    )
    return project


def write_some_windows(project: Project, video: str) -> None:
    """The tables of one window, that of a whole video."""
    values = {
        **{"video": video, "start_s": 0.0, "stop_s": float("inf"), "digest": "0", "clip": video},
        **{"class": "creep", "is_anomalous": False, "source": video},
    }
    (project.folder / "data/clips").mkdir(parents=True)
    write_windows(pd.DataFrame([values]), project.folder / "data/clips")
