"""Bad inputs by kind: what is wrong, the lines that do it, and (where there are) mended lines.

`errors_catalogue.py` runs them, and makes docs/errors.md of them. Lines that begin with "$" are for
the command line; all others are Python, with `bs`, `np`, `pd` and what `errors_catalogue.PRELUDE`
defines.
"""

from typing import NamedTuple


class Case(NamedTuple):
    """A bad input; `mended` is what the message advises, "" where it gives no replacement."""

    what: str
    lines: str
    mended: str = ""


SHARES = "data.assign(y=(data.x1 - data.x1.min()) / 10)"


def _check(model: str, more: str = "", data: str = "data") -> str:
    """Lines that check a model given as Python's text."""
    return f"bs.SEM({model}).check({data}{', ' + more if more else ''})"


SYNTAX = [
    Case("No model at all", 'bs.SEM("")', 'bs.SEM("visual =~ x1 + x2 + x3")'),
    Case("Not a text", 'bs.SEM(["visual =~ x1 + x2 + x3"])'),
    Case("A term is missing", 'bs.SEM("visual =~ x1 + + x3")', 'bs.SEM("visual =~ x1 + x3")'),
    Case("The line ends early", 'bs.SEM("visual =~ x1 + x2 +")', 'bs.SEM("visual =~ x1 + x2")'),
    Case("R's assignment", 'bs.SEM("x1 <- x2")', 'bs.SEM("x1 ~ x2")'),
    Case("One equals sign", 'bs.SEM("visual = x1 + x2 + x3")', 'bs.SEM("visual =~ x1 + x2 + x3")'),
    Case("An operator of another program", 'bs.SEM("visual BY x1 x2 x3")'),
    Case("A name that starts with a digit", 'bs.SEM("f =~ 1x + 2x + 3x")'),
    Case("A name with a space in it", 'bs.SEM("my factor =~ x1 + x2 + x3")'),
    Case("A character that no name has", 'bs.SEM("f =~ x1 + x@2 + x3")'),
    Case("A typographic tilde", 'bs.SEM("x1 ∼ x2")'),
    Case("A parenthesis is left open", 'bs.SEM("x1 ~ a*x2\\nb := (a + 1")'),
    Case("Deep nesting", 'bs.SEM("x1 ~ a*x2\\nb := " + "(" * 400 + "a" + ")" * 400)'),
    Case(
        "An unknown function",
        'bs.SEM("x1 ~ a*x2\\nb := sinus(a)")',
        'bs.SEM("x1 ~ a*x2\\nb := sqrt(a)")',
    ),
    Case(
        "A label that nothing has",
        'bs.SEM("x1 ~ a*x2\\nx2 ~ b*x3\\nab := a*c")',
        'bs.SEM("x1 ~ a*x2\\nx2 ~ b*x3\\nab := a*b")',
    ),
    Case("A parameter defined by itself", 'bs.SEM("x1 ~ a*x2\\nb := 2*b")'),
    Case("Defined twice", 'bs.SEM("x1 ~ a*x2\\nb := 2*a\\nb := 3*a")'),
    Case("A prior that is no text", 'bs.SEM("x1 ~ prior(normal(0, 1))*x2")'),
    Case("A modifier without its value", 'bs.SEM("x1 ~ start()*x2")'),
    Case("R's interaction", 'bs.SEM("x1 ~ x2 * x3").check(data)', _check('"x1 ~ x2 + x3 + x2:x3"')),
    Case("A power that is no square or cube", 'bs.SEM("x1 ~ x2 + I(x2^1.5)")'),
    Case("A product of too many", 'bs.SEM("x1 ~ x2:x3:x4:x5:x6:x7")'),
    Case("A loading of a product", 'bs.SEM("f =~ x1 + x2:x3")'),
    Case("A construct in its own items", 'bs.SEM("f =~ x1 + x2 + f")'),
    Case("A variable explained by itself", 'bs.SEM("x1 ~ x1")'),
    Case("Two fixed values of one arrow", 'bs.SEM("f =~ 1*x1 + x2 + x3\\nf =~ 2*x1")'),
    Case("A fixed number that is none", 'bs.SEM("x1 ~ Inf*x2")'),
    Case("A block of unknown kind", 'bs.SEM("group: a\\nx1 ~ x2\\nlevel 1\\nx1 ~ x3")'),
]

DATA_FILES = [
    Case("No such file", 'bs.read_data("survy.csv")', 'bs.read_data("survey.csv")'),
    Case("A folder", 'bs.read_data("folder")'),
    Case("An empty file", 'bs.read_data("empty.csv")'),
    Case("A header and nothing below", 'bs.SEM(MODEL).check(bs.read_data("header.csv"))'),
    Case("A row with too many cells", 'bs.read_data("ragged.csv")'),
    Case("Two columns of one name", 'bs.read_data("twice.csv")'),
    Case("A kind of file that is not read", 'bs.read_data("slides.pptx")'),
    Case("Not what its name says", 'bs.SEM(MODEL).check(bs.read_data("none.xlsx"))'),
    Case("A damaged workbook", 'bs.read_data("cut.xlsx")'),
    Case("A damaged Parquet file", 'bs.read_data("cut.parquet")'),
    Case("A damaged SPSS file", 'bs.read_data("cut.sav")'),
    Case(
        "A sheet that the workbook does not have",
        'bs.read_data("survey.xlsx", sheet="Answers")',
        'bs.read_data("survey.xlsx", sheet="answers")',
    ),
    Case("A sheet of a CSV file", 'bs.read_data("survey.csv", sheet="answers")'),
    Case("An unknown encoding", 'bs.read_data("survey.csv", encoding="utf8-of-mine")'),
    Case("Binary numbers in a text file", 'bs.read_data("binary.csv")'),
    Case(
        "A second header (labels of the variables)",
        'bs.read_data("labelled.csv")',
        'bs.read_data("labelled.csv", label_rows=1)',
    ),
    Case("More rows of labels than rows", 'bs.read_data("survey.csv", label_rows=10_000)'),
    Case("Rows of labels that are no number", 'bs.read_data("survey.csv", label_rows="1")'),
]

