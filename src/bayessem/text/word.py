"""Documents as Word files: real tables in APA's style, captions that Word counts, references."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape
from typing import Any

from bayessem.errors import FitError
from bayessem.extras import extra
from bayessem.text.arrangement import GAP, Arranged, arranged
from bayessem.text.document import (
    Block,
    Column,
    Document,
    Figure,
    Heading,
    Items,
    Lines,
    Notes,
    Paragraph,
    Table,
    Verbatim,
)
from bayessem.text.numbering import Numbering, Place, numbered
from bayessem.text.numbers import minus_signs, typeset
from bayessem.text.pictures import picture

# Inches between the margins of a page, which are one inch wide on paper that is 8.5 inches.
WIDTH, MARGIN = 6.5, 1.0
# Points of the letters of prose, and of tables: the largest in which a table fits.
PROSE, LARGEST, SMALLEST = 11.0, 10.0, 7.0
# Points above a caption, so that it does not look like the last line of the table before it.
ABOVE = 12.0
# Rows up to which a table is not broken between pages.
TOGETHER = 12
# Of a letter, in points a point of its size: of digits and of mixed text.
LETTER = 0.52
ROOM = int(72 * WIDTH / (LETTER * SMALLEST))
TWIPS = 20
FONT = "Times New Roman"
# Characters that no XML file can hold.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
NAMESPACE = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def require_word() -> Any:
    """The package that writes Word files, or the error that says how to install it."""
    return extra("docx", "Word files are written by python-docx", name="word", error=FitError)


def document_word(document: Document, *, title: str = "", subtitle: str = "") -> bytes:
    """A document as a Word file.

    Parameters
    ----------
    document : Document
    title, subtitle : str
        Above it; a table of contents follows them, for which Word asks when the file is opened.

    Returns
    -------
    bytes
        Tables and figures have captions that Word counts, with bookmarks to which references in
        the text point; heads of tables are repeated on each page.
    """
    docx = require_word()
    writer = _Writer(docx.Document(), numbered(document))
    writer.begin(title, subtitle)
    if title:
        writer.contents(
            [b.text for b in document.blocks if isinstance(b, Heading) and b.level == 2]
        )
    for k, block in enumerate(document.blocks):
        writer.add(block, writer.numbering.places.get(k))
    out = io.BytesIO()
    writer.file.save(out)
    return out.getvalue()


def _clean(text: str) -> str:
    return CONTROL.sub(" ", text)


class _Writer:
    """Adds blocks at the end of a Word file."""

    def __init__(self, file: Any, numbering: Numbering) -> None:
        self.file, self.numbering, self.bookmarks = file, numbering, 0
        self.above = 0  # levels of headings that the title takes

    def begin(self, title: str, subtitle: str) -> None:
        """Fonts, margins, language, and the head of the whole."""
        from docx.shared import Inches, Pt, RGBColor

        for section in self.file.sections:
            section.page_width, section.page_height = Inches(8.5), Inches(11)
            for side in ("left", "right", "top", "bottom"):
                setattr(section, f"{side}_margin", Inches(MARGIN))
        for style in self.file.styles:
            if getattr(style, "font", None) is None or not style.name.startswith(
                ("Normal", "Heading", "Header", "Title", "List", "Caption", "Subtitle")
            ):
                continue
            style.font.name = FONT
            style.font.color.rgb = RGBColor(0, 0, 0)
            fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
            for name in list(fonts.attrib):
                if name.endswith("Theme"):
                    del fonts.attrib[name]
            for kind in ("ascii", "hAnsi", "cs"):
                fonts.set(f"{{{fonts.nsmap['w']}}}{kind}", FONT)
        normal = self.file.styles["Normal"]
        normal.font.size = Pt(PROSE)
        normal.paragraph_format.space_after = Pt(8)
        self.file.core_properties.title = _clean(title)
        self.file.core_properties.author = ""
        self.file.core_properties.comments = ""
        if title:
            self.above = 1
            self.file.add_heading(_clean(typeset(title)), 0)
            if subtitle:
                self.file.add_paragraph(_clean(typeset(subtitle)))
            self._count_pages()

    def _count_pages(self) -> None:
        """The number of the page, at the top right as APA has it."""
        from docx.enum.text import WD_ALIGN_PARAGRAPH

        head = self.file.sections[0].header.paragraphs[0]
        head.alignment = WD_ALIGN_PARAGRAPH.RIGHT
        self._field(head, "PAGE", "1")

    def contents(self, headings: Sequence[str]) -> None:
        """A table of contents, which Word computes anew when the file is opened."""
        from docx.shared import Pt

        if not headings:
            return
        for k, heading in enumerate(headings):
            paragraph = self.file.add_paragraph()
            paragraph.paragraph_format.space_after = Pt(0)
            if k == 0:
                self._begin_field(paragraph, r'TOC \o "1-2" \h \z \u', dirty=True)
            paragraph.add_run(_clean(typeset(heading)))
        self._mark(paragraph, "end")

    def add(self, block: Block, place: Place | None) -> None:
        """One block."""
        match block:
            case Heading(text, level):
                self.file.add_heading(_clean(typeset(text)), min(max(level - self.above, 1), 9))
            case Paragraph(text, warning):
                paragraph = self._paragraph(text)
                if warning:
                    paragraph.runs[0].bold = True
            case Lines(texts):
                for text in texts:
                    self._paragraph(text)
            case Items(texts):
                for text in texts:
                    self._paragraph(text, style="List Bullet")
            case Notes(texts):
                self._note(texts)
            case Verbatim(text):
                self._verbatim(text)
            case Figure():
                self._figure(block, place)
            case Table():
                self._table(block, place)

    def _paragraph(self, text: str, *, style: str | None = None) -> Any:
        paragraph = self.file.add_paragraph(style=style)
        self._write(paragraph, text)
        return paragraph

    def _write(self, paragraph: Any, text: str) -> None:
        """Prose, with fields where it names tables and figures."""
        for piece, place in self.numbering.pieces(text):
            if place is None:
                paragraph.add_run(_clean(typeset(piece)))
            else:
                self._field(paragraph, rf"REF {_bookmark(place)} \h", piece)

    def _note(self, texts: tuple[str, ...]) -> None:
        from docx.shared import Pt

        paragraph = self.file.add_paragraph()
        paragraph.add_run("Note. ").italic = True
        self._write(paragraph, " ".join(texts))
        for run in paragraph.runs:
            run.font.size = Pt(LARGEST - 1)

    def _verbatim(self, text: str) -> None:
        from docx.shared import Pt

        paragraph = self.file.add_paragraph()
        paragraph.paragraph_format.keep_together = len(text.split("\n")) < ROOM // 4
        for k, line in enumerate(_clean(text).split("\n")):
            run = paragraph.add_run(line)
            run.font.name, run.font.size = "Courier New", Pt(9)
            if k < text.count("\n"):
                run.add_break()

    def _caption(self, place: Place) -> None:
        """APA's: the number in bold letters, the title below it in italics."""
        from docx.shared import Pt

        number, title = (self.file.add_paragraph(style="Caption") for _ in range(2))
        self._open_bookmark(number, _bookmark(place))
        number.add_run(f"{place.kind} ")
        self._field(number, rf"SEQ {place.kind} \* ARABIC", str(place.number))
        self._close_bookmark(number)
        number.paragraph_format.space_before = Pt(ABOVE)
        number.paragraph_format.space_after = Pt(0)
        title.add_run(_clean(typeset(place.caption)))
        for paragraph in (number, title):
            paragraph.paragraph_format.keep_with_next = True
            for run in paragraph.runs:
                run.bold, run.italic = paragraph is number, paragraph is title
                run.font.size = Pt(LARGEST)

    def _figure(self, figure: Figure, place: Place | None) -> None:
        from docx.shared import Inches

        assert place is not None
        content, (width, _) = picture(figure, "png")
        self._caption(place)
        self.file.add_picture(io.BytesIO(content), width=Inches(min(width, WIDTH)))
        drawing = self.file.inline_shapes[-1]._inline.docPr
        drawing.set("descr", _clean(typeset(figure.alternative or figure.caption)))
        drawing.set("title", place.label)

    def _table(self, table: Table, place: Place | None) -> None:
        from docx.oxml import parse_xml

        assert place is not None
        self._caption(place)
        plan = arranged(table, ROOM)
        size = _size(plan)
        for k, part in enumerate(plan.parts):
            if k:
                self._gap()
            text = _table_xml(table, plan, part, size, place.label)
            self.file.element.body.insert_element_before(parse_xml(text), "w:sectPr")
        self._gap()

    def _gap(self) -> None:
        """A small paragraph: Word joins tables that follow each other."""
        from docx.shared import Pt

        paragraph = self.file.add_paragraph()
        paragraph.paragraph_format.space_after = Pt(0)
        paragraph.paragraph_format.line_spacing = Pt(4)

    def _field(self, paragraph: Any, code: str, shown: str) -> None:
        """What Word computes, a number or a reference; and what is shown until it does."""
        self._begin_field(paragraph, code)
        paragraph.add_run(shown)
        self._mark(paragraph, "end")

    def _begin_field(self, paragraph: Any, code: str, *, dirty: bool = False) -> None:
        self._mark(paragraph, "begin", dirty=dirty)
        run = paragraph.add_run()._r
        element = run.makeelement(_w("instrText"), {})
        element.text = f" {code} "
        run.append(element)
        self._mark(paragraph, "separate")

    def _mark(self, paragraph: Any, kind: str, *, dirty: bool = False) -> None:
        run = paragraph.add_run()._r
        element = run.makeelement(_w("fldChar"), {_w("fldCharType"): kind})
        if dirty:
            element.set(_w("dirty"), "true")
        run.append(element)

    def _open_bookmark(self, paragraph: Any, name: str) -> None:
        self.bookmarks += 1
        attributes = {_w("id"): str(self.bookmarks), _w("name"): name}
        paragraph._p.append(paragraph._p.makeelement(_w("bookmarkStart"), attributes))

    def _close_bookmark(self, paragraph: Any) -> None:
        attributes = {_w("id"): str(self.bookmarks)}
        paragraph._p.append(paragraph._p.makeelement(_w("bookmarkEnd"), attributes))


