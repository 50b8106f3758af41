"""Pulls corrections of annotators into the data of a project: `vigil review pull`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from vigil.domain.corrections import COLUMNS, ORIGINS, origins_of
from vigil.domain.label_studio.names import match_videos
from vigil.domain.sides import TEST
from vigil.domain.splits.given import read_given
from vigil.plumbing.contract import check_sections, project_sections
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import PARAMS_FILE, read_params
from vigil.plumbing.records import read_csv, read_json, write_csv, write_json
from vigil.review.corrected_events import events_of
from vigil.review.corrections import Correction, CorrectionReader, parse_entries, read_entries
from vigil.review.params_edit import changed_params
from vigil.review.reruns import Pipeline
from vigil.review.sources import (
    check_new_side,
    digests_for_evaluation,
    sides_of_videos,
    write_ledger,
)
from vigil.settings.dataset import Dataset
from vigil.settings.evaluate_watch import EvaluateWatch
from vigil.settings.interpolate_annotations import InterpolateAnnotations
from vigil.settings.split import Split
from vigil.settings.watch import Watch

LEDGER = "splits/reviewed_{branch}.csv"
ORIGINS_FILE, EVENTS_FILE = "corrections.csv", "corrected_events.json"
ORIGIN_TYPES = {"video": str, "region": str, "frame": "int64", "origin": str}


@dataclass(frozen=True)
class Request:
    """What to pull.

    Attributes:
        exports: files of Label Studio.
        side: the side of videos that have none yet.
        corrects_test: whether annotations of the test side may be corrected.
        watched: the folder of watched sources.
    """

    exports: Sequence[Path]
    side: str | None = None
    corrects_test: bool = False
    watched: Path = Path("data/watch")


@dataclass
class Plan:
    """What a pull changes.

    Attributes:
        export: the path of the project's export.
        entries: its new tasks.
        origins: `video` and the columns of `origins_of`.
        side_of: the side of each corrected video.
        ledgers: by its path, the side of each video for one branch.
        params: new values of parameters, by dotted name.
        events: the unusual events in each corrected video whose task asked for them.
        num_open: the number of tasks without an annotation, which are left out.
        reruns: stages that rerun, and stages that may.
    """

    export: Path
    entries: Sequence[Any]
    origins: pd.DataFrame
    side_of: Mapping[str, str]
    ledgers: dict[str, dict[str, str]]
    events: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    num_open: int = 0
    reruns: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))


def plan_pull(root: Path, request: Request) -> Plan:
    """Reads the corrections, and finds all changes without making any.

    Args:
        root: the folder of the project, which is the current folder.

    Raises:
        InputError: an export of another project; a video of the test side, unless it was asked
            for; a video without a side; two tasks of one video; a split by blocks of time.
    """
    sections = check_sections(read_params(), project_sections())
    dataset, split, reading = (
        sections["dataset"],
        sections["split"],
        sections[InterpolateAnnotations.section],
    )
    assert isinstance(dataset, Dataset)
    assert isinstance(split, Split)
    assert isinstance(reading, InterpolateAnnotations)
    export = Path(dataset.root) / dataset.annotations
    pipeline = Pipeline(root)
    if maker := pipeline.maker_of(export.as_posix()):
        raise InputError(
            f"{export}: expected an export of your own in dataset.root, got an output of {maker}"
        )
    reader = CorrectionReader(dataset, reading, request.watched)
    corrections, num_open = reader.read(request.exports)
    ledgers, params = _ledgers(dataset, split)
    side_of = _sides(corrections, ledgers, request, dataset, sections)
    entries = reader.put_into(read_entries(export) if export.is_file() else [], corrections)
    tasks = parse_entries(entries, export, reading)
    match_videos(tasks, [one.video for one in corrections], str(export))
    events = {}
    for one in corrections:
        # Events outside of the test side train nothing, so annotators may differ on them. A video
        # shows allowed behaviour alone only if none of them marked an event.
        rule = reading.annotators if side_of[one.video] == TEST else None
        if (found := events_of(one.entry, rule, one.video)) is not None:
            events[one.video] = found
    origins = _origins(corrections)
    plan = Plan(export, entries, origins, side_of, ledgers, events, params, num_open)
    files = [export.as_posix(), *(path for path in ledgers if path not in params.values())]
    plan.reruns = pipeline.after(files, list(params))
    return plan


def _ledgers(dataset: Dataset, split: Split) -> tuple[dict[str, dict[str, str]], dict[str, Any]]:
    """The present sides of all videos by branch, and the parameters that make them stay."""
    branches = ["classifier", *(["detector"] if dataset.detection.format == "tracks" else [])]
    ledgers: dict[str, dict[str, str]] = {}
    params: dict[str, Any] = {}
    for branch in branches:
        path = LEDGER.format(branch=branch)
        if getattr(split.given, branch) == path:
            ledgers[path] = read_given(Path(path))
        else:
            ledgers[path] = sides_of_videos(Path("data/splits") / branch)
            params[f"split.given.{branch}"] = path
    if split.test_videos:  # their sides are in the ledgers
        params["split.test_videos"] = []
    return ledgers, params


def _sides(
    corrections: Sequence[Correction],
    ledgers: Mapping[str, dict[str, str]],
    request: Request,
    dataset: Dataset,
    sections: Mapping[str, Any],
) -> dict[str, str]:
    """The side of each corrected video, which is added to the ledgers that lack it."""
    watch, evaluation = sections[Watch.section], sections[EvaluateWatch.section]
    for_evaluation = digests_for_evaluation(Path(watch.root), Path(evaluation.truth))
    side_of = {}
    for video in [one.video for one in corrections]:
        known = {sides[video] for sides in ledgers.values() if video in sides}
        if not known:
            path = Path(dataset.root) / "videos" / video
            known = {check_new_side(video, path, request.side, for_evaluation)}
        elif request.side and known != {request.side}:
            raise InputError(
                f"{video}: expected no other side than {listed(known)}, which it keeps for ever, "
                f"got --side {request.side}"
            )
        if TEST in known and not request.corrects_test:
            raise InputError(
                f"{video}: expected a video of the training or validation side, got one of the "
                "test side; --evaluation corrects the annotations that models are measured by"
            )
        side_of[video] = TEST if TEST in known else sorted(known)[0]
        for sides in ledgers.values():
            sides.setdefault(video, side_of[video])
    return side_of


def _origins(corrections: Sequence[Correction]) -> pd.DataFrame:
    parts = []
    for one in corrections:
        table = origins_of(one.task.regions, one.proposed)
        table.insert(0, "video", one.video)
        parts.append(table)
    return pd.concat(parts, ignore_index=True).astype({"frame": "int64"})


def describe(plan: Plan) -> str:
    """A plan as text, for a person to read before it is carried out."""
    lines = []
    for video, side in plan.side_of.items():
        counts = plan.origins.loc[plan.origins["video"] == video, "origin"].value_counts()
        told = ", ".join(f"{int(counts.get(origin, 0))} {origin}" for origin in ORIGINS)
        lines.append(f"{video} ({side}): keyframes: {told}")
        if (events := plan.events.get(video)) is not None:
            use = _use_of(events, side, plan.export.with_name(EVENTS_FILE))
            lines.append(f"{video} ({side}): unusual events: {len(events)}, {use}")
    if plan.num_open:
        lines.append(f"left out: {plan.num_open} tasks without a finished annotation")
    lines += [f"{PARAMS_FILE}: {name}: {value}" for name, value in plan.params.items()]
    first, further = plan.reruns
    lines.append(f"dvc repro reruns: {', '.join(first) or 'nothing'}")
    if further:
        lines.append(f"and at most: {', '.join(further)}")
    return "\n".join(lines)


def _use_of(events: Sequence[Any], side: str, file: Path) -> str:
    """What the reviewed events of a video are good for."""
    if side == TEST:
        return f"written to {file}"
    if events:
        return "of no use, since the alarm learns from allowed behaviour alone"
    return "so it is allowed behaviour: for vigil calibrate, and for the alarm in dataset.clips"


def carry_out(plan: Plan) -> None:
    """Writes the export, the origins of keyframes, events, the sides and the parameters."""
    file = plan.export.with_name(ORIGINS_FILE)
    origins = plan.origins
    if file.is_file():
        before = read_csv(file, ORIGIN_TYPES)
        origins = pd.concat([before[~before["video"].isin(plan.side_of)], origins])
    origins = origins.sort_values(["video", *COLUMNS], ignore_index=True)
    for path, sides in plan.ledgers.items():
        write_ledger(sides, Path(path))
    if plan.params:
        text = changed_params(Path(PARAMS_FILE).read_text(encoding="utf-8"), plan.params)
        with whole(Path(PARAMS_FILE)) as partial:
            partial.write_text(text, encoding="utf-8", newline="\n")
    write_csv(origins[["video", *COLUMNS]], file)
    _write_events(plan)
    write_json(plan.entries, plan.export)


def _write_events(plan: Plan) -> None:
    """Adds the events in videos of the test side, by which `evaluate@watch` can measure."""
    file = plan.export.with_name(EVENTS_FILE)
    measured = {
        video: {"events": events}
        for video, events in plan.events.items()
        if plan.side_of[video] == TEST
    }
    if measured:
        before = read_json(file) if file.is_file() else {}
        write_json(dict(sorted({**before, **measured}.items())), file)
