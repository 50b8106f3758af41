"""A detector that finds masks: watching keeps them by track, and draws them."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_watch import FPS, SIZE_WH, SeesBright, models, watching, write_scene

from vigil.domain.detections import Detections
from vigil.domain.pictures.run_lengths import compress, decompress, mask_of, runs_of
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.watched_frames import draw_watched
from vigil.watch.frames import read_frames
from vigil.watch.models import Models
from vigil.watch.recording import Recorder
from vigil.watch.results.findings import read_findings

SIZE_HW = SIZE_WH[::-1]


class Outlines(SeesBright):
    """A detector of bright areas, with the bright pixels of each as its mask."""

    def _detect(self, picture: Picture) -> Detections:
        found = super()._detect(picture)
        is_bright = picture.min(axis=2) > 170
        texts = []
        for x1, y1, x2, y2 in found.boxes_xyxy.astype(int).tolist():
            mask = np.zeros_like(is_bright)
            mask[y1:y2, x1:x2] = is_bright[y1:y2, x1:x2]
            texts.append(compress(runs_of(mask)))
        return replace(found, masks=np.array(texts, object))


def outlining() -> Models:
    return replace(models(), detector=Outlines())


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))
    video = write_scene(tmp_path / "door.mp4")
    recorder = Recorder({"detector.safetensors": "0" * 64}, outlining, watching(), Fraction(FPS))
    recorder.watch(video, tmp_path / "watched")
    return tmp_path / "watched"


def test_each_detected_box_of_a_track_keeps_its_mask(watched: Path, tmp_path: Path):
    findings = read_findings(watched)
    masks = findings.masks
    assert masks is not None
    assert len(masks)
    detected = findings.tracks[findings.tracks["is_observed"] == 1]
    keys = ["track_id", "frame_index"]
    assert masks[keys].values.tolist() == detected[keys].values.tolist()
    frames = {
        frame.index: frame.picture for frame in read_frames(tmp_path / "door.mp4", Fraction(FPS))
    }
    corners = detected[["x1", "y1", "x2", "y2"]].astype(int).to_numpy().tolist()
    for row, (x1, y1, x2, y2) in zip(masks.itertuples(), corners, strict=True):
        mask = mask_of(decompress(row.counts), SIZE_HW)
        is_bright = frames[row.frame_index].min(axis=2) > 170
        expected = np.zeros(SIZE_HW, bool)
        expected[y1:y2, x1:x2] = is_bright[y1:y2, x1:x2]
        assert (mask == expected).all()


def test_masks_are_known_for_other_tracks(
    watched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def blind() -> Models:
        return replace(outlining(), detector=None)  # type: ignore[arg-type]

    settings = watching(**{"tracking.confirm_s": 3.0})
    for state, get_models in (("state", blind), ("other", outlining)):
        monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / state))
        recorder = Recorder({"detector.safetensors": "0" * 64}, get_models, settings, Fraction(FPS))
        recorder.watch(tmp_path / "door.mp4", tmp_path / f"again_{state}")
    for name in ("masks.csv", "tracks.csv"):
        again, anew = ((tmp_path / f"again_{state}" / name).read_bytes()
                       for state in ("state", "other"))  # fmt: skip
        assert again == anew
    assert len(read_findings(tmp_path / "again_state").masks) > 0


def test_where_nothing_is_tracked_the_table_of_masks_is_empty(watched: Path, tmp_path: Path):
    """And not missing, which says that the detector finds no masks."""
    settings = watching(**{"tracking.confirm_s": 60.0})
    recorder = Recorder({"detector.safetensors": "0" * 64}, outlining, settings, Fraction(FPS))
    recorder.watch(tmp_path / "door.mp4", tmp_path / "again")
    masks = read_findings(tmp_path / "again").masks
    assert masks is not None
    assert (len(masks), list(masks)) == (0, ["track_id", "frame_index", "counts"])


def test_all_boxes_are_stored_with_their_masks(watched: Path):
    table = pd.read_csv(watched / "detections.csv", keep_default_na=False)
    assert len(table)
    for text in table["counts"].str.removeprefix("'"):
        assert mask_of(decompress(text), SIZE_HW).any()


def test_a_detector_without_masks_has_no_table_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))
    video = write_scene(tmp_path / "door.mp4")
    recorder = Recorder({"detector.safetensors": "0" * 64}, models, watching(), Fraction(FPS))
    recorder.watch(video, tmp_path / "watched")
    assert not (tmp_path / "watched" / "masks.csv").exists()
    assert read_findings(tmp_path / "watched").masks is None
    assert "counts" not in pd.read_csv(tmp_path / "watched" / "detections.csv")


def test_masks_are_drawn_in_the_colour_of_their_track():
    picture = np.zeros((*SIZE_HW, 3), np.uint8)
    mask = np.zeros(SIZE_HW, bool)
    mask[20:40, 30:50] = True
    texts = [None, compress(runs_of(mask))]
    boxes = np.array([[5.0, 20.0, 15.0, 40.0], [28.0, 18.0, 52.0, 42.0]])
    paths = [np.empty((0, 2))] * 2

    def draw(masks: list[str | None]) -> Picture:
        return draw_watched(
            picture, boxes, [1, 2], paths, clock="00:00.0", masks=masks, masks_hw=SIZE_HW
        )

    differs = (draw(texts) != draw([])).any(axis=2)
    assert differs.any()
    assert not differs[~mask].any()
    assert differs[22:38, 32:48].all()
