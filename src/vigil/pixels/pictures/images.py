"""Pictures by name, from a folder or from archives in it, always as three colours of 8 bits."""

import os
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import cv2

from vigil.pixels.pictures.archives import DAMAGED, MOST_BYTES, read_entry
from vigil.pixels.pictures.decoding import MOST_PIXELS, TooLargeError, decode_picture
from vigil.pixels.pictures.picture import Picture
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.folders import DVC_OBJECT

ARCHIVE_SUFFIX = ".zip"


class ImageSource:
    """Pictures below a folder, in which a zip counts as a folder too.

    A name is a relative path with slashes: "a.jpg", "day 1/a.png", "door.mp4.zip/000012.jpg". It
    may come from a file that is not trusted: it never leads out of the folder, whether by "..",
    from the root, or by a link (but for DVC's own links into its cache).

    Archives open when first asked, once in each process, so that an object can be shared by threads
    and handed to the worker processes of a loader, forked or spawned.
    """

    def __init__(self, root: Path) -> None:
        """Raises InputError where there is no such folder."""
        if not root.is_dir():
            raise InputError(f"{root}: expected a folder of pictures, found none")
        self.root = root
        self._archives: dict[tuple[int, str], zipfile.ZipFile] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_archives": {}}

    def rgb(self, file_name: str) -> Picture:
        """(H, W, 3) uint8 RGB, upright as the EXIF orientation of JPEG, PNG or TIFF asks.

        Grey becomes three equal colours and a palette its colours; 16 bits are scaled to 8;
        CMYK is converted without a colour profile; transparency is left out, so that the stored
        colours count (OpenCV darkens those of TIFF with 8 bits by it).

        Raises:
            InputError: no such picture, a name that leads out of the folder, or what is no picture
                that can be decoded as a whole.
        """
        return self.decode(self.content(file_name), file_name)

    def decode(self, content: bytes, file_name: str) -> Picture:
        """As `rgb`, of the bytes that `content` gave.

        Raises:
            TooLargeError: of more pixels than any picture may have; an `InputError`, too.
        """
        try:
            picture = decode_picture(content, cv2.IMREAD_COLOR_RGB)
        except TooLargeError as error:
            raise TooLargeError(
                f"{self.root / file_name}: expected a picture of at most {MOST_PIXELS} px, "
                f"got {error}"
            ) from None
        if picture is None:
            raise InputError(
                f"{self.root / file_name}: expected a picture, got {len(content)} bytes that are "
                "none, or not a whole one"
            )
        return picture

    def content(self, file_name: str) -> bytes:
        """A picture's file as it is.

        Raises:
            InputError: no such picture, or a name that leads out of the folder.
        """
        archive, entry = self._find(file_name)
        try:
            if archive:
                return read_entry(self._open(archive), entry)
            if (size := (self.root / entry).stat().st_size) > MOST_BYTES:
                raise InputError(
                    f"{self.root / entry}: expected at most {MOST_BYTES} bytes, got {size}"
                )
            return (self.root / entry).read_bytes()
        except (KeyError, FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise InputError(
                f"{self.root}: expected the picture {shorten(file_name, 200)}, found none"
            ) from None
        except DAMAGED as error:
            raise InputError(
                f"{self.root}: expected to read {shorten(file_name, 200)}, "
                f"got: {shorten(str(error))}"
            ) from None

    def archive_of(self, file_name: str) -> str:
        """The archive a picture lies in, by its path below the folder; "" for none.

        Raises:
            InputError: a name that leads out of the folder.
        """
        return self._find(file_name)[0]

    def _find(self, file_name: str) -> tuple[str, str]:
        """The archive ("" for none) and the path in it, or below the folder."""
        path = PurePosixPath(file_name)
        if not file_name or path.is_absolute() or ".." in path.parts or "\0" in file_name:
            raise InputError(
                f"{self.root}: expected names of pictures below it, got {shorten(file_name)}"
            )
        archive, entry = "", file_name
        try:
            for depth, part in enumerate(path.parts[:-1], start=1):
                candidate = PurePosixPath(*path.parts[:depth])
                is_zip = part.lower().endswith(ARCHIVE_SUFFIX)
                if is_zip and (self.root / candidate).is_file():
                    archive, entry = str(candidate), "/".join(path.parts[depth:])
                    break
            target = (self.root / (archive or entry)).resolve()
        except (OSError, RuntimeError, ValueError) as error:  # too long, a circle of links, no text
            raise InputError(
                f"{self.root}: expected names of pictures below it, got {shorten(file_name)} "
                f"({shorten(str(error))})"
            ) from None
        inside = target.is_relative_to(self.root.resolve())
        if not inside and not DVC_OBJECT.search(target.as_posix()):
            raise InputError(
                f"{self.root}: expected pictures below it, got {shorten(file_name)}, "
                "a link that leads out of it"
            )
        return archive, entry

    def _open(self, archive: str) -> zipfile.ZipFile:
        key = (os.getpid(), archive)  # a forked process must not share the place in an open file
        if key not in self._archives:
            try:
                self._archives[key] = zipfile.ZipFile(self.root / archive)
            except (zipfile.BadZipFile, OSError) as error:
                raise InputError(
                    f"{self.root / archive}: expected an archive, got: {shorten(str(error))}"
                ) from None
        return self._archives[key]
