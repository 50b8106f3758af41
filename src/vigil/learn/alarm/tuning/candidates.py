"""The candidates: every combination of the values that the user gives for parameters."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import yaml

from vigil.plumbing.contract import check_sections, project_sections
from vigil.plumbing.errors import FieldError, InputError, listed, shorten
from vigil.plumbing.params import PARAMS_FILE
from vigil.plumbing.yaml_words import WordsLoader
from vigil.settings.embed_clips import OBJECTS, EmbedClips
from vigil.settings.fit_alarm import FitAlarm
from vigil.settings.pick_threshold import HOURLY, PickThreshold
from vigil.settings.predict_alarm import PredictAlarm

FORM = "a parameter and its values, as embed_clips.local_disorder.size=0.1,0.15"
TUNED = (EmbedClips, FitAlarm, PredictAlarm, PickThreshold)
"""The sections whose parameters can be compared: they change no clip and no split."""
MOST_CANDIDATES = 1000


@dataclass(frozen=True)
class Candidate:
    """Settings of the alarm.

    Attributes:
        changes: by parameter, the values that differ from `params.yaml`; empty: the present ones.
        embed, fit, predict, rule: the settings of the stages of the alarm.
    """

    changes: Mapping[str, Any]
    embed: EmbedClips
    fit: FitAlarm
    predict: PredictAlarm
    rule: PickThreshold


def build_candidates(content: Mapping[str, Any], lists: Sequence[str]) -> list[Candidate]:
    """The present settings first, then every other combination of values, in order.

    Args:
        content: the content of `params.yaml`.
        lists: of each parameter its values, as `fit_alarm.num_components=1,3,8`. A value may be
            a list itself: `embed_clips.channels=[local_speed],[local_speed,motion_cells]`.

    Raises:
        InputError: a parameter is unknown, not one of the alarm, or named twice; a value is not
            allowed; or there are too many combinations.
        FieldError: settings cannot be measured in this way, without labels.
    """
    values: dict[str, list[Any]] = {}
    for text in lists:
        name, several = _parse(text)
        if name in values:
            raise InputError(f"{name}: expected each parameter once, got it twice")
        present = _look_up(content, name)
        values[name] = [one for one in several if one != present]
        if present in several:
            values[name].insert(0, present)
    num = 1
    for several in values.values():
        num *= len(several)
    if num > MOST_CANDIDATES:
        raise InputError(f"expected at most {MOST_CANDIDATES} combinations of values, got {num}")
    candidates = [_build(content, {})]
    for chosen in product(*values.values()):
        changes = {
            name: value
            for name, value in zip(values, chosen, strict=True)
            if value != _look_up(content, name)
        }
        if changes:
            candidates.append(_build(content, changes))
    return candidates


def format_changes(changes: Mapping[str, Any]) -> list[str]:
    """The changes as words of `-S`."""
    return [f"{name}={format_value(value)}" for name, value in changes.items()]


def format_value(value: Any) -> str:
    """A value as in `params.yaml`, in one word."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _parse(text: str) -> tuple[str, list[Any]]:
    """The name of a parameter, and its values."""
    name, equals, written = text.partition("=")
    try:
        several = yaml.load(f"[{written}]", WordsLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InputError(f"{name}: expected plain values, got {shorten(written)}") from None
    if not equals or not isinstance(several, list) or not several:
        raise InputError(f"expected {FORM}, got {shorten(text)}")
    if any(several.count(one) > 1 for one in several):
        raise InputError(f"{name}: expected each value once, got {shorten(written)}")
    sections = [kind.section for kind in TUNED]
    if not any(name.startswith(f"{section}.") for section in sections):
        raise InputError(f"{name}: expected a parameter of {listed(sections)}")
    return name, several


def _look_up(content: Mapping[str, Any], name: str) -> Any:
    """The present value of a parameter.

    Raises:
        InputError: there is no such parameter.
    """
    value: Any = content
    for key in name.split("."):
        if not isinstance(value, Mapping) or key not in value:
            raise InputError(f"{PARAMS_FILE}: {name}: no such parameter")
        value = value[key]
    return value


def _build(content: Mapping[str, Any], changes: Mapping[str, Any]) -> Candidate:
    """Checks the whole of `params.yaml` with the changes, as every stage does."""
    changed: dict[str, Any] = json.loads(json.dumps(content, default=str))
    for name, value in changes.items():
        *blocks, key = name.split(".")
        place = changed
        for block in blocks:
            place = place[block]
        place[key] = value
    sections = check_sections(changed, project_sections())
    embed, fit, predict, rule = (sections[kind.section] for kind in TUNED)
    assert isinstance(embed, EmbedClips)
    assert isinstance(fit, FitAlarm)
    assert isinstance(predict, PredictAlarm)
    assert isinstance(rule, PickThreshold)
    if rule.needs_anomalous or rule.method == HOURLY:
        raise FieldError(
            "method",
            "expected max_validation_error, quantile or conformal, which need allowed clips alone, "
            f"got {rule.method}",
        )
    if fit.fine_tuning.from_epoch:
        raise FieldError(
            "fine_tuning.from_epoch",
            "expected 0, since a tuned network would measure every clip anew, got "
            f"{fit.fine_tuning.from_epoch}",
        )
    if OBJECTS in embed.channels:
        raise FieldError(
            "channels",
            f"expected channels of motion or appearance, got {OBJECTS}: made clips have no tracks",
        )
    return Candidate(dict(changes), embed, fit, predict, rule)


def place_of(error: FieldError) -> str:
    """The message about a parameter of the alarm, with its place in `params.yaml`."""
    first = error.field.split(".")[0]
    for kind in TUNED:
        if first in kind.model_fields:
            return f"{PARAMS_FILE}: {kind.section}.{error.field}: {error.problem}"
    return str(error)
