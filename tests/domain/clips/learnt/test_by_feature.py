"""Each feature has a scorer and a scale of its own, and the most unusual one is named."""

import numpy as np
import pandas as pd
import pytest
from tiny_objects import allowed_walkers, moments_of, objects, pieces_of, walker

from vigil.domain.clips.evidence.embeddings import Embedding
from vigil.domain.clips.evidence.pieces import Pieces, no_evidence
from vigil.domain.clips.found import strongest_in_windows
from vigil.domain.clips.learnt.by_feature import (
    LEAST_SCALE,
    SCALES,
    fit_by_feature,
    score_by_feature,
)
from vigil.domain.clips.learnt.scorers import FitOptions
from vigil.domain.clips.pooling import score_clips
from vigil.domain.clips.verdicts import NO_EVIDENCE, Evidence, Verdict, ratio_of
from vigil.domain.measures.frames import score_frames
from vigil.domain.measures.regions import latest_regions
from vigil.domain.thresholds import write_thresholds
from vigil.pixels.channels.behaviour import UNITS, columns_of
from vigil.plumbing.errors import InputError
from vigil.settings.pick_threshold import Hourly, PickThreshold

SETTINGS = objects()
COLUMNS = columns_of(SETTINGS.features)
OPTIONS = FitOptions(0, 5, 2)
SCORERS = ("nearest_neighbours", "gaussian_mixture")


def fit(scorer: str, vectors: np.ndarray, videos: np.ndarray, quantile: float = 0.95):
    return fit_by_feature(
        scorer, vectors, COLUMNS, UNITS, videos, videos, options=OPTIONS, quantile=quantile
    )


@pytest.fixture(scope="module")
def walkers() -> tuple[np.ndarray, np.ndarray]:
    return allowed_walkers(SETTINGS)


def strongest(scorer: str, learnt, pieces: Pieces) -> tuple[str, float, Pieces]:
    """The most unusual feature of all pieces, its ratio, and the piece."""
    vectors = pieces.vectors.astype(np.float64)
    ratios = score_by_feature(scorer, learnt, vectors, COLUMNS, UNITS)
    row, column = np.unravel_index(int(ratios.argmax()), ratios.shape)
    return list(COLUMNS)[column], float(ratios.max()), pieces[np.array([row])]


@pytest.mark.parametrize("scorer", SCORERS)
def test_who_runs_among_walkers_is_found_by_speed(scorer: str, walkers) -> None:
    learnt = fit(scorer, *walkers)
    people = {1: walker(60, 384, 1.0), 2: walker(90, 396, 3.0)}
    feature, ratio, piece = strongest(scorer, learnt, pieces_of(moments_of(people, 2.0)))
    assert feature == "speed"
    assert ratio > 2
    assert piece.boxes_xyxy[0, 3] == 396  # the runner


@pytest.mark.parametrize("scorer", SCORERS)
def test_who_walks_where_nobody_goes_is_found_by_place(scorer: str, walkers) -> None:
    learnt = fit(scorer, *walkers)
    people = {1: walker(60, 384, 1.0), 2: walker(150, 120, 1.0)}
    feature, ratio, piece = strongest(scorer, learnt, pieces_of(moments_of(people, 2.0)))
    assert feature == "place"
    assert ratio > 2
    assert piece.boxes_xyxy[0, 3] == 120


@pytest.mark.parametrize("scorer", SCORERS)
def test_who_stays_is_found_by_dwelling(scorer: str, walkers) -> None:
    learnt = fit(scorer, *walkers)
    people = {1: walker(120, 384), 2: walker(150, 396)}  # as near to each other as walkers are
    feature, ratio, piece = strongest(scorer, learnt, pieces_of(moments_of(people, 4.0)))
    assert feature == "dwelling"
    assert ratio > 2
    assert piece.spans_s[0, 1] > 3  # the longer, the more unusual


@pytest.mark.parametrize("scorer", SCORERS)
def test_another_walker_is_as_usual_as_the_allowed_ones(scorer: str, walkers) -> None:
    learnt = fit(scorer, *walkers)
    people = {1: walker(75, 390, 0.97), 2: walker(110, 405, 1.02)}
    _, ratio, _ = strongest(scorer, learnt, pieces_of(moments_of(people, 3.0)))
    assert ratio < 1.5


@pytest.mark.parametrize("scorer", SCORERS)
def test_scales_are_quantiles_over_videos_of_scores_that_were_not_learnt(
    scorer: str, walkers
) -> None:
    """At a quantile of 1, no allowed video exceeds the scale by a model that did not see it."""
    vectors, videos = walkers
    learnt = fit(scorer, vectors, videos, quantile=1.0)
    assert (learnt[SCALES] >= LEAST_SCALE).all()
    assert (fit(scorer, vectors, videos, quantile=0.2)[SCALES] <= learnt[SCALES]).all()
    ratios = score_by_feature(scorer, learnt, vectors, COLUMNS, UNITS)
    assert ratios.max() <= 1 + 1e-9  # a model that saw them finds them no stranger
    held = videos == "v5"  # six sources in five folds: v0 and v5 are left out together
    others = fit(scorer, vectors[~held & (videos != "v0")], videos[~held & (videos != "v0")])
    alone = score_by_feature(scorer, others, vectors[held], COLUMNS, UNITS) * others[SCALES]
    assert (alone.max(axis=0) <= learnt[SCALES] * (1 + 1e-6)).all()


