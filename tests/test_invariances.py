"""Results depend on the data and the model: on no unit, order, name, or way to store or write them.

Where a change of the data has a known effect (a loading in other units, the Jacobian of a scaling
in a log-likelihood), that is what is asked for.
"""

import decimal
import re

import numpy as np
import pandas as pd
import pytest
from example_models import prepared
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from bayessem import SEM, partial
from bayessem.model.identification import null_space
from bayessem.model.starts import initial_point, start_values
from bayessem.posterior.assemble import posterior_density
from bayessem.posterior.optimise import maximise
from bayessem.results.standardize import standardised

MEDIATION = (
    "X =~ x1 + x2 + x3\nM =~ m1 + m2 + m3\nY =~ y1 + y2 + y3\nM ~ a*X\nY ~ b*M + c*X\nab := a*b"
)
MODELS = {
    "mediation": (MEDIATION, {}),
    "std_lv": (MEDIATION, {"std_lv": True}),
    "second order": (
        "S =~ X + M + Y\nX =~ x1 + x2 + x3\nM =~ m1 + m2 + m3\nY =~ y1 + y2 + y3",
        {},
    ),
    "square": ("X =~ x1 + x2 + x3\nY =~ y1 + y2 + y3\nY ~ X + X:X", {}),
    "observed": ("m1 ~ x1 + x2\ny1 ~ m1 + x1", {}),
    "interaction": ("y1 ~ x1 + m1 + x1:m1", {}),
    "residuals": ("X =~ x1 + x2 + x3\nM =~ m1 + m2 + m3\nx1 ~~ m1\nM ~ X", {}),
    "loop": ("y1 ~ m1 + x1\nm1 ~ y1 + x2", {}),
    "covariate": ("X =~ x1 + x2 + x3\nX ~ y1 + y2\nm1 ~ X", {}),
}
LINEAR = [name for name in MODELS if name not in ("square", "interaction")]
QUICK = {"random_seed": 1, "draws": 300, "tune": 300, "chains": 2, "progress": False}


def three(n=300, seed=1):
    """Three constructs in a chain, with three items each."""
    r = np.random.default_rng(seed)
    x = r.normal(size=n)
    m = 0.5 * x + 0.8 * r.normal(size=n)
    y = 0.4 * m + 0.2 * x + 0.8 * r.normal(size=n)
    return pd.DataFrame(
        {
            f"{name}{i + 1}": 0.9 * f + 0.6 * r.normal(size=n)
            for name, f in (("x", x), ("m", m), ("y", y))
            for i in range(3)
        }
    )


DATA = three()
ML = {name: SEM(text, **options).ml(DATA) for name, (text, options) in MODELS.items()}


def key(row, back=None):
    """A row of estimates by what it relates, whichever side or order it is written in."""
    name = (back or {}).get
    lhs = name(row.lhs, row.lhs)
    rhs = ":".join(sorted(name(x, x) for x in row.rhs.split(":")))
    return (*sorted((lhs, rhs)), row.op) if row.op == "~~" else (lhs, rhs, row.op)


def by_name(table, back=None):
    """Estimate over its standard error, and the standardised estimate, by what they relate."""
    return {
        key(r, back): (r.est / r.se if r.se > 0 else 0.0, r.std_all)
        for r in table.itertuples()
        if r.op != ":="
    }


def assert_same(one, other, *, back=None, intercepts=True, atol=1e-6):
    """Chi-square, tests of the parameters and standardised estimates."""
    assert other.converged
    for name in ("chisq", "df", "cfi", "srmr"):
        if name in one.measures:
            assert other.measures[name] == pytest.approx(one.measures[name], abs=1e-6)
    first, second = by_name(one.table), by_name(other.table, back)
    assert first.keys() == second.keys()
    for k, values in first.items():
        if k[-1] != "~1" or intercepts:
            np.testing.assert_allclose(second[k], values, atol=atol, err_msg=str(k))


