"""Clips to vectors by a network: the same in whatever company."""

from fractions import Fraction
from pathlib import Path
from threading import active_count
from typing import Any

import numpy as np
import pytest
from tiny_clips import decode, write_clip, write_clips
from tiny_settings import shipped

from vigil.learn.alarm.network.embedding.embedder import NetworkEmbedder
from vigil.learn.alarm.network.embedding.window_queue import WindowQueue
from vigil.pixels.windows import WHOLE, Window
from vigil.plumbing.errors import InputError
from vigil.settings.embed_clips import EmbedClips

FPS = Fraction(25)


def embedder_of(**network: object) -> NetworkEmbedder:
    network = {"batch_size": 4, "precision": "32-true", **network}
    own = {"backbone": "x3d_xs", "weights": "none", "network": network}
    return NetworkEmbedder(shipped(EmbedClips, appearance=own).appearance, "repeat_last", FPS)


@pytest.mark.parametrize("windows", [(WHOLE,), (Window(0.0, 0.4), Window(0.4, 9.0))])
def test_a_clip_has_the_same_vector_alone_as_among_others(
    tmp_path: Path, windows: tuple[Window, ...]
) -> None:
    """As after a kill, or where one clip more is embedded."""
    write_clips(tmp_path, num_sources=3)
    paths = sorted(path for path in tmp_path.rglob("*") if path.is_file())[:5]
    embedder = embedder_of()
    videos = [(path, windows) for path in paths]
    together = list(embedder.embed(videos))
    backwards = list(embedder.embed(videos[::-1]))[::-1]
    assert len({vectors.tobytes() for vectors in together}) == len(paths)
    for path, one, other in zip(paths, together, backwards, strict=True):
        (alone,) = embedder.embed([(path, windows)])
        assert alone.shape == (len(windows), 2048)
        assert np.array_equal(one, alone)
        assert np.array_equal(one, other)


def test_frames_in_memory_have_the_vector_of_their_window(tmp_path: Path) -> None:
    """Of the very frames that are decoded, so that nothing is lost to encoding."""
    path = write_clip(tmp_path / "dash.mp4", "dash", 3)
    embedder = embedder_of()
    frames, _ = decode(path)
    ((vector,),) = embedder.embed([(path, [WHOLE])])
    fitted = [embedder.fit(np.ascontiguousarray(frame[..., ::-1])) for frame in frames]
    # Alone, and not in a batch of the stage's size.
    np.testing.assert_allclose(embedder.embed_fitted(fitted), vector, rtol=1e-4, atol=1e-6)
    assert not np.array_equal(embedder.embed_fitted(fitted[::-1]), vector)


def test_a_video_of_many_windows_is_not_held_in_memory(tmp_path: Path) -> None:
    """Windows wait for the network, and decoding waits for them."""
    path = write_clip(tmp_path / "dash.mp4", "dash", 3)
    embedder = embedder_of(batch_size=2)
    most = 0
    take = WindowQueue.take

    def watch(queue: WindowQueue, *told: Any) -> list[Any]:
        nonlocal most
        most = max(most, queue._queue.qsize())
        return take(queue, *told)

    windows = [Window(0.02 * number, 9.0) for number in range(20)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WindowQueue, "take", watch)
        (vectors,) = embedder.embed([(path, windows)])
    assert vectors.shape == (20, 2048)
    assert 0 < most <= 4
    for window, vector in zip(windows[::7], vectors[::7], strict=True):
        ((alone,),) = embedder.embed([(path, [window])])
        assert np.array_equal(alone, vector)


def test_an_error_in_one_video_ends_the_others(tmp_path: Path) -> None:
    """Of threads that wait for a free place, none is left behind."""
    good = write_clip(tmp_path / "dash.mp4", "dash", 3)
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    windows = [Window(0.02 * number, 9.0) for number in range(20)]
    before = active_count()
    with pytest.raises(InputError, match=r"bad\.mp4"):
        list(embedder_of(batch_size=2).embed([(bad, windows), (good, windows), (good, windows)]))
    assert active_count() == before


def test_a_network_is_made_again_from_what_is_told_of_it(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "dash.mp4", "dash", 3)
    first = embedder_of(num_frames=4, seed=5)
    again = NetworkEmbedder.from_facts(first.facts)
    assert again.facts["weights_sha256"] == first.facts["weights_sha256"]
    assert np.array_equal(again.read(path, [WHOLE]), first.read(path, [WHOLE]))
    (one,), (other,) = (embedder.embed([(path, [WHOLE])]) for embedder in (first, again))
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)  # in another memory layout
    with pytest.raises(InputError, match="none: expected the weights that embedded the clips"):
        NetworkEmbedder.from_facts({**first.facts, "weights_sha256": "0"})
