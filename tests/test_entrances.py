"""Wrong input at the entrances: one clear error of the family, whose advice works."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from example_models import ABILITIES, SECOND_ORDER, abilities, noise

import bayessem as bs
from bayessem.errors import BayessemError, DataError, FitError, ModelError, PriorError
from bayessem.model.data import read_sample
from bayessem.posterior.settings import Sampling

NAN = float("nan")
LOOKALIKES = "\u223c\u02dc\uff5e\u2053\u223d\u301c"
ITEMS = "f =~ x1 + x2 + x3"


def data(n=60):
    return noise("x1 x2 x3", n=n)


def grouped(values, n=60):
    return data(n).assign(g=[values[i % len(values)] for i in range(n)])


def run(code, frame):
    space = {"data": frame.copy(), "pd": pd}
    exec(code, space)
    return space["data"]


class TestModelText:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            *((f"f ={x} x1", "only looks like ~; type =~") for x in LOOKALIKES),
            ("y \u2190 x", "leftwards arrow.* is no operator here; a path is written y ~ x"),
            ("y ~ \u22120.5*x", "minus sign.* only looks like -"),
            ("y ~ x\u200b", "invisible character .*zero width space, U\\+200B.*delete it"),
            ("Gro\u0308sse ~ x", r"normalize\('NFC', text\)"),
            ("y1 <- x1", "'<-' is no operator here; a path is written y ~ x"),
            ("y ~ a*x\nab <- a", "'<-' is no operator here"),
            ("x <-> y", "a covariance is written x ~~ y"),
            ("f =~ Trust 1 + Trust 2", "column 'Trust 1' write Trust_1 and rename it"),
            ("Trust in boss ~ x", "column 'Trust in boss' write Trust_in_boss"),
            ('f =~ "Trust 1" + x2', "names of columns stand without quotes"),
            ("f =~ 1st + x2", "add_prefix"),
            ("f =~ x1*0.5 + x2", r"a fixed value stands first: 0.5\*x1"),
            ("f =~ x1* + x2", r"a free parameter is written NA\*x1"),
            ("f =~ x2 + x1*", r"a free parameter is written NA\*x1"),
            ("y ~ f XWITH g", "'XWITH' is Mplus; the product of f and g is written f:g"),
            ("f BY x1@1", r"'@', which is Mplus; .* f =~ 1\*x1"),
            ("y ~ a*x\nb := " + "(" * 400 + "a" + ")" * 400, "more than 50 parentheses are open"),
            ("y ~ a*x\nb := " + "-" * 400 + "a", "more than 50 '-' belong together"),
            ("y ~ a*x\nb := " + "^".join("a" * 400), "more than 50 '\\^'"),
            ("y ~ a*x\nb := " + "+".join("a" * 4000), "more than 300 operators"),
            ("y ~ " + "9" * 400 + "*x", "99999999999999999999... is too large"),
            ("y ~ a*x\na > log(-1)", r"line 2, column 5: 'log\(-1\)' has no finite value"),
            ("y ~ a*x\nb := 2 + a/0", "'a/0' has no finite value"),
            ("y ~ a*x\na > 1e300*1e300", "has no finite value"),
            ("y ~ a*x\na*0 == 0", "cancel, so it constrains nothing"),
            ("y ~ a*x\na == a", "cancel, so it constrains nothing"),
            ("a := 1", "constraints and definitions only"),
            ("f =~ x1 + x2 + x3\nx2 ~ 0.5*f", "the same arrow, from 'f' to 'x2'; keep one"),
            ("y ~ 0.5*x\ny ~ 0.6*x", "two different values of 'fixed': 0.5 and 0.6"),
            ("x ~~ 0.5*y\ny ~~ 0.6*x", "two different values of 'fixed'"),
            ("y ~ 0.5*x\ny ~ NA*x", "two different values of 'fixed'"),
            (None, "a model is a text"),
            (Path("model.txt"), "read_text"),
            (b"y ~ x", "a model is a text"),
        ],
    )
    def test_what_cannot_be_read_is_told(self, text, message):
        with pytest.raises(BayessemError, match=f"(?s){message}"):
            bs.SEM(text)

    @pytest.mark.parametrize(
        "text",
        [
            "y ~ a*x\na <-1",
            "y ~ a*x + b*z\na <-b",
            "y ~ a*x\nb := " + "(" * 50 + "a" + ")" * 50,
            "y ~ a*x\nb := " + "+".join("a" * 300),
            "y\u2009~\u3000x",
            "f =~ x1 + x2 + x3\nf =~ a*x2 + start(0.5)*x2",
            "y ~ 0.5*x\ny ~ 0.5*x",
            "x ~~ 0.5*y\ny ~~ 0.5*x",
        ],
    )
    def test_what_can_be_meant_is_read(self, text):
        assert bs.SEM(text).table.parameters

    def test_label_and_start_may_be_given_apart(self):
        (row,) = [
            r for r in bs.SEM("y ~ a*x\ny ~ start(0.5)*x").table.rows if r.op == "~" and r.rhs
        ]
        assert (row.label, row.start) == ("a", 0.5)

    def test_a_long_line_is_quoted_around_the_place(self):
        with pytest.raises(BayessemError) as caught:
            bs.SEM("y ~ " + " + ".join(f"x{i}" for i in range(300)) + " $ z")
        *_, source, caret = str(caught.value).split("\n")
        assert len(source) < 130
        assert source[caret.index("^")] == "$"

    def test_the_advice_about_blanks_works(self):
        excel = data().rename(columns={f"x{i}": f"Trust {i}" for i in (1, 2, 3)})
        with pytest.raises(BayessemError) as caught:
            bs.SEM("f =~ Trust 1 + Trust 2 + Trust 3")
        code = re.search(r"data\.columns = .*", str(caught.value)).group()
        assert bs.SEM("f =~ Trust_1 + Trust_2 + Trust_3").check(run(code, excel)).ok


class TestOptions:
    @pytest.mark.parametrize(
        "name", ["std_lv", "meanstructure", "fixed_x", "growth", "orthogonal", "auto"]
    )
    @pytest.mark.parametrize("value", ["false", "yes", 0, 1, None, []])
    def test_switches_are_true_or_false(self, name, value):
        with pytest.raises(ModelError, match=f"{name} is True or False, not"):
            bs.SEM(ITEMS, **{name: value})

    def test_numpy_switches_are_kept_as_plain_ones(self):
        assert bs.SEM(ITEMS, std_lv=np.True_).options["std_lv"] is True

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("group_equal", x) for x in (None, True, ["loadings", 3], "loading")),
            *(("group_partial", x) for x in (None, 3, [3], "nonsense")),
            *(("effect_coding", x) for x in (1, None, "no")),
        ],
    )
    def test_lists_of_names_are_texts_that_are_known(self, name, value):
        with pytest.raises(ModelError, match=name):
            bs.SEM(ITEMS, **{name: value})


class TestLabels:
    """`y ~ x*w` with w and x columns: the product that R means by it, not a label."""

    DATA = noise("x w y m")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("y ~ w*x", "a product of variables is w:x: y ~ w \\+ x \\+ w:x"),
            ("y ~ w*x\nm ~ w*x", "w:x"),
            ("y ~ x + w*1", r"'y ~ 1\*w' fixes a path at 1"),
        ],
    )
    def test_a_column_as_label_of_a_path_is_refused(self, text, message):
        with pytest.raises(ModelError, match=message):
            bs.SEM(text).check(self.DATA)

    def test_the_advice_works(self):
        assert bs.SEM("y ~ w + x + w:x").check(self.DATA).ok

    @pytest.mark.parametrize(
        "text",
        [
            "y ~ a*x",
            "y ~ w*x\nm ~ b*y\nwb := w*b",  # a definition is about parameters
            "y ~ w*x\nw > 0",
            "f =~ x + w*m + w*y",  # no product can be meant
            "m ~~ w*y",
        ],
    )
    def test_labels_on_purpose_are_labels(self, text):
        assert bs.SEM(text).prepare(self.DATA).table.rows


class TestPriors:
    TEXT = "f =~ x1 + a*x2 + x3"

    @pytest.mark.parametrize(
        ("priors", "message"),
        [
            ({"path": "normal(0, 1)"}, "no parameter of the kind 'path'; its kinds: loading"),
            ({"pool_sd": "normal(0, 1)"}, "go by name: 'sd\\(y~x\\)'"),
            ({"a": "normal(0, 1)", "f=~x2": "normal(0, 2)"}, "the same parameter; keep one"),
            ({"a": 3}, "'a' has 3; a prior is a text such as"),
            ({"a": None}, "a prior is a text"),
            ({3: "normal(0, 1)"}, "neither a kind"),
            ([1], "priors go by name"),
        ],
    )
    def test_priors_that_would_be_ignored_are_refused(self, priors, message):
        with pytest.raises(PriorError, match=message):
            bs.SEM(self.TEXT).prepare(data(), priors=priors)

    def test_a_prior_of_text_and_argument_is_refused(self):
        with pytest.raises(PriorError, match="by the model's text already"):
            bs.SEM('f =~ x1 + prior("normal(0, 1)")*x2 + x3').prepare(
                data(), priors={"f=~x2": "normal(0, 2)"}
            )

    def test_a_name_is_more_special_than_its_kind(self):
        found = bs.SEM(self.TEXT).prepare(
            data(), priors={"loading": "normal(0, 2)", "a": "normal(0, 3)"}
        )
        sd = {
            c.name: c.prior.named["sigma"] for c in found.space.coordinates if c.kind == "loading"
        }
        assert sd == {"f=~x2": 3.0, "f=~x3": 2.0}

    def test_a_group_is_more_special_than_all_groups(self):
        priors = {"f=~x2": "normal(0, 2)", "f=~x2[q]": "normal(0, 3)"}
        found = bs.SEM(ITEMS).prepare(grouped("pq"), group="g", priors=priors)
        sd = {c.name: c.prior.named["sigma"] for c in found.space.coordinates if "x2" in c.name}
        assert (sd["f=~x2[p]"], sd["f=~x2[q]"]) == (2.0, 3.0)

    @pytest.mark.parametrize(
        ("family", "arguments"),
        [
            ("normal", {"mu": "a", "sigma": 1}),
            ("normal", {"mu": [1], "sigma": 1}),
            ("normal", {"mu": True, "sigma": 1}),
            (3, {}),
        ],
    )
    def test_priors_have_numbers(self, family, arguments):
        with pytest.raises(PriorError):
            bs.Prior(family, **arguments)


class TestData:
    @pytest.mark.parametrize(
        ("frame", "message"),
        [
            (None, "not NoneType"),
            ([1, 2], r"pd.DataFrame\(...\) makes one"),
            (Path("d.csv"), "there is no data file 'd.csv'"),
            (np.zeros((3, 3)), "name the columns"),
            (pd.Series([1.0]), r"data.to_frame\(\) makes one"),
            (type("Frame", (), {"to_pandas": None})(), r"data.to_pandas\(\) makes one"),
            (
                type("LazyFrame", (), {"collect": None, "to_pandas": None})(),
                r"data.collect\(\).to_pandas\(\)",
            ),
        ],
    )
    def test_other_tables_are_told_how_to_become_data_frames(self, frame, message):
        with pytest.raises(DataError, match=message):
            bs.SEM(ITEMS).check(frame)

    @pytest.mark.parametrize("separator", [";", "\t", "|"])
    def test_a_wrong_separator_is_told_once(self, separator):
        frame = pd.DataFrame({separator.join(["x1", "x2", "x3"]): ["1"] * 9})
        with pytest.raises(DataError, match="the file is separated by") as caught:
            bs.SEM(ITEMS).check(frame)
        assert str(caught.value).count("Did you mean") == 0
        assert f"sep={separator!r}" in str(caught.value)

    @pytest.mark.parametrize(
        ("names", "model"),
        [
            ([True, "x2", "x3"], "f =~ True + x2 + x3"),
            ([NAN, "x2", "x3"], "f =~ nan + x2 + x3"),
            (["Trust 1", "x2", "x3"], "f =~ Trust_1 + x2 + x3"),
            (["Trust 1", "x2", "x3"], "f =~ Trust1 + x2 + x3"),
            (["Gro\u0308sse", "x2", "x3"], "f =~ Gr\u00f6sse + x2 + x3"),
            ([("a", "x1"), ("a", "x2"), ("a", "x3")], "f =~ a_x1 + a_x2 + a_x3"),
            ([("x", 1), "x2", "x3"], "f =~ x_1 + x2 + x3"),
        ],
    )
    def test_the_advice_about_odd_names_works(self, names, model):
        frame = data()
        frame.columns = names
        with pytest.raises(DataError) as caught:
            bs.SEM(model).check(frame)
        code = re.search(r"data\.columns = .*", str(caught.value)).group()
        assert bs.SEM(model).check(run(code, frame)).ok

    def test_columns_that_are_not_used_may_have_any_name(self):
        frame = data().assign(q=1, r=2).rename(columns={"q": True, "r": NAN})
        assert bs.SEM(ITEMS).check(frame).ok

    @pytest.mark.parametrize("factor", [1e200, 1e-200])
    def test_the_advice_about_sizes_works(self, factor):
        frame = data().assign(x2=lambda d: d["x2"] * factor)
        with pytest.raises(DataError, match="no computer can square") as caught:
            bs.SEM(ITEMS).check(frame)
        code = re.search(r"data\['x2'\] .*", str(caught.value)).group()
        assert bs.SEM(ITEMS).check(run(code, frame)).ok

    def test_rows_may_have_labels_of_several_levels(self):
        frame = data()
        frame.index = pd.MultiIndex.from_product([range(20), range(3)], names=["team", "who"])
        frame.iloc[4] = NAN
        found = read_sample(frame, ("x1", "x2", "x3"))
        assert found.dropped == ((1, 1),)
        assert found.rows[0] == (0, 0)
        assert (
            frame.join(pd.DataFrame({"s": found.values[:, 0]}, found.rows))["s"].notna().sum() == 59
        )


class TestGroups:
    @pytest.mark.parametrize(
        ("values", "labels"),
        [
            (np.array([0, 1], "float32"), ("0", "1")),
            (np.array([0.5, 1], "float16"), ("0.5", "1")),
            (np.array([1, 2], "int8"), ("1", "2")),
            ([True, False], ("True", "False")),
            (pd.to_datetime(["2020-01-01", "2021-01-01"]), None),
            (pd.array([2, 1], dtype="Int64"), ("2", "1")),
            (pd.Categorical(["b", "a"], categories=["a", "b", "c"]), ("b", "a")),
        ],
    )
    def test_any_column_of_names_is_one_of_groups(self, values, labels):
        frame = data()
        series = pd.Series(values)
        frame["g"] = series.take(np.arange(60) % 2).reset_index(drop=True)
        found = read_sample(frame, ("x1", "x2", "x3"), group="g")
        assert labels is None or found.groups == labels
        assert np.bincount(found.group).tolist() == [30, 30]

    @pytest.mark.parametrize("values", [[1, "1"], [1.0, "1"], [2, "1", 1, "2"]])
    def test_the_advice_about_numbers_and_texts_works(self, values):
        frame = grouped(values)
        with pytest.raises(DataError, match="a number and a text") as caught:
            read_sample(frame, ("x1", "x2"), group="g")
        code = re.search(r"data\['g'\] = .*", str(caught.value)).group()
        found = read_sample(run(code, frame), ("x1", "x2"), group="g")
        assert set(found.groups) == {str(int(x)) for x in values}

    def test_the_advice_about_lists_and_blanks_works(self):
        for values, code in (([[1], [2]], r"data\['g'\] = .*"), (["a", "b", " "], r"data = .*")):
            frame = grouped(values)
            with pytest.raises(DataError) as caught:
                read_sample(frame, ("x1", "x2"), group="g")
            mended = run(re.search(code, str(caught.value)).group(), frame)
            assert len(read_sample(mended, ("x1", "x2"), group="g").groups) == 2

    @pytest.mark.parametrize(
        "group", [["g"], {"g"}, 3, True, ("g",), np.array(["g"]), pd.Series([1])]
    )
    def test_group_is_the_name_of_a_column(self, group):
        with pytest.raises(DataError, match="group"):
            read_sample(grouped("ab"), ("x1", "x2"), group=group)

    @pytest.mark.parametrize("order", ["a", 5, [], ["a", "a"], ["c"], [None]])
    def test_an_order_is_a_list_of_the_groups(self, order):
        with pytest.raises(DataError):
            read_sample(grouped("ab"), ("x1", "x2"), group="g", groups=order)
        with pytest.raises(DataError, match="group_order needs group="):
            read_sample(grouped("ab"), ("x1", "x2"), groups=order)

    @pytest.mark.parametrize(
        "options",
        [
            {"by": 3},
            {"by": ["x1"]},
            {"by": True},
            {"sd": "a"},
            {"sd": True},
            {"sd": NAN},
            {"sd": 0},
            {"correlated": "no"},
        ],
    )
    def test_partial_pooling_refuses_odd_types(self, options):
        with pytest.raises(ModelError):
            bs.partial("x1 ~ x2", "x1 ~ 1", **options)

    @pytest.mark.parametrize(
        ("by", "message"),
        [
            ("word", "by: column 'word' is not numeric: it holds 'u', 'v'"),
            ("absent", "by='absent' is not a column"),
            ("same", "does not differ between the groups"),
            ("gone", "no finite value in group 'b'"),
        ],
    )
    def test_a_predictor_of_groups_is_a_column_of_numbers(self, by, message):
        frame = grouped("ab").assign(word=["u", "v"] * 30, same=1.0, gone=[1.0, NAN] * 30)
        pooling = bs.partial("x1 ~ x2", by=by)
        with pytest.raises(BayessemError, match=message):
            bs.SEM("x1 ~ x2").prepare(frame, group="g", pooling=pooling)

    def test_a_logical_predictor_of_groups_is_read(self):
        frame = grouped("ab").assign(w=[True, False] * 30)
        found = bs.SEM("x1 ~ x2").prepare(frame, group="g", pooling=bs.partial("x1 ~ x2", by="w"))
        assert found.predictor.tolist() == [1.0, 0.0]


class TestSampling:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"draws": 2**40}, "more than memory holds"),
            ({"tune": 2**40}, "more than memory holds"),
            ({"chains": 2**30}, "chains has to be at most 1,000"),
            ({"draws": True}, "a whole number, not True"),
            ({"random_seed": 2**64}, r"random_seed has to be below 2\*\*63"),
            ({"random_seed": True}, "random_seed is a whole number"),
            ({"random_seed": -1}, "random_seed has to be 0 or more"),
            ({"cores": 1.5}, "cores is a whole number"),
            ({"target_accept": "high"}, "target_accept is a number"),
            ({"target_accept": NAN}, "not a finite number"),
            ({"target_accept": 1}, "lies between 0 and 1"),
            ({"progress": "no"}, "progress is True or False"),
            ({"draws": np.array([1, 2])}, "draws is a whole number"),
        ],
    )
    def test_what_sampling_cannot_have_is_told(self, options, message):
        with pytest.raises(FitError, match=message):
            Sampling(**options)

    def test_numpy_numbers_become_plain_ones(self):
        found = Sampling(draws=np.int64(10), random_seed=np.uint8(3), target_accept=np.float32(0.5))
        assert type(found.draws) is type(found.random_seed) is int
        assert type(found.target_accept) is float


MATRIX = pd.DataFrame([[1.0, 0.4], [0.4, 2.0]], columns=["x", "y"])


class TestCovariances:
    @pytest.mark.parametrize(
        "matrix",
        [
            MATRIX.to_numpy(),
            [[1, 0.4], [0.4, 2]],
            None,
            MATRIX.assign(x="a"),
            MATRIX * np.inf,
            MATRIX.set_axis(["x", "x"], axis=1),
            MATRIX.set_axis(["x", "q"]),
            pd.DataFrame(),
        ],
    )
    def test_matrices_that_are_none(self, matrix):
        with pytest.raises(DataError):
            bs.from_covariance(matrix, 100)

    @pytest.mark.parametrize("n", ["100", 100.5, True, None, -1, 2**40, [100]])
    def test_numbers_of_respondents_that_are_none(self, n):
        with pytest.raises(DataError, match="n "):
            bs.from_covariance(MATRIX, n)

    @pytest.mark.parametrize(
        "means",
        ["ab", 3, [1], [1, "a"], [NAN, 1], {"x": 1}, {"x": 1, "y": 2, "z": 3}, {"x": "a", "y": 1}],
    )
    def test_means_that_are_none(self, means):
        with pytest.raises(DataError, match="mean"):
            bs.from_covariance(MATRIX, 100, means=means)

    def test_rows_go_by_their_names(self):
        turned = MATRIX.set_axis(["x", "y"]).loc[["y", "x"]]
        found = bs.from_covariance(turned, 100).cov()
        np.testing.assert_allclose(found, MATRIX)

    def test_means_may_be_a_series(self):
        means = pd.Series({"y": 2.0, "x": 1.0})
        np.testing.assert_allclose(bs.from_covariance(MATRIX, 9, means=means).mean(), [1, 2])


VALUES = {"y~x": 0.5, "y~~y": 1.0, "y~1": 0.0, "x~~x": 1.0, "x~1": 0.0}


class TestSimulation:
    @pytest.mark.parametrize("n", ["abc", 1.5, [10, "a"], None, True, 0, -1, 2**40, [5, 5], []])
    def test_sizes_that_are_none(self, n):
        with pytest.raises(ModelError):
            bs.SEM("y ~ x").simulate(VALUES, n)

    @pytest.mark.parametrize(
        "values",
        [
            None,
            "x",
            [1],
            {},
            *({**VALUES, "y~x": x} for x in (None, "a", NAN, np.inf, [1], True)),
            {**VALUES, "q": 1},
        ],
    )
    def test_values_that_are_none(self, values):
        with pytest.raises(BayessemError):
            bs.SEM("y ~ x").simulate(values, 5)

    @pytest.mark.parametrize(
        "options",
        [
            {"groups": "ab"},
            {"groups": 3},
            {"random_seed": -1},
            {"random_seed": "a"},
            {"random_seed": 2**64},
            {"latents": "no"},
        ],
    )
    def test_options_that_are_none(self, options):
        with pytest.raises(BayessemError, match=next(iter(options))):
            bs.SEM("y ~ x").simulate(VALUES, 5, **options)

    def test_names_may_have_blanks_and_sizes_be_numpy_numbers(self):
        spaced = {k.replace("~", " ~ ").replace("~  ~", "~~"): v for k, v in VALUES.items()}
        one = bs.SEM("y ~ x").simulate(spaced, np.int64(5), random_seed=1)
        pd.testing.assert_frame_equal(one, bs.SEM("y ~ x").simulate(VALUES, 5, random_seed=1))


@pytest.mark.parametrize("n", ["a", 1, 1.5, True, 2**50])
def test_a_bootstrap_has_a_number_of_samples(n):
    with pytest.raises(ModelError, match="number of bootstrap samples"):
        bs.SEM(ITEMS).bootstrap(data(), n, progress=False)


class TestPredictions:
    @pytest.mark.parametrize(
        ("rows", "options", "message"),
        [
            ([1], {}, "the new rows have to be a data frame"),
            (pd.DataFrame({"x1": ["1,5"]}), {}, "decimal commas"),
            (pd.DataFrame({"x1": [1.0]}), {"variables": 3}, "variables is a text or a list"),
            (pd.DataFrame({"x1": [1.0]}), {"draws": "a"}, "draws is a whole number"),
            (pd.DataFrame({"x1": [1.0]}), {"ci_prob": 95}, "ci_prob lies between"),
            (pd.DataFrame({"x1": [1.0]}), {"random_seed": -1}, "random_seed has to be 0"),
        ],
    )
    def test_new_rows_that_are_none(self, hs_fit, rows, options, message):
        with pytest.raises(BayessemError, match=message):
            hs_fit.predict(rows, **options)


@pytest.mark.parametrize(
    "options", [{"draws": "a"}, {"draws": 0}, {"random_seed": -1}, {"random_seed": "a"}]
)
def test_scores_refuse_odd_numbers(hs_fit, options):
    with pytest.raises(FitError, match=next(iter(options))):
        hs_fit.scores(**options)


def test_scores_take_no_more_draws_than_there_are(hs_fit):
    assert hs_fit.scores(draws=10_000_000).shape == (301, 6)


def topics(model, frame, *, group=None, **options):
    return [f.topic for f in bs.SEM(model, **options).check(frame, group=group).findings]


def likert(seed=3):
    frame = abilities()
    for name in [f"x{i}" for i in range(1, 10)]:
        z = (frame[name] - frame[name].mean()) / frame[name].std()
        frame[name] = np.clip(np.round(1.2 * z + 4), 1, 7)
    return frame


class TestFindings:
    def test_a_missing_code_is_one_finding_and_its_advice_works(self):
        frame, rng = likert(), np.random.default_rng(1)
        for name in [f"x{i}" for i in range(1, 10)]:
            frame.loc[rng.choice(301, 15, replace=False), name] = 99
        found = bs.SEM(ABILITIES).check(frame.assign(age=99))
        assert [f.topic for f in found.findings] == ["missing code?"]
        code = re.search(r"data\[\[.*?nan'\)\)", found.findings[0].remedy).group()
        mended = run(code, frame.assign(age=99))
        assert mended["x1"].isna().sum() == 15
        assert (mended["age"] == 99).all()
        assert bs.SEM(ABILITIES).check(mended).findings == ()

    def test_an_item_turned_round_is_seen_and_its_advice_works(self):
        frame = likert().assign(x6=lambda d: 8 - d["x6"])
        found = bs.SEM(ABILITIES).check(frame)
        assert [f.topic for f in found.findings] == ["reverse-keyed item"]
        code = re.search(r"data\['x6'\] = .*", found.findings[0].remedy).group()
        assert bs.SEM(ABILITIES).check(run(code, frame)).findings == ()

    def test_items_that_do_not_correlate_are_seen(self):
        rng = np.random.default_rng(3)
        one = abilities().assign(x2=lambda d: rng.permutation(d["x2"]))
        assert topics(ABILITIES, one) == ["unrelated item"]
        all_ = one.assign(x3=lambda d: rng.permutation(d["x3"]))
        assert topics(ABILITIES, all_) == ["unrelated items"]
        assert topics(SECOND_ORDER, abilities()) == []

    @pytest.mark.parametrize("appended", [301, 50])
    def test_a_file_appended_twice_is_seen_and_its_advice_works(self, appended):
        frame = likert()
        twice = pd.concat([frame, frame[:appended]])
        found = bs.SEM(ABILITIES).check(twice)
        assert [f.topic for f in found.findings] == ["repeated rows"]
        code = re.search(r"data = .*", found.findings[0].remedy).group()
        assert len(run(code, twice)) == 301
        assert topics(ABILITIES, frame) == []

    def test_groups_that_differ_by_a_blank_are_seen_and_the_advice_works(self):
        for names in (("A ", "A", "B"), ("a", "A", "B"), ("A 1", "A  1", "B")):
            frame = abilities().assign(g=[names[i % 3] for i in range(301)])
            found = bs.SEM(ABILITIES).check(frame, group="g")
            (one,) = [f for f in found.findings if f.topic == "groups alike"]
            code = re.search(r"data\['g'\] = .*", one.remedy).group()
            assert run(code, frame)["g"].nunique() == 2

    def test_a_product_without_main_effects_is_seen(self):
        frame = noise("x z y", n=300)
        assert "no main effect" in topics("y ~ x + x:z\ny ~~ z", frame)
        assert "no main effect" not in topics("y ~ x + 0*z + x:z", frame)
        assert "no main effect" not in topics("y ~ x + z + x:z", frame)

    def test_a_bifactor_model_with_covariances_is_seen(self):
        general = "g =~ " + " + ".join(f"x{i}" for i in range(1, 10)) + "\n"
        assert "bifactor model?" in topics(general + ABILITIES, abilities())
        assert topics(general + ABILITIES, abilities(), orthogonal=True) == []

    def test_constructs_never_answered_together_are_named(self):
        frame = noise(" ".join(f"{f}{i}" for f in "xmy" for i in (1, 2, 3)), n=200)
        frame.loc[:99, ["y1", "y2", "y3"]] = NAN
        frame.loc[100:, ["x1", "x2", "x3"]] = NAN
        model = "X =~ x1 + x2 + x3\nM =~ m1 + m2 + m3\nY =~ y1 + y2 + y3\nM ~ X\nY ~ M + X"
        (one,) = [f for f in bs.SEM(model).check(frame).findings if f.topic == "never together"]
        assert "'X' and 'Y'" in one.message
        assert "Y~X" in one.remedy
        assert "never together" not in topics(model, frame.fillna(0.0))

    def test_items_never_answered_together_are_named(self):
        frame = abilities()
        frame.loc[:149, "x1"] = NAN
        frame.loc[150:, "x2"] = NAN
        (one,) = bs.SEM(ABILITIES).check(frame).findings
        assert "items together: 'x1' and 'x2'" in one.message

    @pytest.mark.parametrize("auto", [True, False])
    def test_a_random_intercept_panel_model_has_no_notes(self, auto):
        """Mulder & Hamaker (2021), doi:10.1080/10705511.2020.1784738."""
        rng, n, waves = np.random.default_rng(3), 400, range(1, 5)
        within = rng.normal(size=(2, n))
        between, columns = rng.normal(size=(2, n)), {}
        for t in waves:
            columns |= {f"{v}{t}": between[k] + within[k] for k, v in enumerate("xy")}
            within = np.array([[0.4, 0.2], [0.1, 0.4]]) @ within + rng.normal(size=(2, n))
        lines = [f"RI{v} =~ " + " + ".join(f"1*{v}{t}" for t in waves) for v in "xy"]
        lines += [f"w{v}{t} =~ 1*{v}{t}" for v in "xy" for t in waves]
        lines += [f"w{v}{t + 1} ~ wx{t} + wy{t}" for v in "xy" for t in waves if t < 4]
        lines += [f"wx{t} ~~ wy{t}" for t in waves]
        lines += ["RIx ~~ RIy", "RIx + RIy ~~ 0*wx1 + 0*wy1"]
        if auto:
            lines += [f"{v}{t} ~~ 0*{v}{t}" for v in "xy" for t in waves]
        else:
            lines += [f"w{v}{t} ~~ w{v}{t}" for v in "xy" for t in waves]
            lines += ["RIx ~~ RIx", "RIy ~~ RIy"]
            lines += [f"{v}{t} ~ 1" for v in "xy" for t in waves]
        assert topics("\n".join(lines), pd.DataFrame(columns), auto=auto) == []

    def test_constraints_that_follow_from_others_count_once(self):
        model = "f =~ x1 + a*x2 + b*x3 + x4\na == 2*b"
        one = bs.SEM(model).check(noise("x1 x2 x3 x4"))
        two = bs.SEM(model + "\n2*a == 4*b").check(noise("x1 x2 x3 x4"))
        assert "3 degrees of freedom" in one.text
        assert one.text == two.text
