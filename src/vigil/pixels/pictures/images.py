"""Reads pictures by name from a folder or from archives in it, as 8-bit RGB."""

import os
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import cv2

from vigil.pixels.pictures.archives import DAMAGED, MAX_BYTES, read_entry
from vigil.pixels.pictures.decoding import MAX_PIXELS, FewBitsError, TooLargeError, decode_picture
from vigil.pixels.pictures.picture import Picture
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.folders import DVC_OBJECT

ARCHIVE_SUFFIX = ".zip"


class ImageSource:
    """The pictures below a folder; a zip archive in the folder counts as a folder, too.

    A name is a relative path with slashes: "a.jpg", "day 1/a.png", "door.mp4.zip/000012.jpg". Names
    may come from an untrusted file. So a name that leads out of the folder is refused, whether it
    leads out by "..", as an absolute path, or by a link. Only DVC's links into its cache are
    allowed.

    An archive is opened at its first use, once in each process. So threads can share an object, and
    the worker processes of a data loader can receive one, whether they are forked or spawned.
    """

    def __init__(self, root: Path) -> None:
        """Raises InputError if the folder does not exist."""
        if not root.is_dir():
            raise InputError(f"{root}: expected a folder of pictures, found none")
        self.root = root
        self._archives: dict[tuple[int, str], zipfile.ZipFile] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_archives": {}}

    def rgb(self, file_name: str) -> Picture:
        """(H, W, 3) uint8 RGB, turned upright by the EXIF orientation of JPEG, PNG or TIFF.

        Grey values become three equal colours, and indices of a palette become its colours. 16
        bits are scaled to 8. CMYK is converted without a colour profile. Transparency is ignored,
        so that the stored colours count; only with TIFF of 8 bits, OpenCV darkens the colours by
        it.

        Raises:
            InputError: there is no such picture, the name leads out of the folder, or the file
                cannot be decoded as a complete picture.
        """
        return self.decode(self.content(file_name), file_name)

    def decode(self, content: bytes, file_name: str) -> Picture:
        """As `rgb`, from the bytes that `content` returned.

        Raises:
            TooLargeError: the picture has more than `MAX_PIXELS`; this is an `InputError`, too.
            InputError: the bytes cannot be decoded as a complete picture, or have 16 bits of which
                at most 12 are used.
        """
        try:
            picture = decode_picture(content, cv2.IMREAD_COLOR_RGB)
        except TooLargeError as error:
            raise TooLargeError(
                f"{self.root / file_name}: expected a picture of at most {MAX_PIXELS} px, "
                f"got {error}"
            ) from None
        except FewBitsError as error:
            raise InputError(f"{self.root / file_name}: {error}") from None
        if picture is None:
            raise InputError(
                f"{self.root / file_name}: expected a picture, got {len(content)} bytes that are "
                "not a complete picture"
            )
        return picture

    def content(self, file_name: str) -> bytes:
        """The bytes of a picture's file.

        Raises:
            InputError: there is no such picture, or the name leads out of the folder.
        """
        archive, entry = self._find(file_name)
        try:
            if archive:
                return read_entry(self._open(archive), entry)
            if (size := (self.root / entry).stat().st_size) > MAX_BYTES:
                raise InputError(
                    f"{self.root / entry}: expected at most {MAX_BYTES} bytes, got {size}"
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
        """The path, below the folder, of the archive that holds a picture; "" if there is none.

        Raises:
            InputError: the name leads out of the folder.
        """
        return self._find(file_name)[0]

    def _find(self, file_name: str) -> tuple[str, str]:
        """The archive ("" if there is none), and the path in the archive or below the folder."""
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
        except (OSError, RuntimeError, ValueError) as error:  # too long, looped links, not text
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
        key = (os.getpid(), archive)  # forked processes would share the position in an open file
        if key not in self._archives:
            try:
                self._archives[key] = zipfile.ZipFile(self.root / archive)
            except (zipfile.BadZipFile, OSError) as error:
                raise InputError(
                    f"{self.root / archive}: expected an archive, got: {shorten(str(error))}"
                ) from None
        return self._archives[key]
