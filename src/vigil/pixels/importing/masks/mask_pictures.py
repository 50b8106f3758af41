"""Reads masks that are pictures: an index or a colour is a class, or a value is an object."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from vigil.domain.formats.reading.findings import Findings
from vigil.domain.mask_formats.class_table import ClassTable, Value
from vigil.domain.mask_formats.masks import (
    EMPTY,
    Masks,
    add_object,
    add_picture,
    no_objects,
    no_pictures,
)
from vigil.domain.masks.class_map import compressed
from vigil.pixels.importing.masks.pairing import pair_masks
from vigil.pixels.pictures.archives import MAX_BYTES
from vigil.pixels.pictures.decoding import MAX_PIXELS
from vigil.pixels.pictures.picture_size import declared_size
from vigil.plumbing.errors import InputError, listed, shorten
from vigil.plumbing.progress import progress
from vigil.settings.dataset import MaskData

SEVERAL_VALUES = "binary mask of several values, all but 0 taken for the object"
RIM = "object without an inner pixel that touches another (smoothed edges?)"
LEAST_SHADES, LARGEST_SHADE = 4, 255
"""Fewer rims in a picture may be thin objects, and so may larger numbers."""
UNKNOWN_VALUE = "mask with a value that the table does not name"
INDEX_MODES = {"1", "L", "P", "I;16", "I", "I;16B", "I;16L"}
"""Kinds of pictures with one number a pixel; for a palette, it is the index into the palette."""
WITH_ALPHA = {"LA", "RGBA"}
PNG_DEPTH, PNG_COLOUR_TYPE = 24, 25
"""Places of two bytes in a PNG: bits of a value, and whether it has several values a pixel."""

Values = npt.NDArray[np.int64]
"""(H, W): an index, or a colour as red * 65536 + green * 256 + blue."""


def read_mask_pictures(
    root: Path,
    images: Path,
    data: MaskData,
    table: ClassTable | None,
    findings: Findings,
    *,
    ignores_unknown: bool,
) -> Masks:
    """Reads a folder of mask pictures and finds the picture of each.

    Args:
        table: the classes of values, for the formats `index` and `colour`.
        ignores_unknown: whether pixels of values that the table lacks count neither way.

    Raises:
        InputError: no mask, one that cannot be read or has another kind of pixels, one without a
            picture, or a value that the table lacks.
    """
    pairs = pair_masks(root, images, several=data.format == "binary")
    palettes = _Palettes()
    pictures, objects = no_pictures(), no_objects()
    met: set[int] = set()
    num_files = 0
    for name, files in progress(list(pairs.items()), "read masks", "picture"):
        values_by_file = [_read(root / file, data.format, palettes) for file in files]
        sizes = {values.shape for values in values_by_file}
        if len(sizes) > 1:
            raise InputError(
                f"{root}: expected masks of one size for {shorten(name)}, got "
                f"{listed(f'{w}x{h}' for h, w in sizes)}"
            )
        height, width = values_by_file[0].shape
        add_picture(pictures, name, (width, height), str(root / files[0]))
        for file, values in zip(files, values_by_file, strict=True):
            place = str(root / file)
            num_files += 1
            if table is None:
                met |= _add_objects(objects, name, values, data, place, findings)
                continue
            met |= _add_regions(objects, name, values, table, place, findings)
            if findings[UNKNOWN_VALUE] and not ignores_unknown:
                raise InputError(_unknown(findings[UNKNOWN_VALUE][0], table))
    if table is None:
        _check_kind(met, data.format, findings, num_files, root)
        return Masks.of(pictures, objects, data.classes)
    _check_binary(met, table, root)
    return Masks.of(pictures, objects, table.classes, tells_all=True)


class _Palettes:
    """The palettes of masks of classes: an index means one colour in all of them."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[tuple[int, ...], Path]] = {}

    def check(self, picture: Image.Image, file: Path) -> None:
        """Raises InputError if an index has another colour than in an earlier picture."""
        colours = np.array(picture.getpalette(), np.int64).reshape(-1, 3)
        for index in np.unique(np.asarray(picture)).tolist():
            colour = tuple(colours[index].tolist()) if index < len(colours) else ()
            known, first = self._known.setdefault(index, (colour, file))
            if known != colour:
                raise InputError(
                    f"{file}: expected the palette of {first}, where index {index} is "
                    f"{list(known)}, got {list(colour)}; is the format colour?"
                )


