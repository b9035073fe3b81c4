"""The three arrangements of the panels, as they are before anybody moves one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layout:
    """One arrangement."""

    id: str
    title: str
    hidden: tuple[str, ...]
    """Docks that are not shown."""
    front: str
    """The panel in front in the middle."""
    widths: tuple[int, int]
    """Of the docks at the left and at the right, where the window has room for them [px]."""


LAYOUTS: dict[str, Layout] = {
    layout.id: layout
    for layout in (
        Layout("inspect", "Inspect", ("training", "loss"), "dataset", (300, 430)),
        Layout("train", "Train", (), "patches", (300, 430)),
        Layout("compare", "Compare", ("training", "log"), "bundle", (300, 560)),
    )
}
