"""Tools around the pipeline, and the trained models at work. `vigil <command> --help` says more."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from vigil.plumbing.arithmetic import use_arithmetic
from vigil.plumbing.errors import InputError, printable
from vigil.plumbing.failures import explain_failure
from vigil.plumbing.own_source import use_own_source
from vigil.plumbing.projects import check_project

NOT_INSTALLED = (
    "expected this package for commands, found none, as after pip install --no-deps; "
    "pip install vigil without --no-deps brings all. Exported models run without commands: "
    "docs/export.md"
)
Command = Callable[[argparse.Namespace], None]


def report(words: argparse.Namespace) -> None:
    """Compares the last run with a git revision; writes an HTML page and a Markdown comment."""
    from vigil.review.report import FILES, write_report

    check_project(Path.cwd())
    write_report(Path.cwd(), words.base, words.out)
    page, comment = (words.out / name for name in FILES)
    print(f"{page}, and {comment} for a comment")


def headline(words: argparse.Namespace) -> None:
    """Shows the most important metrics of the last run."""
    from vigil.review.headline import print_headline

    check_project(Path.cwd())
    print_headline(Path.cwd())


def find_lr(words: argparse.Namespace) -> None:
    """Tries a range of learning rates for a training, and suggests one."""
    from vigil.learn.lr_finder import find_learning_rate

    check_project(Path.cwd())
    folder = Path("lr_finder") / words.stage
    rate = find_learning_rate(words.stage, folder)
    print(
        f"{words.stage}.optimisation.learning_rate: {rate:.1e} is suggested; "
        f"{folder / 'curve.png'} shows why"
    )


def tune_alarm(words: argparse.Namespace) -> None:
    """Compares settings of the alarm by pseudo-anomalous clips, without labels."""
    from vigil.learn.alarm.tuning.command import tune_alarm as tune

    print(tune(words.set, words.seed, words.clips, words.json))


def put_back(words: argparse.Namespace) -> None:
    """Restores lock files of DVC that a kill cut."""
    from vigil.plumbing.cut_files import restore_lock_files

    check_project(Path.cwd())
    restore_lock_files(Path.cwd().resolve())


def check_data(words: argparse.Namespace) -> None:
    """Refuses data folders that contain files which would configure DVC."""
    from vigil.plumbing.params import read_params
    from vigil.review.data_folders import check_data_folders

    check_project(Path.cwd())
    check_data_folders(read_params())


def explain_changes(words: argparse.Namespace) -> None:
    """Explains why results differ from those in git although no input was changed."""
    from vigil.review.recorded import print_explanation

    check_project(Path.cwd())
    print_explanation(Path.cwd())


def watch(words: argparse.Namespace) -> None:
    """Runs the trained models on recordings, a camera or a stream."""
    from vigil.watch.command import watch_sources

    watch_sources(words.source, words.out, words.models, words.notify, words.runtime)


def export(words: argparse.Namespace) -> None:
    """Writes a trained model for programs without torch: ONNX, OpenVINO, TorchScript."""
    from vigil.learn.export_command import export_models

    for line in export_models(words.model, words.to, words.models, words.out):
        print(line)


def new(words: argparse.Namespace) -> None:
    """Lays out a project of your own, which uses the installed library."""
    from vigil.review.laying_out import lay_out

    files = lay_out(words.folder)
    print(
        f"{words.folder}: {len(files)} files; put your data below data/mine, name it in "
        "params.yaml, then check it and run the branches that have data: vigil check-data && "
        "dvc repro evaluate@detector"
    )


def upgrade(words: argparse.Namespace) -> None:
    """Says what the installed version of vigil would rerun in a project of `vigil new`."""
    from vigil.review.laying_out import carry_out, describe, plan_upgrade

    plan = plan_upgrade(Path.cwd())
    print(describe(plan))
    if words.write:
        carry_out(plan, Path.cwd())


def attend(words: argparse.Namespace) -> None:
    """Shows what a vision transformer attends to, on pictures and videos."""
    from vigil.learn.attending import attend as show

    show(words.source, words.out, words.architecture, words.weights)


def calibrate(words: argparse.Namespace) -> None:
    """Picks watch.raising.raise_at from watched normal recordings, with a bound on the alarms."""
    from vigil.watch.calibrating import calibrate as pick

    print(pick(words.folder, words.block_s, words.alarm_probability).describe())


def replay(words: argparse.Namespace) -> None:
    """Shows the events of a watched source under other settings, without running the models."""
    from vigil.watch.replaying import format_diff
    from vigil.watch.replaying import replay as replay_source

    print(format_diff(replay_source(words.folder, words.set, words.out)))


def review(words: argparse.Namespace) -> None:
    """Pulls corrected exports of Label Studio into the annotations of the project."""
    from vigil.review.pulling import Request, carry_out, describe, plan_pull

    check_project(Path.cwd())
    request = Request(words.export, words.side, words.evaluation, words.watched)
    plan = plan_pull(Path.cwd(), request)
    print(describe(plan), flush=True)
    if not words.dry_run:
        carry_out(plan)
        print(f"{plan.export} is written")


def mine_hard_examples(words: argparse.Namespace) -> None:
    """Lists training data that the trained models get wrong, for trainings that repeat it."""
    from vigil.review.mining import mine

    print(mine(words.out, words.watched))


def draw_alarms(words: argparse.Namespace) -> None:
    """Draws a picture of every alarm that the test clips raise."""
    from vigil.review.alarm_pictures import draw_alarms as draw

    print(draw(words.out))


def propose_masks(words: argparse.Namespace) -> None:
    """Writes the masks that the trained detector found as tasks for Label Studio."""
    from vigil.review.mask_proposals import propose

    print(propose(words.out, words.side))


def serve(words: argparse.Namespace) -> None:
    """Serves the trained models: an ML backend for Label Studio, and boxes for pictures."""
    from vigil.watch.serving import serve as serve_models

    serve_models(words.models, words.videos, words.host, words.port, words.token_file)


def build_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    from vigil.settings.training import TRAININGS

    parser = argparse.ArgumentParser(prog="vigil", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    def add(name: str, command: Command) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
        added.set_defaults(command=command, name=name)
        return added

    report_parser = add("report", report)
    report_parser.add_argument("--base", default="main", help="the git revision to compare with")
    report_parser.add_argument(
        "--out", type=Path, default=Path("report"), help="the folder to write to"
    )
    add("headline", headline)
    add("find-lr", find_lr).add_argument(
        "stage",
        choices=TRAININGS,
        help="not train_dino, whose loss says nothing about a learning rate",
    )
    tuning = add("tune-alarm", tune_alarm)
    tuning.add_argument(
        "-S",
        "--set",
        action="append",
        default=[],
        help="a parameter and its values, as embed_clips.local_disorder.size=0.1,0.15",
    )
    tuning.add_argument(
        "--seed", type=int, default=0, help="of the halves of sources, and of places"
    )
    tuning.add_argument(
        "--clips", type=int, default=8, help="the most clips of a source that are changed"
    )
    tuning.add_argument("--json", type=Path, help="a file for all results")
    add("put-back", put_back)
    add("check-data", check_data)
    add("explain-changes", explain_changes)
    watching = add("watch", watch)
    watching.add_argument(
        "source",
        nargs="+",
        help="a video, a folder of videos, the number of a camera, or the address of a stream",
    )
    watching.add_argument(
        "--out", type=Path, default=Path("watch"), help="the folder in which each source gets one"
    )
    watching.add_argument(
        "--models",
        type=Path,
        help="the folder of the models; models, released or exported if not given",
    )
    watching.add_argument(
        "--runtime",
        choices=("torch", "onnx", "onnx-int8", "openvino"),
        default="torch",
        help="what runs the networks: torch, or another library with models of vigil export",
    )
    watching.add_argument(
        "--notify",
        action="append",
        default=[],
        help="an address for notifications of live events: file:<path>, or one of apprise",
    )
    attending = add("attend", attend)
    attending.add_argument(
        "source", nargs="+", help="a picture, a video, or a folder of pictures and videos"
    )
    attending.add_argument(
        "--out", type=Path, default=Path("attention"), help="the folder of the results"
    )
    attending.add_argument("--architecture", help="in place of attend.network.architecture")
    attending.add_argument("--weights", help="in place of attend.network.weights")
    exporting = add("export", export)
    exporting.add_argument("model", help="classifier, detector, segmenter or alarm")
    exporting.add_argument(
        "--to",
        action="append",
        required=True,
        metavar="FORMAT",
        help="onnx, openvino or torchscript; several by commas",
    )
    exporting.add_argument(
        "--models", type=Path, default=Path("models"), help="the folder of the trained models"
    )
    exporting.add_argument(
        "--out", type=Path, default=Path("released"), help="the folder in which each model gets one"
    )
    add("new", new).add_argument("folder", type=Path, help="the folder of the new project")
    add("upgrade", upgrade).add_argument(
        "--write", action="store_true", help="also write the files of the new version"
    )
    calibrating = add("calibrate", calibrate)
    calibrating.add_argument(
        "folder", type=Path, nargs="+", help="the folder of a watched recording, a normal one"
    )
    calibrating.add_argument(
        "--block-s", type=float, default=3600.0, help="the length of a block, in seconds"
    )
    calibrating.add_argument(
        "--alarm-probability",
        type=float,
        default=0.1,
        help="the largest probability of an alarm in a new normal block",
    )
    replaying = add("replay", replay)
    replaying.add_argument("folder", type=Path, help="the folder of one watched source")
    replaying.add_argument(
        "-S", "--set", action="append", default=[], help="a setting, as watch.raising.raise_at=2"
    )
    replaying.add_argument(
        "--out", type=Path, default=Path("replay"), help="the folder in which it gets a folder"
    )
    reviewing = add("review", review)
    reviewing.add_argument("action", choices=("pull",))
    reviewing.add_argument("export", type=Path, nargs="+", help="a corrected export, as JSON")
    reviewing.add_argument(
        "--side", choices=("train", "val", "test"), help="the side of videos that have none yet"
    )
    reviewing.add_argument(
        "--evaluation", action="store_true", help="also correct annotations of the test side"
    )
    reviewing.add_argument(
        "--watched",
        type=Path,
        default=Path("data/watch"),
        help="the folder of watched sources, for exports without their predictions",
    )
    reviewing.add_argument(
        "--dry-run", action="store_true", help="say what would change, and change nothing"
    )
    mining = add("mine-hard-examples", mine_hard_examples)
    mining.add_argument(
        "--out", type=Path, default=Path("hard_examples"), help="the folder to write to"
    )
    mining.add_argument(
        "--watched", type=Path, help="the folder of watched sources; data/watch if not given"
    )
    add("draw-alarms", draw_alarms).add_argument(
        "--out", type=Path, default=Path("alarms"), help="the folder to write, as a whole"
    )
    proposing = add("propose-masks", propose_masks)
    proposing.add_argument(
        "--out", type=Path, default=Path("mask_proposals"), help="the folder to write to"
    )
    proposing.add_argument(
        "--side", choices=("train", "val", "test"), help="the pictures; all if not given"
    )
    serving = add("serve", serve)
    serving.add_argument(
        "--models", type=Path, default=Path("models"), help="the folder of the trained models"
    )
    serving.add_argument(
        "--videos", type=Path, help="the folder of the videos of tasks; watch.root if not given"
    )
    serving.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    serving.add_argument("--port", type=int, default=9090)
    serving.add_argument(
        "--token-file",
        type=Path,
        help="a file with the token of all requests; needed if other machines reach the host",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command and exits; a wrong input gives one line and exit code 1.

    Args:
        arguments: the command line; None: the arguments of the process.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    use_own_source(["-m", "vigil", *given])
    command = "vigil"
    try:
        words = build_parser().parse_args(given)
        command = f"vigil {words.name}"
        use_arithmetic(["-m", "vigil", *given])
        words.command(words)
    except InputError as error:
        _fail(command, " ".join(str(error).split()))
    except ModuleNotFoundError as error:
        if not error.name or error.name.split(".")[0] == "vigil":
            raise
        _fail(command, f"{error.name}: {NOT_INSTALLED}")
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader of the output has enough: no failure of the command
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if not (line := explain_failure(error)):
            raise
        _fail(command, line)
    sys.exit(0)


def _fail(command: str, message: str) -> NoReturn:
    print(f"{command}: {printable(message)}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