DATA = [
    Case(
        "A misspelt column",
        _check('"visual =~ x1 + x2 + X3"'),
        _check('"visual =~ x1 + x2 + x3"'),
    ),
    Case("A column that is not there", _check('"visual =~ x1 + x2 + y17"')),
    Case("No table", _check("MODEL", data="[1, 2, 3]")),
    Case("A list of rows", _check("MODEL", data="data.to_dict('records')"), _check("MODEL")),
    Case("No rows", _check("MODEL", data="data[:0]"), _check("MODEL")),
    Case("Fewer respondents than variables", _check("MODEL", data="data[:8]"), _check("MODEL")),
    Case("Names that are numbers", _check('"f =~ x1 + x2"', data="pd.DataFrame(np.eye(9))")),
    Case(
        "Two columns of one name",
        _check("MODEL", data="pd.concat([data, data], axis=1)"),
        _check(
            "MODEL",
            data="pd.concat([data, data], axis=1).loc[:, lambda d: ~d.columns.duplicated()]",
        ),
    ),
    Case(
        "Decimal commas",
        _check("MODEL", data="data.assign(x1=data.x1.map('{:.2f}'.format).str.replace('.', ','))"),
        "texts = data.x1.map('{:.2f}'.format).str.replace('.', ',')\n"
        + _check("MODEL", data="data.assign(x1=texts.str.replace(',', '.').astype(float))"),
    ),
    Case(
        "Thousands separators",
        _check("MODEL", data="data.assign(x1=(1000 * data.x1).map('{:,.0f}'.format))"),
        "texts = (1000 * data.x1).map('{:,.0f}'.format)\n"
        + _check("MODEL", data="data.assign(x1=texts.str.replace(',', '').astype(float))"),
    ),
    Case(
        "Words for answers",
        _check("MODEL", data="data.assign(x1=np.where(data.x1 > 5, 'agree', 'disagree'))"),
    ),
    Case("Words among numbers", _check("MODEL", data="data.assign(x1=['n/a!', *data.x1[1:]])")),
    Case("Percent signs", _check("MODEL", data="data.assign(x1=data.x1.map('{:.0f} %'.format))")),
    Case("Dates", _check("MODEL", data="data.assign(x1=pd.Timestamp('2026-01-01'))")),
    Case("Complex numbers", _check("MODEL", data="data.assign(x1=data.x1 + 1j)")),
    Case("Lists in cells", _check("MODEL", data="data.assign(x1=[[1]] * len(data))")),
    Case("Infinite values", _check("MODEL", data="data.assign(x1=1 / (data.x1 - data.x1[0]))")),
    Case(
        "Values that no computer can square",
        _check("MODEL", data="data.assign(x1=data.x1 * 1e200)"),
        _check("MODEL", data="data.assign(x1=data.x1 * 1e200 / 1e200)"),
    ),
    Case("A constant column", _check("MODEL", data="data.assign(x1=4.0)")),
    Case("An empty column", _check("MODEL", data="data.assign(x1=np.nan)")),
    Case(
        "Missing values where none may be",
        _check("MODEL", 'missing="error"', data="data.assign(x2=data.x2.where(data.x2 < 7))"),
        _check("MODEL", 'missing="fiml"', data="data.assign(x2=data.x2.where(data.x2 < 7))"),
    ),
    Case(
        "Listwise deletion that leaves nobody",
        _check(
            "MODEL",
            'missing="listwise"',
            data="data.assign(x1=data.x1.where(data.index % 2 == 0), "
            "x2=data.x2.where(data.index % 2 == 1))",
        ),
    ),
    Case(
        "Missing values without means",
        _check("MODEL, meanstructure=False", data="data.assign(x2=data.x2.where(data.x2 < 7))"),
        _check(
            "MODEL, meanstructure=False",
            'missing="listwise"',
            data="data.assign(x2=data.x2.where(data.x2 < 7))",
        ),
    ),
    Case(
        "An unknown way of treating missing values",
        _check("MODEL", 'missing="pairwise"'),
        _check("MODEL", 'missing="fiml"'),
    ),
    Case(
        "An item twice (one column is another)",
        "bs.SEM(MODEL).fit(data.assign(x2=data.x1))",
    ),
    Case(
        "A covariance matrix that is none",
        "bs.from_covariance(pd.DataFrame([[1, 2], [2, 1]], list('ab'), list('ab')), 100)",
    ),
    Case(
        "A covariance matrix without names",
        "bs.from_covariance(np.eye(3), 100)",
        "names = ['x1', 'x2', 'x3']\n"
        "bs.from_covariance(pd.DataFrame(np.eye(3), names, names), 100)",
    ),
    Case(
        "A covariance matrix that is not symmetric",
        "bs.from_covariance(pd.DataFrame([[1, .5], [.2, 1]], list('ab'), list('ab')), 100)",
    ),
    Case(
        "Covariances of too few respondents",
        "bs.from_covariance(data[['x1', 'x2']].cov(), 1)",
        "bs.from_covariance(data[['x1', 'x2']].cov(), 301)",
    ),
]

GROUPS = [
    Case(
        "A misspelt column of groups",
        _check("MODEL", 'group="shcool"'),
        _check("MODEL", 'group="school"'),
    ),
    Case("A group that is not there", _check("MODEL", 'group="school", group_order=["Eton"]')),
    Case(
        "A group of one respondent",
        _check("MODEL", 'group="school"', data="data.assign(school=['Eton', *data.school[1:]])"),
    ),
    Case(
        "Groups that are measurements",
        _check("MODEL", 'group="x1"'),
    ),
    Case("The order of groups without groups", _check("MODEL", 'group_order=["Pasteur"]')),
    Case(
        "What is equal is misspelt",
        'bs.SEM(MODEL, group_equal="loading")',
        'bs.SEM(MODEL, group_equal="loadings")',
    ),
    Case(
        "An exception that nothing has",
        'bs.SEM(MODEL, group_equal="loadings", group_partial="visual=~x9").check(data, '
        'group="school")',
        'bs.SEM(MODEL, group_equal="loadings", group_partial="visual=~x3").check(data, '
        'group="school")',
    ),
    Case(
        "Labels for three groups where there are two",
        _check('"x1 ~ c(a, b, c)*x2"', 'group="school"'),
        _check('"x1 ~ c(a, b)*x2"', 'group="school"'),
    ),
    Case(
        "Invariance in one sample",
        "bs.SEM(MODEL).invariance(data)",
        'bs.SEM(MODEL).prepare(data, group="school")',
    ),
    Case(
        "A step that frees nothing of the model",
        'bs.SEM(MODEL).invariance(data, group="school", free=["x99~1"])',
    ),
    Case("Groups by a median that splits nothing", 'bs.median_split(data.assign(k=1), "k")'),
    Case(
        "Quantiles of a column that is not there",
        'bs.quantile_groups(data, "age")',
        'bs.quantile_groups(data, "ageyr", groups=2)',
    ),
]

