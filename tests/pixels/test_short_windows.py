"""Windows that are too short for a channel are counted, and not passed over in silence."""

from typing import get_args

import pandas as pd
import pytest
from tiny_settings import shipped

from vigil.pixels.motion_embedding import count_short
from vigil.settings.embed_clips import EmbedClips, MotionChannelName


@pytest.mark.parametrize("name", get_args(MotionChannelName))
def test_windows_shorter_than_a_channel_needs_are_counted(name: str) -> None:
    settings = shipped(EmbedClips, channels=[name])
    _, needs_s = count_short(settings, pd.DataFrame({"start_s": [0.0], "stop_s": [1.0]}))[name]
    assert 0.1 < needs_s < 5
    lengths_s = [0.5 * needs_s, 0.99 * needs_s, needs_s, needs_s - 1e-5, 2 * needs_s]
    starts_s = [3.0, 0.0, 7.0, 0.0, 1.0]
    windows = pd.DataFrame({"start_s": starts_s})
    windows["stop_s"] = windows["start_s"] + lengths_s
    assert count_short(settings, windows) == {name: (2, needs_s)}
