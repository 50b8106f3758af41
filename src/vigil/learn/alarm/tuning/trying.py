"""Measures, scores and judges every candidate on the same clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import pandas as pd

from vigil.domain.clips.evidence.embeddings import Embedding
from vigil.learn.alarm.training.deciding import decide_speed_map
from vigil.learn.alarm.tuning.allowed import LEAST_SOURCES, Allowed, parts_of, windows_in
from vigil.learn.alarm.tuning.candidates import Candidate
from vigil.learn.alarm.tuning.judging import Judgement, judge, ratios_of
from vigil.learn.alarm.tuning.measuring import as_one_table, measure, variant_of
from vigil.learn.alarm.tuning.scoring import ChannelScorer
from vigil.pixels.pseudo_anomalies.kinds import KINDS
from vigil.pixels.pseudo_anomalies.making import (
    PseudoClip,
    make_pseudo_clips,
    map_training,
    prune_pseudo_clips,
)
from vigil.plumbing.errors import InputError
from vigil.plumbing.folders import below
from vigil.plumbing.progress import progress
from vigil.plumbing.state import fingerprint, project_state_folder


@dataclass(frozen=True)
class Pseudo:
    """The pseudo-anomalous clips.

    Attributes:
        windows: the columns of windows, and of each the `kind`, the `half`, and the `base`, which
            is the allowed clip that it was made from.
        num_parts: the clips that were to be changed.
        num_still: those of them in which nothing moves; nothing was made from them.
        num_rare: by kind, the clips of kinds that could be made from too few sources to count.
    """

    windows: pd.DataFrame
    num_parts: int
    num_still: int
    num_rare: Mapping[str, int]


def make_pseudo(
    allowed: Allowed, clips: Path, seed: int, most_of_source: int, picture_fps: Fraction
) -> Pseudo:
    """Makes pseudo-anomalous clips from the allowed validation clips.

    Args:
        clips: the folder of the videos.
        most_of_source: the largest number of clips of a source that are changed.

    Raises:
        InputError: a video cannot be read, a clip is too short, or nothing moves in any clip.
    """
    moves = map_training(parts_of(allowed.train), clips, picture_fps)
    parts = parts_of(allowed.val, most_of_source)
    made = make_pseudo_clips(parts, clips, moves, seed, picture_fps)
    moving = {one.part for one in made}
    if not made:
        raise InputError(
            f"{clips}: expected allowed validation clips in which something moves, found none"
        )
    windows = pd.concat([_windows_of(one, allowed.val) for one in made], ignore_index=True)
    num_sources = windows.groupby("kind")["source"].nunique().reindex(KINDS, fill_value=0)
    rare = num_sources.index[num_sources < LEAST_SOURCES]
    num_rare = {kind: sum(one.kind == kind for one in made) for kind in rare}
    windows = windows[~windows["kind"].isin(rare)].reset_index(drop=True)
    if windows.empty:
        raise InputError(
            f"{clips}: expected allowed validation clips of at least {LEAST_SOURCES} sources in "
            f"which something moves, got {num_sources.max()}"
        )
    return Pseudo(windows, len(parts), len(set(parts) - moving), num_rare)


def _windows_of(one: PseudoClip, windows: pd.DataFrame) -> pd.DataFrame:
    """The windows of a pseudo-anomalous clip, with the labels of the clip it was made from."""
    own = windows_in(one.part, windows)
    clip = f"{own['clip'].iloc[0]} {one.kind}"
    return own.assign(
        video=one.video, digest=one.digest, base=own["clip"], clip=clip, kind=one.kind
    )


class Trial:
    """The evidence of all candidates, and what each is worth."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        allowed: Allowed,
        pseudo: Pseudo,
        clips: Path,
        picture_fps: Fraction,
    ) -> None:
        """Measures the evidence of all candidates: each video is decoded once for all of them.

        Raises:
            InputError, FieldError: see `measure`.
        """
        self._clips = clips
        self._train_videos = below(clips, allowed.train["video"].unique())
        settings = [one.embed for one in candidates]
        val = allowed.val.assign(kind="", base=allowed.val["clip"])
        self._evidence = {
            name: _join(windows, measure(windows, folder, settings, picture_fps))
            for name, windows, folder in (
                ("train", allowed.train, clips),
                ("val", val, clips),
                ("pseudo", pseudo.windows, project_state_folder()),
            )
        }
        prune_pseudo_clips()
        self._clip_facts = pd.concat(
            [
                windows[["clip", "base", "source", "half", "kind"]].drop_duplicates("clip")
                for windows in (val, pseudo.windows)
            ]
        ).set_index("clip")
        self._scores: dict[str, pd.Series[float]] = {}

    def judge(self, candidates: Sequence[Candidate], seed: int) -> list[Judgement]:
        """Judges the candidates.

        Raises:
            FieldError: a scorer or the rule of the threshold needs more clips.
        """
        decisions = [
            decide_speed_map(one.fit, one.embed.channels, self._train_videos) for one in candidates
        ]
        for line in dict.fromkeys(one.line for one in decisions if one.line):
            print(line)
        decided = [
            replace(one, fit=decision.settings)
            for one, decision in zip(candidates, decisions, strict=True)
        ]
        return [self._judge(one, seed) for one in progress(decided, "judge", "settings")]

    def _judge(self, candidate: Candidate, seed: int) -> Judgement:
        channels = candidate.embed.channels
        columns = {name: self._score(name, candidate) for name in channels}
        table = self._clip_facts.assign(**columns).reset_index()
        return judge(ratios_of(table, channels, candidate.rule), channels, seed)

    def _score(self, channel: str, candidate: Candidate) -> "pd.Series[float]":
        """The scores of all clips by one channel. Candidates that agree in it share them."""
        variant, fit = variant_of(channel, candidate.embed), candidate.fit
        scorer = fit.scorers.of(channel)[0]
        key = fingerprint(
            {
                "variant": variant,
                "scorer": scorer,
                "fit": fit.model_dump(mode="json", exclude={"scorers"}),
                "clip_score": candidate.predict.clip_score,
            }
        )
        if key not in self._scores:
            train, val, pseudo = (self._evidence[name][variant] for name in self._evidence)
            fitted = ChannelScorer(channel, train, val, fit, self._clips)
            clip_score = candidate.predict.clip_score
            self._scores[key] = pd.concat(
                [fitted.score_clips(evidence, clip_score) for evidence in (val, pseudo)]
            )
        return self._scores[key]


def _join(windows: pd.DataFrame, measured: Mapping[str, Embedding]) -> dict[str, Embedding]:
    return {name: as_one_table(windows, embedding) for name, embedding in measured.items()}
