"""What was left out of a set of annotations, mended in it or understood of it, and why.

Nothing is left out and nothing is guessed in silence: each offender is noted under a reason.
"""

from collections.abc import Iterable
from types import TracebackType

from vigil.plumbing.errors import InputError
from vigil.settings.import_detections import Policy

MALFORMED = "entry malformed"
HIDDEN = "hidden or system file"
NO_SIZE = "picture whose size is not told"
OTHER_NAME = "picture found under another name"
OTHERWISE = "value written in another way"
SPACES = "text with spaces around it"
SEVERAL_BOXES = "object with several boxes"
ROOT = "category that is but the root of others"


class Findings:
    """Offenders by reason, in the order they were found."""

    def __init__(self) -> None:
        self._offenders: dict[str, list[str]] = {}

    def note(self, reason: str, offenders: Iterable[object]) -> None:
        """Adds what was found; no offender, no reason."""
        if found := [str(offender) for offender in offenders]:
            self._offenders.setdefault(reason, []).extend(found)

    def __getitem__(self, reason: str) -> list[str]:
        return self._offenders.get(reason, [])

    @property
    def counts(self) -> dict[str, int]:
        """How many there are, by reason."""
        return {reason: len(found) for reason, found in self._offenders.items()}

    def first(self, num_listed: int) -> dict[str, list[str]]:
        """The first few, by reason."""
        return {reason: found[:num_listed] for reason, found in self._offenders.items()}


class Entry:
    """A context manager around the reading of one entry, by what becomes of it if it is malformed.

    It may be entered again and again. What its body raises as an `InputError` is an error, or noted
    with the entry left out: so the body stores what it read as its last step.
    """

    def __init__(self, policy: Policy, findings: Findings) -> None:
        self._policy, self._findings = policy, findings

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, InputError):
            return False
        if self._policy == "error":
            raise InputError(f"{error}; malformed_entries: drop leaves such out") from None
        self._findings.note(MALFORMED, [error])
        return True
