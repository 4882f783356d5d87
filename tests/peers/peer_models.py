"""Models on public data that lavaan and OpenMx fit beside bayessem; options are lavaan's."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class PeerModel:
    """One comparison: a model, how its data come from the folder of data sets, lavaan's options."""

    name: str
    model: str
    data: Callable[[Path], pd.DataFrame]
    options: dict[str, str] = field(default_factory=dict)
    openmx: bool = False


OWN_DATA = Path(__file__).resolve().parents[2] / "data"  # what the repository itself ships


def _path(folder: Path, name: str) -> Path:
    return OWN_DATA / name if (OWN_DATA / name).is_file() else folder / name


def _read(name: str, rows: int | None = None) -> Callable[[Path], pd.DataFrame]:
    def read(folder: Path) -> pd.DataFrame:
        return pd.read_csv(_path(folder, name), nrows=rows)

    return read


def _with_holes(name: str, columns: list[str], share: float) -> Callable[[Path], pd.DataFrame]:
    """The data with a planted share of missing values in these columns, one row all missing."""

    def read(folder: Path) -> pd.DataFrame:
        data = pd.read_csv(_path(folder, name))
        rng = np.random.default_rng(20)
        holes = rng.random((len(data), len(columns))) < share
        holes[7] = True
        return data.assign(
            **{c: data[c].astype(float).mask(holes[:, j]) for j, c in enumerate(columns)}
        )

    return read


HS = "holzinger_swineford_1939.csv"
HS_CFA = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
NINE = [f"x{i}" for i in range(1, 10)]
PD_SEM = """
ind60 =~ x1 + x2 + x3
dem60 =~ y1 + y2 + y3 + y4
dem65 =~ y5 + y6 + y7 + y8
dem60 ~ a*ind60
dem65 ~ c*ind60 + b*dem60
y1 ~~ y5
y2 ~~ y4 + y6
y3 ~~ y7
y4 ~~ y8
y6 ~~ y8
ind := a*b
"""
GROWTH = "i =~ 1*t1 + 1*t2 + 1*t3 + 1*t4\ns =~ 0*t1 + 1*t2 + 2*t3 + 3*t4\n"

