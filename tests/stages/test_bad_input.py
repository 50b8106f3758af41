"""Whatever is wrong with what a user gives: one line, exit code 1, nothing left behind."""

import shutil
from collections.abc import Callable
from typing import Any

import cv2
import pytest
from conftest import Outcome, Project
from tiny_exports import keyframe
from tiny_videos import coded_picture, cut_off, write_coded_video, write_frameless_video

Change = Callable[[Project], object]


def edit_export(change: Callable[[Any], object]) -> Change:
    def edit(project: Project) -> None:
        export = project.export
        change(export)
        project.write_export(export)

    return edit


def first_region(export: Any) -> Any:
    return export[0]["annotations"][0]["result"][0]


def set_keyframe(**values: Any) -> Change:
    return edit_export(lambda export: first_region(export)["value"]["sequence"][1].update(**values))


def set_region_id(region_id: Any) -> Change:
    return edit_export(lambda export: first_region(export).update(id=region_id))


def set_params(section: str, **values: Any) -> Change:
    return lambda project: project.set_params(section, **values)


def drop_section(section: str) -> Change:
    def edit(project: Project) -> None:
        params = project.params
        del params[section]
        project.write_params(params)

    return edit


def write_section(section: str, text: str) -> Change:
    def edit(project: Project) -> None:
        drop_section(section)(project)
        with (project.folder / "params.yaml").open("a", encoding="utf-8") as file:
            file.write(f"{section}: {text}\n")

    return edit


def edit_video(change: Callable[[Any], object]) -> Change:
    return lambda project: change(project.video("door_1.mp4"))


def replace_sequence(sequence: Any) -> Change:
    return edit_export(lambda export: first_region(export)["value"].update(sequence=sequence))


BAD_VIDEOS: dict[str, tuple[Change, str]] = {
    "no such video": (edit_video(lambda path: path.unlink()), "door_1.mp4"),
    "a folder called like a video": (
        edit_video(lambda path: (path.unlink(), path.mkdir())),
        "door_1.mp4",
    ),
    "a truncated video": (edit_video(lambda path: cut_off(path, 0.6)), "door_1.mp4"),
    "a truncated video with its header first": (
        edit_video(
            lambda path: cut_off(
                write_coded_video(path, 30, container_options={"movflags": "faststart"}), 0.6
            )
        ),
        "door_1.mp4",
    ),
    "a zero-byte file": (edit_video(lambda path: path.write_bytes(b"")), "empty file"),
    "a text file": (edit_video(lambda path: path.write_text("hello\n" * 99)), "door_1.mp4"),
    "a picture called like a video": (
        edit_video(
            lambda path: path.write_bytes(cv2.imencode(".png", coded_picture(1, (64, 48)))[1])
        ),
        "door_1.mp4: expected a video, got a still picture (png)",
    ),
    "a video of zero frames": (edit_video(write_frameless_video), "door_1.mp4"),
    "a video listed twice": (
        set_params("dataset", videos=["door_1.mp4", "door_2.webm", "door_1.mp4"]),
        "dataset.videos",
    ),
    "a video outside the folder": (
        set_params("dataset", videos=["../door_1.mp4"]),
        "dataset.videos",
    ),
    "a video name of 300 characters": (
        set_params("dataset", videos=["x" * 300 + ".mp4"]),
        "xxx",
    ),
    "no videos": (set_params("dataset", videos=[]), "dataset.videos"),
}


@pytest.mark.parametrize("change", BAD_VIDEOS)
def test_extract_frames_refuses(
    change: str,
    project: Project,
    run_stage: Callable[..., Outcome],
    assert_refused: Callable[..., None],
) -> None:
    edit, expected = BAD_VIDEOS[change]
    edit(project)
    outcome = run_stage(project, "extract_frames")
    assert_refused(outcome, project, "extract_frames")
    assert expected in outcome.stderr


PLACE = "scene/annotations.json: task 1, region v0-person_0"

