"""Channels of motion by name. A new one needs a module, a block of settings, and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vigil.pixels.channels.channel import Channel
from vigil.pixels.channels.local_disorder import local_disorder
from vigil.pixels.channels.local_speed import local_speed
from vigil.pixels.channels.motion_cells import motion_cells
from vigil.pixels.channels.motion_histogram import motion_histogram
from vigil.pixels.flow.motion import REVISION
from vigil.plumbing.closure import Import, imports_from
from vigil.plumbing.errors import InputError

if TYPE_CHECKING:  # an exported alarm has its settings from a card, without pydantic
    from vigil.settings.embed_clips import MotionChannelName, ShortClips

CHANNELS_PACKAGE = "vigil.pixels.channels"

BUILDERS: dict[MotionChannelName, Callable[[Any, ShortClips], Channel]] = {
    "local_speed": local_speed,
    "local_disorder": local_disorder,
    "motion_histogram": motion_histogram,
    "motion_cells": motion_cells,
}


def build_channel(name: MotionChannelName, settings: Any, short_clips: ShortClips) -> Channel:
    """Builds a channel from its name and its block of settings."""
    return BUILDERS[name](settings, short_clips)


def check_revision(facts: Mapping[str, Any], file: Path | str) -> None:
    """Checks that an alarm learnt from motion as it is measured now.

    Args:
        facts: those of a channel of motion in the card of an alarm.
        file: the place of the card, for errors.

    Raises:
        InputError: it was measured in another way.
    """
    if facts.get("revision") != REVISION:
        raise InputError(
            f"{file}: expected an alarm that learnt from motion as this version of vigil measures "
            "it, got one of another version; train it again, and export it if it was exported"
        )


def imports_of_others(name: MotionChannelName) -> set[Import]:
    """The imports of this module that a channel does not use: those of the other channels."""
    modules = (f"{CHANNELS_PACKAGE}.{other}" for other in BUILDERS if other != name)
    return imports_from(Path(__file__), *modules)
