"""Read-only mappings with one entry more or less."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

T = TypeVar("T")


def with_entry(mapping: Mapping[str, T], key: str, value: T) -> Mapping[str, T]:
    """Return the mapping with an entry added or replaced."""
    return MappingProxyType({**mapping, key: value})


def without_entry(mapping: Mapping[str, T], key: str) -> Mapping[str, T]:
    """Return the mapping without an entry, if it had it."""
    return MappingProxyType({name: value for name, value in mapping.items() if name != key})
