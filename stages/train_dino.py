"""Trains a vision transformer on unlabelled frames of videos, by self-distillation."""

from fractions import Fraction
from pathlib import Path

from vigil.plumbing.errors import InputError
from vigil.plumbing.outputs import whole
from vigil.plumbing.runner import run_stage
from vigil.settings.train_dino import TrainDino


def main(*, videos: Path, model: Path, picture_fps: float, settings: TrainDino) -> None:
    if missing := [name for name in settings.videos if not (videos / name).exists()]:
        raise InputError(f"{videos}: expected the listed videos, found no {missing[0]}")
    with whole(model) as folder:
        folder.mkdir()
        if not settings.videos:
            print("no videos are listed, so no network is trained")
            return
        from vigil.learn.dino.training.assembly import train_dino

        paths = [videos / name for name in settings.videos]
        train_dino(paths, settings, Fraction(str(picture_fps)), folder)


if __name__ == "__main__":
    run_stage(main, is_training=True)
