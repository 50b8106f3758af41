"""Makes pictures of one colour, of every kind."""

import io
from typing import Any

from PIL import Image

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "PNG": ("PNG", {}),
    "JPEG": ("JPEG", {}),
    "progressive JPEG": ("JPEG", {"progressive": True, "comment": b"x" * 300}),
    "JPEG with EXIF": ("JPEG", {"exif": b"Exif\0\0" + bytes(500)}),
    "GIF": ("GIF", {}),
    "BMP": ("BMP", {}),
    "WebP": ("WEBP", {}),
    "lossless WebP": ("WEBP", {"lossless": True}),
    "extended WebP": ("WEBP", {"xmp": b"<x/>"}),
    "TIFF": ("TIFF", {}),
    "PPM": ("PPM", {}),
}


def encode(size_wh: tuple[int, int], kind: str) -> bytes:
    name, options = KINDS[kind]
    buffer = io.BytesIO()
    Image.new("RGB", size_wh, (9, 99, 199)).save(buffer, name, **options)
    return buffer.getvalue()
