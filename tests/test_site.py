"""The documentation site: it builds strictly, without the network, and its links lead somewhere."""

import re
import subprocess
import sys
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("mkdocs", reason="the extra docs is not installed")
pytest.importorskip("material", reason="the extra docs is not installed")

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"


class Page(HTMLParser):
    """What a page refers to, its anchors, what it loads, and the text outside of code."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.loads: list[str] = []
        self.pictures: list[tuple[str, str]] = []
        self.prose = ""
        self.formulas = 0
        self._code = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.anchors |= {found[key] for key in ("id", "name") if found.get(key)}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag in ("script", "iframe") and found.get("src"):
            self.loads.append(found["src"])
        if tag == "link" and found.get("rel") in ("stylesheet", "preload", "preconnect", "icon"):
            self.loads.append(found["href"])
        if tag == "img":
            self.pictures.append((found["src"], found.get("alt", "")))
        self.formulas += tag == "math"
        self._code += tag in ("code", "script", "style", "annotation")

    def handle_endtag(self, tag):
        self._code -= tag in ("code", "script", "style", "annotation")

    def handle_data(self, data):
        if not self._code:
            self.prose += data


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> dict[str, Page]:
    """Every page of a strict build, by its path in the site."""
    folder = tmp_path_factory.mktemp("site")
    call = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    built = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    pages = {
        path.relative_to(folder).as_posix(): Page(path.read_text(encoding="utf-8"))
        for path in folder.rglob("*.html")
    }
    pages[""] = folder  # type: ignore[assignment]
    return pages


def test_every_page_is_built(site):
    wanted = {p.relative_to(DOCS).with_suffix(".html").as_posix() for p in DOCS.rglob("*.md")}
    assert len(wanted) > 30
    assert wanted <= set(site)


def test_links_and_anchors_lead_somewhere(site):
    folder, dead = site[""], []
    for name, page in site.items():
        if name in ("", "404.html"):
            continue
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (folder / name).parent / unquote(parts.path) if parts.path else folder / name
            target = target.resolve() / "index.html" if target.is_dir() else target.resolve()
            other = site.get(target.relative_to(folder.resolve()).as_posix())
            anchor = unquote(parts.fragment)
            if not target.exists() or (other and anchor and anchor not in other.anchors):
                dead.append(f"{name}: {link}")
    assert not dead


def test_nothing_is_fetched_from_elsewhere(site):
    folder = site[""]
    for name, page in site.items():
        if not name:
            continue
        assert not [one for one in page.loads if urlsplit(one).netloc], name
    for sheet in folder.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", text), sheet.name


def test_formulas_are_mathml(site):
    assert sum(page.formulas for name, page in site.items() if name) > 80
    for name, page in site.items():
        if name:
            assert not re.search(r"\\[(\[]|\$\$|\\(frac|Sigma|mathrm)", page.prose), name


def test_pictures_are_there_and_described(site):
    folder, used = site[""], set()
    for name, page in site.items():
        for source, words in page.pictures if name else ():
            used.add(((folder / name).parent / source).resolve())
            assert len(words) > 10, (name, source)
    drawn = {path.resolve() for path in (folder / "figures" / "pages").iterdir()}
    assert drawn and drawn <= used


def test_links_of_the_readme_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)|src=\"([^\"]+)\"", text)
    assert links
    assert not [a or b for a, b in links if not (ROOT / (a or b)).exists()]


def test_the_version_is_the_same_everywhere():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (version,) = re.findall(r'^version = "([^"]+)"', project, re.MULTILINE)
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (\S+)", citation, re.MULTILINE) == [version]
    (date,) = re.findall(r"^date-released: (\S+)", citation, re.MULTILINE)
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[(\d[^\]]*)\] - (\S+)", changes, re.MULTILINE)
    assert released[0] == (version, date)


# Names with a year that are no citations: a data set by whom it was published.
NO_CITATIONS = {("Houghton", "2007")}
NAME = r"[A-ZÀ-Ý][\w\-]+"
CITED = re.compile(
    rf"({NAME})(?:'s)?(?: (?:&|and) {NAME}| et al\.|(?:, {NAME})+ (?:&|and) {NAME})?,? "
    r"\(?((?:19|20)\d\d)\b"
)


def test_every_citation_is_among_the_sources():
    sources = (DOCS / "methods" / "sources.md").read_text(encoding="utf-8")
    listed = [line for line in sources.splitlines() if line.startswith("- ")]
    letters = [unicodedata.normalize("NFKD", x.split("(")[0]) for x in listed]
    plain = ["".join(c for c in x if c.isalpha() or c in " ,").casefold() for x in letters]
    assert plain == sorted(plain)
    missing = set()
    for page in DOCS.rglob("*.md"):
        if page.name in ("sources.md", "changes.md", "errors.md"):
            continue
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for found in CITED.finditer(text):
            name, year = found.groups()
            known = any(f"({year})" in x and name in x.split(" (")[0] for x in listed)
            if not known and (name, year) not in NO_CITATIONS:
                missing.add((page.name, found[0]))
    assert not missing


def test_formulas_that_scroll_can_be_reached_by_keys(site):
    texts = [page.read_text(encoding="utf-8") for page in site[""].rglob("*.html")]
    formulas = [x for text in texts for x in re.findall(r'<math [^>]*display="block"[^>]*>', text)]
    assert formulas and all('tabindex="0"' in x for x in formulas)


def test_dialogs_have_names(site):
    for page in (p for p in site[""].rglob("*.html") if p.name != "404.html"):
        dialogs = re.findall(r'<[^>]*role="dialog"[^>]*>', page.read_text(encoding="utf-8"))
        assert all("aria-label=" in x for x in dialogs), page.name
    assert 'role="dialog"' in (site[""] / "index.html").read_text(encoding="utf-8")
