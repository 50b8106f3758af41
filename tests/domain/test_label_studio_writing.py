"""What is written is read back: keyframes, spans, and the frames they stand for."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.label_studio_writing import keyframe, video_region

SIZE_WH = (320, 240)


@given(
    st.tuples(*[st.floats(0, 240, allow_nan=False)] * 4),
    st.integers(1, 100_000),
    st.sampled_from([Fraction(24), Fraction(25), Fraction(30000, 1001)]),
)
def test_a_keyframe_holds_the_box_in_percent_and_its_time(
    box: tuple[float, float, float, float], frame: int, annotator_fps: Fraction
) -> None:
    written = keyframe(
        frame, box, size_wh=SIZE_WH, annotator_fps=annotator_fps, is_shown_after=True
    )
    x, y, width, height = (written[key] / 100 for key in ("x", "y", "width", "height"))
    read = np.array([x * 320, y * 240, (x + width) * 320, (y + height) * 240])
    np.testing.assert_allclose(read, box, atol=1e-6)
    assert written["time"] == pytest.approx(frame * float(1 / annotator_fps), abs=1e-6)
    assert (written["frame"], written["enabled"]) == (frame, True)


def test_a_region_names_its_controls_and_counts_frames_at_the_annotators_rate() -> None:
    sequence = [
        keyframe(
            1, (0, 0, 32, 24), size_wh=SIZE_WH, annotator_fps=Fraction(24), is_shown_after=False
        )
    ]
    region = video_region("r1", sequence, ["human"], duration_s=4.0, annotator_fps=Fraction(24))
    assert region["value"]["framesCount"] == 96
    assert region["value"]["sequence"][0]["width"] == 10
    assert (region["type"], region["from_name"], region["to_name"], region["origin"]) == (
        "videorectangle", "box", "video", "manual",
    )  # fmt: skip
