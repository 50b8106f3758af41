"""Reads the file that `import_masks` writes: the box of an object is that of its mask."""

from pathlib import Path

from vigil.domain.formats.reading.annotations import Annotations
from vigil.domain.masks.masked import read_masked


def read_masks(file: Path) -> Annotations:
    """The pictures, and the objects with their masks. Pixels without an object have no class.

    Raises:
        InputError: no such file, or not what `import_masks` writes.
    """
    known = read_masked(file)
    objects = known.objects
    pictures = known.images.assign(place=str(file))
    boxes = objects.assign(
        place=[f"{file}: annotation {number}" for number in range(1, len(objects) + 1)]
    )
    return Annotations.of(
        pictures.to_dict("list"),
        boxes.to_dict("list"),
        [name for name in known.classes if name != known.background],
    )
