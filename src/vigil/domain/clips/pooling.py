"""Pools the scores of windows into scores of clips."""

import pandas as pd

from vigil.domain.clips.scores import CLIP_DTYPES, round_digits
from vigil.settings.predict_alarm import ClipScore


def score_clips(windows: pd.DataFrame, scores: pd.DataFrame, clip_score: ClipScore) -> pd.DataFrame:
    """Pools the scores of each clip's windows.

    Args:
        windows: `clip`, `class`, `source`, `is_anomalous` and `split` of each window.
        scores: a column for each scorer, with the same rows as `windows`.

    Returns:
        A table of clips with the same columns and the scorers' columns, in the order of `windows`.
        Scores have `NUM_DIGITS` significant digits.
    """
    columns = list(CLIP_DTYPES)
    table = pd.concat([windows[columns], scores], axis=1)
    clips = table.groupby(columns, sort=False)[list(scores)].agg(clip_score).reset_index()
    return clips.assign(**{name: round_digits(clips[name].to_numpy()) for name in scores})