def _w(name: str) -> str:
    """A name of WordprocessingML."""
    return f"{{http://schemas.openxmlformats.org/wordprocessingml/2006/main}}{name}"


def _bookmark(place: Place) -> str:
    return f"bayessem_{place.kind.lower()}_{place.number}"


def _size(plan: Arranged) -> float:
    """The largest letters in which a table fits, in half points as Word has them."""
    fitting = 72 * WIDTH / (LETTER * plan.characters)
    return min(max(int(2 * fitting) / 2, SMALLEST), LARGEST)


def _table_xml(table: Table, plan: Arranged, part: list[int], size: float, label: str) -> str:
    """Columns of a table beside each other; its head is repeated on each page."""
    chosen = [table.columns[i] for i in part]
    letter = LETTER * size * TWIPS
    widths = [round(letter * (plan.widths[i] + GAP)) for i in part]
    grid = "".join(f'<w:gridCol w:w="{w}"/>' for w in widths)
    titles = [c.title for c in chosen]
    rows = [_row_xml(titles, chosen, widths, size, {"head"})] if any(titles) else []
    written = [c.written() for c in chosen]
    last = len(written[0]) - 1
    together = last < TOGETHER
    for k, cells in enumerate(zip(*written, strict=True)):
        kinds = {"last"} if k == last else {"kept"} if together else set()
        rows.append(
            _row_xml(cells, chosen, widths, size, kinds | ({"only"} if not rows else set()))
        )
    margin = round(letter * GAP / 2)
    return (
        f'<w:tbl {NAMESPACE}><w:tblPr><w:tblW w:w="{sum(widths)}" w:type="dxa"/>'
        f'<w:tblLayout w:type="fixed"/><w:tblCellMar><w:left w:w="{margin}" w:type="dxa"/>'
        f'<w:right w:w="{margin}" w:type="dxa"/></w:tblCellMar>'
        f'<w:tblLook w:firstRow="1" w:firstColumn="1" w:noHBand="1" w:noVBand="1"/>'
        f'<w:tblCaption w:val="{escape(label)}"/></w:tblPr>'
        f"<w:tblGrid>{grid}</w:tblGrid>{''.join(rows)}</w:tbl>"
    )


