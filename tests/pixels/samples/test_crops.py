from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_videos import write_coded_video

from vigil.domain.sampling import Sample
from vigil.pixels.fit_crop import fit_crop
from vigil.pixels.frames import FrameArchive, extract_frames
from vigil.pixels.samples.crops import store_crops

NOISE = np.random.default_rng(0).integers(1, 256, (120, 160), dtype=np.uint8)


def fit(x1: int, y1: int, x2: int, y2: int, size_px: int = 50) -> np.ndarray:
    return fit_crop(NOISE, np.array([x1, y1, x2, y2]), size_px)


def test_a_small_crop_is_centred_between_zeros_untouched() -> None:
    found = fit(10, 20, 30, 60)
    expected = np.zeros((50, 50), np.uint8)
    expected[5:45, 15:35] = NOISE[20:60, 10:30]
    assert np.array_equal(found, expected)


def test_where_padding_is_odd_the_extra_lies_at_the_right_and_below() -> None:
    found = fit(0, 0, 7, 9, size_px=10)
    assert np.array_equal(found[0:9, 1:8], NOISE[0:9, 0:7])
    assert np.count_nonzero(found) == 63


def test_a_crop_of_exactly_the_size_is_itself() -> None:
    assert np.array_equal(fit(3, 4, 53, 54), NOISE[4:54, 3:53])


def test_a_longer_side_is_resized_and_a_shorter_one_padded() -> None:
    found = fit(0, 0, 20, 100)
    assert np.array_equal(
        found[:, 15:35],
        cv2.resize(NOISE[:100, :20], (20, 50), interpolation=cv2.INTER_AREA),
    )
    assert not found[:, :15].any()
    assert not found[:, 35:].any()


def test_shrinking_by_half_is_the_mean_of_four() -> None:
    found = fit(0, 0, 100, 100)
    expected = NOISE[:100, :100].reshape(50, 2, 50, 2).mean(axis=(1, 3))
    assert np.abs(found - expected).max() <= 1


def test_one_pixel() -> None:
    found = fit(4, 5, 5, 6, size_px=8)
    assert np.count_nonzero(found) == 1
    assert found[3, 3] == NOISE[5, 4]


@settings(max_examples=60)
@given(
    st.tuples(st.integers(0, 159), st.integers(0, 119)),
    st.tuples(st.integers(1, 160), st.integers(1, 120)),
    st.integers(8, 64),
)
def test_shape_and_padding(corner: tuple[int, int], sides: tuple[int, int], size_px: int) -> None:
    x1, y1 = corner
    x2, y2 = min(x1 + sides[0], 160), min(y1 + sides[1], 120)
    found = fit(x1, y1, x2, y2, size_px)
    assert found.shape == (size_px, size_px)
    assert found.dtype == np.uint8
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    for filled, side in ((rows, y2 - y1), (columns, x2 - x1)):
        assert len(filled) == min(side, size_px)
        assert abs(filled[0] - (size_px - 1 - filled[-1])) <= 1


@pytest.fixture(scope="module")
def archive_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crops")
    video = write_coded_video(folder / "v.mp4", 30)
    extract_frames(video, folder / "v.zip", jpeg_quality=95)
    return folder / "v.zip"


def sample_at(first_frame: int, num_frames: int, seed: int) -> Sample:
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 20, (num_frames, 2))
    return Sample(
        "person", "a", first_frame, np.concatenate([corner, corner + rng.integers(3, 28, 2)], 1)
    )


def test_stored_crops_are_those_cut_by_hand(archive_file: Path, tmp_path: Path) -> None:
    # Out of order, overlapping, two on the same frames, and a frame between that none needs.
    samples = [sample_at(first, 5, seed) for seed, first in enumerate([25, 0, 3, 3, 11, 24, 0])]
    with FrameArchive(archive_file) as archive:
        store_crops(samples, archive, tmp_path / "v.npy", 16)
        expected = np.array(
            [
                [
                    fit_crop(archive.grey(sample.first_frame + step), box, 16)
                    for step, box in enumerate(sample.boxes_px)
                ]
                for sample in samples
            ]
        )
    found = np.load(tmp_path / "v.npy")
    assert found.dtype == np.uint8
    assert found.shape == (7, 5, 16, 16)
    assert np.array_equal(found, expected)
    assert np.array_equal(np.load(tmp_path / "v.npy", mmap_mode="r"), expected)


def test_the_same_samples_give_the_same_bytes(archive_file: Path, tmp_path: Path) -> None:
    samples = [sample_at(first, 5, first) for first in range(20)]
    for name in ("one.npy", "two.npy"):
        with FrameArchive(archive_file) as archive:
            store_crops(samples, archive, tmp_path / name, 20)
    assert (tmp_path / "one.npy").read_bytes() == (tmp_path / "two.npy").read_bytes()


def test_no_samples(archive_file: Path, tmp_path: Path) -> None:
    with FrameArchive(archive_file) as archive:
        store_crops([], archive, tmp_path / "v.npy", 20)
    assert np.load(tmp_path / "v.npy").shape[0] == 0
