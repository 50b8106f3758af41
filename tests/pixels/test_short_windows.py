"""Windows that are too short for a channel are counted, and not passed over in silence."""

from fractions import Fraction
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest
from tiny_clips import write_clip
from tiny_settings import shipped

from vigil.pixels.embedding.motion import MotionEmbedder
from vigil.pixels.embedding.remembered import describe, embed_windows
from vigil.settings.embed_clips import EmbedClips, MotionChannelName

FPS = 10


@pytest.mark.parametrize("name", get_args(MotionChannelName))
def test_windows_shorter_than_a_channel_needs_are_counted(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clips of half of what it needs, and of twice as much, and windows in a long clip."""
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))
    embedder = MotionEmbedder(shipped(EmbedClips, channels=[name]), Fraction(FPS))
    needs_s = embedder.needs_s[name]
    num_frames = round(needs_s * FPS)
    rows: list[tuple[str, float, float, str]] = []
    for video, num in (("short.mp4", num_frames // 2), ("long.mp4", 2 * num_frames + 3)):
        write_clip(tmp_path / video, "stroll", seed=len(rows), num_frames=num)
        rows.append((video, 0.0, float("inf"), video))
    rows += [("long.mp4", 0.0, needs_s / 3, "long.mp4"), ("long.mp4", 0.1, needs_s / 2, "long.mp4")]
    table = pd.DataFrame(rows, columns=["video", "start_s", "stop_s", "digest"])
    found = embed_windows(table, tmp_path, embedder, {name: "code"})[name]
    text = describe(name, found, needs_s)
    assert text.startswith(f"{name}: {len(found.pieces.vectors)} vectors of ")
    assert f"in 4 windows; 3 windows have frames over less than {needs_s:g} s, and" in text
    found = embed_windows(table.iloc[[1]], tmp_path, embedder, {name: "code"})[name]
    assert describe(name, found, needs_s).endswith(" in 1 windows")