def _read(file: Path, kind: str, palettes: _Palettes) -> Values:
    """The numbers of a mask picture.

    Raises:
        InputError: it cannot be read, is too large, or has another kind of pixels.
    """
    content = file.read_bytes() if file.stat().st_size <= MAX_BYTES else b""
    size_wh = declared_size(content)
    if size_wh is None or size_wh[0] * size_wh[1] > MAX_PIXELS:
        raise InputError(f"{file}: expected a mask picture of at most {MAX_PIXELS} px, got another")
    try:
        with Image.open(io.BytesIO(content)) as picture:
            picture.verify()  # of PNG, the checksum of each part, which loading does not look at
        with Image.open(io.BytesIO(content)) as picture:
            picture.load()
            _check_pixels(picture, content, kind, file)
            if kind == "index" and picture.mode == "P":
                palettes.check(picture, file)
            if kind != "colour" and picture.mode in INDEX_MODES:
                return np.asarray(picture).astype(np.int64) // _grey_step(picture, content)
            mode, bands = picture.mode, np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise InputError(
            f"{file}: expected a complete mask picture, got: {shorten(str(error), 100)}"
        ) from None
    if kind == "colour":
        red, green, blue = np.moveaxis(bands.astype(np.int64), 2, 0)
        colours: Values = (red << 16) + (green << 8) + blue
        return colours
    is_grey = (bands == bands[..., :1]).all()
    if kind == "binary" or is_grey:
        greys: Values = bands.max(axis=2).astype(np.int64)
        return greys
    raise InputError(
        f"{file}: expected one number a pixel for format {kind}, got colours ({mode}); is the "
        "format colour?"
    )


def _grey_step(picture: Image.Image, content: bytes) -> int:
    """By how much Pillow multiplies the values of a grey PNG, to fill 8 bits."""
    is_grey = picture.format == "PNG" and content[PNG_COLOUR_TYPE] == 0
    depth = content[PNG_DEPTH] if is_grey else 8
    return 255 // ((1 << depth) - 1) if depth in (2, 4) else 1


def _check_pixels(picture: Image.Image, content: bytes, kind: str, file: Path) -> None:
    """Raises InputError for pixels that reading would change, or that hide where the mask is."""
    if (num_pages := getattr(picture, "n_frames", 1)) > 1:
        raise InputError(f"{file}: expected a mask of one page, got {num_pages} pages")
    if picture.mode not in INDEX_MODES | {"RGB"} | WITH_ALPHA:
        raise InputError(
            f"{file}: expected whole numbers, a palette or RGB, got pixels of the kind "
            f"{picture.mode}"
        )
    is_deep = picture.format == "PNG" and content[PNG_DEPTH] == 16
    if is_deep and content[PNG_COLOUR_TYPE] != 0:
        raise InputError(
            f"{file}: expected 8 bits a value, or 16 with one value a pixel, got 16 with several"
        )
    palette = picture.getpalette() if kind in {"instances", "binary"} else None
    if palette and any(palette[:3]) and not np.asarray(picture).all():
        raise InputError(
            f"{file}: expected a palette whose index 0 is black, as where there is no object, got "
            f"{palette[:3]}"
        )
    has_alpha = picture.mode in WITH_ALPHA and picture.getchannel("A").getextrema() != (255, 255)
    # An index counts by itself, so a transparent colour of its palette hides nothing.
    if has_alpha or (kind in {"colour", "binary"} and "transparency" in picture.info):
        raise InputError(
            f"{file}: expected a mask in the pixels' values, got a picture with transparency, "
            "where it may be in the transparency instead"
        )


def _add_objects(
    objects: dict[str, list[object]],
    name: str,
    values: Values,
    data: MaskData,
    place: str,
    findings: Findings,
) -> set[int]:
    """One object for each value except 0; one for all of them in a binary mask.

    Returns:
        The values that occur, without 0.
    """
    occurring = [int(value) for value in np.unique(values) if value]
    if data.format == "binary":
        if not occurring:
            findings.note(EMPTY, [place])
            return set()
        if len(occurring) > 1:
            findings.note(SEVERAL_VALUES, [place])
        add_object(objects, name, data.classes[0], compressed(values != 0), place)
        return set(occurring)
    rims = []
    for number in occurring:
        where = f"{place}: object {number}"
        mask = values == number
        if len(occurring) > 1 and _is_rim(mask, values):
            findings.note(RIM, [where])
            rims.append(number)
        add_object(objects, name, data.classes[0], compressed(mask), where)
    if _are_smoothed(occurring, rims):
        raise InputError(
            f"{place}: expected a number for each object, got {len(occurring)} numbers up to "
            f"{occurring[-1]}, of which {len(rims)} are thin edges, as of one smoothed mask; "
            "is the format binary? Then make its pixels 0 or 255"
        )
    return set(occurring)