BAD_EXPORTS: dict[str, tuple[Change, str]] = {
    "no export": (
        lambda project: (project.folder / "scene/annotations.json").unlink(),
        "scene/annotations.json",
    ),
    "a folder for an export": (
        lambda project: (
            (project.folder / "scene/annotations.json").unlink(),
            (project.folder / "scene/annotations.json").mkdir(),
        ),
        "scene/annotations.json",
    ),
    "invalid JSON": (lambda project: project.write_export('[{"id": 1,}'), "expected JSON"),
    "an empty file": (lambda project: project.write_export(""), "expected JSON"),
    "binary": (
        lambda project: (project.folder / "scene/annotations.json").write_bytes(
            b"\xff\xfe\x00\x9f"
        ),
        "expected JSON",
    ),
    "JSON nested 100000 deep": (
        lambda project: project.write_export("[" * 100_000 + "]" * 100_000),
        "nested",
    ),
    "objects nested 100000 deep": (
        lambda project: project.write_export('{"a":' * 100_000 + "1" + "}" * 100_000),
        "nested",
    ),
    "a number of 5000 digits": (
        lambda project: project.write_export(f'[{{"id": {"9" * 5000}}}]'),
        "scene/annotations.json",
    ),
    "no tasks": (lambda project: project.write_export([]), "at least one task"),
    "a text": (lambda project: project.write_export('"tasks"'), "list of tasks"),
    "a task that is a number": (edit_export(lambda export: export.insert(1, 7)), "task 2"),
    "a video without a task": (edit_export(lambda export: export.pop()), "door_3.avi"),
    "a task without a video": (
        edit_export(lambda export: export[0]["data"].clear()),
        "task 1",
    ),
    "a task of an unlisted video": (
        set_params("dataset", videos=["door_1.mp4", "door_2.webm"]),
        "door_3.avi",
    ),
    "two tasks for a video": (edit_export(lambda export: export.append(export[0])), "door_1.mp4"),
    "a task without annotations": (
        edit_export(lambda export: export[0].update(annotations=[])),
        "task 1: expected an annotation",
    ),
    "a task with cancelled annotations": (
        edit_export(lambda export: export[0]["annotations"][0].update(was_cancelled=True)),
        "task 1: expected an annotation",
    ),
    "annotations of no list": (
        edit_export(lambda export: export[0].update(annotations={"a": 1})),
        "task 1",
    ),
    "a result that is null": (
        edit_export(lambda export: export[0]["annotations"][0].update(result=None)),
        "task 1",
    ),
    "a result that holds a number": (
        edit_export(lambda export: export[0]["annotations"][0]["result"].append(3)),
        "task 1",
    ),
    "a video address that is none": (
        edit_export(lambda export: export[0]["data"].update(video="https://[::1/other.mp4")),
        "door_1.mp4",
    ),
    "a value that is a list": (
        edit_export(lambda export: first_region(export).update(value=[])),
        PLACE,
    ),
    "keyframes that are null": (replace_sequence(None), PLACE),
    "a sequence of no list": (replace_sequence("none"), PLACE),
    "a keyframe that is a list": (replace_sequence([[1, 2]]), f"{PLACE}, keyframe 1"),
    "a keyframe with NaN": (set_keyframe(x=float("nan")), f"{PLACE}, keyframe 2"),
    "a keyframe with infinity": (set_keyframe(width=float("inf")), f"{PLACE}, keyframe 2"),
    "a keyframe with a huge integer": (set_keyframe(y=10**400), f"{PLACE}, keyframe 2"),
    "a keyframe with a string": (set_keyframe(y="12"), f"{PLACE}, keyframe 2"),
    "a keyframe with true for a number": (set_keyframe(y=True), f"{PLACE}, keyframe 2"),
    "a keyframe with null": (set_keyframe(height=None), f"{PLACE}, keyframe 2"),
    "a keyframe that turns by a string": (set_keyframe(rotation="9"), f"{PLACE}, keyframe 2"),
    "a keyframe enabled by a string": (set_keyframe(enabled="false"), f"{PLACE}, keyframe 2"),
    "a keyframe without a coordinate": (
        edit_export(lambda export: first_region(export)["value"]["sequence"][1].pop("width")),
        f"{PLACE}, keyframe 2: expected a finite number as 'width', got nothing",
    ),
    "times that give no rate": (
        edit_export(
            lambda export: [
                item.update(time=item["frame"] / 2e6)
                for result in export[0]["annotations"][0]["result"]
                for item in result["value"]["sequence"]
            ]
        ),
        "task 1: expected a frame rate from the keyframes' frame / time, got 2e+06",
    ),
    "frame zero": (set_keyframe(frame=0), f"{PLACE}: expected keyframes from frame 1 to 30"),
    "a negative frame": (set_keyframe(frame=-3), "got frame -3"),
    "half a frame": (set_keyframe(frame=2.5), f"{PLACE}, keyframe 2"),
    "a frame far beyond the end": (set_keyframe(frame=5000), "got frame 5000"),
    "a frame beyond every video": (set_keyframe(frame=10**12), PLACE),
    "an unknown label": (
        edit_export(lambda export: first_region(export)["value"].update(labels=["dog"])),
        "'dog'",
    ),
    "no label": (
        edit_export(lambda export: first_region(export)["value"].update(labels=[])),
        "expected a label",
    ),
    "two labels": (
        edit_export(lambda export: first_region(export)["value"].update(labels=["human", "dog"])),
        "expected one label",
    ),
    "a label that is a number": (
        edit_export(lambda export: first_region(export)["value"].update(labels=3)),
        PLACE,
    ),
    "a label that is an object": (
        edit_export(lambda export: first_region(export)["value"].update(labels=[{"a": 1}])),
        PLACE,
    ),
    "a label of its own that is a number": (
        edit_export(
            lambda export: (
                first_region(export)["value"].pop("labels"),
                export[0]["annotations"][0]["result"].append(
                    {"id": "v0-person_0", "type": "labels", "value": {"labels": 3}}
                ),
            )
        ),
        PLACE,
    ),
    "a region id that leaves the folder": (set_region_id("../../x"), "region id"),
    "a region id with a slash": (set_region_id("a/b"), "region id"),
    "a region id with a backslash": (set_region_id("a\\b"), "region id"),
    "a region id of dots": (set_region_id(".."), "region id"),
    "a region id with a line break": (set_region_id("a\n"), "region id"),
    "an empty region id": (set_region_id(""), "region id"),
    "a region id of 300 characters": (set_region_id("i" * 300), "region id"),
    "a region id that is a number": (set_region_id(7), "region id"),
    "a repeated region id": (set_region_id("v0-person_1"), "v0-person_1: expected each id once"),
    "a region id repeated in capitals": (set_region_id("V0-PERSON_1"), "expected each id once"),
    "frames of a video gone": (
        lambda project: (project.folder / "data/frames/door_2.webm.zip").unlink(),
        "door_2.webm.zip",
    ),
    "frames in no archive": (
        lambda project: (project.folder / "data/frames/door_2.webm.zip").write_text("hello"),
        "door_2.webm.zip",
    ),
    "an empty archive of frames": (
        lambda project: (project.folder / "data/frames/door_2.webm.zip").write_bytes(b""),
        "door_2.webm.zip",
    ),
}


