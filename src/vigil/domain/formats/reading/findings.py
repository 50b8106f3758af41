"""Records what was left out of annotations, corrected or guessed in them, and why.

Nothing is left out or guessed in silence: each offending entry is noted under a reason.
"""

from collections.abc import Iterable
from types import TracebackType

from vigil.plumbing.errors import InputError
from vigil.settings.import_detections import Policy

MALFORMED = "entry malformed"
HIDDEN = "hidden or system file"
NO_SIZE = "picture whose size the annotations do not say"
OTHER_NAME = "picture found under another name"
OWN_NAME = "XML file with the name of its picture, but with another filename in it"
TOLD_NAME = "XML file with another name than its picture"
OTHERWISE = "value written in another way"
SPACES = "text with spaces around it"
SEVERAL_BOXES = "object with several boxes"
TURNED = "box turned: the box around it was taken"
ENCODING = "text in another encoding than declared"
ROOT = "category that only groups others"


class Findings:
    """Offending entries by reason, in the order in which they were noted."""

    def __init__(self) -> None:
        self._offenders: dict[str, list[str]] = {}

    def note(self, reason: str, offenders: Iterable[object]) -> None:
        """Adds offending entries. Without any, the reason is not added either."""
        if texts := [str(offender) for offender in offenders]:
            self._offenders.setdefault(reason, []).extend(texts)

    def __getitem__(self, reason: str) -> list[str]:
        return self._offenders.get(reason, [])

    @property
    def counts(self) -> dict[str, int]:
        """The number of offending entries by reason."""
        return {reason: len(texts) for reason, texts in self._offenders.items()}

    def first(self, num_listed: int) -> dict[str, list[str]]:
        """The first `num_listed` offending entries by reason."""
        return {reason: texts[:num_listed] for reason, texts in self._offenders.items()}


class MalformedError(InputError):
    """A malformed entry is an error by the policy, and its message says what else may be chosen."""


class Entry:
    """A context manager for reading one entry, which handles a malformed entry by a policy.

    It can be used for many entries. If its body raises an `InputError`, the policy decides: this is
    an error, or the entry is noted and left out. So the body must store its result in the end.
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
        if not isinstance(error, InputError) or isinstance(error, MalformedError):
            return False
        if self._policy == "error":
            raise MalformedError(f"{error}; malformed_entries: drop leaves such out") from None
        self._findings.note(MALFORMED, [error])
        return True