def scaled(scales):
    return DATA.assign(**{c: DATA[c] * k for c, k in scales.items()})


@pytest.mark.parametrize("name", MODELS)
@given(data=st.data())
@examples(max_examples=4)
def test_maximum_likelihood_in_any_units(name, data):
    text, options = MODELS[name]
    sem = SEM(text, **options)
    columns = sem.table.observed
    powers = data.draw(st.lists(st.integers(-9, 9), min_size=len(columns), max_size=len(columns)))
    # a product of 1e-9 and a column of 1e9 leaves a likelihood no digits
    reach = 3 if name in ("square", "interaction") else 9
    powers = {c: 10.0 ** max(-reach, min(reach, p)) for c, p in zip(columns, powers, strict=True)}
    found = sem.ml(scaled(powers))
    assert_same(ML[name], found)
    jacobian = len(DATA) * sum(
        np.log(k) for c, k in powers.items() if c not in found.prepared.table.exogenous
    )
    assert found.measures["logl"] + jacobian == pytest.approx(ML[name].measures["logl"], abs=1e-5)


@pytest.mark.parametrize("factor", [1e-9, 1e-4, 1e9])
@pytest.mark.parametrize("name", MODELS)
def test_everything_in_other_units(name, factor):
    """All columns alike: the check finds the same, the start is the same, and so is the maximum."""
    text, options = MODELS[name]
    sem = SEM(text, **options)
    one, other = sem.check(DATA), sem.check(DATA * factor)
    assert [f.topic for f in one.findings] == [f.topic for f in other.findings]
    assert_same(ML[name], sem.ml(DATA * factor))


def posterior(name, data):
    text, options = MODELS[name]
    p = prepared(text, data, **options)
    density = posterior_density(p.space, p.structure, p.sample)
    start = initial_point(p.space, p.table, start_values(p.structure, p.covariances, p.means))
    return p, density, start


@pytest.mark.parametrize("scales", [{}, {"x1": 1e-6, "y2": 1e6}, {"x2": 1e9, "m1": 1e-9}])
@pytest.mark.parametrize("factor", [1e-9, 1.0, 1e5])
@pytest.mark.parametrize("name", ["mediation", "std_lv", "residuals", "covariate", "square"])
def test_the_posterior_in_any_units(name, factor, scales):
    """From the same start to the same maximum, and as far up."""
    values, points = [], []
    for data in (DATA, scaled(scales) * factor):
        p, density, start = posterior(name, data)
        found = maximise(density, start)
        assert found.converged
        values.append(found.value - density.value_and_gradient(start)[0])
        elements = density.elements(density.natural(np.stack([start, found.x])))
        std = standardised(p.structure, elements)
        points.append(std[:, [r.op not in (":=", "~1") for r in p.table.rows]])
    # up to what the changed units leave of the rounding of the data
    assert values[0] == pytest.approx(values[1], rel=1e-6)
    np.testing.assert_allclose(points[0], points[1], atol=2e-5)


@pytest.mark.parametrize("shift", [1e3, 1e5])
@pytest.mark.parametrize("name", LINEAR)
def test_maximum_likelihood_far_from_zero(name, shift):
    text, options = MODELS[name]
    sem = SEM(text, **options)
    assert_same(ML[name], sem.ml(DATA + shift), intercepts=False, atol=1e-4)
    found = {f.topic for f in sem.check(DATA + shift).findings if f.serious}
    assert found == {f.topic for f in sem.check(DATA).findings if f.serious}


