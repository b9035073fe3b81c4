"""Values of parameters as short text for a cell of a table."""

import json
from typing import Any

from app.display.wording import number


def value_text(value: Any) -> str:
    """Return a plain value as text: numbers short, tables as JSON, nothing as a dash."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return number(value, 7)
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)
