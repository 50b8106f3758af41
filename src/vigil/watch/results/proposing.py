"""Writes the results of a source as a task for Label Studio, and the interface to correct it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vigil.domain.events.event import SIGNAL_LOST
from vigil.domain.proposals import label_config, propose, served_address
from vigil.domain.video_facts import VideoFacts
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import write_json
from vigil.plumbing.state import fingerprint
from vigil.settings.proposals import Proposals
from vigil.settings.watch import Watch
from vigil.watch.results.findings import Findings

TASKS_FILE, CONFIG_FILE = "label_studio.json", "label_config.xml"
AS_VIDEO = ".mp4"
"""Numbered pictures must be made a video for Label Studio; it is expected under this ending."""


def address_of(name: str, is_folder: bool, settings: Proposals) -> str:
    """Where Label Studio finds a video.

    Args:
        name: of the file, or of a folder of numbered pictures.
    """
    return served_address(name + AS_VIDEO if is_folder else name, settings)


def write_proposals(
    video: Path,
    source: str,
    facts: VideoFacts,
    findings: Findings,
    events: Sequence[Mapping[str, Any]],
    model_version: str,
    settings: Watch,
    folder: Path,
) -> None:
    """Writes the task and the interface into the folder of a source.

    Args:
        video: a file or a folder of numbered pictures.
        source: its digest.
        events: entries of `events.json`.
    """
    alarms = [
        (str(event["id"]), float(event["start_s"]), float(event["end_s"]))
        for event in events
        if event["kind"] != SIGNAL_LOST and not event["suppressed"]
    ]
    task = propose(
        findings.kept_tracks(settings.judging.least_probability),
        alarms,
        facts,
        address=address_of(video.name, video.is_dir(), settings.proposals),
        source=source,
        model_version=model_version,
    )
    write_json([task], folder / TASKS_FILE)
    with whole(folder / CONFIG_FILE) as partial:
        partial.write_text(label_config(findings.facts.classes), encoding="utf-8", newline="\n")


def version_of(digests: Mapping[str, str]) -> str:
    """The name of a set of models, from the digests of their files."""
    return f"vigil-{fingerprint(digests)[:12]}"