IDENTIFICATION = [
    Case(
        "Nothing sets the scale of a construct",
        'bs.SEM("f =~ NA*x1 + prior(\\"flat\\")*x1 + x2 + x3\\nf ~~ NA*f").fit(data)',
    ),
    Case(
        "Maximum likelihood of what only priors determine", "$ bayessem ml one-item.txt survey.csv"
    ),
    Case(
        "A fixed variance below 0",
        'bs.SEM("x1 ~ x2\\nx1 ~~ -1*x1").fit(data)',
        'bs.SEM("x1 ~ x2\\nx1 ~~ 1*x1").fit(data)',
    ),
    Case(
        "A fixed correlation beyond 1", 'bs.SEM("x1 ~~ 1*x1\\nx2 ~~ 1*x2\\nx1 ~~ 2*x2").fit(data)'
    ),
    Case(
        "A covariance with what does not vary",
        'bs.SEM("f =~ x1 + x2 + x3\\nx1 ~~ 0*x1\\nx1 ~~ x2").fit(data)',
        'bs.SEM("f =~ x1 + x2 + x3\\nx1 ~~ 0*x1").fit(data)',
    ),
    Case(
        "A path that equals a variance",
        'bs.SEM("x1 ~ a*x2\\nx1 ~~ a*x1").fit(data)',
        'bs.SEM("x1 ~ a*x2\\nx1 ~~ b*x1").fit(data)',
    ),
    Case(
        "Covariates that are each other's sum",
        'bs.SEM("x1 ~ x2 + x3 + s").fit(data.assign(s=data.x2 + data.x3))',
        'bs.SEM("x1 ~ x2 + x3").fit(data)',
    ),
    Case("Constraints that contradict each other", 'bs.SEM("x1 ~ a*x2\\na > 1\\na < 0").fit(data)'),
    Case("A constraint that is curved", 'bs.SEM("x1 ~ a*x2 + b*x3\\na == b^2").fit(data)'),
    Case("A constraint without parameters", 'bs.SEM("x1 ~ a*x2\\n1 == 2").fit(data)'),
]

ORDERED = [
    Case(
        "An ordered variable that the model lacks",
        'bs.SEM("f =~ x1 + x2 + x3", ordered=["x4"])',
        'bs.SEM("f =~ x1 + x2 + x3", ordered=["x3"])',
    ),
    Case(
        "Ordered twice",
        'bs.SEM("f =~ x1 + x2 + x3", ordered=["x1", "x1"])',
        'bs.SEM("f =~ x1 + x2 + x3", ordered=["x1"])',
    ),
    Case(
        "A link of another family",
        'bs.SEM(MODEL, ordered=True, link="cloglog")',
        'bs.SEM(MODEL, ordered=True, link="logit")',
    ),
    Case(
        "An unknown parameterization",
        'bs.SEM(MODEL, ordered=True, parameterization="gamma")',
        'bs.SEM(MODEL, ordered=True, parameterization="theta")',
    ),
    Case(
        "An unknown family",
        'bs.SEM(MODEL, family={"x1": "gamma"})',
        'bs.SEM(MODEL, family={"x1": "ordered"})',
    ),
    Case(
        "Heavy tails in a model with a square",
        'bs.SEM("f =~ x1 + x2 + x3\\nf ~ x4 + x4:x4", family="student")',
    ),
    Case(
        "Shares of none with the beta family",
        _check('"y ~ x2", family={"y": "beta"}', data=SHARES),
        _check('"y ~ x2", family={"y": "zero_one_beta"}', data=SHARES),
    ),
    Case(
        "Shares of which none is 0 or 1",
        _check('"y ~ x2", family={"y": "zero_one_beta"}', data="data.assign(y=data.x1 / 10)"),
        _check('"y ~ x2", family={"y": "beta"}', data="data.assign(y=data.x1 / 10)"),
    ),
    Case(
        "A probability that a family does not have",
        'bs.SEM("x1 ~ x2\\nx1 | p0", family={"x1": "zero_one_beta"})',
        'bs.SEM("x1 ~ x2\\nx1 | zoi", family={"x1": "zero_one_beta"})',
    ),
    Case("Heavy tails beside ordered answers", 'bs.SEM(MODEL, family="student", ordered=["x1"])'),
    Case(
        "A family that names no variable",
        'bs.SEM(MODEL, family="ordered")',
        'bs.SEM(MODEL, family={"x1": "ordered"})',
    ),
    Case(
        "An ordered predictor",
        'bs.SEM("x1 ~ x2 + x3", ordered=["x2"])',
        'bs.SEM("x1 ~ x2 + x3", ordered=["x1"])',
    ),
    Case(
        "An ordered outcome that predicts",
        'bs.SEM("x1 ~ x2\\nx2 ~ x3", ordered=["x1", "x2"])',
        'bs.SEM("x1 ~ x2\\nx2 ~ x3", ordered=["x1"])',
    ),
    Case("An ordered factor of a product", 'bs.SEM("x1 ~ x2 + x3 + x2:x3", ordered=["x2"])'),
    Case("Measurements declared as answers", _check("MODEL, ordered=True")),
    Case(
        "A category more than the thresholds",
        _check('"f =~ q1 + q2 + q3\\nq1 | t1 + t2 + t3 + t4 + t5 + t6 + t7"', data="answers"),
    ),
    Case(
        "Thresholds by other names",
        'bs.SEM("f =~ q1 + q2 + q3\\nq1 | a + b")',
        'bs.SEM("f =~ q1 + q2 + q3\\nq1 | t1 + t2")',
    ),
    Case(
        "Two categories where the answers have five",
        _check('"f =~ q1 + q2 + q3", family={"q1": "bernoulli"}', data="answers"),
        _check('"f =~ q1 + q2 + q3", family={"q1": "ordered"}', data="answers"),
    ),
    Case(
        "Everybody gave one answer",
        _check('"f =~ q1 + q2 + q3", ordered=True', data="answers.assign(q1=3)"),
    ),
    Case(
        "Texts without an order",
        _check(
            '"f =~ q1 + q2 + q3", ordered=True',
            data="answers.assign(q1=answers.q1.map(dict(enumerate('edcba', 1))))",
        ),
    ),
]