MODELS = (
    PeerModel("growth", GROWTH, _read("demo_growth.csv"), {"growth": "TRUE"}, openmx=True),
    PeerModel(
        "growth_covariates",
        GROWTH + "i ~ x1 + x2\ns ~ x1 + x2\nt1 ~ c1\nt2 ~ c2\nt3 ~ c3\nt4 ~ c4",
        _read("demo_growth.csv"),
        {"growth": "TRUE"},
    ),
    PeerModel("two_groups_configural", HS_CFA, _read(HS), {"group": "school"}),
    PeerModel(
        "two_groups_scalar",
        HS_CFA,
        _read(HS),
        {"group": "school", "group.equal": "loadings,intercepts"},
    ),
    PeerModel(
        "two_groups_partial",
        HS_CFA,
        _read(HS),
        {
            "group": "school",
            "group.equal": "loadings,intercepts,residuals",
            "group.partial": "x3~1,visual=~x2",
        },
    ),
    PeerModel(
        "two_groups_means_differ",
        "visual =~ x1 + x2 + x3\nspeed =~ x7 + x8 + x9\nspeed ~ c(p, g)*visual\nd := g - p",
        _read(HS),
        {"group": "school", "group.equal": "loadings", "std.lv": "TRUE"},
    ),
    PeerModel("fiml", HS_CFA, _with_holes(HS, NINE, 0.15), {"missing": "ml"}, openmx=True),
    PeerModel(
        "fiml_groups_covariate",
        HS_CFA + "\nvisual ~ ageyr\nspeed ~ ageyr + sex",
        _with_holes(HS, ["x2", "x5", "x9", "ageyr"], 0.1),
        {"missing": "ml", "group": "school", "group.equal": "loadings"},
    ),
    PeerModel(
        "bfi_fiml",
        "N =~ N1 + N2 + N3 + N4 + N5\nE =~ E1 + E2 + E3 + E4 + E5\nN1 ~~ N2",
        _read("bfi.csv", 400),
        {"missing": "ml"},
        openmx=True,
    ),
    PeerModel(
        "second_order",
        "A =~ A1 + A2 + A3 + A4 + A5\nC =~ C1 + C2 + C3 + C4 + C5\n"
        "E =~ E1 + E2 + E3 + E4 + E5\nN =~ N1 + N2 + N3 + N4 + N5\nG =~ A + C + E + N",
        _read("bfi.csv", 600),
    ),
    PeerModel(
        "mediation_path",
        "import ~ a1*cond\npmi ~ a2*cond\nreaction ~ b1*import + b2*pmi + c*cond + gender + age\n"
        "import ~~ pmi\nind1 := a1*b1\nind2 := a2*b2\ntotal := c + ind1 + ind2\n"
        "share := ind1/total",
        _read("hayes_pmi.csv"),
    ),
    PeerModel(
        "random_covariates",
        "depress2 ~ b*job_seek + c*treat + econ_hard\njob_seek ~ a*treat + econ_hard\nab := a*b",
        _read("mediation_jobs.csv"),
        {"fixed.x": "FALSE"},
        openmx=True,
    ),
    PeerModel(
        "equal_labels",
        "visual =~ x1 + l*x2 + l*x3\ntextual =~ x4 + m*x5 + x6\nx1 ~~ v*x1\nx2 ~~ v*x2\n"
        "textual ~ visual",
        _read(HS),
        openmx=True,
    ),
    PeerModel(
        "linear_constraint",
        "visual =~ x1 + a*x2 + b*x3\ntextual =~ x4 + c*x5 + d*x6\ntextual ~~ visual\n"
        "a + b == 1.2\nc == 2*d - 0.8",
        _read(HS),
    ),
    PeerModel(
        "curved_constraint",
        "visual =~ x1 + a*x2 + b*x3\ntextual =~ x4 + c*x5 + x6\na*b == 0.36",
        _read(HS),
    ),
    PeerModel(
        "active_bound",
        "visual =~ x1 + x2 + b*x3\ntextual =~ x4 + c*x5 + x6\nb < 0.6\nc > 0.2",
        _read(HS),
    ),
    PeerModel(
        "mimic_single_indicator",
        "visual =~ x1 + x2 + x3\nschooling =~ grade\nvisual ~ schooling + ageyr + sex\n"
        "schooling ~ ageyr",
        _read(HS),
    ),
    PeerModel(
        "nonrecursive",
        "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nvisual ~ textual + sex\n"
        "textual ~ visual + ageyr\nvisual ~~ textual",
        _read(HS),
    ),
    PeerModel(
        "covariance_matrix",
        "al67 =~ anomia67 + powerless67\nal71 =~ anomia71 + powerless71\nses =~ education + sei\n"
        "al67 ~ ses\nal71 ~ al67 + ses\nanomia67 ~~ anomia71\npowerless67 ~~ powerless71",
        _read("wheaton_cov.csv"),
        {"n": "932"},
    ),
    PeerModel("without_means", HS_CFA, _read(HS), {"meanstructure": "FALSE", "orthogonal": "TRUE"}),
    PeerModel("robust", PD_SEM, _read("political_democracy.csv"), {"estimator": "MLR"}),
    PeerModel(
        "observed_information",
        PD_SEM,
        _read("political_democracy.csv"),
        {"information": "observed", "std.lv": "TRUE"},
        openmx=True,
    ),
    PeerModel("effect_coding", HS_CFA, _read(HS), {"effect.coding": "TRUE"}),
    PeerModel(
        "effect_coding_groups",
        HS_CFA,
        _read(HS),
        {"effect.coding": "TRUE", "group": "school", "group.equal": "loadings,intercepts"},
    ),
    PeerModel(
        "labels_across_groups",
        "visual =~ x1 + c(a, b)*x2 + x3\ntextual =~ x4 + c(d, d)*x5 + x6\n"
        "textual ~ c(p, q)*visual\na == b\np == 2*q\ndiff := p - q",
        _read(HS),
        {"group": "school"},
    ),
    PeerModel(
        "computed_variance",
        "visual =~ x1 + x2 + x3\nx1 ~~ u*x1\nx2 ~~ v*x2\nx3 ~~ w*x3\nx1 ~~ x7\n"
        "x7 ~ visual\nu == v + w - 0.5",
        _read(HS),
    ),
    PeerModel(
        "growth_free_basis",
        "i =~ 1*t1 + 1*t2 + 1*t3 + 1*t4\ns =~ 0*t1 + t2 + t3 + 1*t4\ns ~ i\n"
        "t1 ~~ r*t1\nt2 ~~ r*t2\nt3 ~~ r*t3\nt4 ~~ r*t4",
        _read("demo_growth.csv"),
        {"growth": "TRUE"},
    ),
    PeerModel("heywood", "f =~ x1 + x2 + x9\ng =~ x4 + x7 + x8", _read(HS, 120)),
    PeerModel(
        "burns_by_sex",
        "HADS ~ c(a1, a2)*RUM + Age\nSelfesteem ~ c(b1, b2)*HADS + TBSA + Age\n"
        "ab1 := a1*b1\nab2 := a2*b2",
        _read("facial_burns.csv"),
        {"group": "Sex"},
    ),
)