def test_a_feature_that_never_varies_has_the_scale_of_its_unit(walkers) -> None:
    vectors, videos = walkers
    learnt = fit("nearest_neighbours", vectors, videos)
    assert learnt[SCALES][list(COLUMNS).index("crowd")] == LEAST_SCALE
    more = vectors[:1].copy()
    more[0, COLUMNS["crowd"]] += 3 * UNITS["crowd"]
    ratios = score_by_feature("nearest_neighbours", learnt, more, COLUMNS, UNITS)
    assert ratios[0, list(COLUMNS).index("crowd")] == pytest.approx(3)


def test_one_source_is_too_few(walkers) -> None:
    vectors, videos = walkers
    one = videos == "v0"
    with pytest.raises(InputError, match="of at least 2 sources, to scale their features, got 1"):
        fit("gaussian_mixture", vectors[one], videos[one])
    with pytest.raises(InputError, match="got 0"):
        fit("gaussian_mixture", vectors[:0], videos[:0])


def test_a_window_without_evidence_has_no_score_and_the_clip_that_of_the_others() -> None:
    index = pd.DataFrame({"video": list("aabc"), "start_s": [0.0, 1, 0, 0], "stop_s": 2.0})
    counts = np.array([2, 0, 0, 1])
    pieces = Pieces(np.zeros((3, 1), np.float32), *(np.zeros((3, n)) for n in (4, 2, 2)))
    found = Embedding.join(index, [pieces], counts, {})
    scores = strongest_in_windows(found, np.array([3.0, 5.0, 2.0]))
    assert scores.tolist() == [5.0, NO_EVIDENCE, NO_EVIDENCE, 2.0]
    nothing = Embedding.join(index, [no_evidence(1)], np.zeros(4, int), {})
    assert strongest_in_windows(nothing, np.empty(0)).tolist() == [NO_EVIDENCE] * 4
    windows = index.assign(clip=index["video"], source="s", split="test", is_anomalous=False)
    windows["class"] = "x"
    pooled = score_clips(windows, pd.DataFrame({"objects.x": scores}), "mean")
    assert pooled["objects.x"].tolist() == [5.0, NO_EVIDENCE, 2.0]
    assert ratio_of(NO_EVIDENCE, 3.0) == ratio_of(NO_EVIDENCE, 0.0) == NO_EVIDENCE


def rule(method: str = "max_validation_error") -> PickThreshold:
    hourly = Hourly(block_s=60.0, alarm_probability=0.1, num_above=1, num_windows=1)
    return PickThreshold(method=method, quantile=0.5, false_alarm_rate=0.4, hourly=hourly)


def test_a_threshold_is_picked_from_clips_with_evidence(tmp_path) -> None:
    clips = pd.DataFrame({"is_anomalous": False, "objects.x": [4.0, NO_EVIDENCE, 2.0, NO_EVIDENCE]})
    picked = write_thresholds(rule("conformal"), clips, ["objects.x"], tmp_path / "t.json")
    alone = write_thresholds(rule("conformal"), clips[::2], ["objects.x"], tmp_path / "u.json")
    assert picked["objects.x"] == alone["objects.x"]
    assert picked["objects.x"].value == 2.0 or picked["objects.x"].value == 4.0
    nobody = clips.assign(**{"objects.x": NO_EVIDENCE})
    with pytest.raises(InputError, match="expected an allowed validation clip with evidence of ob"):
        write_thresholds(rule(), nobody, ["objects.x"], tmp_path / "v.json")


def test_a_verdict_without_evidence_says_so_and_raises_nothing() -> None:
    nothing = Verdict({}, {"objects.x": 1.0}, {}, ())
    assert (nothing.ratio, nothing.channel, nothing.reason) == (NO_EVIDENCE, "", "")
    assert not nothing.is_alarm
    place = Evidence("objects", (0.0, 0.0, 1.0, 1.0), 2.0, 1.0, "dwelling")
    found = Verdict({"objects.x": 2.0}, {"objects.x": 1.0}, {"objects": "objects.x"}, (place,))
    assert found.reason == place.reason == "objects: dwelling"
    assert found.is_alarm


def test_evidence_of_objects_ends_when_nobody_is_left() -> None:
    """Another channel has evidence at every moment; its latest counts until the next."""
    times_s = np.arange(0, 4, 0.5)
    rows = [(channel, 1.0, 2.0, 0.0, 0.0, 9.0, 9.0) for channel in ("objects", "motion_cells")]
    columns = ["channel", "time_s", "ratio", "x1", "y1", "x2", "y2"]
    evidence = pd.DataFrame(rows, columns=columns)
    scores = score_frames(times_s, evidence)
    assert scores["motion_cells"].tolist() == [2.0] * 8
    expected = [NO_EVIDENCE] * 2 + [2.0] * 2 + [NO_EVIDENCE] * 4
    assert scores["objects"].tolist() == expected
    counts = [len(one.scores) for one in latest_regions(times_s, evidence)]
    assert counts == [1, 1, 2, 2, 1, 1, 1, 1]
