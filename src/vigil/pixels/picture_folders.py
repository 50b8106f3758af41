"""What a folder of pictures holds, and which of them are damaged."""

from pathlib import Path

from vigil.domain.system_files import is_system_file
from vigil.pixels.images import ImageSource
from vigil.pixels.library_output import damage_in, library_output

PICTURE_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}


def pictures_below(root: Path) -> tuple[list[str], list[str]]:
    """Names of a folder's pictures, by their endings, and of the hidden ones apart; sorted.

    What lies in archives is not looked at, nor is what has another ending.
    """
    shown: list[str] = []
    hidden: list[str] = []
    for path in root.rglob("*"):
        if path.suffix.lower() in PICTURE_SUFFIXES:
            name = path.relative_to(root)
            (hidden if is_system_file(name) else shown).append(name.as_posix())
    return sorted(shown), sorted(hidden)


def damage_of(source: ImageSource, file_name: str) -> str:
    """What libjpeg says of damage that it went on after; empty where it says nothing.

    Raises:
        InputError: see `ImageSource.rgb`.
    """
    with library_output() as lines:
        source.rgb(file_name)
    return damage_in(lines)
