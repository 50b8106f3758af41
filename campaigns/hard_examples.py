"""The classifier before and after a training that repeats its hard examples, on untouched videos.

After `dvc repro` and `vigil mine-hard-examples`, in the folder of the project:

    python campaigns/hard_examples.py hard_examples/classifier.csv 3

The classifier in `models/` is the one before. The one after is trained with the same parameters,
and gets each listed example three times an epoch. Both are measured on the test side's samples, and
as judges of the tracks in the watched videos of the demo, whose boxes are stored. No list and no
training reads any of these. A false alarm of the judge is a false track that it keeps; its recall
is the share of true tracks that it keeps (`judged_tracks.py`). With halved score limits, the
tracker gives more tracks of the background.

Prints each number with its exact 95 % interval.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from judged_tracks import Judged, Source, demo_sources, is_kept, judge, with_limits

from vigil.domain.detector_score import read_score
from vigil.domain.measures.events import rate_per_hour
from vigil.domain.measures.intervals import proportion_interval
from vigil.domain.samples.index import PERSON
from vigil.domain.sides import TEST, read_side
from vigil.learn.classifier.network.data import CropDataset
from vigil.learn.classifier.trained import TrainedClassifier
from vigil.learn.classifier.training.assembly import Sides, train_classifier
from vigil.learn.networks.machine import prepare_torch
from vigil.plumbing.params import parse_section, read_params
from vigil.settings.train_classifier import TrainClassifier
from vigil.settings.watch import Watch

SAMPLES, SPLITS, MODELS = Path("data/samples"), Path("data/splits/classifier"), Path("models")
FACTORS = (1.0, 0.5)


def train(examples: Path, repeat: int) -> TrainedClassifier:
    """Trains with the parameters of the project, and the repeated examples."""
    settings = parse_section(TrainClassifier, read_params(), "train_classifier")
    hard = settings.hard_examples.model_copy(update={"path": str(examples), "repeat": repeat})
    sides = Sides.read(SAMPLES, SPLITS / "train.json", SPLITS / "val.json", examples)
    with tempfile.TemporaryDirectory() as place:
        weights, card = Path(place) / "classifier.safetensors", Path(place) / "classifier.json"
        changed = settings.model_copy(update={"hard_examples": hard})
        train_classifier(sides, changed, weights=weights, card=card, curves=Path(place) / "curves")
        return TrainedClassifier.from_files(weights, card)


def share(name: str, is_true: "pd.Series[bool]") -> str:
    """A share of rows with its interval."""
    if not len(is_true):
        return f"{name}: there are none"
    low, high = proportion_interval(int(is_true.sum()), len(is_true))
    return f"{name} {int(is_true.sum())} of {len(is_true)} ({low:.3f} to {high:.3f})"


def tell_samples(name: str, classifier: TrainedClassifier, least: float) -> None:
    """Prints the numbers on the samples of the test side."""
    test = CropDataset(SAMPLES, read_side(SPLITS / f"{TEST}.json"))
    is_person = (test.table["label"] == PERSON).to_numpy()
    is_called = pd.Series(np.asarray(classifier.predict_all(test)) >= least)
    called = share("false alarms", is_called[~is_person])
    print(f"{name}, test samples: {called}; {share('recall', is_called[is_person])}", flush=True)


def tell_tracks(name: str, all_judged: list[Judged], least: float) -> None:
    """Prints the numbers on the tracks of watched videos."""
    kinds = pd.concat([one.kinds.assign(is_kept=is_kept(one, least)) for one in all_judged])
    seconds = sum(one.seconds for one in all_judged)
    num_false = int((kinds["is_false"] & kinds["is_kept"]).sum())
    rate = rate_per_hour(num_false, seconds)
    assert rate is not None
    false = f"{num_false} false tracks, an hour {rate.per_hour:.0f} "
    kept = share("true tracks kept", kinds.loc[~kinds["is_false"], "is_kept"])
    on_nobody = share("kept of those on nobody", kinds.loc[kinds["is_nobody"], "is_kept"])
    print(f"{name}: {false}({rate.low:.0f} to {rate.high:.0f}); {kept}; {on_nobody}", flush=True)


def main() -> None:
    """Trains, and prints the numbers of both classifiers."""
    examples, repeat = Path(sys.argv[1]), int(sys.argv[2])
    settings = parse_section(Watch, read_params(), "watch")
    least = settings.judging.least_probability
    prepare_torch()
    files = (MODELS / "classifier.safetensors", MODELS / "classifier.json")
    classifiers = {
        "before": TrainedClassifier.from_files(*files),
        f"after, {repeat} times": train(examples, repeat),
    }
    score = read_score(MODELS / "detector_score.json")
    sources: list[Source] = list(demo_sources(Path(), settings))
    for name, classifier in classifiers.items():
        tell_samples(name, classifier, least)
        for factor in FACTORS:
            limited = with_limits(settings, factor)
            judged = [judge(source, limited, score, classifier) for source in sources]
            tell_tracks(f"{name}, watched videos, limits x {factor:g}", judged, least)


if __name__ == "__main__":
    main()
