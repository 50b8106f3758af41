"""Watches a recording: findings, then events, videos, a page and a task for Label Studio.

seen       what detector and alarm found, cached by the video, the models and their settings
findings   with tracks and what the classifier says of them, cached by their settings as well
events     computed from the findings and the rule alone
videos     drawn from both
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from vigil.domain.tracking.table import write_mot
from vigil.learn.networks.machine import describe_prepared, threads_of_an_item
from vigil.pixels.flow.motion import LONGEST_GAP_S
from vigil.plumbing.arithmetic import arithmetic_facts
from vigil.plumbing.background import ahead
from vigil.plumbing.engine import each
from vigil.plumbing.errors import InputError
from vigil.plumbing.fingerprints import code_fingerprint
from vigil.plumbing.memo import Memo, Request, tree_digest
from vigil.plumbing.progress import progress
from vigil.plumbing.records import write_json
from vigil.plumbing.state import fingerprint
from vigil.settings.watch import Watch
from vigil.watch.analysis import Analysis
from vigil.watch.frames import FrameReader, read_frames
from vigil.watch.models import Models
from vigil.watch.results.eventful import describe_events, events_of, read_events, write_events
from vigil.watch.results.filming import FilmWriter
from vigil.watch.results.findings import (
    Collected,
    SourceFacts,
    read_findings,
    read_source,
    write_seen,
    write_tracks,
)
from vigil.watch.results.page import write_page
from vigil.watch.results.proposing import version_of, write_proposals
from vigil.watch.seen import with_seen

EVENTS_FILE, RUN_FILE = "events.json", "run.json"
SEEING = ("detect_every_s", "batch_size", "suppression", "window_s", "stride_s")
"""Settings that change what detector and alarm find."""
NUM_AHEAD = 8
"""How many decoded frames may wait."""

GetModels = Callable[[], Models]


class Recorder:
    """Watches files one by one. The models are loaded only if findings are missing in the cache."""

    def __init__(
        self, digests: Mapping[str, str], get_models: GetModels, settings: Watch, fps: Fraction
    ) -> None:
        """Args:
        digests: SHA-256 of the files of the models.
        fps: frames per second of folders of numbered pictures.
        """
        self._digests, self._get_models, self._settings = dict(digests), get_models, settings
        self._picture_fps = fps
        self._seen = Memo("watch_seen")
        self._findings, self._films = Memo("watch_findings"), Memo("watch")
        self._code = code_fingerprint(Recorder)

    def watch_all(self, videos: Sequence[Path], folder: Path) -> None:
        """Watches files on the engine; the results of each are in a folder of its name.

        Raises:
            InputError: see `watch`.
        """
        options: dict[str, Any] = {"machine": describe_prepared, "threads": threads_of_an_item()}
        names = [str(video) for video in videos]
        for _ in each(self.remember, videos, names, "watch", "video", **options):
            pass
        for video in videos:
            self.watch(video, folder / video.name)

    def watch(self, video: Path, target: Path) -> None:
        """Watches a file or a folder of numbered pictures, and writes all results.

        Args:
            target: the folder of the results, which must not exist. It appears complete or not at
                all.

        Raises:
            InputError: the video cannot be read, or is shorter than a window.
        """
        film = self._film_of(video)
        self._films.fetch(film.facts, film.make, target)

    def remember(self, video: Path) -> None:
        """Watches a video, and keeps the results in the cache, where `watch` finds them.

        Raises:
            InputError: see `watch`.
        """
        film = self._film_of(video)
        self._films.recall(film.facts, film.make)

    def _film_of(self, video: Path) -> Request:
        """The request for all results; the findings are made now, if they are not in the cache."""
        source = tree_digest(video)
        seen_facts: dict[str, Any] = {
            "code": self._code,
            "models": self._digests,
            "source": source,
            "suffix": video.suffix,
            "settings": self._settings.model_dump(include={*SEEING}),
            **arithmetic_facts(),
        }
        if video.is_dir():
            seen_facts["picture_fps"] = str(self._picture_fps)
        tracking = self._settings.tracking.model_dump()
        judging = self._settings.judging.model_dump(exclude={"least_probability"})
        facts = {"seen": seen_facts, "tracking": tracking, "judging": judging}
        findings = self._findings.recall(facts, partial(self._find, video, seen_facts))
        film_facts = {
            "findings": fingerprint(facts),
            "name": video.name,
            "settings": self._settings.model_dump(exclude={"root", "videos"}),
        }
        return Request(film_facts, partial(self._write, video, findings, source), video.name)

    def prune(self) -> None:
        """Deletes the oldest entries of the cache, if it is too large."""
        for memo in (self._seen, self._findings, self._films):
            memo.prune()

    def _find(self, video: Path, seen_facts: Mapping[str, Any], folder: Path) -> None:
        models = self._get_models()
        if models.alarm.tracked is not None:  # its verdicts depend on tracks
            seen_facts = {**seen_facts, "tracking": self._settings.tracking.model_dump()}
        passes: list[tuple[Collected, list[float]]] = []

        def see(seen: Path) -> None:
            seen.mkdir()
            collected, times_s, facts = self._analyse(video, models, "watch")
            write_seen(collected, facts, seen, models.allowed)
            passes.append((collected, times_s))

        shutil.copytree(self._seen.recall(seen_facts, see), folder, copy_function=shutil.copyfile)
        if not passes:  # seen before, under other settings of tracks
            again = with_seen(models, folder, read_source(folder).classes)
            collected, times_s, _ = self._analyse(video, again, "track")
            passes.append((collected, times_s))
        write_tracks(*passes[0], folder)

    def _analyse(
        self, video: Path, models: Models, verb: str
    ) -> tuple[Collected, list[float], SourceFacts]:
        """Runs models on a video; returns their results, the times of frames, and its facts."""
        analysis, collected = Analysis(models, self._settings), Collected()
        times_s: list[float] = []
        size_wh = (0, 0)
        frames = ahead(read_frames(video, self._picture_fps), NUM_AHEAD)
        for frame in progress(frames, f"{verb} {video.name}", "frame"):
            times_s.append(frame.time_s)
            size_wh = (frame.picture.shape[1], frame.picture.shape[0])
            collected.add(analysis.push(frame))
        classes = tuple(models.detector.classes)
        facts = _facts_of(video, times_s, size_wh, classes, self._settings.window_s)
        collected.add(analysis.end(facts.duration_s))
        return collected, times_s, facts

    def _write(self, video: Path, findings_folder: Path, source: str, folder: Path) -> None:
        shutil.copytree(findings_folder, folder, copy_function=shutil.copyfile)
        settings, findings = self._settings, read_findings(findings_folder)
        kept = findings.kept_tracks(settings.judging.least_probability)
        write_mot(kept, folder / "tracks.txt")
        content = describe_events(events_of(findings, settings), source, findings, settings)
        content |= {"source": {"name": video.name, "sha256": source}, "models": self._digests}
        write_events(content, folder / EVENTS_FILE)
        events = read_events(folder / EVENTS_FILE)
        run = {
            "source": content["source"],
            "models": self._digests,
            "code": self._code,
            "settings": settings.model_dump(exclude={"root", "videos"}),
        }
        write_json(run, folder / RUN_FILE)
        reader = FrameReader(video, self._picture_fps)
        frames = progress(ahead(reader, NUM_AHEAD), f"film {video.name}", "frame")
        FilmWriter(findings, events, settings, folder).film(frames)
        write_page(folder, video.name, findings, content, settings)
        version = version_of(self._digests)
        write_proposals(video, source, reader.facts(), findings, events, version, settings, folder)


def _facts_of(
    video: Path,
    times_s: list[float],
    size_wh: tuple[int, int],
    classes: tuple[str, ...],
    window_s: float,
) -> SourceFacts:
    """Facts of a source with frames at these times.

    Raises:
        InputError: the source is shorter than a window, or no two frames are near enough to measure
            motion, so the alarm has no score for it.
    """
    gaps = tuple(gap for gap in pairwise(times_s) if gap[1] - gap[0] > LONGEST_GAP_S)
    num_steps = len(times_s) - 1 - len(gaps)
    # The last frame has the mean duration of the others.
    with_frames_s = times_s[-1] - sum(stop_s - start_s for start_s, stop_s in gaps)
    step_s = with_frames_s / num_steps if num_steps > 0 else 0.0
    duration_s = times_s[-1] + step_s
    if duration_s < window_s - 1e-6:
        raise InputError(
            f"{video}: expected a video of at least one window ({window_s:g} s), got "
            f"{duration_s:.2f} s"
        )
    if not step_s:
        raise InputError(
            f"{video}: expected frames at most {LONGEST_GAP_S:g} s apart, got one every "
            f"{times_s[-1] / len(gaps):.2f} s"
        )
    return SourceFacts(size_wh, len(times_s), duration_s, 1 / step_s, classes, gaps)


def check_videos(folder: Path, names: Sequence[str]) -> list[Path]:
    """The paths of videos below a folder.

    Raises:
        InputError: a video is missing.
    """
    if missing := [name for name in names if not (folder / name).exists()]:
        raise InputError(f"{folder}: expected the listed videos, found no {missing[0]}")
    return [folder / name for name in names]