def _are_smoothed(numbers: Sequence[int], rims: Sequence[int]) -> bool:
    """Whether the numbers of a picture are shades of smoothed edges, and not objects.

    A smoothed mask has its largest value inside, and the shades between 0 and this value along its
    edge. Each shade is a rim, and a few pixels of edge have many shades. So rims are most of the
    numbers, and the largest number is none of them. Objects that touch may be as thin, but programs
    number them without gaps. Only the shades 1 to 255 have no gaps, either: along a long edge.
    """
    if len(rims) < LEAST_SHADES or 2 * len(rims) <= len(numbers):
        return False
    largest = numbers[-1]
    may_be_shades = largest == LARGEST_SHADE or len(numbers) < largest < LARGEST_SHADE
    return may_be_shades and largest not in rims


def _is_rim(mask: npt.NDArray[np.bool_], values: Values) -> bool:
    """Whether a mask has no inner pixel, and touches another object."""
    rows, columns = np.nonzero(mask)
    # Its bounds and a pixel around them.
    part = (
        slice(max(rows.min() - 1, 0), rows.max() + 2),
        slice(max(columns.min() - 1, 0), columns.max() + 2),
    )
    near = mask[part].astype(np.uint8)
    square = np.ones((3, 3), np.uint8)
    if cv2.erode(near, square, borderType=cv2.BORDER_CONSTANT, borderValue=0).any():
        return False
    around = cv2.dilate(near, square) > near
    return bool((values[part][around] != 0).any())


def _check_kind(met: set[int], kind: str, findings: Findings, num_files: int, root: Path) -> None:
    """Refuses masks of objects whose values say that they are of the other format.

    Raises:
        InputError: they do.
    """
    if kind == "instances" and met == {255}:
        raise InputError(
            f"{root}: expected a number for each object, got masks of 0 and 255 alone; are they of "
            "format binary?"
        )
    if kind == "instances" and 255 in met and 254 not in met and max(met) == 255:
        raise InputError(
            f"{root}: expected a number for each object, got 255 and else {max(met - {255})} at "
            "most, as of a border that counts neither way; set its pixels to 0"
        )
    several = len(findings[SEVERAL_VALUES])
    if kind == "binary" and several and met == set(range(1, max(met) + 1)):
        raise InputError(
            f"{root}: expected a mask for each object, got {several} of {num_files} masks with "
            f"several values, which are 1 to {max(met)} in all; are they of format instances?"
        )


def _add_regions(
    objects: dict[str, list[object]],
    name: str,
    values: Values,
    table: ClassTable,
    place: str,
    findings: Findings,
) -> set[int]:
    """One object for each class; returns the values that occur."""
    number_of = _numbers(table.label_of)
    occurring = {int(value) for value in np.unique(values)}
    for value in sorted(occurring - number_of.keys()):
        area = int((values == value).sum())
        findings.note(UNKNOWN_VALUE, [f"{place}: {_shown(value, table)} ({area} px)"])
    by_label: dict[str, list[int]] = {}
    for value in sorted(occurring & number_of.keys()):
        by_label.setdefault(number_of[value], []).append(value)
    for label, members in by_label.items():
        if label not in table.ignored:
            counts = compressed(np.isin(values, members))
            add_object(objects, name, label, counts, f"{place}: {label}")
    return occurring


def _numbers(label_of: Mapping[Value, str]) -> dict[int, str]:
    """The classes by the numbers of `Values`."""
    return {
        value if isinstance(value, int) else (value[0] << 16) + (value[1] << 8) + value[2]: label
        for value, label in label_of.items()
    }


def _shown(value: int, table: ClassTable) -> str:
    is_index = all(isinstance(known, int) for known in table.label_of)
    return str(value) if is_index else str([value >> 16, value >> 8 & 255, value & 255])


def _unknown(finding: str, table: ClassTable) -> str:
    known: Sequence[Value] = sorted(table.label_of)
    return (
        f"{finding}: expected values of masks.table ({listed(known)}); unknown_values: ignore "
        "leaves such pixels out"
    )


def _check_binary(met: set[int], table: ClassTable, root: Path) -> None:
    """Masks of 0 and 255 are hardly ones of classes 0 and 255."""
    number_of = _numbers(table.label_of)
    if met == {0, 255} and (255 not in number_of or number_of[255] in table.ignored):
        label = f"is {number_of[255]}, which is ignored" if 255 in number_of else "is no class"
        raise InputError(
            f"{root}: expected the indices of classes, got masks of 0 and 255 alone, where 255 "
            f"{label}; are they of format binary?"
        )
