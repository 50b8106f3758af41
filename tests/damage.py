"""Damage to inputs: values in the place of others, and bytes gone wrong.

`VIGIL_FUZZ_ROUNDS` makes campaigns longer; `VIGIL_FUZZ_SEED` makes others of them.
"""

import copy
import os
import random
from collections.abc import Callable, Sequence
from typing import Any

from conftest import Outcome, Project

ROUNDS = int(os.environ.get("VIGIL_FUZZ_ROUNDS", "30"))
SEED = int(os.environ.get("VIGIL_FUZZ_SEED", "0"))

DEEP: Any = None
for _ in range(150):
    DEEP = [DEEP]
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 10**6, 10**30, -0.5, 1.5, 1e-9, 1e308, float("nan")),
    *(float("inf"), "", " ", "0", "-1", "nan", "../../x", "/etc/passwd", "a/b", "a\\b", "..", "\0"),
    *("=1+1", "é" * 60, "x" * 5000, "<script>", "\n", "$HOME", "!!python/name:os.system"),
    *([], {}, [[]], [None], {"": ""}, {"x": {"x": []}}, [1, "a", None], DEEP),
)


def places_of(content: Any) -> list[tuple[Any, Any]]:
    """(container, key) of every value in plain content."""
    found: list[tuple[Any, Any]] = []
    waiting = [content]
    while waiting:
        one = waiting.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one))
        for key in keys:
            found.append((one, key))
            if isinstance(one[key], (dict, list)):
                waiting.append(one[key])
    return found


def mutate(content: Any, draw: random.Random) -> Any:
    """Plain content with one to three values replaced, removed, repeated or exchanged."""
    content = copy.deepcopy(content)
    for _ in range(draw.randint(1, 3)):
        places = places_of(content)
        if not places:
            break
        container, key = draw.choice(places)
        kind = draw.randrange(4)
        if kind == 0:
            del container[key]
        elif kind == 1 and isinstance(container, list):
            container.insert(key, copy.deepcopy(container[key]))
        elif kind == 2:
            other, other_key = draw.choice(places)
            container[key] = copy.deepcopy(other[other_key])
        else:
            container[key] = copy.deepcopy(draw.choice(VALUES))
    return content


def scramble(content: bytes, draw: random.Random) -> bytes:
    """Bytes with some flipped, cut off, cut out, repeated, or replaced by random ones."""
    changed = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        if not changed:
            break
        start = draw.randrange(len(changed))
        stop = min(len(changed), start + draw.choice((1, 1, 8, 200, 5000)))
        kind = draw.randrange(5)
        if kind == 0:
            changed[start] ^= 1 << draw.randrange(8)
        elif kind == 1:
            del changed[start:]
        elif kind == 2:
            del changed[start:stop]
        elif kind == 3:
            changed[start:start] = changed[start:stop]
        else:
            changed[start:stop] = draw.randbytes(stop - start)
    return bytes(changed)


def assert_used_or_refused(
    project: Project,
    stage: str,
    files: Sequence[str],
    run_stage: Callable[..., Outcome],
    assert_refused: Callable[..., None],
) -> None:
    """A stage uses a file with damaged bytes, or refuses it in one line; many are refused."""
    draw = random.Random(f"{SEED} {stage}")
    num_refused = 0
    for number in range(ROUNDS):
        path = project.folder / draw.choice(files)
        content = path.read_bytes()
        path.write_bytes(scramble(content, draw))
        project.remove_outputs(stage)
        outcome = run_stage(project, stage)
        if outcome.code:
            assert_refused(outcome, project, stage)
            num_refused += 1
        else:
            assert all(output.exists() for output in project.outputs(stage)), number
        path.write_bytes(content)
    assert num_refused > ROUNDS / 5
