"""What users and other programs may rely on: pages that run nothing, files that run nothing, and
fits in threads, other processes, event loops and notebooks.
"""

import ast
import asyncio
import html
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from example_models import noise
from hypothesis import given, settings
from hypothesis import strategies as st

import bayessem as bs
from bayessem.likelihood import compiled
from bayessem.text.document import (
    Column,
    Document,
    Heading,
    Items,
    Lines,
    Notes,
    Paragraph,
    Table,
    Verbatim,
)
from bayessem.text.html import document_html, page_html
from bayessem.text.latex import fragment_latex
from bayessem.text.numbers import typeset

SOURCE = Path(bs.__file__).parent
QUICK = {"draws": 100, "tune": 150, "chains": 1, "random_seed": 1, "progress": False}
EVIL = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style></td></table><svg onload=alert(1)>",
    "]]>--><!--",
    "&lt;b&gt; & <b>",
    "javascript:alert(1)",
)


class Seen(HTMLParser):
    """Elements, names of attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements, self.attributes, self.text = [], set(), []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_data(self, data):
        self.text.append(data)

    def handle_comment(self, data):
        self.elements.append("comment")


def _document(text: str) -> Document:
    """A document in which a text stands wherever one can."""
    column = Column(text, (text, "plain"))
    return Document.of(
        Heading(text),
        Paragraph(text),
        Paragraph(text, warning=True),
        Lines((text, text)),
        Items((text,)),
        Notes((text,)),
        Verbatim(text),
        Table((column, column), title=text, key=text),
    )


@settings(max_examples=150)
@given(st.sampled_from(EVIL) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_no_text_makes_an_element_of_a_page(text):
    plain = Seen(page_html(_document("plain"), title="plain"))
    evil = Seen(page_html(_document(text), title=text))
    # lines of a paragraph are broken, and a long cell is no head of its row
    same = {"br": "", "th": "cell", "td": "cell"}
    found, wanted = ([same.get(e, e) for e in seen.elements] for seen in (evil, plain))
    assert list(filter(None, found)) == list(filter(None, wanted))
    assert evil.attributes == plain.attributes


@pytest.mark.parametrize("text", EVIL)
def test_what_is_escaped_is_still_read(text):
    seen = Seen(document_html(_document(text)))
    assert sum(text in piece or typeset(text) in piece for piece in seen.text) >= 8


@pytest.mark.parametrize(
    "text", [r"\input{/etc/passwd}", r"}\write18{ls}", "$x$ %", r"\end{document}", "a_b^c#d~&"]
)
def test_no_text_is_a_command_of_latex(text):
    plain, evil = (fragment_latex(_document(t)) for t in ("plain", text))
    commands = {c.split("{")[0] for c in evil.split("\\")[1:]}
    for command in ("input", "write18", "write"):
        assert command not in commands
    assert evil.count(r"\end{document}") == plain.count(r"\end{document}")


def _evil_data() -> pd.DataFrame:
    data = noise("x1 x2 x3 y", n=120)
    data["y"] += data["x1"]
    data["site"] = np.array([EVIL[0], EVIL[1]])[np.arange(120) % 2]
    data.index = pd.Index([f"{EVIL[2]}{k}" for k in range(120)])
    data.attrs["variable_labels"] = {"x1": EVIL[3], "y": EVIL[1], "x2": EVIL[4], "f": EVIL[0]}
    return data


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The report, as HTML, of data whose names and labels are code, and of the same without it."""
    folder = tmp_path_factory.mktemp("pages")
    out = {}
    for name, data in (("evil", _evil_data()), ("plain", _evil_data())):
        if name == "plain":
            data.attrs = {}
            data = data.reset_index(drop=True).replace({EVIL[0]: "north", EVIL[1]: "south"})
        fit = bs.SEM("f =~ x1 + x2 + x3\ny ~ b*f").fit(data, group="site", **QUICK)
        title = EVIL[0] if name == "evil" else "plain"
        path = fit.report(folder / f"{name}.html", title=title, progress=False)
        out[name] = path.read_text(encoding="utf-8")
        out[f"{name} svg"] = fit.diagram().save(folder / f"{name}.svg").read_text(encoding="utf-8")
    return out


