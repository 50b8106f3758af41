"""The fitted alarm as one archive: its card, the parameters of its scorers, its autoencoders."""

import io
import zipfile
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vigil.domain.clips.allowed import read_allowed, write_allowed
from vigil.learn.alarm.network.scoring.stored import StoredAlarm, load_alarm
from vigil.learn.alarm.trained import TrainedAlarm
from vigil.learn.exporting.made_by import common_card
from vigil.learn.exporting.onnx_file import onnx_bytes
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.memo import file_digest
from vigil.plumbing.outputs import whole
from vigil.runtime.alarm import AUTOENCODER, CARD_FILE, SPEED_MAP
from vigil.runtime.card import DIGEST_KEY, NO_DIGEST, card_text, fingerprint_of, sealed
from vigil.settings.embed_clips import APPEARANCE, OBJECTS

NAME, ALLOWED = "alarm", "allowed"
EARLIEST = (1980, 1, 1, 0, 0, 0)


def write_alarm(weights: Path, card: Path, threshold: Path, file: Path) -> str:
    """Writes a fitted alarm.

    Returns:
        What was written, in one line.

    Raises:
        InputError: a file is missing or damaged, or a channel cannot be exported.
    """
    alarm = TrainedAlarm.from_files(weights, card, threshold)
    if APPEARANCE in alarm.facts:
        raise InputError(
            f"{card}: expected channels of motion, got {APPEARANCE}, whose network for clips is "
            "not exported"
        )
    if OBJECTS in alarm.facts:
        raise InputError(
            f"{card}: expected channels of motion, got {OBJECTS}, which judges the tracks of a "
            "trained detector"
        )
    stored, facts = load_alarm(weights, card)
    content = {
        **common_card(NAME, weights, card, threshold),
        DIGEST_KEY: NO_DIGEST,
        "order": {"channels": list(alarm.facts), "thresholds": list(alarm.thresholds)},
        "thresholds": dict(alarm.thresholds),
        "channels": {
            name: {
                **alarm.facts[name],
                "scorers": list(alarm.scorers[name]),
                "width": stored.channel(name).width,
                "error": facts["config"][name]["autoencoder"].get("error", ""),
            }
            for name in alarm.facts
        },
    }
    parts = _arrays(stored, alarm.scorers) | _networks(stored, alarm.scorers)
    sealed_card = sealed(card_text(content).encode(), fingerprint_of(parts))
    with whole(file) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for name, one in {CARD_FILE: sealed_card, **parts}.items():
            archive.writestr(zipfile.ZipInfo(name, EARLIEST), one)
    networks = [name.split("/")[0] for name in parts if name.endswith(".onnx")]
    told = f"autoencoders of {listed(networks)} as ONNX" if networks else "no network"
    return f"channels {listed(alarm.facts)}; {told}; motion and scorers are numpy and OpenCV"


def copy_allowed(folder: Path, weights: Path, target: Path) -> str:
    """Copies the evidence of allowed clips, which pages show beside alarms.

    Args:
        folder: the stored evidence.
        weights: those of its alarm.

    Returns:
        What was written, in one line.

    Raises:
        InputError: a file is missing or damaged, or it is of another alarm.
    """
    allowed = read_allowed(folder, file_digest(weights))
    with whole(target) as partial:
        partial.mkdir()
        write_allowed(allowed, partial)
    return f"{len(allowed.pictures)} pictures of allowed clips, to show beside alarms"


def _arrays(stored: StoredAlarm, scorers: Mapping[str, Any]) -> dict[str, bytes]:
    """The parameters of all scorers, by their names in the archive."""
    arrays = {}
    for channel, names in scorers.items():
        for scorer in chain(names, [SPEED_MAP]):
            for name, array in stored.channel(channel).arrays(scorer).items():
                stream = io.BytesIO()
                np.save(stream, np.ascontiguousarray(array), allow_pickle=False)
                arrays[f"{channel}/{scorer}/{name}.npy"] = stream.getvalue()
    return dict(sorted(arrays.items()))


def _networks(stored: StoredAlarm, scorers: Mapping[str, Any]) -> dict[str, bytes]:
    """The autoencoders, by their names in the archive."""
    networks = {}
    for channel in sorted(scorers):
        autoencoder = stored.channel(channel).autoencoder
        if AUTOENCODER in scorers[channel] and autoencoder is not None:
            example = torch.zeros(2, autoencoder.width)
            networks[f"{channel}/{AUTOENCODER}.onnx"] = onnx_bytes(autoencoder, example)
    return networks