@pytest.mark.parametrize("name", MODELS)
@given(data=st.data())
@examples(max_examples=4)
def test_any_order_of_rows_columns_statements_and_terms(name, data):
    text, options = MODELS[name]
    rows = data.draw(st.integers(0, 1000))
    frame = DATA.sample(frac=1, random_state=rows)[data.draw(st.permutations(list(DATA)))]
    lines = data.draw(st.permutations([x for x in text.split("\n") if ":=" not in x]))
    out = []
    for line in lines:
        lhs, op, rhs = re.fullmatch(r"(\w+) (=~|~~|~) (.*)", line).groups()
        terms = rhs.split(" + ")
        # a marker has to stay the first item, or another number is estimated
        kept = terms[:1] if op == "=~" and not options else []
        terms = kept + data.draw(st.permutations(terms[len(kept) :]))
        terms = [":".join(reversed(t.split(":"))) if ":" in t else t for t in terms]
        out.append(f"{lhs} {op} {' + '.join(terms)}")
    assert_same(ML[name], SEM("\n".join(out), **options).ml(frame))


@pytest.mark.parametrize("name", ["mediation", "std_lv", "second order", "square"])
def test_any_item_first(name):
    """With another marker the fit and the standardised solution stay what they are."""
    text, options = MODELS[name]
    other = re.sub(r"=~ (\w+) \+ (\w+) \+ (\w+)", r"=~ \3 + \1 + \2", text)
    one, two = ML[name], SEM(other, **options).ml(DATA)
    assert two.measures["logl"] == pytest.approx(one.measures["logl"], abs=1e-8)
    first, second = by_name(one.table), by_name(two.table)
    for k, (_, std) in first.items():
        if k[-1] != "~1":
            assert second[k][1] == pytest.approx(std, abs=1e-6)


@pytest.mark.parametrize("name", MODELS)
@given(words=st.permutations([f"{c}{i}" for i, c in enumerate("qzQaÄbyBxcwdv")]))
@examples(max_examples=3)
def test_any_names(name, words):
    text, options = MODELS[name]
    sem = SEM(text, **options)
    names = [*sem.table.observed, *sem.table.latent]
    new = dict(zip(names, words, strict=False))
    renamed = re.sub(r"\w+", lambda m: new.get(m[0], m[0]), text)
    found = SEM(renamed, **options).ml(DATA.rename(columns=new))
    assert_same(ML[name], found, back={v: k for k, v in new.items()})


STORED = {
    "float32": lambda c: c.astype("float32"),
    "float16": lambda c: c.astype("float16"),
    "int8": lambda c: c.astype("int8"),
    "uint8": lambda c: c.astype("uint8"),
    "Int64": lambda c: c.astype("Int64"),
    "Float32": lambda c: c.astype("Float32"),
    "object": lambda c: c.astype(int).astype(object),
    "Decimal": lambda c: c.map(lambda v: decimal.Decimal(int(v))),
    "int64[pyarrow]": lambda c: c.astype("int64[pyarrow]"),
    "double[pyarrow]": lambda c: c.astype("double[pyarrow]"),
}


@pytest.mark.parametrize("how", STORED)
@pytest.mark.parametrize("holes", [False, True])
def test_numbers_however_stored(how, holes):
    if "pyarrow" in how:
        pytest.importorskip("pyarrow")
    whole = (DATA * 2 + 10).round()
    sem = SEM("X =~ x1 + x2 + x3\nX ~ y1")
    frame = pd.DataFrame({c: STORED[how](whole[c]) for c in whole})
    if holes:
        if how in ("int8", "uint8"):
            pytest.skip("has no missing values")
        whole.loc[:20, "x1"] = np.nan
        missing = decimal.Decimal("NaN") if how == "Decimal" else None
        frame.loc[:20, "x1"] = missing
    assert_same(sem.ml(whole), sem.ml(frame), atol=1e-9)


BINARY = {
    "bool": lambda b: b,
    "boolean": lambda b: b.astype("boolean"),
    "object": lambda b: b.astype(object),
    "bool[pyarrow]": lambda b: b.astype("bool[pyarrow]"),
    "int8": lambda b: b.astype("int8"),
}


@pytest.mark.parametrize("how", BINARY)
def test_truth_values_are_numbers(how):
    if "pyarrow" in how:
        pytest.importorskip("pyarrow")
    sem = SEM("X =~ x1 + x2 + x3\nX ~ y1")
    one = sem.ml(DATA.assign(y1=(DATA.y1 > 0).astype(float)))
    assert_same(one, sem.ml(DATA.assign(y1=BINARY[how](DATA.y1 > 0))))