def _row_xml(
    cells: Any, columns: list[Column], widths: list[int], size: float, kinds: set[str]
) -> str:
    """A row: the "head", or one with no head above ("only"), the "last", "kept" with the next.

    Rules are above and below the head, and below the last one; without a head above all.
    """
    head, above, below = (
        "head" in kinds,
        bool({"head", "only"} & kinds),
        bool({"head", "last"} & kinds),
    )
    rule = '<w:{} w:val="single" w:sz="{}" w:space="0" w:color="auto"/>'
    top = rule.format("top", 8) if above else ""
    bottom = rule.format("bottom", 4 if head else 8) if below else ""
    borders = f"<w:tcBorders>{top}{bottom}</w:tcBorders>" if top or bottom else ""
    repeated = "<w:tblHeader/>" if head else ""
    out = [f"<w:tr><w:trPr><w:cantSplit/>{repeated}</w:trPr>"]
    for cell, column, width in zip(cells, columns, widths, strict=True):
        right = column.format.right
        text = cell if head else minus_signs(cell) if right else typeset(cell)
        lines = "<w:br/>".join(
            f'<w:t xml:space="preserve">{escape(_clean(line))}</w:t>' for line in text.split("\n")
        )
        out.append(
            f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/>{borders}'
            f'<w:vAlign w:val="{"bottom" if head else "top"}"/></w:tcPr>'
            f"<w:p><w:pPr>{'<w:keepNext/>' if {'head', 'kept'} & kinds else ''}"
            f'<w:spacing w:before="20" w:after="20" w:line="240" w:lineRule="auto"/>'
            f'<w:jc w:val="{"right" if right else "left"}"/></w:pPr>'
            f'<w:r><w:rPr><w:sz w:val="{round(2 * size)}"/></w:rPr>{lines}</w:r></w:p></w:tc>'
        )
    return "".join([*out, "</w:tr>"])
