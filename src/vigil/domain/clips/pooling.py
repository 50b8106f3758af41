"""Pools the scores of windows into scores of clips."""

import pandas as pd

from vigil.domain.clips.scores import CLIP_DTYPES, round_digits
from vigil.domain.clips.verdicts import NO_EVIDENCE
from vigil.settings.predict_alarm import ClipScore


def score_clips(windows: pd.DataFrame, scores: pd.DataFrame, clip_score: ClipScore) -> pd.DataFrame:
    """Pools the scores of each clip's windows.

    Args:
        windows: `clip`, `class`, `source`, `is_anomalous` and `split` of each window.
        scores: a column for each scorer, with the same rows as `windows`.

    Returns:
        A table of clips with the same columns and the scorers' columns, in the order of `windows`.
        Scores have `NUM_DIGITS` significant digits. Windows without evidence do not count. A clip
        without any has the score `NO_EVIDENCE`.
    """
    columns = list(CLIP_DTYPES)
    known = scores.mask(scores == NO_EVIDENCE)
    table = pd.concat([windows[columns], known], axis=1)
    pooled = table.groupby(columns, sort=False)[list(scores)].agg(clip_score)
    clips = pooled.fillna(NO_EVIDENCE).reset_index()
    return clips.assign(**{name: round_digits(clips[name].to_numpy()) for name in scores})
