"""Facts about a decoded video, and their text, `frames.json`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

FACTS_NAME = "frames.json"


@dataclass(frozen=True)
class Stamps:
    """The time stamps of a video's frames, exactly as in the file, in compact form.

    Attributes:
        unit_s: seconds per unit of the stamps: the stream's time base.
        first: the time stamp of the first frame, in units. It is not shifted to 0: a picture track
            that begins half a second after the sound has its first frame at half a second.
        steps: pairs of a step from one frame to the next, in units, and how often it repeats. A
            constant frame rate is one pair.
    """

    unit_s: Fraction
    first: int
    steps: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, stamps: Sequence[int], unit_s: Fraction) -> "Stamps":
        """Args: stamps: the time stamps of at least one frame, in units, in display order."""
        steps = (after - before for before, after in pairwise(stamps))
        runs = tuple((step, sum(1 for _ in run)) for step, run in groupby(steps))
        return cls(unit_s, stamps[0], runs)

    @property
    def num_frames(self) -> int:
        """The number of frames that have a time stamp."""
        return 1 + sum(repeats for _, repeats in self.steps)

    def units(self) -> npt.NDArray[np.int64]:
        """The time stamps (N,), in units: the first stamp plus the sum of all steps so far."""
        steps = [step for step, _ in self.steps]
        repeats = [number for _, number in self.steps]
        return np.cumsum(np.concatenate([[self.first], np.repeat(steps, repeats)]).astype(np.int64))


@dataclass(frozen=True)
class VideoFacts:
    """Facts that hold for all frames of a video.

    Attributes:
        size_wh: width and height in px, after any rotation the file asks for.
        num_frames: the number of frames that were really decoded.
        fps: frames per second, exactly (30000/1001, not 29.97); the mean where the rate varies.
        is_variable_rate: whether the frames' time stamps are not evenly spaced.
        stamps: the frames' time stamps; None where the file has none. The frames are then taken as
            evenly spaced, the first at 0 s.
        num_hidden: the number of frames that the file holds but hides from players (an edit list).
        damaged_frames: the frames that the decoder repaired, where damaged frames are kept. Later
            frames that depend on them, up to the next keyframe, are not included.
        container_damage: what tells that frames may be missing, where damaged frames are kept.
    """

    size_wh: tuple[int, int]
    num_frames: int
    fps: Fraction
    is_variable_rate: bool = False
    stamps: Stamps | None = None
    num_hidden: int = 0
    damaged_frames: tuple[int, ...] = ()
    container_damage: tuple[str, ...] = ()

    def shown_s(self) -> npt.NDArray[np.float64]:
        """The time at which each frame is shown, (N,) in seconds, by the file's time stamps."""
        if self.stamps is None:
            return np.arange(self.num_frames) / float(self.fps)
        return self.stamps.units().astype(np.float64) * float(self.stamps.unit_s)


class NoStampsError(Exception):
    """The frame rate varies and there are no time stamps: an older version stored none."""


def dump_facts(facts: VideoFacts) -> str:
    """The text of `frames.json`."""
    content: dict[str, Any] = {
        "fps": _dump_fraction(facts.fps),
        "is_variable_rate": facts.is_variable_rate,
        "num_frames": facts.num_frames,
        "num_hidden": facts.num_hidden,
        "size_wh": list(facts.size_wh),
        "stamps": None if facts.stamps is None else _dump_stamps(facts.stamps),
    }
    if facts.damaged_frames:
        content["damaged_frames"] = list(facts.damaged_frames)
    if facts.container_damage:
        content["container_damage"] = list(facts.container_damage)
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def load_facts(content: bytes) -> VideoFacts:
    """Reads the text of `dump_facts`.

    Raises:
        NoStampsError: the frame rate varies and there are no time stamps.
        ValueError, TypeError, KeyError, ArithmeticError: the content has another form.
    """
    values = json.loads(content)
    width, height = values["size_wh"]
    num_frames, fps = int(values["num_frames"]), Fraction(values["fps"])
    is_variable_rate = bool(values["is_variable_rate"])
    if "stamps" not in values and is_variable_rate:
        raise NoStampsError
    stamp_values = values.get("stamps")
    stamps = None if stamp_values is None else _load_stamps(stamp_values)
    if stamps is not None and stamps.num_frames != num_frames:
        raise ValueError(f"{stamps.num_frames} time stamps for {num_frames} frames")
    num_hidden = int(values.get("num_hidden", 0))
    damaged = tuple(int(index) for index in values.get("damaged_frames", ()))
    complaints = tuple(str(text) for text in values.get("container_damage", ()))
    return VideoFacts(
        *((int(width), int(height)), num_frames, fps, is_variable_rate, stamps, num_hidden),
        *(damaged, complaints),
    )


def _dump_stamps(stamps: Stamps) -> dict[str, Any]:
    """Time stamps as JSON values; equal steps in a row are one word, as in "33 34*2 33 34*2".

    So a thousand equal steps take one word, not a thousand lines.
    """
    steps = (f"{step}*{number}" if number > 1 else str(step) for step, number in stamps.steps)
    return {
        "first": stamps.first,
        "steps": " ".join(steps),
        "unit_s": _dump_fraction(stamps.unit_s),
    }


def _load_stamps(values: Any) -> Stamps:
    steps = []
    for run in values["steps"].split():
        step, _, number = run.partition("*")
        steps.append((int(step), int(number or 1)))
    if any(number < 1 for _, number in steps):
        raise ValueError("a step that occurs less than once")
    return Stamps(Fraction(values["unit_s"]), int(values["first"]), tuple(steps))


def _dump_fraction(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"