def test_the_report_escapes_what_the_data_hold(pages):
    evil, plain = Seen(pages["evil"]), Seen(pages["plain"])
    assert set(evil.elements) <= set(plain.elements) | {"br"}
    assert evil.attributes <= plain.attributes
    assert not any(name.startswith("on") for name in evil.attributes)
    assert "script" not in evil.elements
    assert EVIL[0] in html.unescape(pages["evil"])  # the group is named


def test_the_diagram_escapes_what_the_data_hold(pages):
    evil, plain = Seen(pages["evil svg"]), Seen(pages["plain svg"])
    assert set(evil.elements) <= set(plain.elements)
    assert not any(name.startswith("on") for name in evil.attributes)


def _imports(path: Path) -> set[str]:
    """Modules that a file imports, and built-in functions that it calls by name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found.add(f"{node.func.id}()")
    return found


def test_only_the_executor_knows_pickle_and_nothing_runs_text():
    """Between processes of one run; data, run folders and stores of studies have none."""
    unsafe = {"pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib", "eval()", "exec()"}
    found = {
        path.relative_to(SOURCE).as_posix(): hit
        for path in SOURCE.rglob("*.py")
        if (hit := _imports(path) & unsafe)
    }
    assert found == {"execution.py": {"pickle"}}


def test_a_run_folder_holds_data_and_text_alone(tmp_path):
    fit = bs.SEM("y ~ x").fit(noise("x y"), **QUICK)
    fit.save(tmp_path / "run")
    kinds = {path.name: path.read_bytes()[:8] for path in (tmp_path / "run").iterdir()}
    assert set(kinds) == {
        *("fit.json", "model.txt", "data.csv", "draws.nc", "estimates.csv", "summary.txt")
    }
    assert kinds["draws.nc"] == b"\x89HDF\r\n\x1a\n"
    for name in set(kinds) - {"draws.nc"}:
        (tmp_path / "run" / name).read_text(encoding="utf-8")


def slope(number: int) -> float:
    """A small fit; the same number, the same answer, wherever it is made."""
    fit = bs.SEM("y ~ x").fit(noise("x y", seed=number), **QUICK)
    return float(fit.summary().set_index("rhs")["mean"]["x"])


@pytest.fixture(scope="module")
def slopes():
    return [slope(k) for k in range(3)]


def test_threads_fit_at_once(slopes):
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(slope, range(3))) == slopes


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_processes_fit_however_they_are_started(slopes, method, monkeypatch):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    with pytest.warns() if method == "fork" else _nothing():
        # Python itself warns of a fork of a process with threads
        context = multiprocessing.get_context(method)
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            assert list(pool.map(slope, range(3), timeout=120)) == slopes


class _nothing:
    def __enter__(self):
        pass

    def __exit__(self, *_):
        pass


def test_an_event_loop_fits_at_once_and_goes_on(slopes):
    async def all_at_once():
        beats = 0

        async def beat():
            nonlocal beats
            while True:
                await asyncio.sleep(0.01)
                beats += 1

        beating = asyncio.create_task(beat())
        found = await asyncio.gather(*(asyncio.to_thread(slope, k) for k in range(3)))
        beating.cancel()
        return found, beats

    found, beats = asyncio.run(all_at_once())
    assert list(found) == slopes
    assert beats > 3

    async def inside():  # blocks the loop, and works
        return slope(0)

    assert asyncio.run(inside()) == slopes[0]


@pytest.mark.slow
def test_a_notebook_fits(slopes, monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    folder = Path(__file__).parent
    paths = (str(SOURCE.parent), str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    cells = [
        "from example_models import noise\nimport bayessem as bs",
        f"fit = bs.SEM('y ~ x').fit(noise('x y', seed=0), **{QUICK!r})",
        "fit",
        "print(repr(float(fit.summary().set_index('rhs')['mean']['x'])))",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    client.NotebookClient(notebook, timeout=180, kernel_name="python3").execute()
    outputs = [o for cell in notebook.cells for o in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error"]
    assert any("<table" in o.get("data", {}).get("text/html", "") for o in outputs)
    assert float(outputs[-1]["text"]) == slopes[0]


def test_this_users_machine_code_is_nobody_elses():
    if compiled._FOLDER is None or not hasattr(os, "geteuid"):
        pytest.skip("there is no such folder")
    assert compiled._FOLDER.stat().st_mode & 0o777 == 0o700
    assert compiled._FOLDER.stat().st_uid == os.geteuid()
