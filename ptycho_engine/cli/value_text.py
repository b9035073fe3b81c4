"""Plain values as short text."""

from typing import Any


def value_text(value: Any) -> str:
    """Return a plain value for a line of text: numbers short, lists with commas, shapes with x."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.7g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {value_text(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        shape = bool(value) and all(isinstance(item, int) and not isinstance(item, bool) for item in value)
        return ("x" if shape else ", ").join(value_text(item) for item in value)
    return str(value)
