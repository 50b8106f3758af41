"""Compares the tracks of watched videos with their annotations, if the videos are training data."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from vigil.domain.mined_tracks import HardTracks, find_hard_tracks
from vigil.domain.tracking.table import read_track_table
from vigil.domain.tracks import read_tracks
from vigil.domain.watched import JUDGEMENT_TYPES
from vigil.plumbing.errors import InputError
from vigil.plumbing.memo import file_digest, tree_digest
from vigil.plumbing.records import read_csv, read_json

RECORD, TRACKS, JUDGEMENTS = "events.json", "tracks.csv", "judgements.csv"
MODEL_FILES = ("detector.safetensors", "classifier.safetensors")


@dataclass(frozen=True)
class WatchedTraining:
    """Where the results of watching, the videos with their annotations, and the models are.

    Attributes:
        watched: the folder of watched sources.
        videos: the folder of the annotated videos.
        annotations: the folder of their annotations.
        models: the folder of the trained models.
    """

    watched: Path
    videos: Path
    annotations: Path
    models: Path

    def hard_tracks(
        self, names: Collection[str], person_label: str, least_probability: float
    ) -> Iterator[tuple[str, HardTracks]]:
        """The hard tracks of each annotated video that was watched, under any name.

        Args:
            names: the videos of the training side.
            person_label: the label of people in their annotations.
            least_probability: a track with a lower probability is refused.

        Raises:
            InputError: results of other models than the present ones, or not of watching.
        """
        records = sorted(self.watched.glob(f"*/{RECORD}"))
        if not records:
            return
        video_of = {tree_digest(self.videos / name): name for name in sorted(names)}
        for record in records:
            content = read_json(record)
            try:
                source, models = content["source"]["sha256"], dict(content["models"])
            except (KeyError, TypeError, ValueError):
                raise InputError(f"{record}: expected results of watching, got others") from None
            if (video := video_of.get(source)) is None:
                continue
            self._check_models(models, record.parent)
            judgements = read_csv(record.with_name(JUDGEMENTS), JUDGEMENT_TYPES)
            probabilities: pd.Series[float] = judgements.set_index("track_id")["probability"]
            tracks = read_track_table(record.with_name(TRACKS))
            objects = read_tracks(self.annotations / video / "ieos_vid_labels")
            yield (
                video,
                find_hard_tracks(tracks, probabilities, objects, person_label, least_probability),
            )

    def _check_models(self, digests: dict[str, str], folder: Path) -> None:
        for name in MODEL_FILES:
            if name not in digests:
                raise InputError(
                    f"{folder}: expected results of {self.models / name}, got those of exported "
                    "models; watch the video without --runtime"
                )
            if digests[name] != file_digest(self.models / name):
                raise InputError(
                    f"{folder}: expected results of the present {self.models / name}, got those of "
                    "another model; watch the video again"
                )
