"""The command `vigil attend`."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from vigil.learn.attention.recording import VECTORS_FILE
from vigil.learn.attention.showing import INDEX_FILE, show_attention
from vigil.learn.attention.sources import find_sources
from vigil.plumbing.contract import check_sections, project_sections
from vigil.plumbing.errors import FieldError, InputError
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import read_params
from vigil.settings.attend import Attend
from vigil.settings.dataset import Dataset


def attend(words: Sequence[str], out: Path, architecture: str | None, weights: str | None) -> None:
    """Shows what a network attends to, with the settings of `params.yaml`.

    Args:
        words: paths of pictures, videos and folders of them.
        out: the folder of all results, which is replaced.
        architecture: in place of that of `params.yaml`.
        weights: in place of those of `params.yaml`.

    Raises:
        InputError: a source, a setting or the network's weights cannot be used.
    """
    sources = find_sources(Path(word) for word in words)
    content = read_params()
    for key, value in (("architecture", architecture), ("weights", weights)):
        if value is not None:
            content["attend"]["network"][key] = value
    sections = check_sections(content, project_sections())
    settings, dataset = sections["attend"], sections["dataset"]
    assert isinstance(settings, Attend)
    assert isinstance(dataset, Dataset)
    _check_out(out)
    try:
        settings.network.check_weights("network")
        with whole(out) as folder:
            folder.mkdir()
            show_attention(sources, folder, settings, Fraction(str(dataset.picture_fps)))
    except FieldError as error:
        raise InputError(f"attend.{error.field}: {error.problem}") from None
    print(f"{out}: {len(sources)} source{'' if len(sources) == 1 else 's'}")


def _check_out(out: Path) -> None:
    """Refuses a folder that may hold anything but earlier results: it would be deleted."""
    if out.exists() and not all((out / name).is_file() for name in (INDEX_FILE, VECTORS_FILE)):
        raise InputError(
            f"{out}: expected a new folder, or one of earlier results of this command, found "
            "something else there"
        )
