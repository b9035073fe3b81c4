"""A ready picture of a canvas in an image view."""

from typing import TYPE_CHECKING

from app.display.canvas_pictures import PHASE_TICKS, Picture

if TYPE_CHECKING:
    from app.widgets.image_view import ImageView


def paint_picture(view: "ImageView", picture: Picture) -> None:
    """Show a picture with its colours, its range, the name of its quantity and its title."""
    view.set_kind(f"{picture.label}|{picture.cyclic}", picture.colour_map)
    if picture.rgba is not None:
        view.set_rgba(picture.rgba, picture.values, picture.levels)
    else:
        view.set_image(picture.values, levels=picture.levels)
    view.set_quantity(picture.label, PHASE_TICKS if picture.cyclic else None)
    view.set_title(picture.title)