LEVELS = [
    Case(
        "Two levels without clusters",
        _check("LEVELS", data="teams"),
        _check("LEVELS", 'cluster="team"', data="teams"),
    ),
    Case(
        "Clusters without levels",
        _check('"y ~ x"', 'cluster="team"', data="teams"),
        _check("LEVELS", 'cluster="team"', data="teams"),
    ),
    Case(
        "A misspelt column of clusters",
        _check("LEVELS", 'cluster="teem"', data="teams"),
        _check("LEVELS", 'cluster="team"', data="teams"),
    ),
    Case("One cluster", _check("LEVELS", 'cluster="team"', data="teams.assign(team=1)")),
    Case(
        "Nobody shares a cluster",
        _check("LEVELS", 'cluster="team"', data="teams.assign(team=range(len(teams)))"),
    ),
    Case(
        "A respondent without a cluster",
        _check("LEVELS", 'cluster="team"', data="teams.assign(team=teams.team.where(teams.x < 2))"),
    ),
    Case("A third level", 'bs.SEM(LEVELS + "\\nlevel: 3\\ny ~~ y")'),
    Case(
        "One level alone",
        'bs.SEM("level: 1\\ny ~ x")',
        'bs.SEM("level: 1\\ny ~ x\\nlevel: 2\\ny ~~ y")',
    ),
    Case(
        "A formula before the first level", 'bs.SEM("y ~ x\\nlevel: 1\\ny ~ x\\nlevel: 2\\ny ~~ y")'
    ),
    Case("A product on two levels", 'bs.SEM("level: 1\\ny ~ x + x:x\\nlevel: 2\\ny ~~ y")'),
    Case("Thresholds on two levels", 'bs.SEM("level: 1\\ny ~ x\\ny | t1\\nlevel: 2\\ny ~~ y")'),
    Case(
        "A variable of teams that differs inside them",
        _check(
            '"level: 1\\ny ~~ y\\nlevel: 2\\ny ~ z"',
            'cluster="team"',
            data="teams.assign(z=teams.x)",
        ),
    ),
    Case(
        "A variable of teams at level 1",
        _check('"level: 1\\ny ~ w\\nlevel: 2\\ny ~~ y"', 'cluster="team"', data="teams"),
        _check('"level: 1\\ny ~~ y\\nlevel: 2\\ny ~ w"', 'cluster="team"', data="teams"),
    ),
    Case(
        "A random slope without levels",
        'bs.SEM("y ~ rv(\\"s\\")*x")',
        'bs.SEM("level: 1\\ny ~ rv(\\"s\\")*x\\nlevel: 2\\ny ~~ y\\ns ~~ y")',
    ),
    Case(
        "A random slope that is no name",
        'bs.SEM("level: 1\\ny ~ rv(\\"1s\\")*x\\nlevel: 2\\ny ~~ y")',
    ),
    Case(
        "Several random slopes of constructs",
        'bs.SEM("level: 1\\nf =~ a + b\\ny ~ rv(\\"s\\")*f + rv(\\"t\\")*x\\nlevel: 2\\ny ~ x")',
        'bs.SEM("level: 1\\nf =~ a + b\\ny ~ rv(\\"s\\")*f + rv(\\"t\\")*x\\nlevel: 2\\ny ~~ y")',
    ),
    Case("A random loading", 'bs.SEM("level: 1\\nf =~ y + rv(\\"s\\")*x + z\\nlevel: 2\\ny ~~ y")'),
    Case(
        "Pooling on two levels",
        _check("LEVELS", 'cluster="team", group="g", pooling=bs.partial("y ~ x")', data="teams"),
    ),
]

COMPOSITES = [
    Case("A composite that is measured, too", 'bs.SEM("c <~ x1 + x2\\nc =~ x3 + x4\\nx5 ~ c")'),
    Case("A composite that nothing else depends on", _check('"c <~ x1 + x2 + x3"')),
    Case("An item of two composites", 'bs.SEM("c <~ x1 + x2\\nd <~ x2 + x3\\nx5 ~ c + d")'),
    Case(
        "Items that are each other's sum",
        _check('"c <~ x1 + x2 + s\\nx5 ~ c"', data="data.assign(s=data.x1 + data.x2)"),
        _check('"c <~ x1 + x2\\nx5 ~ c"'),
    ),
    Case(
        "A respondent lacks an item of a square",
        _check(
            '"c <~ x1 + x2 + x3\\nx5 ~ c + c:c"',
            data="data.assign(x2=data.x2.where(data.x2 < 7))",
        ),
        _check(
            '"c <~ x1 + x2 + x3\\nx5 ~ c + c:c"',
            'missing="listwise"',
            "data.assign(x2=data.x2.where(data.x2 < 7))",
        ),
    ),
    Case(
        "A prior of a weight",
        'bs.SEM("c <~ x1 + prior(\\"normal(0, 1)\\")*x2\\nx5 ~ c").fit(data)',
        'bs.SEM("c <~ x1 + x2\\nx5 ~ c").fit(data)',
    ),
    Case(
        "Ordered items",
        _check('"c <~ q1 + q2\\nf =~ q3 + q4 + q5\\nf ~ c", ordered=["q3"]', data="answers"),
    ),
    Case("Composites on two levels", 'bs.SEM("level: 1\\nc <~ x + z\\ny ~ c\\nlevel: 2\\ny ~~ y")'),
]

