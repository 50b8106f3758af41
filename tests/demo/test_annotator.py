"""The export gives the exact boxes back when read by Label Studio's rules.

The reading here is written again from those rules, on purpose without the pipeline's own.
"""

import math
from fractions import Fraction

import numpy as np
import pytest
from scene.annotator import FIT_TOLERANCE_PX, JITTER_PX, AnnotatedVideo, annotate
from scene.programme import FILMS, scene_spec
from scene.scene import Scene, Track

NUM_FRAMES = 200


def shown(frame, rate, fps):
    """The decoded frame on screen at a frame number, by Label Studio's player."""
    seconds = math.floor((frame - 1) / rate / 0.002 + 0.5) * 0.002 + 0.002
    return math.floor(seconds * fps)


def read_back(sequence, size_wh, num_frames, fps):
    """Boxes by decoded frame index.

    A span goes from the decoded frame of its first keyframe to that of its last one, both included;
    in between, boxes are linear in the annotator's unrounded frame number.
    """
    rate = round(float(np.median([key["frame"] / key["time"] for key in sequence])), 3)

    def geometry(key):
        x, y = key["x"] * size_wh[0] / 100, key["y"] * size_wh[1] / 100
        return np.array(
            [x, y, x + key["width"] * size_wh[0] / 100, y + key["height"] * size_wh[1] / 100]
        )

    spans = [[]]
    for key in sequence:
        spans[-1].append(key)
        if not key["enabled"]:
            spans.append([])
    boxes = {}
    for keys in filter(None, spans):
        frames = [key["frame"] for key in keys]
        own = {shown(frame, rate, float(fps)): frame for frame in frames}
        first, last = min(own), max(own)
        stop = last + 1 if not keys[-1]["enabled"] else num_frames
        edges = np.array([geometry(key) for key in keys]).T
        for index in range(first, stop):
            position = own.get(index, 1 + index * rate / float(fps))
            boxes[index] = np.array([np.interp(position, frames, edge) for edge in edges])
    return boxes


@pytest.fixture(scope="module", params=[0, 2, 3], ids=["10_as_24", "12_as_12", "14.985_as_24"])
def annotated(request):
    film = FILMS[request.param]
    tracks = Scene(scene_spec(request.param, seed=7, num_frames=NUM_FRAMES)).tracks()
    named = {f"{index:010x}": track for index, track in enumerate(tracks)}
    video = AnnotatedVideo(
        film.file_name, film.size_wh, NUM_FRAMES, film.fps, film.annotator_fps, named
    )
    return video, annotate(video, 1, np.random.default_rng(0))


def regions(task, kind="videorectangle"):
    results = task["annotations"][0]["result"]
    return {result["id"]: result["value"] for result in results if result["type"] == kind}


def test_boxes_come_back(annotated):
    video, task = annotated
    assert regions(task).keys() == video.tracks.keys()
    worst = 0.0
    for region_id, value in regions(task).items():
        exact = video.tracks[region_id].boxes_xyxy
        boxes = read_back(value["sequence"], video.size_wh, NUM_FRAMES, video.fps)
        assert boxes.keys() == exact.keys()
        worst = max(worst, *(np.abs(boxes[index] - exact[index]).max() for index in exact))
    assert worst <= FIT_TOLERANCE_PX + JITTER_PX + 0.01
    assert worst > JITTER_PX  # an annotator, not the truth


def test_a_stricter_reading_loses_span_ends_only(annotated):
    """A reader that wants the unrounded position between the keyframes may miss a span's ends."""
    video, task = annotated
    for region_id, value in regions(task).items():
        exact = video.tracks[region_id].boxes_xyxy
        ends = {index for index in exact if index - 1 not in exact or index + 1 not in exact}
        covered = set()
        for key, following in zip(value["sequence"], value["sequence"][1:], strict=False):
            for index in exact:
                position = 1 + index * float(video.annotator_fps / video.fps)
                if key["enabled"] and key["frame"] <= position <= following["frame"]:
                    covered.add(index)
        assert exact.keys() - covered <= ends


def test_keyframes_are_sparse_and_off_where_people_leave(annotated):
    video, task = annotated
    num_boxes = sum(len(track.boxes_xyxy) for track in video.tracks.values())
    sequences = [value["sequence"] for value in regions(task).values()]
    assert num_boxes > 2.6 * sum(len(sequence) for sequence in sequences)
    for sequence, track in zip(sequences, video.tracks.values(), strict=True):
        frames = [key["frame"] for key in sequence]
        assert frames == sorted(set(frames))
        assert frames[0] >= 1
        num_ends = sum(index + 1 not in track.boxes_xyxy for index in track.boxes_xyxy)
        stays = NUM_FRAMES - 1 in track.boxes_xyxy
        assert [key["enabled"] for key in sequence].count(False) == num_ends - stays


def test_frames_are_counted_at_the_annotators_rate(annotated):
    video, task = annotated
    for value in regions(task).values():
        times = [key["frame"] / key["time"] for key in value["sequence"]]
        assert times == pytest.approx([float(video.annotator_fps)] * len(times), rel=1e-3)
        assert value["framesCount"] == round(NUM_FRAMES / video.fps * video.annotator_fps)


def test_export_has_the_real_form(annotated):
    video, task = annotated
    assert task["data"]["video"].startswith("/data/upload/1/")
    assert task["data"]["video"].endswith(f"-{video.file_name}")
    choices = regions(task, "choices")
    assert choices
    for region_id, value in choices.items():
        assert value["choices"] == [video.tracks[region_id].activity]
        assert value["sequence"] == regions(task)[region_id]["sequence"]
    for value in regions(task).values():
        assert value["labels"] == ["human"]
        for key in value["sequence"]:
            assert 0 <= key["x"] <= key["x"] + key["width"] <= 100 + 1e-6
            assert 0 <= key["y"] <= key["y"] + key["height"] <= 100 + 1e-6


@pytest.mark.parametrize("num_frames_on", [2, 3])
def test_shortest_spans_and_straight_lines(num_frames_on):
    boxes = {5 + i: (10.0 + 4 * i, 20.0, 30.0 + 4 * i, 60.0) for i in range(num_frames_on)}
    video = AnnotatedVideo(
        "a.mp4", (100, 80), 20, Fraction(10), Fraction(24), {"r": Track("walking", boxes)}
    )
    sequence = regions(annotate(video, 1, np.random.default_rng(0)))["r"]["sequence"]
    assert [key["frame"] for key in sequence] == [13, math.ceil(1 + 2.4 * (4 + num_frames_on))]
    assert [key["enabled"] for key in sequence] == [True, False]
    assert read_back(sequence, (100, 80), 20, Fraction(10)).keys() == boxes.keys()