LABELS = np.arange(300) % 3 + 1
GROUPS = {
    "int": LABELS,
    "int8": LABELS.astype("int8"),
    "float": LABELS.astype(float),
    "float32": LABELS.astype("float32"),
    "float16": LABELS.astype("float16"),
    "Int64": pd.array(LABELS, dtype="Int64"),
    "Float32": pd.array(LABELS, dtype="Float32"),
    "category": pd.Categorical(LABELS),
    "category of floats": pd.Categorical(LABELS.astype(float)),
    "object": LABELS.astype(object),
    "string": pd.array(LABELS.astype(str), dtype="string"),
}


@pytest.mark.parametrize("how", GROUPS)
def test_groups_however_stored(how):
    sem = SEM("X =~ x1 + x2 + x3\nX ~ y1")
    one = sem.ml(DATA.assign(g=LABELS.astype(str)), group="g")
    other = sem.ml(DATA.assign(g=GROUPS[how]), group="g")
    assert other.prepared.sample.groups == ("1", "2", "3")
    assert other.measures["chisq"] == pytest.approx(one.measures["chisq"], abs=1e-9)
    chosen = sem.ml(DATA.assign(g=GROUPS[how]), group="g", group_order=[3, np.float32(1)])
    assert chosen.prepared.sample.groups == ("3", "1")


def test_truth_values_are_groups():
    sem = SEM("X =~ x1 + x2 + x3")
    for column in (LABELS > 1, pd.array(LABELS > 1, dtype="boolean"), (LABELS > 1).astype(str)):
        found = sem.ml(DATA.assign(g=column), group="g")
        assert found.prepared.sample.groups == ("False", "True")


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_bootstrap_and_simulation_in_other_units(factor):
    sem = SEM("m1 ~ a*x1\ny1 ~ b*m1 + c*x1\nab := a*b")
    data = DATA.assign(y1=DATA.y1 * factor)
    options = {"random_seed": 1, "progress": False}
    one, two = (sem.bootstrap(d, 60, **options).summary()["se"] for d in (DATA, data))
    assert two["ab"] == pytest.approx(factor * one["ab"], rel=1e-6)
    assert two["m1~x1"] == pytest.approx(one["m1~x1"], rel=1e-6)


def test_identification_does_not_depend_on_units_or_means():
    """Constraints and zero means have units of their own."""
    data = DATA.assign(g=np.arange(300) % 4)
    for changed in (DATA * 1e-7, DATA * 1e7, DATA + 1e6):
        p = prepared(
            "X =~ x1 + x2 + x3\nM =~ m1 + m2 + m3\nM ~ X",
            changed.assign(g=data.g),
            group="g",
            pooling=partial("M ~ 1", "x2 ~ 1"),
        )
        assert null_space(p) == []
        assert null_space(prepared("X =~ a*x1 + b*x2 + x3\na == 2*b\nm1 ~ X + y1", changed)) == []
        # and what is not identified is not
        assert null_space(prepared("X =~ x1 + x2", changed))


def test_the_posterior_of_another_unit_or_order():
    """The same standardised posterior, with the same seed or another order."""
    sem = SEM("X =~ x1 + x2 + x3\nM =~ m1 + m2 + m3\nM ~ X", std_lv=True)
    other = SEM("M =~ m3 + m1 + m2\nX =~ x2 + x3 + x1\nM ~ X", std_lv=True)
    fits = [
        sem.fit(DATA, **QUICK),
        sem.fit(DATA * 1e-5, **QUICK),
        sem.fit(scaled({"x1": 1e-2, "m2": 1e2}), **QUICK),
        other.fit(DATA.sample(frac=1, random_state=1), **QUICK),
    ]
    tables = []
    for fit in fits:
        table = fit.summary()
        table.index = [key(r) for r in table.itertuples()]
        tables.append(table[table.op != "~1"])
    for table in tables[1:]:
        table = table.loc[tables[0].index]
        # of 600 draws with an effective size of some 300
        error = 4 * (tables[0]["std_upper"] - tables[0]["std_lower"]) / 4 / np.sqrt(300)
        assert (np.abs(table["std"] - tables[0]["std"]) < error).all()


