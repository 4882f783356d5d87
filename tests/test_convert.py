"""Models of Mplus, Amos and seminr: converted, they are the model that is written by hand."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from example_models import DATA

import bayessem as bs
from bayessem.convert.mplus_input import read_input
from bayessem.convert.names import Names, name_list
from bayessem.convert.programs import convert_model
from bayessem.errors import ModelError, NotSupported, SyntaxProblem
from bayessem.syntax.statements import parse

HS_NAMES = "id sex ageyr agemo school grade x1-x9"


def holzinger() -> pd.DataFrame:
    return pd.read_csv(DATA / "holzinger_swineford_1939.csv")


def answers() -> pd.DataFrame:
    """Six tests in three categories each."""
    data = holzinger()
    for k in range(1, 7):
        data[f"x{k}"] = pd.qcut(data[f"x{k}"], 3, labels=False, duplicates="drop") + 1
    return data


def firms() -> pd.DataFrame:
    """Ten teams of each of 30 firms, with a construct at each level."""
    rng = np.random.default_rng(1)
    n, firm = 300, np.repeat(np.arange(30), 10)
    x, w = rng.normal(size=n), rng.normal(size=30)[firm]
    within = 0.5 * x + rng.normal(size=n)
    between = 0.4 * w + (rng.normal(size=30) * 0.7)[firm]
    loads = {"y1": (1.0, 1.0), "y2": (0.8, 0.9), "y3": (1.1, 1.0)}
    data = {name: a * within + b * between + rng.normal(size=n) for name, (a, b) in loads.items()}
    for name in data:
        data[name] += (rng.normal(size=30) * 0.3)[firm]
    return pd.DataFrame({**data, "x": x, "w": w, "firm": firm})


def growth() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    level, slope = 2 + rng.normal(size=250), 0.5 + 0.4 * rng.normal(size=250)
    x = rng.normal(size=250)
    times = {f"t{k + 1}": level + (slope + 0.3 * x) * k + rng.normal(size=250) for k in range(4)}
    return pd.DataFrame({**times, "x": x})


@dataclass(frozen=True)
class Case:
    """An input of Mplus, the same model by hand, its options, and the data of both."""

    mplus: str
    lavaan: str
    data: str
    model: dict = field(default_factory=dict)
    fit: dict = field(default_factory=dict)


SOURCES = {
    "holzinger": holzinger,
    "answers": answers,
    "firms": firms,
    "growth": growth,
    "democracy": lambda: pd.read_csv(DATA / "political_democracy.csv"),
    "export": lambda: pd.read_csv(DATA / "export_collaboration.csv"),
    "support": lambda: pd.read_csv(DATA / "support_commitment.csv"),
}
CASES = {
    "CFA": Case(
        f"""TITLE: nine tests
        DATA: FILE IS hs.dat;
        VARIABLE: NAMES ARE {HS_NAMES}; USEVARIABLES ARE x1-x9;
        MODEL: visual BY x1-x3; ! the first loading is 1
               textual BY x4* x5 x6;  textual@1;
               speed BY x7 x8-x9;
               x7 WITH x8;""",
        """visual =~ x1 + x2 + x3
        textual =~ NA*x4 + x5 + x6
        speed =~ x7 + x8 + x9
        textual ~~ 1*textual
        x7 ~~ x8""",
        "holzinger",
    ),
    "SEM": Case(
        """DATA: FILE IS pd.dat;
        VARIABLE: NAMES = y1-y8 x1-x3;
        MODEL:
          ind60 BY x1-x3;
          dem60 BY y1
                   y2-y4 (a b c);
          dem65 BY y5
                   y6-y8 (a b c);
          dem60 ON ind60; dem65 ON ind60 dem60;
          y1-y4 PWITH y5-y8; y2 WITH y4; y6 WITH y8;
        OUTPUT: STDYX;""",
        """ind60 =~ x1 + x2 + x3
        dem60 =~ y1 + a*y2 + b*y3 + c*y4
        dem65 =~ y5 + a*y6 + b*y7 + c*y8
        dem60 ~ ind60
        dem65 ~ ind60 + dem60
        y1 ~~ y5
        y2 ~~ y6 + y4
        y3 ~~ y7
        y4 ~~ y8
        y6 ~~ y8""",
        "democracy",
    ),
    "interaction": Case(
        """VARIABLE: NAMES = pss1-pss3 pos1-pos3 ac1-ac3;
        ANALYSIS: TYPE = RANDOM; ALGORITHM = INTEGRATION;
        MODEL: PSS BY pss1-pss3; POS BY pos1-pos3; AC BY ac1-ac3;
          both | PSS XWITH POS;  pss_2 | PSS XWITH PSS;
          AC ON pss pos both pss_2;""",
        """PSS =~ pss1 + pss2 + pss3
        POS =~ pos1 + pos2 + pos3
        AC =~ ac1 + ac2 + ac3
        AC ~ PSS + POS + PSS:POS + PSS:PSS""",
        "support",
    ),
    "indirect": Case(
        """VARIABLE: NAMES = ic1-ic5 fe1-fe4 ie1-ie4;
        MODEL: COLLAB BY ic1-ic5; FIRM BY fe1-fe4; INDUSTRY BY ie1-ie4;
          FIRM ON COLLAB (a);
          INDUSTRY ON FIRM
                      COLLAB (direct);
        MODEL INDIRECT: INDUSTRY IND COLLAB;  INDUSTRY IND FIRM COLLAB;
        MODEL CONSTRAINT: NEW(ratio twice*.5);
          ratio = a**2/direct; twice = 2*EXP(a);""",
        """COLLAB =~ ic1 + ic2 + ic3 + ic4 + ic5
        FIRM =~ fe1 + fe2 + fe3 + fe4
        INDUSTRY =~ ie1 + ie2 + ie3 + ie4
        FIRM ~ a*COLLAB
        INDUSTRY ~ b*FIRM + direct*COLLAB
        ind_COLLAB_FIRM_INDUSTRY := a*b
        indirect_COLLAB_INDUSTRY := a*b
        total_COLLAB_INDUSTRY := a*b + direct
        ratio := a^2/direct
        twice := 2*exp(a)""",
        "export",
    ),
    "groups": Case(
        f"""VARIABLE: NAMES = {HS_NAMES}; USEV = x1-x9;
          GROUPING IS school (Pasteur = past Grant-White = gw);
        MODEL: visual BY x1-x3; textual BY x4-x6; speed BY x7-x9;
        MODEL gw: visual BY x2; [x3]; textual WITH visual@0.3;""",
        """visual =~ x1 + c(l1, l2)*x2 + x3
        textual =~ x4 + x5 + x6
        speed =~ x7 + x8 + x9
        x3 ~ c(i1, i2)*1
        textual ~~ c(NA, 0.3)*visual""",
        "holzinger",
        {"group_equal": ("loadings", "intercepts")},
        {"group": "school", "group_order": ("Pasteur", "Grant-White")},
    ),
    "groups with labels": Case(
        f"""VARIABLE: NAMES = {HS_NAMES}; USEV = x1-x6 ageyr;
          GROUPING IS school (Pasteur = past Grant-White = gw);
        ANALYSIS: MODEL = CONFIGURAL;
        MODEL: visual BY x1-x3; textual BY x4-x6;
          textual ON visual (b1); textual ON ageyr;
        MODEL gw: textual ON visual (b2);
        MODEL CONSTRAINT: NEW(gap); gap = b1 - b2;""",
        """visual =~ x1 + x2 + x3
        textual =~ x4 + x5 + x6
        textual ~ c(b1, b2)*visual + ageyr
        gap := b1 - b2""",
        "holzinger",
        {},
        {"group": "school", "group_order": ("Pasteur", "Grant-White")},
    ),
    "two levels": Case(
        """VARIABLE: NAMES = y1-y3 x w firm; CLUSTER = firm; WITHIN = x; BETWEEN = w;
        ANALYSIS: TYPE = TWOLEVEL;
        MODEL: %WITHIN%
          fw BY y1-y3; fw ON x;
          %BETWEEN%
          fb BY y1-y3; fb ON w;""",
        """level: 1
          fw =~ y1 + y2 + y3
          fw ~ x
        level: 2
          fb =~ y1 + y2 + y3
          fb ~ w""",
        "firms",
        {},
        {"cluster": "firm"},
    ),
    "variables of both levels": Case(
        """VARIABLE: NAMES = y1-y3 x w firm; CLUSTER = firm; BETWEEN = w;
        ANALYSIS: TYPE = TWOLEVEL;
        MODEL: %WITHIN%
          y1 ON x;
          %BETWEEN%
          y1 ON w;""",
        """level: 1
          y1 ~ x
        level: 2
          y1 ~ w
          x ~~ x""",
        "firms",
        {},
        {"cluster": "firm"},
    ),
    "categorical": Case(
        f"""VARIABLE: NAMES = {HS_NAMES}; USEV = x1-x6; CATEGORICAL ARE x1-x6;
        ANALYSIS: ESTIMATOR = WLSMV; PARAMETERIZATION = THETA;
        MODEL: visual BY x1-x3; textual BY x4-x6; [x1$1*-.5 (t)];""",
        """visual =~ x1 + x2 + x3
        textual =~ x4 + x5 + x6
        x1 | start(-0.5)*t*t1""",
        "answers",
        {"ordered": ("x1", "x2", "x3", "x4", "x5", "x6"), "parameterization": "theta"},
    ),
    "growth": Case(
        """VARIABLE: NAMES = t1-t4 x;
        MODEL: i s | t1@0 t2@1 t3@2 t4@3; i s ON x; t1-t4 (v);""",
        """i =~ 1*t1 + 1*t2 + 1*t3 + 1*t4
        s =~ 0*t1 + 1*t2 + 2*t3 + 3*t4
        t1 ~ 0*1
        t2 ~ 0*1
        t3 ~ 0*1
        t4 ~ 0*1
        i ~ 1 + x
        s ~ 1 + x
        t1 ~~ v*t1
        t2 ~~ v*t2
        t3 ~~ v*t3
        t4 ~~ v*t4""",
        "growth",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_converted_input_is_the_model_written_by_hand(name):
    case = CASES[name]
    data = SOURCES[case.data]()
    found = convert_model(case.mplus)
    assert found.program == "Mplus"
    assert dict(found.model_options) == case.model
    assert dict(found.fit_options) == case.fit
    models = (bs.SEM(found.model, **found.model_options), bs.SEM(case.lavaan, **case.model))
    if "ordered" in case.model:  # of which there is no maximum likelihood
        few = {"draws": 100, "tune": 200, "chains": 1, "random_seed": 1, "progress": False}
        mine, by_hand = (m.fit(data, **few, **case.fit).summary() for m in models)
        pd.testing.assert_frame_equal(mine[["mean", "sd"]], by_hand[["mean", "sd"]], rtol=1e-8)
        return
    mine, by_hand = (m.ml(data, se="none", **case.fit) for m in models)
    assert mine.logl == pytest.approx(by_hand.logl, abs=1e-8)
    ours, theirs = (estimates_of(fit) for fit in (mine, by_hand))
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        assert value == pytest.approx(theirs[key], abs=1e-8), key


def estimates_of(fit) -> dict:
    """Estimates by group and parameter; a covariance is the same either way round."""
    out = {}
    for row in fit.to_frame().to_dict("records"):
        sides = (row["lhs"], "" if row["op"] == ":=" else row["rhs"])
        name = tuple(sorted(sides)) if row["op"] == "~~" else sides
        out[row.get("group", ""), row["op"], name] = row["est"]
    return out


def converted(model: str, variables: str = "x1-x9 y1-y6 g u1 u2", **further: str):
    """A model behind a usual head; `further` are other sections by name."""
    sections = "".join(f"{name.replace('_', ' ')}: {said}\n" for name, said in further.items())
    return convert_model(f"VARIABLE: NAMES ARE {variables};\n{sections}MODEL: {model}")


@pytest.mark.parametrize(
    ("mplus", "lavaan"),
    [
        ("f BY x1-x3;", "f =~ x1 + x2 + x3"),
        ("f by X1 x2, x3;", "f =~ x1 + x2 + x3"),
        ("f BY x1* x2@1 x3*.5;", "f =~ NA*x1 + 1*x2 + NA*start(0.5)*x3"),
        ("f BY x1-x3*;  f@1;", "f =~ NA*x1 + NA*x2 + NA*x3; f ~~ 1*f"),
        ("f BY x1-x3@1;", "f =~ x1 + 1*x2 + 1*x3"),
        ("f BY x1@.5 x2@-1e-1;", "f =~ 0.5*x1 + -0.1*x2"),
        ("f BY x1-x4 (l1-l4);", "f =~ x1 + l2*x2 + l3*x3 + l4*x4"),
        ("f BY x1\n x2 x3 (1)\n x4;", "f =~ x1 + eq1*x2 + eq1*x3 + x4"),
        ("f BY x1 x2\n x3\n (a);", "f =~ x1 + a*x2 + a*x3"),
        ("y1 ON x1 x2@0 x3*.2 (b);", "y1 ~ b*x1 + 0*x2 + start(0.2)*b*x3"),
        ("y1 y2 ON x1 x2;", "y1 ~ x1 + x2; y2 ~ x1 + x2"),
        ("y1-y2 ON x1 x2 (p1-p4);", "y1 ~ p1*x1 + p2*x2; y2 ~ p3*x1 + p4*x2"),
        ("y1-y2 ON x1 x2 (p);", "y1 ~ p*x1 + p*x2; y2 ~ p*x1 + p*x2"),
        ("y1 y2 PON x1 x2;", "y1 ~ x1; y2 ~ x2"),
        ("x1 x2 PWITH x3 x4;", "x1 ~~ x3; x2 ~~ x4"),
        ("x1 WITH x2@0 x3;", "x1 ~~ 0*x2 + x3"),
        ("x1-x3 WITH x1-x3;", "x1 ~~ x2 + x3; x2 ~~ x3"),
        ("x1 x2@1 x3*2 (v);", "x1 ~~ v*x1; x2 ~~ 1*x2; x3 ~~ start(2)*v*x3"),
        ("[x1-x2] ;", "x1 ~ 1; x2 ~ 1"),
        ("f BY x1-x3; [x1@0 f*1 (m)];", "f =~ x1 + x2 + x3; x1 ~ 0*1; f ~ start(1)*m*1"),
        ("g BY f1 f2; f1 BY x1-x2; f2 BY x3-x4;", "g =~ f1 + f2; f1 =~ x1 + x2; f2 =~ x3 + x4"),
        ("f BY x1 x2; fx | f XWITH x5; y1 ON f fx;", "f =~ x1 + x2; y1 ~ f + f:x5"),
        (
            "f BY x1 x2; ff | f XWITH f; fff | ff XWITH f; y1 ON f ff fff;",
            "f =~ x1 + x2; y1 ~ f + f:f + f:f:f",
        ),
        (
            "i s q | y1@0 y2@1 y3@2 y4@3;",
            "i =~ 1*y1 + 1*y2 + 1*y3 + 1*y4; s =~ 0*y1 + 1*y2 + 2*y3 + 3*y4; "
            "q =~ 0*y1 + 1*y2 + 4*y3 + 9*y4; y1 ~ 0*1; y2 ~ 0*1; y3 ~ 0*1; y4 ~ 0*1; "
            "i ~ 1; s ~ 1; q ~ 1",
        ),
    ],
)
def test_each_statement(mplus, lavaan):
    found = converted(mplus)
    assert found.not_taken == ()
    expected = {str(s) for s in parse(lavaan)}
    # what lavaan and Mplus fix by themselves may be written or not
    assert {
        str(s).replace("=~ 1*x1", "=~ x1").replace("=~ 1*y1", "=~ y1") for s in parse(found.model)
    } == {s.replace("=~ 1*x1", "=~ x1").replace("=~ 1*y1", "=~ y1") for s in expected}


def test_thresholds_and_ordered_variables():
    found = convert_model(
        "VARIABLE: NAMES = u1-u3; CATEGORICAL = u1-u3;\n"
        "MODEL: f BY u1-u3; [u1$1-u1$2] ; [u2$1 u3$1] (t);"
    )
    assert found.model_options == {"ordered": ("u1", "u2", "u3")}
    assert [str(s) for s in parse(found.model) if s.op == "|"] == [
        *("u1 | t1", "u1 | t2", "u2 | t*t1", "u3 | t*t1"),
    ]


@pytest.mark.parametrize(
    ("constraint", "lavaan"),
    [
        ("NEW(ab); ab = a*b;", "ab := a*b"),
        ("a = b;", "a == b"),
        ("0 = a + b - 1;", "0 == a + b - 1"),
        ("a > 0;", "a > 0"),
        ("NEW(r*1 s); r = SQRT(a**2)/b; s = 2*r;", "r := sqrt(a^2)/b; s := 2*r"),
        ("NEW(d); D = LOG(A) - B;", "d := log(a) - b"),
    ],
)
def test_constraints(constraint, lavaan):
    found = convert_model(
        f"VARIABLE: NAMES = x m y;\nMODEL: m ON x (a); y ON m (b);\nMODEL CONSTRAINT: {constraint}"
    )
    assert found.not_taken == ()
    assert [str(s) for s in parse(found.model)][2:] == [str(s) for s in parse(lavaan)]


def test_indirect_effects_over_several_ways():
    found = convert_model(
        "VARIABLE: NAMES = x m1 m2 y;\nMODEL: m1 ON x; m2 ON x m1; y ON m1 m2 x;\n"
        "MODEL INDIRECT: y IND m2 m1 x; y VIA m2 x; y IND x;"
    )
    defined = [line for line in found.model.split("\n") if ":=" in line]
    assert defined == [
        "ind_x_m1_m2_y := b_m1_x*b_m2_m1*b_y_m2",
        "ind_x_m2_y := b_m2_x*b_y_m2",
        "via_x_m2_y := ind_x_m2_y + ind_x_m1_m2_y",
        "ind_x_m1_y := b_m1_x*b_y_m1",
        "indirect_x_y := ind_x_m1_y + ind_x_m2_y + ind_x_m1_m2_y",
        "total_x_y := ind_x_m1_y + ind_x_m2_y + ind_x_m1_m2_y + b_y_x",
    ]


@pytest.mark.parametrize(
    ("overall", "own", "lines"),
    [
        # held equal by group_equal; nothing has to be said
        ("f BY x1-x3;", "", ["f =~ x1 + x2 + x3"]),
        ("f BY x1-x3;", "f BY x2;", ["f =~ x1 + c(l_f_x2, l_f_x2, l_f_x2_c)*x2 + x3"]),
        # a group that speaks of the first loading frees it
        ("f BY x1-x3;", "f BY x1;", ["f =~ c(1, 1, NA)*x1 + x2 + x3"]),
        ("f BY x1-x3;", "f BY x3@2;", ["f =~ x1 + x2 + c(NA, NA, 2)*c(l_f_x3, l_f_x3, NA)*x3"]),
        ("f BY x1-x3;", "f BY x4;", ["f =~ x1 + x2 + x3 + c(0, 0, NA)*x4"]),
        ("f BY x1-x3;", "[x1];", ["f =~ x1 + x2 + x3", "x1 ~ c(m_x1, m_x1, m_x1_c)*1"]),
        ("f BY x1-x3;", "[f@0];", ["f =~ x1 + x2 + x3", "f ~ c(0, NA, 0)*1"]),
        ("f BY x1-x3;", "f@1;", ["f =~ x1 + x2 + x3", "f ~~ c(NA, NA, 1)*f"]),
        ("f BY x1-x3;", "x1 WITH x2;", ["f =~ x1 + x2 + x3", "x1 ~~ c(0, 0, NA)*x2"]),
        ("y1 ON x1;", "y1 ON x1@0;", ["y1 ~ c(NA, NA, 0)*x1"]),
        ("y1 ON x1 (b);", "", ["y1 ~ b*x1"]),
        ("y1 ON x1 (b);", "y1 ON x1 (d);", ["y1 ~ c(b, b, d)*x1"]),
        ("y1 ON x1*.3;", "y1 ON x1*.5;", ["y1 ~ start(c(0.3, 0.3, 0.5))*x1"]),
    ],
)
def test_groups_have_what_mplus_holds_equal_and_what_they_say_themselves(overall, own, lines):
    further = f"\nMODEL c: {own}" if own else ""
    found = convert_model(
        "VARIABLE: NAMES ARE x1-x4 y1 g; GROUPING = g (1 = a 2 = b 3 = c);\n"
        f"MODEL: {overall}{further}"
    )
    assert found.not_taken == ()
    assert found.model.split("\n") == lines
    latent = "BY" in overall
    assert found.model_options == ({"group_equal": ("loadings", "intercepts")} if latent else {})
    assert found.fit_options == {"group": "g", "group_order": ("1", "2", "3")}
    bs.SEM(found.model, **found.model_options)  # and it is a model


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        ("MODEL: f BY x1-x3; s | y ON x;", "random slopes"),
        ("MODEL: f BY x1-x3; s | y ON x; s WITH f;", "it speaks of s, which could not be taken"),
        ("MODEL: f BY x1-x3; {x1@1};", "scale factors"),
        ("MODEL: f BY x1-x3; f WITH;", "WITH needs variables on both sides"),
        ("MODEL: f BY x1-x3; f BY x4 (*1);", "(*1) is no label"),
        ("MODEL: y ON x; f BY x1-x3 (a b);", "2 labels for 3 parameters"),
        ("MODEL: f BY x1-x3; x1 x2 PWITH x3;", "2 variables before PWITH and 1 behind it"),
        ("MODEL: f BY x1-x3; %c#1% f@1;", "classes"),
        ("MODEL: f BY x1-x3; MODEL g2: f BY x3;", "g2 is none of the groups"),
        ("MODEL: f BY x1-x3; MODEL INDIRECT: y IND x;", "no path of the model"),
        ("MODEL: f BY x1-x3; MODEL INDIRECT: y MOD m x;", "effects are written"),
        ("MODEL: f BY x1-x3; MODEL CONSTRAINT: a = 1;", "has the label a"),
        ("MODEL: f BY x1-x3 (a); MODEL CONSTRAINT: NEW(c);", "the new parameter c is defined by"),
        ("MODEL: f BY x1-x3 (a); MODEL CONSTRAINT: DO(1,3) a#=1;", "loops"),
        ("MODEL: f BY x1-x3 (a); MODEL CONSTRAINT: a = PHI(1);", "there is no function PHI"),
        ("MODEL: f BY x1-x3 (a); MODEL TEST: a = 1;", "no test section"),
        ("MODEL: f BY x1-x3 (a); MODEL PRIORS: a ~ N(0,1);", "no priors section"),
        ("VARIABLE: NAMES = x1-x3 w; WEIGHT = w; MODEL: f BY x1-x3;", "WEIGHT = w"),
        ("VARIABLE: NAMES = x1-x3 c; CLUSTER = c; MODEL: f BY x1-x3;", "without TYPE = TWOLEVEL"),
        ("VARIABLE: NAMES = x1-x4; USEV = x1-x4; MODEL: f BY x1-x3;", "x4: in USEVARIABLES"),
        ("ANALYSIS: TYPE = COMPLEX; MODEL: f BY x1-x3;", "COMPLEX"),
        ("ANALYSIS: ESTIMATOR = MLR; MODEL: f BY x1-x3;", "--se robust"),
        ("ANALYSIS: BOOTSTRAP = 500; MODEL: f BY x1-x3;", "BOOTSTRAP = 500"),
        ("MODEL: f BY x1-x3; OUTPUT: STDYX;", "OUTPUT has no counterpart"),
        ("DATA: TYPE = COVARIANCE; MODEL: f BY x1-x3;", "bs.from_covariance"),
    ],
)
def test_what_cannot_be_taken_is_listed_and_the_rest_is_there(text, listed):
    found = convert_model(text.replace("; MODEL", ";\nMODEL").replace("; OUTPUT", ";\nOUTPUT"))
    assert [one for one in found.not_taken if listed in one], found.not_taken
    assert len(found.not_taken) == 1 or "speaks of" in listed
    assert any(f"# Not taken: {one}" in found.text for one in found.not_taken)
    parse(found.text)


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("f =~ x1 + x2", SyntaxProblem, "looks like lavaan's"),
        ("hello", SyntaxProblem, "neither an input of Mplus"),
        ("DATA: FILE IS a;", SyntaxProblem, "neither an input of Mplus"),
        ("MODEL: ;", ModelError, "the section MODEL is empty"),
        ("VARIABLE: NAMES = a;\nMODEL: b BLAH c;", ModelError, "BLAH: neither among NAMES"),
        ("ANALYSIS: TYPE = MIXTURE;\nMODEL: f BY x1-x3;", NotSupported, "no mixtures"),
        ("VARIABLE: NAMES = a-z;\nMODEL: f BY a b;", ModelError, "cannot be written out"),
    ],
)
def test_errors(text, error, said):
    with pytest.raises(error, match=said):
        convert_model(text)


def test_names_and_ranges():
    names = Names(["b", "a", "x1", "c"])
    assert name_list("B-x1 C", names) == ["b", "a", "x1", "c"]
    assert name_list("q08 - q11, z", names) == ["q08", "q09", "q10", "q11", "z"]
    with pytest.raises(ModelError, match="x3-x1 cannot be written out"):
        name_list("x3-x1", Names())


def test_sections_comments_and_lines():
    title, pieces = read_input(
        "title: one: two\n  three\nDATA: FILE = a; ! MODEL: no\r\nmodel:\n f BY x;\n%within% g;"
    )
    assert title == "one: two three"
    assert [(p.section, p.text, p.line) for p in pieces] == [
        ("DATA", "FILE = a", 3),
        ("MODEL", "f BY x", 5),
        ("MODEL", "%within%", 6),
        ("MODEL", "g", 6),
    ]


AMOS = """
Sem.AStructure("x2 = visual + (1) e2") ' a comment
x1 <--- visual (1)
x1 <--- e1 (1)
x3 = visual + (1) e3
textual --> x4 (1)
e4 --> x4 (1)
x5 <--- textual (b)
x5 <--- e5 (1)
x6 <--- textual
x6 <--- e6 (1)
textual <--- visual
textual <--- d (1)
e1 <--> e2
e3 (.4)
x9 <--- textual
x9 <--- ageyr
x9 <--- e9 (1)
"""


def test_amos_arrows_and_equations():
    found = convert_model(AMOS)
    model = bs.SEM(found.model)
    by_hand = bs.SEM("""visual =~ NA*x2 + 1*x1 + x3
    textual =~ x4 + b*x5 + x6 + x9
    textual ~ visual
    x9 ~ ageyr
    x1 ~~ x2
    x3 ~~ 0.4*x3""")
    assert found.not_taken == () and "constructs: visual, textual" in found.notes[0]
    mine, theirs = (m.ml(holzinger(), se="none") for m in (model, by_hand))
    assert mine.logl == pytest.approx(theirs.logl, abs=1e-8)


def test_amos_knows_constructs_from_the_columns():
    text = "x1 <--- f\nx2 <--- f\nx3 <--- f\nf (1)\n" + "".join(
        f"x{k} <--- e{k} (1)\n" for k in (1, 2, 3)
    )
    found = convert_model(text, columns=holzinger().columns)
    mine = bs.SEM(found.model).ml(holzinger(), se="none")
    by_hand = bs.SEM("f =~ x1 + x2 + x3", std_lv=True).ml(holzinger(), se="none")
    assert mine.logl == pytest.approx(by_hand.logl, abs=1e-8)


def test_amos_tables_of_estimates_and_covariances_that_are_not_there():
    found = convert_model("""Regression Weights: (Group number 1 - Default model)
                 Estimate S.E. C.R. P Label
    x1 <--- f  1.000
    x2 <--- f  .554 .100 5.554 *** par_1
    x4 <--- g  1.000
    x5 <--- g  1.113 .065 17.01 *** load
    y  <--- f  .3 .1 3.0 .003
    z  <--- y  .3 .1 3.0 .003
    w  <--- y  .3 .1 3.0 .003""")
    assert found.model.split("\n") == [
        "f =~ 1*x1 + x2",
        "g =~ 1*x4 + load*x5",
        "y ~ f",
        "z ~ y",
        "w ~ y",
        "f ~~ 0*g",
        "z ~~ 0*w",
    ]


def test_seminr():
    found = convert_model("""library(seminr)
    mm <- constructs(
      composite("Image", multi_items("IMAG", 1:3)), # a comment
      reflective("Loyal ty", c("l1", "l2")),
      composite("Value", multi_items("v", c(1, 3), postfix = "x"), weights = mode_B),
      composite("Age", single_item("years")),
      higher_composite("All", dimensions = c("Image", "Value"), method = two_stage),
      interaction_term(iv = "Image", moderator = "Age", method = two_stage),
      quadratic_term("Image"))
    sm <- relationships(
      paths(from = c("Image", "Age", "Image*Age"), to = c("Loyal ty", "All")),
      paths(to = "Loyal ty", from = "All"))
    as <- associations(item_errors(c("l1"), c("l2", "v1x")), other("a"))""")
    assert found.model.split("\n") == [
        "Image <~ IMAG1 + IMAG2 + IMAG3",
        "Loyal_ty =~ l1 + l2",
        "Value <~ v1x + v3x",
        "All =~ Image + Value",
        "Loyal_ty ~ Image + years + Image:years + All",
        "All ~ Image + years + Image:years",
        "l1 ~~ l2",
    ]
    assert "weights of composites (Image, Value) are those of the likelihood" in found.notes[0]
    assert "All is measured as a reflective construct here: 'All' in" in found.notes[1]
    assert [one.split(": ")[-1] for one in found.not_taken] == [
        "other() in associations()",
        "v1x is an item of the composite Value, through which all is related to it",
        "the product Image*Image is in no path",
    ]
    with pytest.raises(SyntaxProblem, match="line 1"):
        convert_model("constructs(composite('a' 'b'))")


def test_composites_of_seminr_are_composites():
    found = convert_model("""constructs(
      composite("C", multi_items("x", 1:3)), reflective("G", multi_items("x", 4:6)))
    relationships(paths(from = "C", to = "G"))""")
    assert found.model == "C <~ x1 + x2 + x3\nG =~ x4 + x5 + x6\nG ~ C"
    fit = bs.SEM(found.model).ml(holzinger())
    assert fit.measures["chisq"] == pytest.approx(12.172, abs=2e-3)  # lavaan 0.7
    of_constructs = convert_model("""constructs(
      reflective("F", multi_items("x", 1:3)), reflective("G", multi_items("x", 4:6)),
      higher_composite("D", c("F", "G")), reflective("H", multi_items("x", 7:9)))
    relationships(paths(from = "D", to = "H"))""")
    assert "D <~ F + G" in of_constructs.model.splitlines()
    assert bs.SEM(of_constructs.model).ml(holzinger()).converged


def test_data_of_an_input(tmp_path):
    from bayessem.convert.mplus_data import mplus_data

    (tmp_path / "d.dat").write_text("1 2.5 -99 1\n2 3.5 4 1\n3, 1, 5, 2\n4 . 6 2\n5 1 8 2\n")
    text = """DATA: FILE IS d.dat;
    VARIABLE: NAMES = a b c g; MISSING = ALL (-99) a (5); USEOBSERVATIONS = g EQ 1 OR c GT 5;
    DEFINE: ab = a*b; m = MEAN(a c); s = SUM(a c); CENTER b (GRANDMEAN); IF (a EQ 1) THEN b = 2;
    MODEL: a ON b;"""
    data, not_done = mplus_data(text, tmp_path)
    assert list(data) == ["a", "b", "c", "g", "ab", "m", "s"]
    assert data["c"].isna().tolist() == [True, False, False, False]
    assert data["g"].tolist() == [1, 1, 2, 2]
    assert data["a"].astype(float).tolist()[:3] == [1, 2, 4] and data["a"].isna()[3]
    np.testing.assert_allclose(data["ab"].astype(float), [2.5, 7.0, np.nan, np.nan])
    np.testing.assert_allclose(data["m"].astype(float), [1.0, 3.0, 5.0, 8.0])
    np.testing.assert_allclose(data["s"].astype(float), [np.nan, 6.0, 10.0, np.nan])
    np.testing.assert_allclose(data["b"].astype(float), [0.5, 1.5, np.nan, -1.0])
    assert len(not_done) == 1 and "IF (a EQ 1)" in not_done[0]
    (tmp_path / "d.dat").write_text("1 2 3 4\n1 2 3\n")
    with pytest.raises(bs.DataError, match="line 2 has 3"):
        mplus_data(text, tmp_path)
    with pytest.raises(bs.DataError, match="there is no data file"):
        mplus_data(text.replace("d.dat", "e.dat"), tmp_path)
