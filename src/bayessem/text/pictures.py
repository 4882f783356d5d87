"""Figures of documents as bytes: SVG, PNG or PDF, the same for the same figure."""

from __future__ import annotations

import io

from bayessem.text.document import Figure

# Dots an inch of a PNG: sharp in print, small enough for a page with twenty of them.
DPI = 200
# Bytes of an SVG above which a PNG is smaller and no less sharp: clouds of points, traces.
LARGEST_SVG = 250_000


def picture(figure: Figure, kind: str, *, dpi: int = DPI) -> tuple[bytes, tuple[float, float]]:
    """Draw a figure, close it, and give its bytes with its width and height in inches.

    Parameters
    ----------
    figure : Figure
    kind : {"svg", "png", "pdf"}
    dpi : int
        Dots an inch of a PNG.
    """
    import matplotlib.pyplot as plt

    drawn = figure.draw()
    try:
        return _saved(drawn, kind, dpi)
    finally:
        plt.close(drawn)


def screen_picture(figure: Figure) -> tuple[bytes, str, tuple[float, float]]:
    """For a screen: an SVG, or a PNG where that is smaller; its media type and size in inches."""
    import matplotlib.pyplot as plt

    drawn = figure.draw()
    try:
        content, size = _saved(drawn, "svg", DPI)
        if len(content) <= LARGEST_SVG:
            return content, "image/svg+xml", size
        content, size = _saved(drawn, "png", DPI)
        return content, "image/png", size
    finally:
        plt.close(drawn)


def _saved(drawn: object, kind: str, dpi: int) -> tuple[bytes, tuple[float, float]]:
    import matplotlib as mpl
    from matplotlib.figure import Figure as MatplotlibFigure

    assert isinstance(drawn, MatplotlibFigure)
    out = io.BytesIO()
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    # Text as outlines: the reader's machine may not have the fonts.
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "bayessem", "pdf.fonttype": 42}):
        drawn.draw_without_rendering()  # so that the layout is final
        box = drawn.get_tightbbox().padded(mpl.rcParams["savefig.pad_inches"])
        drawn.savefig(out, format=kind, dpi=dpi, bbox_inches=box, metadata=dates)
    return out.getvalue(), (float(box.width), float(box.height))
