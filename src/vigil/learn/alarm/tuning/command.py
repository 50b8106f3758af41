"""The command `vigil tune-alarm`."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from vigil.learn.alarm.tuning.allowed import read_allowed
from vigil.learn.alarm.tuning.candidates import build_candidates, place_of
from vigil.learn.alarm.tuning.telling import describe, tell
from vigil.learn.alarm.tuning.trying import Trial, make_pseudo
from vigil.plumbing.contract import check_sections, project_sections
from vigil.plumbing.errors import FieldError, InputError
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import read_params
from vigil.plumbing.records import write_json
from vigil.settings.dataset import Dataset

CLIPS, SPLITS = Path("data/clips"), Path("data/splits/alarm")
NEEDED = "dvc repro split@alarm"


def tune_alarm(lists: Sequence[str], seed: int, most_of_source: int, file: Path | None) -> str:
    """Compares settings of the alarm by pseudo-anomalous clips, without labels.

    Args:
        lists: of each parameter its values; empty: the present settings are measured alone.
        seed: of the halves, of the places of pasted people, and of the resampling.
        most_of_source: the largest number of clips of a source that are changed.
        file: where all results are written as JSON; None: nowhere.

    Returns:
        The results as text.

    Raises:
        InputError: a parameter, a clip or the number of sources is not what is required.
    """
    if seed < 0 or most_of_source < 1:
        raise InputError(
            "expected a seed of at least 0 and at least 1 clip of a source, got "
            f"{seed} and {most_of_source}"
        )
    content = read_params()
    dataset = check_sections(content, project_sections())["dataset"]
    assert isinstance(dataset, Dataset)
    picture_fps = Fraction(str(dataset.picture_fps))
    for folder in (CLIPS, SPLITS):
        if not folder.is_dir():
            raise InputError(f"{folder}: expected a folder, found none; `{NEEDED}` makes it")
    videos = Path(dataset.clips)
    try:
        candidates = build_candidates(content, lists)
        allowed = read_allowed(CLIPS, SPLITS, seed)
        pseudo = make_pseudo(allowed, videos, seed, most_of_source, picture_fps)
        trial = Trial(candidates, allowed, pseudo, videos, picture_fps)
        judgements = trial.judge(candidates, seed)
    except FieldError as error:
        raise InputError(place_of(error)) from None
    record = describe(candidates, judgements, allowed, pseudo, seed)
    if file is not None:
        with whole(file) as partial:
            write_json(record, partial)
    return tell(record)
