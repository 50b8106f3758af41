"""What is known of a decoded video, and its text, `frames.json`."""

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
    """When each frame of a video is shown, exactly as the file tells it, in few bytes.

    Attributes:
        unit_s: what the stamps count, in seconds: the stream's time base.
        first: the stamp of the first frame, in units. Nothing is taken off it: a picture track that
            begins half a second after the sound has its first frame at half a second.
        steps: (units, how often in a row) from each frame to the next. A constant rate is one pair.
    """

    unit_s: Fraction
    first: int
    steps: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, stamps: Sequence[int], unit_s: Fraction) -> "Stamps":
        """Args: stamps: of at least one frame, in units, in order of presentation."""
        steps = (after - before for before, after in pairwise(stamps))
        runs = tuple((step, sum(1 for _ in run)) for step, run in groupby(steps))
        return cls(unit_s, stamps[0], runs)

    @property
    def num_frames(self) -> int:
        """How many frames have a stamp."""
        return 1 + sum(number for _, number in self.steps)

    def units(self) -> npt.NDArray[np.int64]:
        """The stamps (N,), in units."""
        steps = [step for step, _ in self.steps]
        numbers = [number for _, number in self.steps]
        return np.cumsum(np.concatenate([[self.first], np.repeat(steps, numbers)]).astype(np.int64))


@dataclass(frozen=True)
class VideoFacts:
    """Facts that hold for all frames of a video.

    Attributes:
        size_wh: width and height in px, after any rotation the file asks for.
        num_frames: how many frames were really decoded.
        fps: frames per second, exactly (30000/1001, not 29.97); the mean where the rate varies.
        is_variable_rate: whether the frames' time stamps are not evenly spaced.
        stamps: when each frame is shown; None where the file has no stamps: its frames are taken
            as evenly spaced then, from 0.
        num_hidden: frames that the file holds and tells players not to show (an edit list).
        damaged_frames: those that their decoder mended, where these were to be kept; those that
            build on them, up to the next keyframe, are not counted.
    """

    size_wh: tuple[int, int]
    num_frames: int
    fps: Fraction
    is_variable_rate: bool = False
    stamps: Stamps | None = None
    num_hidden: int = 0
    damaged_frames: tuple[int, ...] = ()

    def shown_s(self) -> npt.NDArray[np.float64]:
        """When each frame is shown, (N,) seconds, as the file tells it."""
        if self.stamps is None:
            return np.arange(self.num_frames) / float(self.fps)
        return self.stamps.units().astype(np.float64) * float(self.stamps.unit_s)


class NoStampsError(Exception):
    """A varying rate, and no time stamps: an older version kept none."""


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
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def load_facts(content: bytes) -> VideoFacts:
    """What `dump_facts` wrote.

    Raises:
        NoStampsError: a varying rate, and no time stamps.
        ValueError, TypeError, KeyError, ArithmeticError: another content.
    """
    values = json.loads(content)
    width, height = values["size_wh"]
    num_frames, fps = int(values["num_frames"]), Fraction(values["fps"])
    is_variable_rate = bool(values["is_variable_rate"])
    told = values.get("stamps")
    if told is None and is_variable_rate:
        raise NoStampsError
    stamps = None if told is None else _load_stamps(told)
    if stamps is not None and stamps.num_frames != num_frames:
        raise ValueError(f"{stamps.num_frames} time stamps for {num_frames} frames")
    num_hidden = int(values.get("num_hidden", 0))
    damaged = tuple(int(index) for index in values.get("damaged_frames", ()))
    return VideoFacts(
        (int(width), int(height)), num_frames, fps, is_variable_rate, stamps, num_hidden, damaged
    )


def _dump_stamps(stamps: Stamps) -> dict[str, Any]:
    """Runs of equal steps as a text, "512*149" or "33 34*2 33 34*2": a line, not a thousand."""
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
        raise ValueError("a run of no steps")
    return Stamps(Fraction(values["unit_s"]), int(values["first"]), tuple(steps))


def _dump_fraction(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"
