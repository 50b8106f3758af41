"""Which tracks take part in an event, by the stored tables."""

import pandas as pd
import pytest
from tiny_watch import SIZE_WH, watching

from vigil.domain.boxes import CORNERS
from vigil.watch.results.eventful import scored_windows
from vigil.watch.results.findings import UNJUDGED, Findings, SourceFacts

BOX, ELSEWHERE = (10.0, 10.0, 30.0, 50.0), (60.0, 10.0, 80.0, 50.0)


def findings_of(ratio: float) -> Findings:
    """A window with evidence in the box of track 1, and not in that of track 2."""
    tracks = pd.DataFrame(
        [(1, 1.5, *BOX), (2, 1.5, *ELSEWHERE)], columns=["track_id", "time_s", *CORNERS]
    )
    judgements = pd.DataFrame({"track_id": [1, 2], "probability": [UNJUDGED, 0.9]})
    scores = pd.DataFrame({"start_s": [0.0], "stop_s": [2.0], "ratio": [ratio]})
    evidence = pd.DataFrame(
        [(0.0, 1.5, ratio, *BOX)], columns=["start_s", "time_s", "ratio", *CORNERS]
    )
    facts = SourceFacts(SIZE_WH, 50, 2.0, 25.0, ("human",))
    return Findings(facts, tracks, judgements, scores, evidence)


@pytest.mark.parametrize(
    ("ratio", "raise_at", "tracks"),
    [
        (1.2, 1.0, {1}),
        (0.8, 1.0, set()),
        (0.8, 0.5, {1}),
        (1.2, 1.5, set()),
        (1.0, 1.0, set()),  # not above it
    ],
)
def test_people_take_part_where_the_evidence_is_above_raise_at(
    ratio: float, raise_at: float, tracks: set[int]
) -> None:
    settings = watching(**{"raising.raise_at": raise_at, "raising.clear_at": raise_at / 2})
    (window,) = scored_windows(findings_of(ratio), settings)
    assert window.tracks == tracks