WEIGHTS = [
    Case(
        "A misspelt column of weights",
        _check("MODEL", 'weights="wieght"', data="data.assign(weight=1.0)"),
        _check("MODEL", 'weights="weight"', data="data.assign(weight=1.0)"),
    ),
    Case("A weight below 0", _check("MODEL", 'weights="w"', data="data.assign(w=-1.0)")),
    Case(
        "A weight that is missing",
        _check("MODEL", 'weights="w"', data="data.assign(w=data.x1.where(data.x1 < 6))"),
    ),
    Case("No weight above 0", _check("MODEL", 'weights="w"', data="data.assign(w=0)")),
    Case(
        "A group without any weight",
        _check(
            "MODEL",
            'group="school", weights="w"',
            data="data.assign(w=data.school.eq('Pasteur').astype(float))",
        ),
        _check(
            "MODEL",
            'group="school", group_order=["Pasteur"], weights="w"',
            data="data.assign(w=data.school.eq('Pasteur').astype(float))",
        ),
    ),
    Case("Texts for weights", _check("MODEL", 'weights="school"')),
    Case(
        "Weights and partial pooling",
        'bs.SEM("x1 ~ x2").fit(data.assign(w=1.0), weights="w", group="school", '
        'pooling=bs.partial("x1 ~ x2"))',
        'bs.SEM("x1 ~ x2").fit(data.assign(w=1.0), weights="w", group="school", '
        'pooling=bs.no_pooling("x1 ~ x2"))',
    ),
    Case(
        "Weights and a product of constructs",
        'bs.SEM("f =~ x1 + x2 + x3\\nx4 ~ f + f:f").fit(data.assign(w=1.0), weights="w")',
    ),
]

PRODUCTS = [
    Case("A product of what is not in the model", _check('"x1 ~ x2 + x2:memory"')),
    Case(
        "A covariate of a product lacks values",
        'bs.SEM("f =~ x1 + x2 + x3\\nx4 ~ f + age + f:age").fit(data.assign(age=data.ageyr.where('
        'data.index > 9)), missing="error")',
        'bs.SEM("f =~ x1 + x2 + x3\\nx4 ~ f + age + f:age").fit(data.assign(age=data.ageyr.where('
        'data.index > 9)), missing="listwise")',
    ),
    Case("A product with a covariance", 'bs.SEM("x1 ~ x2 + x2:x3\\nx2:x3 ~~ x4")'),
    Case("A product that is explained", 'bs.SEM("x2:x3 ~ x1")'),
    Case(
        "A square from a covariance matrix",
        'matrix = bs.from_covariance(data[["x1", "x2", "x3", "x4"]].cov(), 301)\n'
        'bs.SEM("f =~ x1 + x2 + x3\\nx4 ~ f + f:f").check(matrix)',
    ),
    Case("A fifth power", 'bs.SEM("f =~ x1 + x2 + x3\\nx4 ~ f + I(f^7)").check(data)'),
]

POOLING = [
    Case(
        "Pooling without groups",
        'bs.SEM("x1 ~ x2").fit(data, pooling=bs.partial("x1 ~ x2"))',
        'bs.SEM("x1 ~ x2").fit(data, group="school", pooling=bs.no_pooling("x1 ~ x2"))',
    ),
    Case(
        "A word for pooling",
        'bs.SEM("x1 ~ x2").fit(data, group="school", pooling="partial")',
        'bs.SEM("x1 ~ x2").fit(data, group="school", pooling=bs.no_pooling("x1 ~ x2"))',
    ),
    Case("Nothing is pooled", "bs.partial()", 'bs.partial("x1 ~ x2")'),
    Case(
        "A parameter that the model lacks",
        'bs.SEM("x1 ~ x2").fit(data, group="school", pooling=bs.partial("x1 ~ x3"))',
        'bs.SEM("x1 ~ x2").fit(data, group="school", pooling=bs.no_pooling("x1 ~ x2"))',
    ),
    Case(
        "A covariance that is pooled",
        'bs.SEM("x1 ~~ x2").fit(data, group="ageyr", pooling=bs.partial("x1 ~~ x2"))',
    ),
    Case(
        "A predictor that is the same in all groups",
        'bs.SEM("x1 ~ x2").fit(data.assign(k=1), group="ageyr", '
        'pooling=bs.partial("x1 ~ x2", by="k"))',
    ),
    Case(
        "A predictor that is not there",
        'bs.SEM("x1 ~ x2").fit(data, group="ageyr", pooling=bs.partial("x1 ~ x2", by="size"))',
    ),
    Case(
        "A standard deviation below 0",
        'bs.partial("x1 ~ x2", sd=-0.1)',
        'bs.partial("x1 ~ x2", sd=0.1)',
    ),
    Case("A path that is none", 'bs.partial("x1 with x2")'),
]

