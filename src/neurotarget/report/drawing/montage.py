"""A sheet of small pictures, one per case, each with its name."""

from collections.abc import Mapping
from io import BytesIO

from PIL import Image, ImageDraw

from neurotarget.report.drawing.small_picture import QUALITY

COLUMNS, TILE_PX, NAME_PX, GAP_PX = 4, 300, 14, 10
LONGEST = 44  # most letters of a name under its picture


def montage(pictures: Mapping[str, bytes]) -> bytes:
    """Put pictures of cases on one sheet in rows of four, each above the name of its case.

    Args:
        pictures: JPEG or PNG by name of the case; at least one.

    Returns:
        JPEG, at most 1,230 pixels wide.

    Raises:
        ValueError: there is no picture.
    """
    if not pictures:
        raise ValueError("a montage needs at least one picture")
    tiles = [_tile(content, name) for name, content in pictures.items()]
    columns = min(COLUMNS, len(tiles))
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    wide = columns * TILE_PX + (columns - 1) * GAP_PX
    heights = [max(tile.height for tile in row) for row in rows]
    sheet = Image.new("RGB", (wide, sum(heights) + GAP_PX * (len(rows) - 1)))
    top = 0
    for row, height in zip(rows, heights, strict=True):
        for place, tile in enumerate(row):
            sheet.paste(tile, (place * (TILE_PX + GAP_PX), top))
        top += height + GAP_PX
    buffer = BytesIO()
    sheet.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def _tile(content: bytes, name: str) -> Image.Image:
    """Return a picture, scaled to the width of a tile, above its name."""
    picture = Image.open(BytesIO(content)).convert("RGB")
    high = max(round(picture.height * TILE_PX / picture.width), 1)
    tile = Image.new("RGB", (TILE_PX, high + NAME_PX))
    tile.paste(picture.resize((TILE_PX, high), Image.Resampling.LANCZOS), (0, 0))
    text = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
    ImageDraw.Draw(tile).text((2, high + 1), text, "white")
    return tile