@pytest.mark.parametrize("change", BAD_EXPORTS)
def test_interpolate_annotations_refuses(
    change: str,
    project_before: Callable[[str], Project],
    run_stage: Callable[..., Outcome],
    assert_refused: Callable[..., None],
) -> None:
    project = project_before("interpolate_annotations")
    edit, expected = BAD_EXPORTS[change]
    edit(project)
    outcome = run_stage(project, "interpolate_annotations")
    assert_refused(outcome, project, "interpolate_annotations")
    assert expected in outcome.stderr
    assert len(outcome.stderr) < 600


def widen_people(project: Project) -> None:
    for file in (project.folder / "data/annotations/door_1.mp4/ieos_vid_labels").glob("*.json"):
        text = file.read_text()
        start = text.index("[[")
        end = text.index("]]") + 2
        boxes = "[" + ", ".join(["[0.0, 0.0, 96.0, 72.0]"] * 30) + "]"
        file.write_text(text[:start] + boxes + text[end:])


BAD_ANNOTATIONS: dict[str, tuple[Change, str]] = {
    "no track of a person": (set_params("generate_samples", person_label="dog"), "'dog'"),
    "no track long enough": (
        set_params("generate_samples", num_frames=31),
        "31 consecutive frames, found none",
    ),
    "no box large enough": (set_params("generate_samples", min_side_px=40), "found none"),
    "no room for background": (widen_people, "door_1.mp4: too little room for background"),
    "no background so large": (
        set_params("generate_samples.background", min_side_px=90, max_side_px=99),
        "door_1.mp4: expected room for background",
    ),
    "frames of a video gone": (
        lambda project: (project.folder / "data/frames/door_2.webm.zip").unlink(),
        "door_2.webm.zip",
    ),
    "annotations of a video gone": (
        lambda project: shutil.rmtree(project.folder / "data/annotations/door_2.webm"),
        "door_2.webm",
    ),
    "a track that is none": (
        lambda project: (
            project.folder / "data/annotations/door_2.webm/ieos_vid_labels/x.json"
        ).write_text("{}"),
        "x.json",
    ),
}