PRIORS = [
    Case(
        "An unknown family",
        'bs.SEM("x1 ~ x2").fit(data, priors={"path": "gaussian(0, 1)"})',
        'bs.SEM("x1 ~ x2").fit(data, priors={"path": "normal(0, 1)"})',
    ),
    Case(
        "A prior that cannot be read",
        'bs.SEM("x1 ~ x2").fit(data, priors={"path": "normal(0,"})',
        'bs.SEM("x1 ~ x2").fit(data, priors={"path": "normal(0, 1)"})',
    ),
    Case(
        "Too many numbers",
        'bs.SEM("x1 ~ x2").fit(data, priors={"path": "normal(0, 1, 2)"})',
        'bs.SEM("x1 ~ x2").fit(data, priors={"path": "normal(0, 1)"})',
    ),
    Case(
        "A spread below 0",
        'bs.SEM("x1 ~ x2").fit(data, priors={"path": "normal(0, -1)"})',
        'bs.SEM("x1 ~ x2").fit(data, priors={"path": "normal(0, 1)"})',
    ),
    Case(
        "A list of priors",
        'bs.SEM("x1 ~ x2").fit(data, priors=["normal(0, 1)"])',
        'bs.SEM("x1 ~ x2").fit(data, priors={"path": "normal(0, 1)"})',
    ),
    Case("A number for a prior", 'bs.SEM("x1 ~ x2").fit(data, priors={"path": 1})'),
    Case(
        "A parameter that the model lacks",
        'bs.SEM("x1 ~ x2").fit(data, priors={"x1~x3": "normal(0, 1)"})',
        'bs.SEM("x1 ~ x2").fit(data, priors={"x1~x2": "normal(0, 1)"})',
    ),
    Case(
        "A prior for a fixed path",
        'bs.SEM("x1 ~ 0.5*x2").fit(data, priors={"x1~x2": "normal(0, 1)"})',
        'bs.SEM("x1 ~ x2").fit(data, priors={"x1~x2": "normal(0, 1)"})',
    ),
    Case(
        "A kind of which there is none",
        'bs.SEM("x1 ~ x2").fit(data, priors={"loading": "normal(0, 1)"})',
    ),
    Case("LKJ for a path", 'bs.SEM("x1 ~ prior(\\"lkj(2)\\")*x2").fit(data)'),
    Case(
        "A variance on a prior of all numbers",
        'bs.SEM("x1 ~ x2").fit(data, priors={"residual_sd": "uniform(-2, -1)"})',
    ),
    Case(
        "Two priors of one path",
        'bs.SEM("x1 ~ prior(\\"normal(0, 1)\\")*x2 + prior(\\"normal(0, 2)\\")*x2").fit(data)',
    ),
    Case(
        "A family by a wrong argument",
        'bs.Prior("normal", mean=0, sd=1)',
        'bs.Prior("normal", mu=0, sigma=1)',
    ),
    Case("A prior without its numbers", 'bs.Prior("normal")', 'bs.Prior("normal", mu=0, sigma=1)'),
    Case(
        "Draws from a flat prior",
        'bs.SEM("x1 ~ x2").prior_consequences(data, priors={"path": "flat"})',
        'bs.SEM("x1 ~ x2").prior_consequences(data, priors={"path": "normal(0, 1)"}, draws=100)',
    ),
]

ARGUMENTS = [
    Case(
        "Another program's seed",
        "bs.SEM(MODEL).fit(data, seed=1)",
        "bs.SEM(MODEL).fit(data, random_seed=1)",
    ),
    Case(
        "Another program's warm-up",
        "bs.SEM(MODEL).fit(data, burnin=500)",
        "bs.SEM(MODEL).fit(data, tune=500)",
    ),
    Case("An estimator", 'bs.SEM(MODEL).fit(data, estimator="MLR")', "bs.SEM(MODEL).fit(data)"),
    Case(
        "An argument of the model",
        "bs.SEM(MODEL).fit(data, std_lv=True)",
        "bs.SEM(MODEL, std_lv=True).fit(data)",
    ),
    Case(
        "An argument of the fit",
        'bs.SEM(MODEL, group="school")',
        'bs.SEM(MODEL).fit(data, group="school")',
    ),
    Case(
        "A misspelt argument",
        "bs.SEM(MODEL).fit(data, drws=500)",
        "bs.SEM(MODEL).fit(data, draws=500)",
    ),
    Case("Data where the model belongs", "bs.SEM(data)", "bs.SEM(MODEL).check(data)"),
    Case(
        "A text for a truth value", 'bs.SEM(MODEL, std_lv="false")', "bs.SEM(MODEL, std_lv=False)"
    ),
    Case("No draws", "bs.SEM(MODEL).fit(data, draws=0)", "bs.SEM(MODEL).fit(data, draws=100)"),
    Case(
        "Draws that are no whole number",
        "bs.SEM(MODEL).fit(data, draws=1e3)",
        "bs.SEM(MODEL).fit(data, draws=1000)",
    ),
    Case(
        "A seed below 0",
        "bs.SEM(MODEL).fit(data, random_seed=-1)",
        "bs.SEM(MODEL).fit(data, random_seed=1)",
    ),
    Case(
        "An acceptance above 1",
        "bs.SEM(MODEL).fit(data, target_accept=95)",
        "bs.SEM(MODEL).fit(data, target_accept=0.95)",
    ),
    Case(
        "An unknown engine",
        'bs.SEM(MODEL).fit(data, engine="stan")',
        'bs.SEM(MODEL).fit(data, engine="auto")',
    ),
    Case(
        "Constructs in a third way",
        'bs.SEM(MODEL).fit(data, latents="both")',
        'bs.SEM(MODEL).fit(data, latents="integrated")',
    ),
    Case(
        "A probability in per cent",
        "bs.SEM(MODEL).prior_consequences(data, ci_prob=95)",
        "bs.SEM(MODEL).prior_consequences(data, ci_prob=0.95, draws=100)",
    ),
    Case(
        "Standard errors of another kind",
        'bs.SEM(MODEL).ml(data, se="sandwich")',
        'bs.SEM(MODEL).ml(data, se="robust")',
    ),
    Case("A bootstrap of no samples", "bs.SEM(MODEL).bootstrap(data, 0)"),
    Case("Values without a name", "bs.SEM('x1 ~ x2').simulate([0.5], 100)"),
    Case(
        "A parameter without a value",
        "bs.SEM('x1 ~ x2').simulate({'x1~x2': 0.5}, 100)",
        "bs.SEM('x1 ~ x2').simulate({'x1~x2': 0.5, 'x1~~x1': 1, 'x1~1': 0, 'x2~~x2': 1, "
        "'x2~1': 0}, 100)",
    ),
    Case("A model of another program that is none", 'bs.convert_model("hello")'),
    Case(
        "An unknown program",
        'bs.convert_model("MODEL: f BY a b c;", program="lisrel")',
        'bs.convert_model("MODEL: f BY a b c;", program="mplus")',
    ),
]

