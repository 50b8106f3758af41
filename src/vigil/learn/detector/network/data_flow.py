"""Finds the same parts in two graphs by the way that data takes, whatever their order in a file.

The label of a node is refined by the labels of the nodes that it reads from and of those that read
from it, round by round (Weisfeiler and Leman, 1968). Nodes with the same label then have the same
surroundings.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Hashable, Sequence

Sources = Sequence[Collection[int]]
"""For each node, the nodes that it reads from."""


def match(
    labels: Sequence[Hashable],
    sources: Sources,
    other_labels: Sequence[Hashable],
    other_sources: Sources,
) -> list[int | None]:
    """For each node of a graph, the node of another one with the same surroundings.

    Nodes of equal surroundings are paired in their order.

    Args:
        labels: what is known of each node.

    Returns:
        None for a node that the other graph does not have.
    """
    mine, num_rounds = _refined(labels, sources, None)
    theirs, _ = _refined(other_labels, other_sources, num_rounds)
    free: dict[str, list[int]] = defaultdict(list)
    for number in range(len(theirs) - 1, -1, -1):
        free[theirs[number]].append(number)
    return [free[label].pop() if free[label] else None for label in mine]


def _refined(
    labels: Sequence[Hashable], sources: Sources, num_rounds: int | None
) -> tuple[list[str], int]:
    """Labels with the surroundings in them, and the number of rounds; None: all that are needed."""
    readers: list[list[int]] = [[] for _ in labels]
    for number, nodes in enumerate(sources):
        for source in nodes:
            readers[source].append(number)
    refined, count = [_digest(label) for label in labels], 0
    while count != num_rounds:
        following = [
            _digest(
                (
                    label,
                    sorted(refined[one] for one in sources[number]),
                    sorted(refined[one] for one in readers[number]),
                )
            )
            for number, label in enumerate(refined)
        ]
        if num_rounds is None and len(set(following)) == len(set(refined)):
            break
        refined, count = following, count + 1
    return refined, count


def _digest(label: object) -> str:
    return hashlib.sha256(repr(label).encode()).hexdigest()
