"""Tells, by their names, what data sets keep beside their videos."""

from pathlib import Path

from vigil.pixels.video.numbered import holds_pictures

DOCUMENTS = {
    ".avif", ".csv", ".heic", ".htm", ".html", ".ini", ".json", ".jsonl", ".log", ".m", ".mat",
    ".md", ".mp3", ".npy", ".npz", ".pdf", ".srt", ".svg", ".txt", ".vtt", ".wav", ".xml", ".yaml",
    ".yml", ".zip",
}  # fmt: skip
"""Endings of their names."""
NOTES = {"readme", "license", "licence"}
"""Names without an ending, in lower case."""


def is_document(file: Path) -> bool:
    """Whether a file is no video, by its name."""
    return file.suffix.lower() in DOCUMENTS or file.name.lower() in NOTES


def is_no_video(path: Path) -> bool:
    """Whether a file is a document by its name, or a folder holds no picture itself."""
    return not holds_pictures(path) if path.is_dir() else is_document(path)