@pytest.mark.parametrize("change", BAD_ANNOTATIONS)
def test_generate_samples_refuses(
    change: str,
    project_before: Callable[[str], Project],
    run_stage: Callable[..., Outcome],
    assert_refused: Callable[..., None],
) -> None:
    project = project_before("generate_samples")
    edit, expected = BAD_ANNOTATIONS[change]
    edit(project)
    outcome = run_stage(project, "generate_samples")
    assert_refused(outcome, project, "generate_samples")
    assert expected in outcome.stderr


BAD_SAMPLES: dict[str, tuple[Change, str]] = {
    "no index": (
        lambda project: (project.folder / "data/samples/index.csv").unlink(),
        "index.csv",
    ),
    "an index that is none": (
        lambda project: (project.folder / "data/samples/index.csv").write_text("a,b\n1,2\n"),
        "index.csv",
    ),
    "an empty index": (
        lambda project: (project.folder / "data/samples/index.csv").write_text(""),
        "index.csv",
    ),
    "a test video without samples": (
        set_params("split", test_videos=["door_9.mp4"]),
        "door_9.mp4",
    ),
    "all videos for testing": (
        set_params("split", test_videos=["door_1.mp4", "door_2.webm", "door_3.avi"]),
        "split.test_videos",
    ),
    "a side without samples": (
        set_params("split", test_videos=["door_1.mp4", "door_2.webm"], gap_frames=500),
        "split",
    ),
}


@pytest.mark.parametrize("change", BAD_SAMPLES)
def test_split_classifier_refuses(
    change: str,
    project_before: Callable[[str], Project],
    run_stage: Callable[..., Outcome],
    assert_refused: Callable[..., None],
) -> None:
    project = project_before("split_classifier")
    edit, expected = BAD_SAMPLES[change]
    edit(project)
    outcome = run_stage(project, "split_classifier")
    assert_refused(outcome, project, "split_classifier")
    assert expected in outcome.stderr


