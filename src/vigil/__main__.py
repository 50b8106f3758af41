"""Tools around the pipeline, and the trained models at work. `vigil <command> --help` says more."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from vigil import options
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


COMMANDS: tuple[Command, ...] = (
    *(report, headline, find_lr, tune_alarm, put_back, check_data, explain_changes, watch, attend),
    *(export, new, upgrade, calibrate, replay, review, mine_hard_examples, draw_alarms),
    *(propose_masks, serve),
)


def build_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = argparse.ArgumentParser(prog="vigil", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    for command in COMMANDS:
        name = command.__name__.replace("_", "-")
        own = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
        own.set_defaults(command=command, name=name)
        if add_options := getattr(options, command.__name__, None):
            add_options(own)
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
    with suppress(OSError):  # nobody reads the output any more
        sys.stdout.flush()  # where both go to one file, the error stands last
    print(f"{command}: {printable(message)}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
