"""From scores of windows to scores of clips."""

import pandas as pd

from vigil.domain.clips.scores import CLIP_DTYPES, round_digits
from vigil.settings.predict_alarm import ClipScore


def score_clips(windows: pd.DataFrame, scores: pd.DataFrame, clip_score: ClipScore) -> pd.DataFrame:
    """From scores of windows to a table of clips.

    Args:
        windows: `clip`, `class`, `source`, `is_anomalous` and `split` of each.
        scores: a column for each scorer, row by row.

    Returns:
        The same columns and the scorers', to `NUM_DIGITS` that count, in the order of `windows`.
    """
    columns = list(CLIP_DTYPES)
    table = pd.concat([windows[columns], scores], axis=1)
    clips = table.groupby(columns, sort=False)[list(scores)].agg(clip_score).reset_index()
    return clips.assign(**{name: round_digits(clips[name].to_numpy()) for name in scores})
