"""Pseudo-anomalous clips on disk: the same bytes every time, and no file of the user changed."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from tiny_clips import decode
from tiny_videos import write_video

from vigil.pixels.pseudo_anomalies.kinds import KINDS
from vigil.pixels.pseudo_anomalies.making import Part, make_pseudo_clips, map_training
from vigil.pixels.windows import WHOLE, Window
from vigil.plumbing.errors import InputError
from vigil.plumbing.memo import file_digest, tree_digest

FPS = Fraction(25)
NOWHERE = np.zeros((48, 48), bool)


def write_walker(path: Path, seed: int, step_px: int, num_frames: int = 16) -> Path:
    """A textured body crosses a still, textured ground of 160x120 px."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(60, 100, (30, 40, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    body = rng.integers(150, 250, (10, 4, 3), dtype=np.uint8).repeat(2, 0).repeat(2, 1)
    frames = [ground.copy() for _ in range(num_frames)]
    for at, frame in enumerate(frames):
        frame[20:40, 10 + step_px * at :][:, :8] = body
    path.parent.mkdir(exist_ok=True)
    return write_video(path, frames)


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))
    for number, name in enumerate(("walk", "dash")):
        write_walker(tmp_path / "clips" / f"{name}.avi", number, 3 + 3 * number)
    return tmp_path / "clips"


def parts_in(clips: Path) -> list[Part]:
    return [Part(path.name, file_digest(path), WHOLE) for path in sorted(clips.iterdir())]


def made_in(clips: Path, seed: int = 0) -> dict[tuple[str, str], str]:
    made = make_pseudo_clips(parts_in(clips), clips, NOWHERE, seed, FPS)
    return {(one.part.video, one.kind): one.digest for one in made}


def test_each_clip_gives_every_kind_and_stays_as_it_is(clips: Path, tmp_path: Path) -> None:
    before = tree_digest(clips)
    made = make_pseudo_clips(parts_in(clips), clips, NOWHERE, 0, FPS)
    assert tree_digest(clips) == before
    kinds = {one.kind for one in made}
    assert kinds == set(KINDS)
    for one in made:
        pictures, _ = decode(tmp_path / "state" / one.video)
        originals, _ = decode(clips / one.part.video)
        assert len(pictures) == len(originals)
        assert pictures[0].shape == originals[0].shape
        assert not np.array_equal(pictures, originals)


def test_the_same_bytes_twice(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = made_in(clips)
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "other"))
    assert made_in(clips) == first


def test_another_seed_pastes_elsewhere_and_changes_nothing_else(clips: Path) -> None:
    first, second = made_in(clips, 0), made_in(clips, 1)
    different = {kind for (video, kind) in first if first[video, kind] != second[video, kind]}
    assert different == {"pasted"}


def test_what_was_made_is_not_made_again(clips: Path) -> None:
    parts = parts_in(clips)
    first = make_pseudo_clips(parts, clips, NOWHERE, 0, FPS)
    for path in clips.iterdir():
        path.unlink()
    assert make_pseudo_clips(parts, clips, NOWHERE, 0, FPS) == first


def test_a_still_clip_makes_none(clips: Path) -> None:
    write_walker(clips / "still.avi", 5, 0)
    assert {video for video, _ in made_in(clips)} == {"dash.avi", "walk.avi"}


def test_a_clip_of_three_frames_is_too_short(clips: Path) -> None:
    write_walker(clips / "brief.avi", 0, 3, num_frames=3)
    with pytest.raises(InputError, match=r"^brief\.avi: expected clips of at least 4 frames .* 3$"):
        made_in(clips)


def test_parts_of_one_video_are_clips_of_their_own(clips: Path, tmp_path: Path) -> None:
    path = clips / "dash.avi"
    _, times_s = decode(path)
    middle_s = float(times_s[8])
    windows = (Window(0.0, middle_s), Window(middle_s, float("inf")))
    parts = [Part("dash.avi", file_digest(path), window) for window in windows]
    made = make_pseudo_clips(parts, clips, NOWHERE, 0, FPS)
    for part in parts:
        own = [one for one in made if one.part == part]
        assert {"faster", "skipped"} <= {one.kind for one in own}
        assert all(len(decode(tmp_path / "state" / one.video)[0]) == 8 for one in own)


def test_training_clips_are_mapped_where_they_move(clips: Path) -> None:
    moves = map_training(parts_in(clips), clips, FPS)
    alone = map_training(parts_in(clips)[:1], clips, FPS)
    assert 0.02 < alone.mean() < moves.mean() < 1
    assert moves[alone].all()
