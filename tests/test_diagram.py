"""Path diagrams: what they show, that nothing lies on anything else, and what they are saved as."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from itertools import combinations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from example_models import ABILITIES, ALLIANCE, DEMOCRACY, QUADRATIC, SECOND_ORDER, abilities
from matplotlib.patches import Ellipse, FancyArrowPatch, FancyBboxPatch, Rectangle

import bayessem as bs
from bayessem.diagram.drawing import FADED, THICK, THIN
from bayessem.diagram.layering import layers, ordered, spread
from bayessem.errors import FitError, ModelError

MODERATED = f"{ABILITIES}speed ~ visual + textual + visual:textual + ageyr\n"


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def grouped_fit():
    return bs.SEM(f"{ABILITIES}speed ~ visual + textual\n").fit(
        abilities(), group="school", draws=200, tune=300, chains=2, random_seed=1, progress=False
    )


@pytest.fixture(scope="module")
def product_fit():
    return bs.SEM(MODERATED).fit(
        abilities(), draws=100, tune=300, chains=2, random_seed=1, progress=False
    )


def drawn(diagram):
    """The figure, with the boxes of its texts and of its shapes, in pixels."""
    figure = diagram.figure()
    figure.set_dpi(200)
    figure.canvas.draw()
    (ax,) = figure.axes
    renderer = figure.canvas.get_renderer()
    texts = [(t.get_text(), t.get_window_extent(renderer)) for t in ax.texts]
    shapes = [
        p.get_window_extent(renderer)
        for p in ax.patches
        if isinstance(p, Ellipse | Rectangle | FancyBboxPatch)
        and mpl.colors.to_hex(p.get_edgecolor()) != "#ffffff"
        and p.get_linewidth() == 0.7
    ]
    return figure, texts, shapes


def overlap(a, b, slack=0.5):
    return min(a.x1, b.x1) - max(a.x0, b.x0) > slack and min(a.y1, b.y1) - max(a.y0, b.y0) > slack


def within(a, b, slack=1.0):
    return (
        a.x0 >= b.x0 - slack
        and a.x1 <= b.x1 + slack
        and a.y0 >= b.y0 - slack
        and a.y1 <= b.y1 + slack
    )


def nothing_lies_on_anything(diagram):
    figure, texts, shapes = drawn(diagram)
    names = {n.text for p in diagram.panels for n in p.nodes}
    notes = {n.note for p in diagram.panels for n in p.nodes if n.note}
    for (one, a), (other, b) in combinations(texts, 2):
        assert not overlap(a, b), f"{one!r} lies on {other!r}"
    for a, b in combinations(shapes, 2):
        assert not overlap(a, b), "two shapes overlap"
    count = 0
    for text, box in texts:
        inside = text in names or text in notes
        holding = [s for s in shapes if overlap(box, s)]
        if inside and any(within(box, s) for s in shapes):
            assert len(holding) == 1, f"{text!r} lies in several shapes"
            count += 1
        else:
            assert not holding, f"{text!r} lies on a shape"
    assert count == sum(1 + bool(n.note) for p in diagram.panels for n in p.nodes)
    width, height = figure.canvas.get_width_height()
    for text, box in texts:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, text


# --- nothing lies on anything -------------------------------------------------


@pytest.mark.parametrize("latents_only", [False, True])
def test_the_alliance_model_with_estimates(alliance_fit, latents_only):
    diagram = alliance_fit.diagram(latents_only=latents_only)
    (panel,) = diagram.panels
    kinds = [n.kind for n in panel.nodes]
    assert kinds.count("latent") == 9
    assert kinds.count("observed") == (1 if latents_only else 27)
    nothing_lies_on_anything(diagram)


def test_political_democracy_with_its_residual_covariances(pd_fit):
    diagram = pd_fit.diagram()
    assert sum(e.kind == "covariance" for e in diagram.panels[0].edges) == 6
    nothing_lies_on_anything(diagram)
    nothing_lies_on_anything(pd_fit.diagram(standardized=False, ci_prob=0.99))


def test_groups_and_products(grouped_fit, product_fit):
    nothing_lies_on_anything(grouped_fit.diagram())
    nothing_lies_on_anything(product_fit.diagram())
    nothing_lies_on_anything(product_fit.diagram(latents_only=True))


LONG = {
    "long names": "Trust_in_the_management =~ a_first_very_long_name + a_second_long_name + x\n"
    "commitment_of_employees =~ z1 + z2 + z3\ncommitment_of_employees ~ Trust_in_the_management",
    "a circle": "f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6\nf ~ z\ng ~ w\nf ~ g\ng ~ f",
    "observed alone": "m ~ x + z\ny ~ m + x + x:z",
    "cross-loadings": f"{ABILITIES}textual =~ x3\nspeed =~ x1",
    "many columns": "\n".join(
        [f"f{i} =~ a{i} + b{i} + c{i}" for i in range(6)] + [f"f{i + 1} ~ f{i}" for i in range(5)]
    ),
    "many of each": "\n".join(
        [f"f{i} =~ " + " + ".join(f"x{i}{k}" for k in range(6)) for i in range(6)]
        + ["f3 ~ f0 + f1 + f2", "f4 ~ f0 + f1 + f2", "f5 ~ f3 + f4 + f0"]
    ),
    "covariates": "f =~ x1 + x2 + x3\nf ~ " + " + ".join(f"covariate_{i}" for i in range(8)),
    "one construct": "f =~ x1 + x2 + x3",
    "growth": "i =~ 1*t1 + 1*t2 + 1*t3\ns =~ 0*t1 + 1*t2 + 2*t3",
}


@pytest.mark.parametrize("name", LONG)
def test_models_of_every_form(name):
    sem = bs.SEM(LONG[name])
    nothing_lies_on_anything(sem.diagram())
    data = sem.simulate(_values(sem), 80, random_seed=1)
    assert len(data)


def _values(sem):
    kinds = {"=~": 0.8, "~": 0.3, "~1": 0.0}
    out = {}
    for row in sem.table.rows:
        if row.free >= 0 or row.exogenous:
            value = 1.0 if row.lhs == row.rhs else kinds.get(row.op, 0.1)
            out[sem.table.parameters[row.free] if row.free >= 0 else row.name] = value
    return out


@pytest.mark.parametrize(
    "model", [ABILITIES, ALLIANCE, DEMOCRACY, QUADRATIC, SECOND_ORDER, MODERATED]
)
@pytest.mark.parametrize("latents_only", [False, True])
def test_models_without_estimates(model, latents_only):
    nothing_lies_on_anything(bs.SEM(model).diagram(latents_only=latents_only))


def test_arrows_pass_beside_the_shapes_of_others(alliance_fit, pd_fit, product_fit):
    for fit in (alliance_fit, pd_fit, product_fit):
        diagram = fit.diagram()
        places = diagram.layout
        for edge, curve in zip(diagram.panels[0].edges, places.curves, strict=True):
            for name, box in places.boxes.items():
                if name not in (edge.source, edge.target):
                    inside = [p for p in curve.sampled(200) if box.holds(p, -0.01)]
                    assert not inside, f"{edge} crosses {name}"


# --- what is shown ------------------------------------------------------------


def test_estimates_are_those_of_the_summary(pd_fit):
    for standardized, names in (
        (True, ("std", "std_lower", "std_upper")),
        (False, ("mean", "lower", "upper")),
    ):
        table = pd_fit.summary(ci_prob=0.9).set_index(["lhs", "op", "rhs"])
        edges = pd_fit.diagram(standardized=standardized, ci_prob=0.9).panels[0].edges
        assert len(edges) == 11 + 3 + 6
        for e in edges:
            op = {"loading": "=~", "path": "~", "covariance": "~~"}[e.kind]
            key = (e.target, op, e.source) if op == "~" else (e.source, op, e.target)
            row = table.loc[key]
            assert e.value == pytest.approx(row[names[0]])
            assert e.size == pytest.approx(abs(row["std"]), abs=1e-12)
            if not standardized and row["sd"] == 0:  # a marker
                assert np.isnan(e.lower) and e.lines == ("1.00",)
            else:
                assert (e.lower, e.upper) == pytest.approx((row[names[1]], row[names[2]]))
                assert e.covers_zero == (row[names[1]] <= 0 <= row[names[2]])


def test_r2_stands_in_the_outcomes(pd_fit):
    share = pd_fit.r2().set_index("variable")["mean"]
    nodes = {n.name: n for n in pd_fit.diagram().panels[0].nodes}
    assert nodes["dem60"].r2 == pytest.approx(share["dem60"])
    assert nodes["dem65"].note == f"R² = {share['dem65']:.2f}"
    assert nodes["ind60"].note == nodes["y1"].note == ""


def test_lines_are_wide_by_size_and_grey_where_the_interval_covers_zero(pd_fit):
    diagram = pd_fit.diagram()
    (ax,) = diagram.figure().axes
    arrows = [p for p in ax.patches if isinstance(p, FancyArrowPatch)]
    edges = diagram.panels[0].edges
    assert len(arrows) == len(edges)
    assert {e.covers_zero for e in edges} == {True, False}
    for arrow, e in zip(arrows, edges, strict=True):
        assert arrow.get_linewidth() == pytest.approx(THIN + THICK * min(e.size, 1.0))
        faded = mpl.colors.to_hex(arrow.get_edgecolor()).upper() == FADED
        assert faded == e.covers_zero


def test_a_panel_a_group_in_one_layout(grouped_fit):
    diagram = grouped_fit.diagram()
    assert [p.group for p in diagram.panels] == ["Pasteur", "Grant-White"]
    one, other = diagram.panels
    assert [n.name for n in one.nodes] == [n.name for n in other.nodes]
    assert [e.value for e in one.edges] != [e.value for e in other.edges]
    figure, texts, _ = drawn(diagram)
    x = {text: box.x0 for text, box in texts if text in ("Pasteur", "Grant-White")}
    assert x["Grant-White"] > x["Pasteur"] + 100
    lone = grouped_fit.diagram(group="Grant-White")
    assert repr(lone.panels[0]) == repr(other)
    table = grouped_fit.summary()
    row = table[
        (table["group"] == "Grant-White") & (table["lhs"] == "speed") & (table["op"] == "~")
    ]
    value = next(e.value for e in other.edges if e.kind == "path" and e.source == "visual")
    assert value == pytest.approx(row.loc[row["rhs"] == "visual", "std"].item())


def test_products_are_joined_with_their_factors(product_fit):
    (panel,) = product_fit.diagram().panels
    product = next(n for n in panel.nodes if n.kind == "product")
    assert (product.name, product.text) == ("visual:textual", "visual × textual")
    dashed = [(e.source, e.target) for e in panel.edges if e.kind == "factor"]
    assert dashed == [("visual", product.name), ("textual", product.name)]
    assert any(e.source == product.name and e.target == "speed" for e in panel.edges)
    square = bs.SEM(QUADRATIC).diagram().panels[0]
    assert [n.text for n in square.nodes if n.kind == "product"] == ["f²"]


def test_what_is_left_out(alliance_fit):
    full = bs.SEM(ABILITIES).diagram().panels[0]
    assert sum(e.kind == "covariance" for e in full.edges) == 3
    assert not any(
        e.kind == "covariance" for e in bs.SEM(ABILITIES).diagram(covariances=False).panels[0].edges
    )
    (panel,) = alliance_fit.diagram(latents_only=True).panels
    assert {n.name for n in panel.nodes if n.kind == "observed"} == {"speed"}
    assert {e.target for e in panel.edges if e.source == "AMC" and e.kind == "loading"} == {
        "COORD",
        "PORTF",
        "LEARN",
        "PROACT",
        "TRANSF",
    }


def test_the_text_of_a_model_is_what_is_written_without_estimates():
    edges = bs.SEM("f =~ x1 + a*x2 + 0.5*x3\nf ~ b*z + 0*w").diagram().panels[0].edges
    found = {(e.source, e.target): e.lines for e in edges}
    assert found["f", "x2"] == ("a",)
    assert found["f", "x3"] == ("0.5",)
    assert found["z", "f"] == ("b",)
    assert ("w", "f") not in found


def test_labels_in_place_of_names():
    frame = abilities()
    frame.attrs["variable_labels"] = {"x1": "Visual perception", "visual": "Spatial sense"}
    fit = bs.SEM(ABILITIES).fit(frame, draws=100, tune=200, chains=2, random_seed=1, progress=False)
    texts = {n.name: n.text for n in fit.diagram(labels=True).panels[0].nodes}
    assert (texts["x1"], texts["visual"], texts["x2"]) == (
        "Visual perception",
        "Spatial sense",
        "x2",
    )
    nothing_lies_on_anything(fit.diagram(labels=True))
    assert {n.text for n in fit.diagram().panels[0].nodes} >= {"x1", "visual"}


def test_printed_and_in_a_notebook(pd_fit):
    diagram = pd_fit.diagram()
    text = str(diagram)
    assert "dem65 ~ dem60" in text and "y1 ~~ y5" in text and "Standardised" in text
    html = diagram._repr_html_()
    assert html.count("<svg") == 1 and "<!DOCTYPE" not in html
    assert ET.fromstring(diagram.svg()).tag.endswith("svg")
    assert "dem60" in html


# --- files --------------------------------------------------------------------


STARTS = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf", ".dot", ".gv", ".mmd", ".tex"])
def test_saved_by_the_end_of_the_name(pd_fit, tmp_path, suffix):
    diagram = pd_fit.diagram()
    path = diagram.save(tmp_path / f"d{suffix}")
    content = path.read_bytes()
    if suffix in STARTS:
        assert content.startswith(STARTS[suffix])
    else:
        made = {".mmd": diagram.mermaid, ".tex": diagram.tikz}.get(suffix, diagram.dot)()
        assert content.decode("utf-8") == made
    assert diagram.save(tmp_path / f"e{suffix}").read_bytes() == content or suffix == ".pdf"


def test_other_endings_are_refused(pd_fit, tmp_path):
    with pytest.raises(FitError, match="the diagram is written as .svg or .png"):
        pd_fit.diagram().save(tmp_path / "d.docx")


def test_dot_has_every_node_and_edge(pd_fit, grouped_fit, tmp_path):
    for fit in (pd_fit, grouped_fit):
        diagram = fit.diagram()
        text = diagram.dot()
        nodes = sum(len(p.nodes) for p in diagram.panels)
        edges = sum(len(p.edges) for p in diagram.panels)
        assert len(re.findall(r"^ +n\w+ \[label=", text, re.M)) == nodes
        assert len(re.findall(r"^ +n\w+ -> n\w+ \[", text, re.M)) == edges
        clusters = len(diagram.panels) if len(diagram.panels) > 1 else 0
        assert text.count("{") == text.count("}") == 1 + clusters
        if shutil.which("dot"):
            path = diagram.save(tmp_path / "d.dot")
            done = subprocess.run(
                ["dot", "-Tplain", path], capture_output=True, text=True, check=True
            )
            assert len(re.findall(r"^node ", done.stdout, re.M)) == nodes


def test_mermaid_has_every_node_and_edge(pd_fit, grouped_fit):
    for fit in (pd_fit, grouped_fit):
        diagram = fit.diagram()
        text = diagram.mermaid()
        edges = [e for p in diagram.panels for e in p.edges]
        assert text.startswith("flowchart LR\n")
        assert len(re.findall(r"^ +n\w+ (-->|<-->|-\.-)", text, re.M)) == len(edges)
        assert len(re.findall(r"^  linkStyle \d+ ", text, re.M)) == len(edges)
        assert text.count("stroke:#ABABAB") == sum(e.covers_zero for e in edges)
        assert text.count("subgraph") == (len(diagram.panels) if len(diagram.panels) > 1 else 0)


def test_tikz_has_every_node_where_the_figure_has_it(product_fit):
    diagram = product_fit.diagram()
    text = diagram.tikz()
    for name, box in diagram.layout.boxes.items():
        assert f"at ({box.x:.3f},{box.y:.3f})" in text, name
    assert text.count(r"\draw[") == len(diagram.panels[0].edges)
    assert r"visual $\times$ textual" in text and r"$R^2$ = " in text
    assert "²" not in text and "−" not in text
    assert text.count(r"\begin") == text.count(r"\end") == 2
    # LaTeX takes a bracket after a line break for a distance
    assert r"\\[" not in text and r"\\{}[" in text


def test_names_are_escaped():
    diagram = bs.SEM("f =~ a_1 + größe + x3").diagram()
    assert r"{a\_1}" in diagram.tikz()
    assert '["größe"]' in diagram.mermaid()
    assert '[label="größe"' in diagram.dot()


# --- refusals -----------------------------------------------------------------


def test_what_cannot_be_drawn_is_said(pd_fit, grouped_fit):
    with pytest.raises(ModelError, match="group='x' is no group of the model; its groups: none"):
        pd_fit.diagram(group="x")
    with pytest.raises(ModelError, match="its groups: 'Pasteur', 'Grant-White'"):
        grouped_fit.diagram(group="x")
    with pytest.raises(ModelError, match="latents_only is True or False, not 'yes'"):
        pd_fit.diagram(latents_only="yes")
    with pytest.raises(FitError, match="ci_prob lies between 0 and 1"):
        pd_fit.diagram(ci_prob=95)


def test_too_many_groups_are_refused():
    from bayessem.diagram.diagram import _groups

    names = tuple("abcdefg")
    with pytest.raises(ModelError, match="the model has 7 groups, too many for one figure"):
        _groups(names, None)
    assert _groups(names, "c") == [2]


# --- layers ---------------------------------------------------------------------


def test_layers_follow_the_longest_path():
    edges = [("a", "b"), ("b", "c"), ("a", "c"), ("d", "c")]
    assert layers("abcd", edges) == {"a": 0, "b": 1, "c": 2, "d": 0}


def test_a_circle_has_layers():
    found = layers("abc", [("a", "b"), ("b", "c"), ("c", "a")])
    assert sorted(found.values()) == [0, 1, 2]


def test_an_order_without_crossings_is_found():
    edges = [("a", "z"), ("b", "y"), ("c", "x")]
    first, second = ordered([["a", "b", "c"], ["x", "y", "z"]], edges)
    places = [second.index(dict(edges)[name]) for name in first]
    assert places == sorted(places)


def test_places_are_the_nearest_that_are_far_enough_apart():
    assert spread([0.0, 0.0], [1.0]) == pytest.approx([-0.5, 0.5])
    assert spread([0.0, 5.0, 5.2], [1.0, 1.0]) == pytest.approx([0.0, 4.6, 5.6])
    from scipy.optimize import minimize

    rng = np.random.default_rng(1)
    wanted, apart = rng.normal(size=6), rng.uniform(0.1, 0.8, 5)
    found = np.array(spread(list(wanted), list(apart)))
    assert (np.diff(found) >= apart - 1e-12).all()
    limits = {"type": "ineq", "fun": lambda x: np.diff(x) - apart}
    best = minimize(lambda x: ((x - wanted) ** 2).sum(), np.arange(6.0), constraints=limits)
    assert ((found - wanted) ** 2).sum() == pytest.approx(best.fun, rel=1e-6)


def test_the_command(model_file, tmp_path, pd_fit, capsys):
    from bayessem.cli import main

    run = pd_fit.save(tmp_path / "run")
    assert main(["diagram", str(run), str(tmp_path / "d.svg"), "--latents-only"]) == 0
    assert "y1" not in (tmp_path / "d.svg").read_text(encoding="utf-8")
    assert main(["diagram", str(model_file), str(tmp_path / "m.mmd"), "--no-covariances"]) == 0
    assert "<-->" not in (tmp_path / "m.mmd").read_text(encoding="utf-8")
    assert capsys.readouterr().out.count("saved in") == 2
    assert main(["diagram", str(model_file), str(tmp_path / "m.docx")]) == 2
    assert main(["diagram", str(tmp_path / "none"), str(tmp_path / "m.svg")]) == 2


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "model.txt"
    path.write_text(DEMOCRACY, encoding="utf-8")
    return path
