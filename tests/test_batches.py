"""A file in place of a data frame: the same answers, and only what is needed of it is read."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from example_models import ABILITIES, abilities

import bayessem as bs
from bayessem.errors import DataError
from bayessem.model import batches
from bayessem.model.files import read_for

QUICK = {"draws": 100, "tune": 150, "chains": 1, "random_seed": 1, "progress": False}


def survey() -> pd.DataFrame:
    """Pupils in a mixed order, with missing values, row labels, integers, texts, an attribute."""
    data = abilities().sample(frac=1.0, random_state=1)
    data.loc[data.index % 7 == 0, "x2"] = np.nan
    data["x3"] = data["x3"].astype("float32")
    data["x9"] = data["x9"].round().astype("int16")
    data["x7"] = data["x7"].round().astype("Int64").where(data.index % 5 > 0)
    data["weight"] = 1.0 + data["ageyr"] / 10
    data["comment"] = "nothing to say"
    data.index = pd.Index([f"pupil {k}" for k in data["id"]], name="who")
    data.attrs["variable_labels"] = {"x1": "visual perception"}
    return data


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "BATCH", 37)  # several batches, the last one smaller
    survey().to_parquet(tmp_path / "survey.parquet", row_group_size=100)
    return tmp_path / "survey.parquet"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"group": "school"},
        {"group": "ageyr", "group_order": [13, 12]},
        {"missing": "listwise"},
        {"weights": "weight"},
        {"group": "school", "pooling": bs.partial("textual ~ visual", by="weight")},
    ],
    ids=lambda options: " ".join(options) or "plain",
)
def test_the_sample_is_that_of_the_frame(path, options):
    sem = bs.SEM(ABILITIES + "textual ~ visual + ageyr")
    here, there = (sem.prepare(data, **options) for data in (survey(), path))
    assert there.sample.hash == here.sample.hash
    assert there.sample.values.tobytes() == here.sample.values.tobytes()
    assert there.sample.rows.equals(here.sample.rows)
    assert there.sample.rows.name == "who"
    assert there.sample.labels == here.sample.labels == {"x1": "visual perception"}
    assert (there.sample.groups, there.sample.dropped) == (here.sample.groups, here.sample.dropped)
    np.testing.assert_array_equal(there.covariances, here.covariances)
    if there.predictor is not None:
        np.testing.assert_array_equal(there.predictor, here.predictor)


def test_ordered_answers_and_clusters(path):
    data = survey()
    sem = bs.SEM("f =~ x7 + x9 + sex", ordered=["x9", "sex"])
    here, there = (sem.prepare(d) for d in (data, path))
    assert there.sample.categories == here.sample.categories
    assert there.sample.hash == here.sample.hash
    two = bs.SEM("level: 1\nx1 ~ x4\nlevel: 2\nx1 ~~ x1")
    here, there = (two.prepare(d, cluster="ageyr") for d in (data, path))
    assert there.sample.hash == here.sample.hash


def test_fits_are_the_same(path):
    sem = bs.SEM(ABILITIES)
    here, there = (sem.fit(d, **QUICK) for d in (survey(), str(path)))
    np.testing.assert_array_equal(here.values, there.values)
    one, other = (sem.ml(d) for d in (survey(), path))
    np.testing.assert_array_equal(one.x, other.x)
    scores = there.scores(draws=20)
    assert scores.join(survey()["comment"]).shape[0] == 301


def test_a_file_without_row_labels_of_its_own_and_one_of_another_program(tmp_path):
    data = abilities()
    data.to_parquet(tmp_path / "plain.parquet")
    table = pq.read_table(tmp_path / "plain.parquet").replace_schema_metadata(None)
    pq.write_table(table, tmp_path / "foreign.parquet")
    for name in ("plain", "foreign"):
        prepared = bs.SEM(ABILITIES).prepare(tmp_path / f"{name}.parquet")
        assert prepared.sample.rows.equals(data.index)
        assert prepared.sample.hash == bs.SEM(ABILITIES).prepare(data).sample.hash


def test_nothing_else_of_the_file_is_read(path, monkeypatch):
    asked = []
    read = pq.ParquetFile.iter_batches

    def watched(self, **options):
        asked.append(options["columns"])
        return read(self, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", watched)
    bs.SEM("f =~ x1 + x2 + x3").prepare(path)
    assert asked == [["x1", "x2", "x3"]]


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("f =~ x1 + x2 + X3", {}),
        ("f =~ x1 + x2 + comment", {}),
        ("f =~ x1 + x2 + x3", {"group": "shcool"}),
        ("f =~ x1 + x2 + x3", {"weights": "wieght"}),
        ("x1 ~ weight*x2", {}),
        ("level: 1\nx1 ~ x4\nlevel: 2\nx1 ~~ x1", {"cluster": "clas"}),
    ],
)
def test_what_is_wrong_is_said_as_of_a_frame(path, model, options):
    said = []
    for data in (survey(), path):
        with pytest.raises(bs.BayessemError) as error:
            bs.SEM(model).check(data, **options)
        said.append(str(error.value))
    assert said[0] == said[1]


@pytest.mark.parametrize("content", [b"PAR1", b"PAR1 and nothing of the kind PAR1", None])
def test_a_damaged_file_is_one_error(path, content):
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(DataError, match=r"survey.parquet' cannot be read"):
        bs.SEM(ABILITIES).check(path)


def test_other_files_are_read_as_by_read_data(tmp_path):
    survey().to_csv(tmp_path / "survey.csv", index=False)
    frame, columns = read_for(tmp_path / "survey.csv", ["x1"], as_numbers=["x1"])
    assert columns == list(frame.columns) == list(survey().columns)
    assert bs.SEM(ABILITIES).check(str(tmp_path / "survey.csv")).ok
    with pytest.raises(DataError, match="there is no data file"):
        bs.SEM(ABILITIES).check(tmp_path / "none.csv")
    with pytest.raises(DataError, match="there is no data file"):
        bs.SEM(ABILITIES).check("none.parquet")


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("share", [0.0, 0.3])
def test_patterns_are_numbered_as_they_appear(groups, share):
    rng = np.random.default_rng(2)
    data = pd.DataFrame(rng.normal(size=(400, 5)), columns=list("abcde"))
    data = data.mask(rng.random(data.shape) < share).dropna(how="all")
    data["g"] = rng.integers(0, groups, len(data))
    model = "f =~ a + b + c + d + e"
    sample = bs.SEM(model).prepare(data, **({"group": "g"} if groups > 1 else {})).sample
    observed = ~np.isnan(sample.values)
    expected: dict[tuple, list[int]] = {}
    for i, mask in enumerate(observed):
        expected.setdefault((int(sample.group[i]), mask.tobytes()), []).append(i)
    expected_order = sorted(expected.items(), key=lambda item: item[0][0])
    found = sample.patterns()
    assert len(found) == len(expected_order)
    for (g, columns, members), ((group, mask), rows) in zip(found, expected_order, strict=True):
        assert g == group
        assert columns.tolist() == np.flatnonzero(np.frombuffer(mask, dtype=bool)).tolist()
        assert members.tolist() == rows
    assert sample.pattern_count == len({mask for _, mask in expected})