@pytest.mark.parametrize(
    ("name", "column"),
    [
        *[("mediation", column) for column in ("x1", "x2", "y3")],
        ("std_lv", "m1"),
        ("square", "x1"),
        ("interaction", "x1"),
        ("loop", "y1"),
        ("covariate", "y1"),
    ],
)
def test_the_posterior_of_a_column_in_very_small_and_very_large_units(name, column):
    text, options = MODELS[name]
    fits = [SEM(text, **options).fit(scaled({column: k}), **QUICK) for k in (1.0, 1e-9, 1e9)]
    one, *others = (fit.summary() for fit in fits)
    for k, fit, table in zip((1e-9, 1e9), fits[1:], others, strict=True):
        assert not fit.data["sample_stats"]["diverging"].values.any()
        rows = ~one["op"].isin(["~1", ":="]) & (one["sd"] > 0)
        width = (one["std_upper"] - one["std_lower"])[rows] / 4
        error = width * np.sqrt(2 / one["ess_bulk"][rows])
        assert (np.abs(table["std"] - one["std"])[rows] < 5 * error + 1e-6).all()
        # and in the column's own units: its intercept, sd and all
        own = (one["lhs"] == column) & (one["op"] == "~1") & (one["sd"] > 0)
        off = (table["mean"][own] / k - one["mean"][own]) / one["sd"][own]
        assert (np.abs(off) < 5 * np.sqrt(2 / one["ess_bulk"][own])).all()
        ratio = table["sd"][own] / k / one["sd"][own]
        assert ((ratio > 0.8) & (ratio < 1.25)).all()


def test_shape_and_two_lines_in_other_units():
    r = np.random.default_rng(12)
    x = r.normal(size=400)
    data = pd.DataFrame({"x": x, "y": 0.1 * x - 0.3 * x**2 + 0.6 * r.normal(size=400)})
    said = []
    for k in (1.0, 1e-4, 1e4):
        shape = SEM("y ~ x + x:x").fit(data.assign(y=k * data.y), **QUICK).shape("x", "y")
        said.append([float(p) for p in re.findall(r"= (\d\.\d+)$", str(shape), re.MULTILINE)])
    assert said[0]
    np.testing.assert_allclose(said[1], said[0], atol=0.03)
    np.testing.assert_allclose(said[2], said[0], atol=0.03)


def test_a_covariate_of_clusters_has_its_spread_between_them():
    """Constant within groups, it is standardised by its sd over respondents."""
    r = np.random.default_rng(4)
    g = np.repeat(np.arange(25), 8)
    w, u = r.normal(size=25), 0.5 * r.normal(size=25)
    data = pd.DataFrame({"x": r.normal(size=200), "w": w[g], "g": g})
    data["y"] = 0.5 * data.x + 0.8 * data.w + u[g] + r.normal(size=200)
    sem = SEM("y ~ x + w")
    options = {"group": "g", "pooling": partial("y ~ 1")}
    fit = sem.fit(data, **options, **QUICK)
    s = fit.summary()
    row = s[(s.op == "~") & (s.rhs == "w")].iloc[0]
    assert row["std"] == pytest.approx(0.57, abs=0.1)
    assert row["r_hat"] < 1.05
    p = sem.prepare(data, **options)
    prior = next(c.prior for c in p.space.coordinates if c.name == "y~w")
    assert prior.named["sigma"] == pytest.approx(data.y.std(ddof=0) / data.w.std(ddof=0))
    assert not [f for f in sem.check(data, **options).findings if f.serious]
