"""Sends notifications of events. Each event is sent at least once; its id marks repeated messages.

A message is written to `notifications.jsonl` before it is sent. Its id is written to
`notified.jsonl` after it has arrived. After a kill, the next run sends the messages whose id is not
there.
"""

import json
import os
import queue
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from vigil.plumbing.errors import InputError, shorten

FILE_SCHEME = "file:"
NOTIFICATIONS, NOTIFIED = "notifications.jsonl", "notified.jsonl"
LONGEST_WAIT_S = 300.0


class Sink(Protocol):
    """A receiver of messages."""

    def send(self, message: Mapping[str, Any], picture: Path | None) -> bool:
        """Sends a message; returns whether it arrived."""


class FileSink:
    """A file of JSON lines."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def send(self, message: Mapping[str, Any], picture: Path | None) -> bool:
        """Appends a message."""
        try:
            append_line(self._file, message)
        except OSError:
            return False
        return True


class AppriseSink:
    """Mail, ntfy, MQTT, webhooks and all other services of apprise."""

    def __init__(self, addresses: Sequence[str]) -> None:
        """Raises InputError if apprise is not installed, or does not know an address."""
        try:
            import apprise
        except ImportError:
            raise InputError(
                "--notify: expected the library apprise, found none; pip install 'vigil[notify]'"
            ) from None
        self._apprise = apprise.Apprise()
        for address in addresses:
            if not self._apprise.add(address):
                kind = shorten(address.partition("://")[0])  # the rest may hold a password
                raise InputError(
                    f"--notify: expected an address that apprise knows, got one of {kind}"
                )

    def send(self, message: Mapping[str, Any], picture: Path | None) -> bool:
        """Sends a message to all addresses."""
        attach = str(picture) if picture is not None and picture.is_file() else None
        title = f"{message['source']}: {message['kind']}"
        body = "\n".join(f"{key}: {value}" for key, value in sorted(message.items()))
        return bool(self._apprise.notify(title=title, body=body, attach=attach))


def open_sinks(addresses: Sequence[str]) -> list[Sink]:
    """The sinks of addresses: `file:<path>`, or an address of apprise.

    Raises:
        InputError: an address is of an unknown kind.
    """
    files = [
        address.removeprefix(FILE_SCHEME)
        for address in addresses
        if address.startswith(FILE_SCHEME)
    ]
    if "" in files:
        raise InputError("--notify: expected file:<path>, got no path")
    others = [address for address in addresses if not address.startswith(FILE_SCHEME)]
    sinks: list[Sink] = [FileSink(Path(name)) for name in files]
    return sinks + ([AppriseSink(others)] if others else [])


def append_line(file: Path, content: Mapping[str, Any]) -> None:
    """Appends a line of JSON, and waits until it is on the disk. A kill cuts one line at most."""
    file.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    with file.open("ab+") as out:
        if out.tell() and _last_byte(file) != b"\n":
            out.write(b"\n")  # ends a line that a kill has cut, so that only this line is lost
        out.write(line.encode())
        out.flush()
        os.fsync(out.fileno())


def _last_byte(file: Path) -> bytes:
    with file.open("rb") as content:
        content.seek(-1, os.SEEK_END)
        return content.read(1)


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The lines of `append_line`, without lines that a kill has cut."""
    if not file.is_file():
        return []
    contents = []
    for line in file.read_bytes().splitlines():
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict):
            contents.append(content)
    return contents


class Notifier:
    """Sends messages in a thread, so that a slow server does not stop the models."""

    def __init__(self, sinks: Sequence[Sink], folder: Path, first_wait_s: float = 1.0) -> None:
        """Args: folder: the folder of `notifications.jsonl` and `notified.jsonl`."""
        self._sinks, self._folder = list(sinks), folder
        self._first_wait_s = first_wait_s
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._stopped = threading.Event()
        self._ids = {line["id"] for line in read_lines(folder / NOTIFICATIONS) if "id" in line}
        sent_ids = {line["id"] for line in read_lines(folder / NOTIFIED) if "id" in line}
        for line in read_lines(folder / NOTIFICATIONS):
            if line.get("id") not in sent_ids:
                self._queue.put(line)
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)
        self._thread.start()

    def notify(self, message: Mapping[str, Any]) -> None:
        """Sends a message, unless one with the same id was sent or is waiting.

        Args:
            message: `id`, `source`, `kind` and more fields.

        Raises:
            OSError: the message cannot be stored, so that a kill would lose it; it is sent.
        """
        if not self._sinks or message["id"] in self._ids:
            return
        self._ids.add(message["id"])
        try:
            append_line(self._folder / NOTIFICATIONS, message)
        finally:  # on a full disk, the message is sent all the same
            self._queue.put(dict(message))

    def close(self, timeout_s: float = 10.0) -> None:
        """Waits for messages on their way. The next run sends those that do not arrive in time."""
        self._queue.put(None)
        self._thread.join(timeout_s)
        self._stopped.set()

    def _run(self) -> None:
        while (message := self._queue.get()) is not None:
            waiting, wait_s = list(self._sinks), self._first_wait_s
            picture = message.get("picture")
            while waiting and not self._stopped.is_set():
                path = None if picture is None else self._folder / picture
                waiting = [sink for sink in waiting if not sink.send(message, path)]
                if waiting:
                    self._stopped.wait(wait_s)
                    wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            if not waiting:
                with suppress(OSError):  # a full disk: the next run sends it again
                    append_line(self._folder / NOTIFIED, {"id": message["id"]})
