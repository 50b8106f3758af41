"""The categories of COCO files, and which of them are classes.

A category without annotations that is the `supercategory` of others is not a class: Roboflow's
exports begin with such a category. It may have the name of a class.
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from vigil.plumbing.errors import InputError, shorten


class Category(NamedTuple):
    """A category as in the file, with its `supercategory` as `parent`."""

    id: int
    name: str
    parent: Any
    place: str


def roots_of(categories: Sequence[Category], used: Collection[int]) -> list[Category]:
    """Categories without annotations that are the supercategory of another category.

    A category that is its own supercategory is not a root.

    Args:
        used: the ids of the categories that annotations have.
    """
    parents = {one.parent for one in categories if isinstance(one.parent, str)}
    return [
        one
        for one in categories
        if one.id not in used and one.parent != one.name and one.name in parents
    ]


def names_of(categories: Sequence[Category]) -> list[str]:
    """The names of categories.

    Raises:
        InputError: a name occurs twice.
    """
    names: list[str] = []
    for one in categories:
        if one.name in names:
            raise InputError(
                f"{one.place}: expected each id and name once, got {shorten(one.name)} again"
            )
        names.append(one.name)
    return names
