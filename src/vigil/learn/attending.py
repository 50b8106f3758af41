"""The command `vigil attend`."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

from vigil.learn.attention.recording import VECTORS_FILE
from vigil.learn.attention.showing import INDEX_FILE, show_attention
from vigil.learn.attention.sources import find_sources
from vigil.plumbing.contract import check_sections, project_sections
from vigil.plumbing.errors import FieldError, InputError
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import PARAMS_FILE
from vigil.plumbing.shipped import read_own_or_shipped
from vigil.settings.attend import Attend
from vigil.settings.dataset import Dataset


def attend(words: Sequence[str], out: Path, architecture: str | None, weights: str | None) -> None:
    """Shows what a network attends to, with the settings of `params.yaml`, or those of the library.

    Args:
        words: paths of pictures, videos and folders of them.
        out: the folder of all results, which is replaced.
        architecture: in place of that of `params.yaml`.
        weights: in place of those of `params.yaml`.

    Raises:
        InputError: a source, a setting or the network's weights cannot be used.
    """
    sources = find_sources(Path(word) for word in words)
    content = read_own_or_shipped()
    given = {"architecture": architecture, "weights": weights}
    given = {key: value for key, value in given.items() if value is not None}
    content["attend"]["network"].update(given)
    with _options_named(given):
        sections = check_sections(content, project_sections())
    settings, dataset = sections["attend"], sections["dataset"]
    assert isinstance(settings, Attend)
    assert isinstance(dataset, Dataset)
    _check_out(out)
    with _options_named(given):
        settings.network.check_weights("network")
        with whole(out) as folder:
            folder.mkdir()
            show_attention(sources, folder, settings, Fraction(str(dataset.picture_fps)))
    print(f"{out}: {len(sources)} source{'' if len(sources) == 1 else 's'}")


@contextmanager
def _options_named(given: Iterable[str]) -> Iterator[None]:
    """Names the option in an error about a value that an option gave, and not `params.yaml`.

    Args:
        given: the parameters of the network that are given by options.
    """
    try:
        yield
    except InputError as error:
        text = f"attend.{error}" if isinstance(error, FieldError) else str(error)
        for key in given:
            own = f"attend.network.{key}: "
            # A network that cannot be opened names its own parameter, as `weights`.
            for start in (f"{PARAMS_FILE}: {own}", own, f"attend.{key}: "):
                if text.startswith(start):
                    raise InputError(f"--{key}: {text.removeprefix(start)}") from None
        raise InputError(text) from None


def _check_out(out: Path) -> None:
    """Refuses a folder that may hold anything but earlier results: it would be deleted."""
    if out.exists() and not all((out / name).is_file() for name in (INDEX_FILE, VECTORS_FILE)):
        raise InputError(
            f"{out}: expected a new folder, or one of earlier results of this command, found "
            "something else there"
        )