QUESTIONS = [
    Case(
        "An effect of what is not there",
        'fit.effects("visaul", "speed")',
        'fit.effects("visual", "speed")',
    ),
    Case(
        "An effect against the arrows",
        'fit.effects("speed", "visual")',
        'fit.effects("visual", "speed")',
    ),
    Case("A shape of a straight line", 'fit.shape("visual", "speed")'),
    Case(
        "A hypothesis that claims nothing",
        'fit.hypotheses("textual ~ visual")',
        'fit.hypotheses("textual ~ visual > 0")',
    ),
    Case(
        "A hypothesis about nothing of the model",
        'fit.hypotheses("H1: textual ~ visul > 0")',
        'fit.hypotheses("H1: textual ~ visual > 0")',
    ),
    Case(
        "A group of a model without groups",
        'fit.effects("visual", "speed", group="Pasteur")',
        'fit.effects("visual", "speed")',
    ),
    Case("Pooling of a model without pooling", "fit.pooling()"),
    Case(
        "New rows in which nothing is unknown",
        "fit.predict(data)",
        "fit.predict(data, variables='x1', draws=20)",
    ),
    Case(
        "New rows without any variable of the model",
        "fit.predict(data[['ageyr']])",
        "fit.predict(data[['x1', 'x2']], draws=20)",
    ),
    Case("One fold", "fit.kfold(k=1)"),
    Case("A comparison with nothing", "bs.compare({'a': fit})"),
    Case("A comparison of what is no fit", "bs.compare({'a': fit, 'b': 'runs/b'})"),
    Case("A comparison of other data", "bs.compare({'a': fit, 'b': other})"),
    Case(
        "A figure of nothing",
        'fit.predictive_check("colour")',
        'fit.predictive_check("correlations", draws=20)',
    ),
]

FOLDERS = [
    Case("No such folder", 'bs.load("runs/none")', 'bs.load("run")'),
    Case("A file", 'bs.load("survey.csv")'),
    Case("Another folder", 'bs.load("folder")'),
    Case("A number for a path", "bs.load(7)"),
    Case("A folder that lacks a file", 'bs.load("run-without-data")'),
    Case("A changed model", 'bs.load("run-with-another-model")'),
    Case("A changed respondent", 'bs.load("run-with-another-respondent")'),
    Case("Draws that are cut", 'bs.load("run-cut")'),
    Case("Draws that are something else", 'bs.load("run-with-a-picture")'),
    Case("A record that is no JSON", 'bs.load("run-without-json")'),
    Case("A record with other settings", 'bs.load("run-with-other-settings")'),
    Case("A newer folder", 'bs.load("run-newer")'),
    Case("A folder of another program", 'bs.load("run-foreign")'),
    Case("A damaged unfinished run", 'bs.load("unfinished")'),
    Case(
        "A finished run is in the way",
        'bs.SEM(MODEL).fit(data, out="run")',
        'bs.SEM(MODEL).fit(data, out="run-of-today", draws=1000)',
    ),
    Case("Something else is in the way", 'bs.SEM(MODEL).fit(data, out="folder")'),
    Case("A folder below a file", 'bs.SEM(MODEL).fit(data, out="survey.csv/run")'),
    Case("Saved below a file", 'fit.save("survey.csv/run")', 'fit.save("run-saved")'),
    Case("A name that is too long", 'fit.save("a" * 300)'),
    Case("A name with a NUL in it", 'fit.save("a\\0b")'),
    Case("A truth value that is none", 'bs.SEM(MODEL).fit(data, out="run", overwrite="no")'),
]

PATHS = [
    Case("A report of a kind that is not written", 'fit.report("report.pdf")'),
    Case("A report that is a folder", 'fit.report("folder.html")'),
    Case("A report below a file", 'fit.report("survey.csv/report.html")'),
    Case("A table for another program", 'fit.to_word("table.odt")', 'fit.to_word("table.docx")'),
    Case(
        "A spreadsheet by another name", 'fit.to_excel("table.csv")', 'fit.to_excel("table.xlsx")'
    ),
    Case(
        "A diagram of a kind that is not written",
        'fit.diagram().save("model.doc")',
        'fit.diagram().save("model.svg")',
    ),
    Case(
        "A diagram without a kind",
        'bs.SEM(MODEL).diagram().save("model")',
        'bs.SEM(MODEL).diagram().save("model.svg")',
    ),
    Case("A diagram below a file", 'bs.SEM(MODEL).diagram().save("survey.csv/model.svg")'),
]

EXECUTORS = [
    Case("A number of workers", "bs.SEM(MODEL).bootstrap(data, 10, executor=4)"),
    Case("A word that is no executor", 'fit.kfold(k=2, executor="threads")'),
    Case(
        "A class in place of an executor",
        "from concurrent.futures import ProcessPoolExecutor\n"
        "bs.SEM(MODEL).bootstrap(data, 10, executor=ProcessPoolExecutor)",
    ),
    Case(
        "A scheduler that does not answer",
        'bs.SEM(MODEL).bootstrap(data, 10, executor="tcp://127.0.0.1:9")',
    ),
    Case("An address without a port", 'bs.SEM(MODEL).bootstrap(data, 10, executor="tcp://")'),
    Case("No core", "bs.SEM(MODEL).bootstrap(data, 10, cores=0)"),
]