BAD_PARAMS: dict[str, tuple[Change, str]] = {
    "no file": (lambda project: (project.folder / "params.yaml").unlink(), "params.yaml"),
    "not YAML": (lambda project: project.write_params("a: [1"), "expected YAML"),
    "a date that is none": (
        lambda project: project.write_params("split: 2024-13-45"),
        "params.yaml",
    ),
    "a list": (lambda project: project.write_params("- a\n- b\n"), "expected sections"),
    "an empty file": (lambda project: project.write_params(""), "expected sections"),
    "a circle": (write_section("split", "&a {seed: *a}"), "split"),
    "a date for a name": (write_section("split", "{2024-01-01: 3}"), "split"),
    "a misspelt name": (set_params("split", sed=1), "split.sed: no such parameter"),
    "a misspelt name of another stage": (
        set_params("train_classifier.fitting", patiens=1),
        "train_classifier.fitting.patiens: no such parameter",
    ),
    "a value out of range": (
        set_params("extract_frames", jpeg_quality=101),
        "extract_frames.jpeg_quality: expected a whole number from 1 to 100, got 101",
    ),
    "a value out of range of a later stage": (
        set_params("train_classifier.network", dropout=1.5),
        "train_classifier.network.dropout",
    ),
    "heads that do not share the width": (
        set_params("train_classifier.network", num_heads=7),
        "train_classifier.network: expected num_heads to divide the width 256, got 7",
    ),
    "patches that do not tile the crops": (
        set_params("train_classifier.network", patch_px=7),
        "train_classifier.network.patch_px: expected a divisor of generate_samples.size_px (50), "
        "got 7",
    ),
    "a misspelt name of a part of a section": (
        set_params("predict.detector.suppression", metod="soft"),
        "predict.detector.suppression.metod: no such parameter",
    ),
    "a part of a section that is gone": (
        lambda project: project.write_params(
            {**project.params, "predict": {**project.params["predict"], "alarm": None}}
        ),
        "params.yaml: predict.alarm: expected ",
    ),
    "a missing part of a family": (
        lambda project: project.write_params(
            {**project.params, "evaluate": {"alarm": project.params["evaluate"]["alarm"]}}
        ),
        "params.yaml: expected a section 'evaluate.classifier', found none",
    ),
    "an unknown part of a family": (
        set_params("evaluate", anomaly={}),
        "params.yaml: no such section: evaluate.anomaly; expected evaluate.alarm, "
        "evaluate.classifier, evaluate.detector",
    ),
    "windows that leave frames out": (
        set_params("import_clips", window_s=1.0, stride_s=1.5),
        "params.yaml: import_clips: expected stride_s to be at most window_s",
    ),
    "a network that does not exist": (
        set_params("train_classifier", architecture="resnet"),
        "train_classifier.architecture: expected 'crop_transformer'",
    ),
    "a detector that does not exist": (
        set_params("train_detector", architecture="yolo"),
        "train_detector.architecture: expected 'grid', 'anchor'",
    ),
    "a detector's loss that is not there in validation": (
        set_params("train_detector", architecture="fcos_resnet50_fpn", monitor="val_loss"),
        "expected monitor to be val_map for fcos_resnet50_fpn",
    ),
    "strides upside down": (
        set_params("train_detector.features", strides=[32]),
        "train_detector.features: expected deepest_stride to be at least the stride 32, got 16",
    ),
    "strides in no order": (
        set_params("train_detector.features", strides=[16, 8], neck="fpn"),
        "train_detector.features: expected strides to ascend, got [16, 8]",
    ),
    "one map of many strides": (
        set_params("train_detector.features", strides=[8, 16]),
        "expected neck to be fpn or pafpn for the strides [8, 16], got concat, which makes one map",
    ),
    "a sequence for a detector of pictures": (
        set_params(
            "train_detector",
            architecture="fcos_resnet50_fpn",
            frames={"num": 3, "step_s": 0.2, "fusion": "stack", "control": False},
        ),
        "train_detector: expected frames.num to be 1 for fcos_resnet50_fpn, got 3",
    ),
    "ImageNet's weights for a network that has none": (
        set_params("train_detector", architecture="yolox_s", weights="imagenet"),
        "expected weights to be none, coco or a file for yolox_s, got imagenet",
    ),
    "a label that no annotation may have": (
        set_params("generate_samples", person_label="hmuan"),
        "generate_samples.person_label: expected one of interpolate_annotations.labels (human)",
    ),
    "a test video that is not one": (
        set_params("split", test_videos=["nope.mp4"]),
        "split.test_videos: expected some of dataset.videos",
    ),
    "a path of two lines": (
        set_params("dataset", root="data\nHOME"),
        "dataset.root: must be a path without a line end",
    ),
    "8 bits of the classifier without ONNX": (
        set_params("export.classifier", int8={"enabled": True, "num_samples": 4}),
        "params.yaml: export.classifier.formats: expected onnx, which int8.enabled needs, got none",
    ),
    "8 bits of the detector without ONNX": (
        set_params("export.detector", int8={"enabled": True, "num_samples": 4}),
        "params.yaml: export.detector.formats: expected onnx, which int8.enabled needs, got none",
    ),
    "8 bits of the segmenter without ONNX": (
        set_params("export.segmenter", int8={"enabled": True, "num_samples": 4}),
        "params.yaml: export.segmenter.formats: expected onnx, which int8.enabled needs, got none",
    ),
    "a pattern that is none": (
        set_params("dataset", clip_group_pattern="("),
        "params.yaml: dataset.clip_group_pattern: expected a regular expression, got '(': missing",
    ),
    "a pattern beyond all numbers": (
        set_params("dataset", clip_group_pattern="a{99999999999}"),
        "params.yaml: dataset.clip_group_pattern: expected a regular expression, got 'a{9",
    ),
    "a text for a number": (set_params("split", seed="7"), "split.seed"),
    "a number as nobody reads it": (
        set_params("train_classifier.optimisation", learning_rate="1,5e-3"),
        "train_classifier.optimisation.learning_rate: expected a number above 0 and at most 1000, "
        "got '1,5e-3'",
    ),
    "true for a number": (set_params("split", seed=True), "split.seed"),
    "a fraction for a whole number": (set_params("split", seed=1.5), "split.seed"),
    "not a number": (
        set_params("split", val_fraction=float("nan")),
        "split.val_fraction",
    ),
    "infinity": (
        set_params("generate_samples", max_aspect_ratio=float("inf")),
        "generate_samples.max_aspect_ratio",
    ),
    "null": (set_params("split", seed=None), "split.seed"),
    "a text for a list": (set_params("dataset", videos="door_1.mp4"), "dataset.videos"),
    "a missing value": (
        lambda project: project.write_params(
            {**project.params, "split": {"seed": 1, "val_fraction": 0.5}}
        ),
        "split.test_fraction: expected a value, found none",
    ),
    "a section that is a number": (
        lambda project: project.write_params({**project.params, "split": 3}),
        "split",
    ),
    "an empty section": (
        lambda project: project.write_params({**project.params, "split": None}),
        "split",
    ),
    "a missing section": (drop_section("split"), "expected a section 'split'"),
    "a missing section of a later stage": (
        drop_section("train_classifier"),
        "expected a section 'train_classifier'",
    ),
    "no dataset": (drop_section("dataset"), "expected a section 'dataset'"),
    "an unknown section": (
        lambda project: project.write_params({**project.params, "splitt": {}}),
        "no such section: splitt",
    ),
    "an empty label": (
        set_params("interpolate_annotations", labels=["human", ""]),
        "interpolate_annotations.labels: must not hold an empty label, got ['human', '']",
    ),
    "a blank label": (
        set_params("interpolate_annotations", labels=[" "]),
        "interpolate_annotations.labels: must not hold an empty label",
    ),
    "no labels": (
        set_params("interpolate_annotations", labels=[]),
        "interpolate_annotations.labels",
    ),
    "values that contradict each other": (
        set_params("generate_samples.background", min_side_px=60, max_side_px=50),
        "generate_samples.background: expected min_side_px to be at most max_side_px, "
        "got 60 and 50",
    ),
}


@pytest.mark.parametrize("stage", ["extract_frames", "split_classifier"])
@pytest.mark.parametrize("change", BAD_PARAMS)
def test_every_stage_refuses_wrong_parameters_before_it_works(
    change: str,
    stage: str,
    project: Project,
    run_stage: Callable[..., Outcome],
    assert_refused: Callable[..., None],
) -> None:
    edit, expected = BAD_PARAMS[change]
    edit(project)
    outcome = run_stage(project, stage)
    assert_refused(outcome, project, stage)
    assert "params.yaml" in outcome.stderr
    assert expected in outcome.stderr


def test_a_keyframe_just_past_the_end_is_let_through(
    project_before: Callable[[str], Project], run_stage: Callable[..., Outcome]
) -> None:
    project = project_before("interpolate_annotations")
    replace_sequence([keyframe(1), keyframe(38)])(project)
    assert run_stage(project, "interpolate_annotations").code == 0
