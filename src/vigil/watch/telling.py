"""People are told of events: at least once each, and by the event's id never as another one.

What is to be told is written down first, and crossed out once it was told. After a kill, what is
not crossed out is told then.
"""

import json
import os
import queue
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from vigil.plumbing.errors import InputError, shorten

FILE_SCHEME = "file:"
TO_TELL, TOLD = "to_tell.jsonl", "told.jsonl"
LONGEST_WAIT_S = 300.0


class Sink(Protocol):
    """Where messages go."""

    def tell(self, message: Mapping[str, Any], picture: Path | None) -> bool:
        """Sends one; whether it arrived."""


class FileSink:
    """A file of JSON lines."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def tell(self, message: Mapping[str, Any], picture: Path | None) -> bool:
        """Appends a message."""
        try:
            append_line(self._file, message)
        except OSError:
            return False
        return True


class AppriseSink:
    """Mail, ntfy, MQTT, webhooks and all else that apprise knows."""

    def __init__(self, addresses: Sequence[str]) -> None:
        """Raises InputError where apprise is not there, or does not know an address."""
        try:
            import apprise
        except ImportError:
            raise InputError(
                "--tell: expected the library apprise, found none; pip install 'vigil[tell]'"
            ) from None
        self._apprise = apprise.Apprise()
        for address in addresses:
            if not self._apprise.add(address):
                kind = shorten(address.partition("://")[0])  # the rest may hold a password
                raise InputError(
                    f"--tell: expected an address that apprise knows, got one of {kind}"
                )

    def tell(self, message: Mapping[str, Any], picture: Path | None) -> bool:
        """Sends a message to all addresses."""
        attach = str(picture) if picture is not None and picture.is_file() else None
        title = f"{message['source']}: {message['kind']}"
        body = "\n".join(f"{key}: {value}" for key, value in sorted(message.items()))
        return bool(self._apprise.notify(title=title, body=body, attach=attach))


def open_sinks(addresses: Sequence[str]) -> list[Sink]:
    """Sinks by their addresses: `file:<path>`, or any of apprise's.

    Raises:
        InputError: an address that nobody knows.
    """
    files = [one.removeprefix(FILE_SCHEME) for one in addresses if one.startswith(FILE_SCHEME)]
    if "" in files:
        raise InputError("--tell: expected file:<path>, got no path")
    others = [one for one in addresses if not one.startswith(FILE_SCHEME)]
    sinks: list[Sink] = [FileSink(Path(name)) for name in files]
    return sinks + ([AppriseSink(others)] if others else [])


def append_line(file: Path, content: Mapping[str, Any]) -> None:
    """Appends JSON on a line of its own, whole or not at all after a kill, and on the disk."""
    file.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    with file.open("ab+") as out:
        if out.tell() and _last_byte(file) != b"\n":
            out.write(b"\n")  # what a kill has cut off stays a line that nobody takes for one
        out.write(line.encode())
        out.flush()
        os.fsync(out.fileno())


def _last_byte(file: Path) -> bytes:
    with file.open("rb") as content:
        content.seek(-1, os.SEEK_END)
        return content.read(1)


def read_lines(file: Path) -> list[dict[str, Any]]:
    """What `append_line` wrote; lines that a kill cut off are left out."""
    if not file.is_file():
        return []
    found = []
    for line in file.read_bytes().splitlines():
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict):
            found.append(content)
    return found


class Teller:
    """Tells messages in a thread of its own, so that a slow server keeps nobody from watching."""

    def __init__(self, sinks: Sequence[Sink], folder: Path, first_wait_s: float = 1.0) -> None:
        """Args: folder: where it is written down what is to be told, and what was."""
        self._sinks, self._folder = list(sinks), folder
        self._first_wait_s = first_wait_s
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._stopped = threading.Event()
        self._known = {line["id"] for line in read_lines(folder / TO_TELL) if "id" in line}
        told = {line["id"] for line in read_lines(folder / TOLD) if "id" in line}
        for line in read_lines(folder / TO_TELL):
            if line.get("id") not in told:
                self._queue.put(line)
        self._thread = threading.Thread(target=self._run, name="teller", daemon=True)
        self._thread.start()

    def tell(self, message: Mapping[str, Any]) -> None:
        """Tells a message, unless one of its id was told or is about to be.

        Args:
            message: `id`, `source`, `kind` and what else is to be known.
        """
        if not self._sinks or message["id"] in self._known:
            return
        self._known.add(message["id"])
        append_line(self._folder / TO_TELL, message)
        self._queue.put(dict(message))

    def close(self, timeout_s: float = 10.0) -> None:
        """Waits for what is being told; what is not told by then is told by the next run."""
        self._queue.put(None)
        self._thread.join(timeout_s)
        self._stopped.set()

    def _run(self) -> None:
        while (message := self._queue.get()) is not None:
            waiting, wait_s = list(self._sinks), self._first_wait_s
            picture = message.get("picture")
            while waiting and not self._stopped.is_set():
                path = None if picture is None else self._folder / picture
                waiting = [sink for sink in waiting if not sink.tell(message, path)]
                if waiting:
                    self._stopped.wait(wait_s)
                    wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            if not waiting:
                append_line(self._folder / TOLD, {"id": message["id"]})
