"""The scene: who is on when, and that frames do not depend on how they are asked for."""

from dataclasses import replace

import numpy as np
import pytest
from scene.programme import FILMS, scene_spec
from scene.scene import MIN_SIDE_PX, Scene, spans_of, steady

FULL_LENGTH = 260


@pytest.fixture(scope="module", params=[2, 3], ids=["real_rate", "fractional_rate"])
def full_scene(request):
    spec = scene_spec(request.param, seed=7, num_frames=FULL_LENGTH)
    return spec, Scene(spec).tracks()


def test_boxes_lie_in_the_image(full_scene):
    spec, tracks = full_scene
    boxes = np.array([box for track in tracks for box in track.boxes_xyxy.values()])
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2] <= spec.size_wh[0]).all()
    assert (boxes[:, 3] <= spec.size_wh[1]).all()
    assert (boxes[:, 2:] - boxes[:, :2] >= MIN_SIDE_PX).all()


def test_people_are_many_small_and_come_back(full_scene):
    _, tracks = full_scene
    assert 5 <= len(tracks) <= 9
    heights = [box[3] - box[1] for track in tracks for box in track.boxes_xyxy.values()]
    assert 25 <= np.median(heights) <= 70
    num_spans = []
    for track in tracks:
        on = np.zeros(FULL_LENGTH, bool)
        on[list(track.boxes_xyxy)] = True
        num_spans.append(len(spans_of(on)))
    # the first two pass behind the big occluder, and leave the picture to return
    assert num_spans[0] >= 2
    assert num_spans[1] >= 2
    activities = [track.activity for track in tracks]
    assert activities.count("meeting") == 2


def test_frames_and_tracks_are_the_same_each_time_and_change_with_the_seed():
    spec = replace(scene_spec(2, seed=3, num_frames=3))
    scene = Scene(spec)
    frames = list(scene.frames())
    again = Scene(spec)
    assert again.tracks() == scene.tracks()  # without drawing the frames
    for frame, repeated in zip(frames, again.frames(), strict=True):
        assert frame.dtype == np.uint8
        assert frame.shape == (304, 400, 3)
        np.testing.assert_array_equal(frame, repeated)
    other = next(Scene(replace(spec, seed=(4, 2))).frames())
    assert np.abs(frames[0].astype(int) - other).mean() > 5


def test_each_film_shows_another_place():
    first = [next(Scene(scene_spec(index, seed=7, num_frames=2)).frames()) for index in (0, 3)]
    assert FILMS[0].size_wh == FILMS[3].size_wh
    assert np.abs(first[0].astype(int) - first[1]).mean() > 5


def flags(text):
    return np.array([letter == "#" for letter in text])


@pytest.mark.parametrize(
    ("visible", "possible", "expected"),
    [
        ("####..####", "##########", "##########"),  # a short gap is bridged
        ("####..####", "#####.####", "####..####"),  # unless there is no box in it
        ("###...####", "##########", "###...####"),  # a long gap is not
        ("..##....##", "##########", "........##"),  # a short span goes, but not at the end
        ("#....####.", "##########", ".....####."),  # one frame at the start goes too
        ("..........", "##########", ".........."),
        ("##########", "##########", "##########"),
    ],
)
def test_steady_is_on_as_an_annotator_would_have_it(visible, possible, expected):
    on = steady(flags(visible), possible=flags(possible), max_bridged=2, min_span=3)
    assert on.tolist() == flags(expected).tolist()
