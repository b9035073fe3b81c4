"""Named, extensible families: dataset formats, model architectures, diagnoses, panels."""

from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Generic, TypeVar

T = TypeVar("T")


class Registry(Generic[T]):
    """Things of one kind by name, with those that other installed packages add.

    Parameters
    ----------
    kind
        What is registered, for messages (``"model architecture"``).
    entry_point_group
        The group under which other packages announce theirs (``"ptychoscope.models"``).
    """

    def __init__(self, kind: str, entry_point_group: str) -> None:
        self.kind = kind
        self.entry_point_group = entry_point_group
        self._items: dict[str, T] = {}
        self._outsiders_loaded = False

    def register(self, name: str, item: T) -> None:
        """Add ``item`` under ``name``; a name that is taken is an error."""
        if name in self._items:
            raise ValueError(f"the {self.kind} {name!r} is registered twice")
        self._items[name] = item

    def get(self, name: str) -> T:
        """Return the item called ``name``.

        Raises
        ------
        KeyError
            If there is none; the message lists the names there are.
        """
        self._load_outsiders()
        if name not in self._items:
            raise KeyError(f"there is no {self.kind} {name!r}; there are {', '.join(sorted(self._items))}")
        return self._items[name]

    def names(self) -> tuple[str, ...]:
        """Return all names in the order of registration."""
        self._load_outsiders()
        return tuple(self._items)

    def __iter__(self) -> Iterator[T]:
        self._load_outsiders()
        return iter(tuple(self._items.values()))

    def _load_outsiders(self) -> None:
        if self._outsiders_loaded:
            return
        self._outsiders_loaded = True
        for point in entry_points(group=self.entry_point_group):
            self.register(point.name, point.load())