DESIGN = [
    Case(
        "A study of nobody",
        'bs.design(SIMPLE, TRUTH, n=0, targets="y ~ x > 0")',
        'bs.design(SIMPLE, TRUTH, n=50, targets="y ~ x > 0", replicates=2, progress=False)',
    ),
    Case(
        "An empty truth",
        'bs.design(SIMPLE, {}, n=100, targets="y ~ x > 0")',
        'bs.design(SIMPLE, TRUTH, n=50, targets="y ~ x > 0", replicates=2, progress=False)',
    ),
    Case(
        "A truth about another path",
        'bs.design(SIMPLE, {"y ~ z": 0.3}, n=100, targets="y ~ x > 0")',
    ),
    Case(
        "No target",
        "bs.design(SIMPLE, TRUTH, n=100, targets=[])",
        'bs.design(SIMPLE, TRUTH, n=50, targets="y ~ x > 0", replicates=2, progress=False)',
    ),
    Case("A target about another path", 'bs.design(SIMPLE, TRUTH, n=100, targets="y ~ z > 0")'),
    Case(
        "An unknown mode",
        'bs.design(SIMPLE, TRUTH, n=100, targets="y ~ x > 0", mode="fast")',
        'bs.design(SIMPLE, TRUTH, n=50, targets="y ~ x > 0", mode="quick", replicates=2, '
        "progress=False)",
    ),
    Case(
        "Missing answers in per cent",
        'bs.design(SIMPLE, TRUTH, n=100, targets="y ~ x > 0", missing=20)',
        'bs.design(SIMPLE, TRUTH, n=50, targets="y ~ x > 0", missing=0.2, replicates=2, '
        "progress=False)",
    ),
    Case(
        "Priors in quick mode",
        'bs.design(SIMPLE, TRUTH, n=100, targets="y ~ x > 0", priors={"path": "normal(0, 1)"})',
        'bs.design(SIMPLE, TRUTH, n=50, targets="y ~ x > 0", replicates=2, progress=False)',
    ),
    Case(
        "An assurance in per cent",
        'bs.design(SIMPLE, TRUTH, n=100, targets="y ~ x > 0", assurance=80)',
        'bs.design(SIMPLE, TRUTH, n=50, targets="y ~ x > 0", assurance=0.8, replicates=2, '
        "progress=False)",
    ),
    Case("No data set", 'bs.design(SIMPLE, TRUTH, n=100, targets="y ~ x > 0", replicates=0)'),
    Case(
        "A standardised path beyond 1",
        'bs.design(SIMPLE, {"y ~ x": 1.2}, n=100, targets="y ~ x > 0", standardized=True)',
        'bs.design(SIMPLE, {"y ~ x": 0.3}, n=50, targets="y ~ x > 0", standardized=True, '
        "replicates=2, progress=False)",
    ),
    Case(
        "A study in a file of something else",
        'bs.design(SIMPLE, TRUTH, n=100, targets="y ~ x > 0", store="survey.csv")',
    ),
    Case("No such study", 'bs.read_design("none.sqlite")'),
]

COMMANDS = [
    Case(
        "A misspelt command",
        "$ bayessem ft model.txt survey.csv",
        "$ bayessem check model.txt survey.csv",
    ),
    Case(
        "A misspelt option",
        "$ bayessem check model.txt survey.csv --mising fiml",
        "$ bayessem check model.txt survey.csv --missing fiml",
    ),
    Case("No data", "$ bayessem fit model.txt", "$ bayessem check model.txt survey.csv"),
    Case(
        "No such model",
        "$ bayessem check modl.txt survey.csv",
        "$ bayessem check model.txt survey.csv",
    ),
    Case(
        "No such data",
        "$ bayessem check model.txt survy.csv",
        "$ bayessem check model.txt survey.csv",
    ),
    Case(
        "Model and data the other way round",
        "$ bayessem check survey.csv model.txt",
        "$ bayessem check model.txt survey.csv",
    ),
    Case("Both from standard input", "$ bayessem check - -"),
    Case(
        "A model that cannot be read",
        "$ bayessem check wrong.txt survey.csv",
        "$ bayessem check model.txt survey.csv",
    ),
    Case("A model that is not UTF-8", "$ bayessem check binary.csv survey.csv"),
    Case("A number that is none", "$ bayessem fit model.txt survey.csv --draws many"),
    Case("Draws below 1", "$ bayessem fit model.txt survey.csv --draws 0"),
    Case(
        "A choice that there is not",
        "$ bayessem check model.txt survey.csv --missing fml",
        "$ bayessem check model.txt survey.csv --missing fiml",
    ),
    Case(
        "A column that is not there",
        "$ bayessem check model.txt survey.csv --group shcool",
        "$ bayessem check model.txt survey.csv --group school",
    ),
    Case("A folder that is something else's", "$ bayessem fit model.txt survey.csv --out folder"),
    Case("A run that is none", "$ bayessem show runs/none", "$ bayessem show run"),
    Case("A run that was changed", "$ bayessem show run-with-another-model"),
    Case(
        "An interval in per cent",
        "$ bayessem measurement run --interval 95",
        "$ bayessem measurement run --interval 0.95",
    ),
    Case(
        "An option of the fit for a saved run",
        "$ bayessem measurement run --draws 10",
        "$ bayessem measurement run",
    ),
    Case(
        "A variable that the run lacks",
        "$ bayessem effects run --from visaul --to speed",
        "$ bayessem effects run --from visual --to speed",
    ),
    Case("A report of an unknown kind", "$ bayessem report run report.pdf"),
    Case("One run compared", "$ bayessem compare run"),
    Case(
        "A hypothesis that claims nothing",
        "$ bayessem report run r.html --hypothesis 'textual ~ visual'",
    ),
    Case(
        "A truth that is no JSON",
        "$ bayessem design model.txt survey.csv --n 100 --target 'textual ~ visual > 0'",
    ),
    Case(
        "A size of a study that is none",
        "$ bayessem design model.txt truth.json --n many --target 'textual ~ visual > 0'",
    ),
    Case("A family without a calibration", "$ bayessem calibrate linaer"),
    Case("A model to convert that is lavaan's already", "$ bayessem convert model.txt"),
    Case("Draws of a kind for simulation", "$ bayessem simulate run five"),
]

SECTIONS = {
    "The text of a model": SYNTAX,
    "Data files": DATA_FILES,
    "Data": DATA,
    "Groups": GROUPS,
    "Identification and constraints": IDENTIFICATION,
    "Ordered answers": ORDERED,
    "Two levels": LEVELS,
    "Composites": COMPOSITES,
    "Weights": WEIGHTS,
    "Products": PRODUCTS,
    "Pooling": POOLING,
    "Priors": PRIORS,
    "Arguments": ARGUMENTS,
    "Questions to a fit": QUESTIONS,
    "Run folders": FOLDERS,
    "Reports, tables, diagrams": PATHS,
    "Executors": EXECUTORS,
    "Design studies": DESIGN,
    "The command line": COMMANDS,
}
