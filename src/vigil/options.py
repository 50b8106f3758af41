"""The options of the commands: a function for each command that has some, by its name."""

from argparse import ArgumentParser
from pathlib import Path

SIDES = ("train", "val", "test")


def report(parser: ArgumentParser) -> None:
    """Adds what is compared, and the place of the result."""
    parser.add_argument("--base", default="main", help="the git revision to compare with")
    parser.add_argument("--out", type=Path, default=Path("report"), help="the folder to write to")


def find_lr(parser: ArgumentParser) -> None:
    """Adds the training."""
    from vigil.settings.training import TRAININGS

    parser.add_argument(
        "stage",
        choices=TRAININGS,
        help="not train_dino, whose loss says nothing about a learning rate",
    )


def tune_alarm(parser: ArgumentParser) -> None:
    """Adds the settings to try, and how."""
    parser.add_argument(
        "-S",
        "--set",
        action="append",
        default=[],
        help="a parameter and its values, as embed_clips.local_disorder.size=0.1,0.15",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of the halves of sources, and of places"
    )
    parser.add_argument(
        "--clips", type=int, default=8, help="the most clips of a source that are changed"
    )
    parser.add_argument("--json", type=Path, help="a file for all results")


def watch(parser: ArgumentParser) -> None:
    """Adds the sources, the models and what runs them."""
    parser.add_argument(
        "source",
        nargs="+",
        help="a video, a folder of videos, the number of a camera, or the address of a stream",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("watch"), help="the folder in which each source gets one"
    )
    parser.add_argument(
        "--models",
        type=Path,
        help="the folder of the models; models, released or exported if not given",
    )
    parser.add_argument(
        "--runtime",
        choices=("torch", "onnx", "onnx-int8", "openvino"),
        default="torch",
        help="what runs the networks: torch, or another library with models of vigil export",
    )
    parser.add_argument(
        "--notify",
        action="append",
        default=[],
        help="an address for notifications of live events: file:<path>, or one of apprise",
    )


def attend(parser: ArgumentParser) -> None:
    """Adds the sources and the network."""
    parser.add_argument(
        "source", nargs="+", help="a picture, a video, or a folder of pictures and videos"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("attention"), help="the folder of the results"
    )
    parser.add_argument("--architecture", help="in place of attend.network.architecture")
    parser.add_argument("--weights", help="in place of attend.network.weights")


def export(parser: ArgumentParser) -> None:
    """Adds the model, the formats and the folders."""
    parser.add_argument("model", help="classifier, detector, segmenter or alarm")
    parser.add_argument(
        "--to",
        action="append",
        required=True,
        metavar="FORMAT",
        help="onnx, openvino or torchscript; several by commas",
    )
    parser.add_argument(
        "--models", type=Path, default=Path("models"), help="the folder of the trained models"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("released"), help="the folder in which each model gets one"
    )


def new(parser: ArgumentParser) -> None:
    """Adds the folder."""
    parser.add_argument("folder", type=Path, help="the folder of the new project")


def upgrade(parser: ArgumentParser) -> None:
    """Adds whether files are written."""
    parser.add_argument(
        "--write", action="store_true", help="also write the files of the new version"
    )


def calibrate(parser: ArgumentParser) -> None:
    """Adds the recordings and the bound."""
    parser.add_argument(
        "folder", type=Path, nargs="+", help="the folder of a watched recording, a normal one"
    )
    parser.add_argument(
        "--block-s", type=float, default=3600.0, help="the length of a block, in seconds"
    )
    parser.add_argument(
        "--alarm-probability",
        type=float,
        default=0.1,
        help="the largest probability of an alarm in a new normal block",
    )


def replay(parser: ArgumentParser) -> None:
    """Adds the recording and the settings."""
    parser.add_argument("folder", type=Path, help="the folder of one watched source")
    parser.add_argument(
        "-S", "--set", action="append", default=[], help="a setting, as watch.raising.raise_at=2"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("replay"), help="the folder in which it gets a folder"
    )


def review(parser: ArgumentParser) -> None:
    """Adds the exports, and what of them is taken."""
    parser.add_argument("action", choices=("pull",))
    parser.add_argument("export", type=Path, nargs="+", help="a corrected export, as JSON")
    parser.add_argument("--side", choices=SIDES, help="the side of videos that have none yet")
    parser.add_argument(
        "--evaluation", action="store_true", help="also correct annotations of the test side"
    )
    parser.add_argument(
        "--watched",
        type=Path,
        default=Path("data/watch"),
        help="the folder of watched sources, for exports without their predictions",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would change, and change nothing"
    )


def mine_hard_examples(parser: ArgumentParser) -> None:
    """Adds the folders."""
    parser.add_argument(
        "--out", type=Path, default=Path("hard_examples"), help="the folder to write to"
    )
    parser.add_argument(
        "--watched", type=Path, help="the folder of watched sources; data/watch if not given"
    )


def draw_alarms(parser: ArgumentParser) -> None:
    """Adds the folder."""
    parser.add_argument(
        "--out", type=Path, default=Path("alarms"), help="the folder to write, as a whole"
    )


def propose_masks(parser: ArgumentParser) -> None:
    """Adds the folder and the pictures."""
    parser.add_argument(
        "--out", type=Path, default=Path("mask_proposals"), help="the folder to write to"
    )
    parser.add_argument("--side", choices=SIDES, help="the pictures; all if not given")


def serve(parser: ArgumentParser) -> None:
    """Adds the models, the videos and the address."""
    parser.add_argument(
        "--models", type=Path, default=Path("models"), help="the folder of the trained models"
    )
    parser.add_argument(
        "--videos", type=Path, help="the folder of the videos of tasks; watch.root if not given"
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=9090)
    parser.add_argument(
        "--token-file",
        type=Path,
        help="a file with the token of all requests; needed if other machines reach the host",
    )
