"""The panels of the window, one line each, in the order of their tabs."""

from app.panels.panel import PanelSpec

PANELS: tuple[PanelSpec, ...] = ()
