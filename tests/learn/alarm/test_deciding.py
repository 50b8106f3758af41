"""Whether speeds are compared with those of their place: if all videos show one place."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_settings import shipped

from vigil.learn.alarm.training.deciding import decide_speed_map
from vigil.settings.fit_alarm import FitAlarm

MOTION = ("local_speed", "local_disorder")


def videos(folder: Path, *places: int) -> list[Path]:
    """Numbered pictures of these places."""
    made = []
    for number, place in enumerate(places):
        coarse = np.random.default_rng(place).integers(40, 200, (10, 16, 3)).astype(np.uint8)
        made.append(folder / f"{number}")
        made[-1].mkdir()
        picture = cv2.resize(coarse, (96, 64), interpolation=cv2.INTER_CUBIC)
        for index in range(3):
            cv2.imwrite(str(made[-1] / f"{index:03d}.png"), picture)
    return made


@pytest.mark.parametrize(
    ("places", "value", "share"), [((1, 1, 1), True, 1.0), ((1, 1, 2), False, 0.333)]
)
def test_one_place_is_mapped_and_several_are_not(
    tmp_path: Path, places: tuple[int, ...], value: bool, share: float
):
    auto = shipped(FitAlarm, speed_map="auto")
    decided = decide_speed_map(auto, MOTION, videos(tmp_path, *places))
    assert decided.settings.maps_speed is value
    assert decided.facts == {"speed_map": value, "by": {"share_of_one_place": share}}
    assert decided.line.startswith(f"auto: speed_map: {str(value).lower()}, since {share:.0%} of")
    assert decided.settings == auto.model_copy(update={"speed_map": value}), "nothing else"


def test_one_video_gives_no_map_as_there_is_none_to_test_it_on(tmp_path: Path):
    decided = decide_speed_map(shipped(FitAlarm, speed_map="auto"), MOTION, videos(tmp_path, 1))
    assert decided.facts == {"speed_map": False, "by": {"num_videos": 1}}
    assert "there is one training video" in decided.line


def test_no_video_is_read_where_nothing_is_to_be_decided(tmp_path: Path):
    missing = [tmp_path / "missing.mp4"]
    for value in (True, False):
        told = shipped(FitAlarm, speed_map=value)
        assert decide_speed_map(told, MOTION, missing) == (told, {}, "")
    auto = shipped(FitAlarm, speed_map="auto")
    assert decide_speed_map(auto, ["local_disorder"], missing) == (auto, {}, "")
    with pytest.raises(ValueError, match="must be decided"):
        _ = auto.maps_speed
