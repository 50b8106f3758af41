"""An exported alarm: how unusual windows of frames are, without torch.

Its channels of motion need OpenCV, and its scorers numpy. Only the scorer `autoencoder` has a
network, which ONNX Runtime runs. The file is an archive: the card, the parameters of the scorers
as arrays, and the networks.
"""

import io
import zipfile
from collections import namedtuple
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vigil.domain.clips.evidence.pieces import Pieces, Vectors
from vigil.pixels.channels.channel import Channel
from vigil.pixels.channels.registry import BUILDERS, build_channel, check_revision
from vigil.plumbing.errors import InputError, listed, shorten
from vigil.runtime.card import DIGEST_KEY, check_seal, fingerprint_of, read_card_text
from vigil.runtime.judging import JudgingAlarm, Scores
from vigil.runtime.scoring import SCORERS, Floats, check_learnt, check_map, divide_by_map
from vigil.runtime.session import Run, open_onnx

CARD_FILE = "card.json"
AUTOENCODER, SPEED_MAP = "autoencoder", "speed_map"


class ExportedAlarm(JudgingAlarm):
    """An exported alarm, ready for windows of frames; `TrainedAlarm` has the same methods.

    >>> alarm = ExportedAlarm.from_file("released/alarm/alarm.zip")
    >>> verdict = alarm(frames, times_s)
    >>> stream = alarm.stream(window_s=2.5, stride_s=0.5)

    Attributes:
        card: see `vigil.runtime.card`.
        scorers: by channel; the first scorer raises the alarm.
    """

    def __init__(
        self,
        card: Mapping[str, Any],
        arrays: Mapping[str, Floats],
        networks: Mapping[str, Run],
        file: Path,
    ) -> None:
        """Args:
        arrays: parameters of scorers, named `<channel>/<scorer>/<name>`.
        networks: the autoencoder of each channel that has one.
        file: its place, for errors.

        Raises:
            InputError: the card does not describe an alarm.
        """
        try:
            # A card sorts its entries, and the order of channels is that of scores.
            facts = {str(name): card["channels"][name] for name in card["order"]["channels"]}
            if facts.keys() != card["channels"].keys():
                raise ValueError("an order of other channels")
            for each in facts.values():
                check_revision(each, file)
            channels = {name: _build_channel(facts[name]) for name in facts}
            self.scorers = {name: [str(each) for each in facts[name]["scorers"]] for name in facts}
            self._widths = {name: int(facts[name]["width"]) for name in facts}
            self._errors = {name: str(facts[name]["error"]) for name in facts}
            order = card["order"]["thresholds"]
            thresholds = {str(name): float(card["thresholds"][name]) for name in order}
            super().__init__(channels, thresholds)
            for name, scorers in self.scorers.items():
                if not set(scorers) <= {*SCORERS, AUTOENCODER} or not scorers:
                    raise ValueError("other scorers")
                if channels[name].width != self._widths[name]:
                    raise ValueError("vectors of another width")
                if AUTOENCODER in scorers and name not in networks:
                    raise ValueError("no network of the autoencoder")
        except (AttributeError, KeyError, TypeError, ValueError):
            raise InputError(
                f"{file}: expected the card of an alarm, got {shorten(card)}"
            ) from None
        self.card, self._arrays, self._networks = card, arrays, networks
        try:
            self._check_learnt()
        except ValueError as error:
            raise InputError(f"{file}: expected the parameters of an alarm, got {error}") from None

    def _check_learnt(self) -> None:
        """Raises ValueError for parameters or thresholds that are missing, of others or not finite.

        As for `read_thresholds`, a threshold may be 0: that of a channel whose scores were all 0.
        """
        names = {f"{name}.{scorer}" for name in self.scorers for scorer in self.scorers[name]}
        if not names or names != self.thresholds.keys():
            raise ValueError(f"thresholds of {listed(self.thresholds)} for {listed(names)}")
        if not np.isfinite(list(self.thresholds.values())).all():
            raise ValueError(f"thresholds {shorten(dict(self.thresholds))}")
        for name, scorers in self.scorers.items():
            for scorer in set(scorers) - {AUTOENCODER}:
                check_learnt(scorer, self._learnt(name, scorer), self._widths[name])
            check_map(self._learnt(name, SPEED_MAP))

    @classmethod
    def from_file(cls, file: Path | str) -> "ExportedAlarm":
        """Opens an exported alarm.

        Raises:
            InputError: the file is missing, damaged or of another version, or a member is not the
                one that was written.
        """
        path = Path(file)
        if not path.is_file():
            raise InputError(
                f"{path}: expected an exported alarm, found none; `vigil export` makes it"
            )
        try:
            with zipfile.ZipFile(path) as archive:
                content = {name: archive.read(name) for name in archive.namelist()}
            text = content.pop(CARD_FILE, b"").decode()
            arrays = {
                name.removesuffix(".npy"): np.load(io.BytesIO(one), allow_pickle=False)
                for name, one in content.items()
                if name.endswith(".npy")
            }
        except (zipfile.BadZipFile, ValueError, OSError, EOFError) as error:
            reason = shorten(str(error))
            raise InputError(f"{path}: expected an exported alarm, got: {reason}") from None
        card = read_card_text(text, path, "alarm")
        check_seal(path, card.get(DIGEST_KEY), text.encode(), fingerprint_of(content))
        networks = {
            name.split("/")[0]: open_onnx(one).run
            for name, one in content.items()
            if name.endswith(".onnx")
        }
        return cls(card, arrays, networks, path)

    def by_place(self, channel: str, pieces: Pieces) -> Vectors:
        """See `JudgingAlarm`."""
        speed_map = self._learnt(channel, SPEED_MAP).get("ratios")
        return pieces.vectors if speed_map is None else divide_by_map(pieces, speed_map)

    def score(self, channel: str, vectors: Vectors) -> Scores:
        """See `JudgingAlarm`."""
        width = self._widths[channel]
        if vectors.ndim != 2 or vectors.shape[1] != width:
            raise InputError(
                f"expected vectors of {width} numbers for {channel}, got an array of "
                f"{vectors.shape}"
            )
        by_scorer: Scores = {}
        for name in self.scorers[channel]:
            scores: Floats = np.empty(0)
            if not len(vectors):
                pass
            elif name == AUTOENCODER:
                scores = self._reconstruction_errors(channel, vectors)
            else:
                scores = SCORERS[name](self._learnt(channel, name), vectors.astype(np.float64))
            by_scorer[f"{channel}.{name}"] = scores
        return by_scorer

    def _reconstruction_errors(self, channel: str, vectors: Vectors) -> Floats:
        squared = (self._networks[channel](vectors) - vectors) ** 2
        errors = squared.sum(axis=1) if self._errors[channel] == "sum" else squared.mean(axis=1)
        return np.asarray(errors, np.float64)

    def _learnt(self, channel: str, scorer: str) -> dict[str, Floats]:
        """The parameters of a scorer by name."""
        start = f"{channel}/{scorer}/"
        return {
            name.removeprefix(start): array
            for name, array in self._arrays.items()
            if name.startswith(start)
        }


def _build_channel(facts: Mapping[str, Any]) -> Channel:
    """Builds a channel of motion from its facts in the card."""
    name = facts["channel"]
    if name not in BUILDERS:
        raise ValueError("no channel of motion")
    return build_channel(name, _as_record(facts["options"]), facts["short_clips"])


def _as_record(value: Any) -> Any:
    """Settings from JSON with their names as attributes; equal settings are equal."""
    if isinstance(value, Mapping):
        record: Any = namedtuple("Settings", sorted(value))  # type: ignore[misc]
        return record(**{name: _as_record(each) for name, each in value.items()})
    return tuple(_as_record(each) for each in value) if isinstance(value, list) else value
