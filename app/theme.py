"""Light and dark: as the desktop has it, or as chosen."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

_DARK = {
    QPalette.ColorRole.Window: "#2f323a",
    QPalette.ColorRole.WindowText: "#e6e7ea",
    QPalette.ColorRole.Base: "#16181c",
    QPalette.ColorRole.AlternateBase: "#1c1e23",
    QPalette.ColorRole.Text: "#e6e7ea",
    QPalette.ColorRole.Button: "#3b3f49",
    QPalette.ColorRole.ButtonText: "#e6e7ea",
    QPalette.ColorRole.BrightText: "#ff6b62",
    QPalette.ColorRole.Highlight: "#2f6fb3",
    QPalette.ColorRole.HighlightedText: "#ffffff",
    QPalette.ColorRole.Link: "#6cb2ff",
    QPalette.ColorRole.LinkVisited: "#b79cff",
    QPalette.ColorRole.ToolTipBase: "#33363f",
    QPalette.ColorRole.ToolTipText: "#f0f0f2",
    QPalette.ColorRole.PlaceholderText: "#a3a6af",
    QPalette.ColorRole.Light: "#4f5562",
    QPalette.ColorRole.Midlight: "#444954",
    QPalette.ColorRole.Mid: "#1b1d22",
    QPalette.ColorRole.Dark: "#131418",
    QPalette.ColorRole.Shadow: "#08090b",
}
_DARK_DISABLED = (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText)


def use_theme(application: QApplication, theme: str) -> None:
    """Colour the window ``"light"``, ``"dark"``, or as the ``"desktop"`` has it."""
    hints = QGuiApplication.styleHints()
    schemes = {"light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark}
    if theme in schemes:
        hints.setColorScheme(schemes[theme])
    else:
        hints.unsetColorScheme()
    # Where the desktop tells no colours to Qt, the request above changes nothing: then the palette is ours.
    if theme == "dark" and not is_dark(application):
        application.setPalette(_dark_palette())
    elif theme != "dark" and application.palette().color(QPalette.ColorRole.Window) == QColor(
        _DARK[QPalette.ColorRole.Window]
    ):
        application.setPalette(application.style().standardPalette())


def is_dark(application: QApplication) -> bool:
    """Tell whether text is lighter than its background."""
    palette = application.palette()
    text, ground = palette.color(QPalette.ColorRole.WindowText), palette.color(QPalette.ColorRole.Window)
    return text.lightness() > ground.lightness()


def _dark_palette() -> QPalette:
    palette = QPalette()
    for role, colour in _DARK.items():
        palette.setColor(role, QColor(colour))
    for role in _DARK_DISABLED:
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor("#8d909a"))
    return palette
