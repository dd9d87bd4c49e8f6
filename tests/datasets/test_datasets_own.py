"""Data sets of the user's own: tables in files, and target functions given by formulas."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
import xarray as xr
from data_settings import build, settings

from regimes.config.load import load
from regimes.datasets import file as file_kind
from regimes.datasets.sources import own_file
from regimes.datasets.sources.own_file import digest
from regimes.errors import ConfigError, DataError
from regimes.expressions import formulas
from regimes.plan.plan import Plan

CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"
ROWS = np.array([[0.5, 10.0, 1.0], [1.5, 20.0, 2.5], [2.5, 20.0, -1.0], [3.5, 50.0, 0.25]])


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "mine.csv"
    lines = ["a, b,y", *(",".join(map(str, row)) for row in ROWS)]
    path.write_text("\n".join(lines) + "\n")
    return path


def made(path: Path, **keys: Any) -> xr.Dataset:
    chosen = settings(kind="file", path=str(path), **keys)
    return file_kind.build(chosen | {"sha256": digest(path)})


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_what_is_no_regular_file_is_not_read(tmp_path: Path, kind: str) -> None:
    path = Path("/dev/zero") if kind == "device" else tmp_path / kind
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    with pytest.raises(DataError, match=f"{path} cannot be read: is not a regular file"):
        digest(path)


def test_columns_of_a_csv_file(csv: Path) -> None:
    data = made(csv, target="y")
    np.testing.assert_array_equal(data["inputs"], ROWS[:, :2])
    np.testing.assert_array_equal(data["targets"], ROWS[:, 2])
    assert data["feature_name"].values.tolist() == ["a", "b"]
    assert data["targets"].attrs["long_name"] == "y"
    assert data["split"].values.tolist() == [0] * 4
    assert digest(csv) in data.attrs["data_source"]


def test_columns_in_the_order_that_is_asked_for(csv: Path) -> None:
    data = made(csv, inputs=["y", "a"], target="b", bias=True)
    np.testing.assert_array_equal(data["inputs"][:, :2], ROWS[:, [2, 0]])
    np.testing.assert_array_equal(data["inputs"][:, 2], 1)
    assert data["feature_name"].values.tolist() == ["y", "a", "bias"]


def test_a_formula_in_place_of_a_target(csv: Path) -> None:
    data = made(csv, inputs=["a", "b"], formula="a ** 2 - b / 10")
    np.testing.assert_allclose(data["targets"], ROWS[:, 0] ** 2 - ROWS[:, 1] / 10, rtol=1e-15)


def test_standardised_on_the_training_rows(csv: Path) -> None:
    data = made(csv, target="y", standardise="train", shares=[0.5, 0.25, 0.25], split_seed=1)
    assert sorted(data["split"].values.tolist()) == [0, 0, 1, 2]
    train = data.isel(point=data["split"].values == 0)
    np.testing.assert_allclose(train["inputs"].mean("point"), 0, atol=1e-14)
    np.testing.assert_allclose(train["targets"].std("point"), 1)


def test_variables_of_a_netcdf_file(csv: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.nc"
    xr.Dataset({"x": (("sample", "part"), ROWS[:, :2]), "y": ("sample", ROWS[:, 2])}).to_netcdf(
        path
    )
    data = made(path, target="y")
    np.testing.assert_array_equal(data["inputs"], ROWS[:, :2])
    assert data["feature_name"].values.tolist() == ["x_0", "x_1"]


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        ("a,y\n1,2\n", {"target": "z"}, r"mine.csv has no column 'z'; it has a, y"),
        ("a,y\n1,2\nb,3\n", {"target": "y"}, r"column 'a' is no finite number at row 2: b"),
        ("a,y\n1,2\n2,\n", {"target": "y"}, r"column 'y' is no finite number at row 2: it is"),
        ("a,y\n", {"target": "y"}, r"mine.csv has no rows"),
        ("", {"target": "y"}, r"mine.csv cannot be read as CSV or NetCDF"),
        ("a,b\n0,1\n", {"inputs": ["a"], "formula": "1 / a"}, r"is not finite at row 1"),
        ("a,y\n1,2\n1,3\n", {"target": "y", "standardise": "train"}, r"a is the same in all"),
        (
            "a,y\n" + "".join(f"0.1,{row}\n" for row in range(20)),
            {"target": "y", "standardise": "train"},
            r"a is the same in all",
        ),
        ("a,b,y\n1,2,3,4\n5,6,7,8\n", {"target": "y"}, r"row 1 has 4 fields, the header 3"),
        ("a,b,y\n1,2,3\n\n5,6,7,8\n", {"target": "y"}, r"row 2 has 4 fields, the header 3"),
        ("a,b,y\n1,2,3\n5,6\n", {"inputs": ["a"], "target": "b"}, r"row 2 has 2 fields, the"),
        ("a,y\n1,2,\n3,4,\n", {"target": "y"}, r"row 1 has 3 fields \(what follows its last co"),
        ("y\n1\n2\n", {"target": "y"}, r"mine.csv has no column but the target 'y'"),
    ],
)
def test_bad_files_give_one_line(tmp_path: Path, text: str, keys: dict, message: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as error:
        made(path, **keys)
    assert "\n" not in str(error.value)


def test_blank_lines_quotes_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text('\n"a, b", y\n1, 2\n  \n"3", 4\n\n', encoding="utf-8-sig")
    data = made(path, target="y")
    assert data["inputs"].values.tolist() == [[1], [3]]
    assert data["targets"].values.tolist() == [2, 4]


def test_what_is_no_netcdf_file_gives_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.nc"
    path.write_text("no such thing")
    with pytest.raises(DataError, match=r"mine.nc cannot be read as CSV or NetCDF"):
        made(path, target="y")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "give either target, a column, or formula"),
        ({"target": "y", "formula": "a"}, "give either target, a column, or formula"),
        ({"formula": "a"}, "formula needs inputs"),
        ({"target": "a", "inputs": ["a"]}, "target 'a' is among the inputs"),
        ({"target": "y", "inputs": ["a", "b", "a"]}, "inputs name 'a' twice"),
        (
            {"inputs": ["a"], "formula": "b + 1"},
            r"'b' in 'b \+ 1' is not allowed in an expression; allowed: a, numbers",
        ),
    ],
)
def test_wrong_settings_of_a_file(keys: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings(kind="file", path="mine.csv", **keys)


def test_the_plan_knows_a_file_by_its_content(csv: Path, tmp_path: Path) -> None:
    def plan(path: Path) -> Plan:
        mine = {"kind": "file", "path": str(path), "target": "y"}
        return Plan.from_config(
            load(
                CONFIG,
                {
                    "datasets": {"mine": mine},
                    "experiments": {"phase_diagram": {"dataset": "mine"}},
                },
            )
        )

    first = plan(csv)
    moved = plan(csv.rename(tmp_path / "elsewhere.csv"))
    assert moved.data["mine"].hash == first.data["mine"].hash
    assert moved.stamps == first.stamps
    assert moved.jobs == first.jobs
    other = tmp_path / "other.csv"
    other.write_text("a,b,y\n1,2,3\n")
    changed = plan(other)
    assert changed.data["mine"].hash != first.data["mine"].hash
    runs = [{job.path for job in one.jobs_of("phase_diagram")} for one in (first, changed)]
    assert not runs[0] & runs[1]


def test_a_missing_file_stops_only_what_needs_it(csv: Path, tmp_path: Path) -> None:
    gone = {"kind": "file", "path": str(tmp_path / "gone.csv"), "target": "y"}
    overrides = {
        "datasets": {"mine": gone},
        "experiments": {"own": {"inherits": "phase_diagram", "dataset": "mine"}},
        "figures": {"own": {"inherits": "phase_diagram", "measures": ["own"]}},
    }
    plan = Plan.from_config(load(CONFIG, overrides))
    others = Plan.from_config(load(CONFIG))
    line = r"config: datasets.mine.path = .*gone.csv cannot be read: No such file"
    needing = [
        plan.data["mine"],
        *plan.jobs_of("own"),
        plan.measures["own"],
        plan.figures["own"],
        plan.explorer,
        # Its boundary, which is made on request.
        *plan.jobs_of("boundary_mine"),
        plan.measures["boundary_mine"],
        plan.figures["boundary_mine"],
    ]
    for stage in needing:
        with pytest.raises(ConfigError, match=line):
            plan.require_files([stage])
    paths = {stage.path for stage in needing}
    rest = [stage for stage in plan.stages() if stage.path not in paths]
    plan.require_files(rest)
    assert {stage.hash for stage in rest} == {
        stage.hash for stage in others.stages() if stage.path != others.explorer.path
    }
    with pytest.raises(ConfigError, match=line):
        plan.stage("train", "own/of_a_file_that_was_there")
    plan.write_stamps(tmp_path)
    written = {path.name for path in (tmp_path / "results/code").iterdir()}
    assert "data-four_point.txt" in written and "data-mine.txt" not in written
    with pytest.raises(DataError, match=r"gone.csv cannot be read: No such file"):
        file_kind.build(plan.data["mine"].complete_settings)
    # A file that came meanwhile is not the one that was planned with.
    csv.rename(tmp_path / "gone.csv")
    with pytest.raises(DataError, match="changed since the workflow started"):
        file_kind.build(plan.data["mine"].complete_settings)


def test_a_renamed_file_gives_the_same_data(csv: Path, tmp_path: Path) -> None:
    keys = {"target": "y", "shares": [0.5, 0.25, 0.25], "standardise": "train", "split_seed": 1}
    first = made(csv, **keys)
    renamed = made(csv.rename(tmp_path / "renamed.csv"), **keys)
    assert renamed.identical(first)
    with pytest.raises(DataError, match=r"data set renamed.csv: shares = .* no training point"):
        made(tmp_path / "renamed.csv", target="y", shares=[0.1, 0.9, 0])


def test_the_path_is_no_counted_setting(csv: Path) -> None:
    mine = {"kind": "file", "path": str(csv), "target": "y"}
    planned = Plan.from_config(load(CONFIG, {"datasets": {"mine": mine}})).data["mine"]
    assert "path" not in planned.settings and planned.settings["sha256"] == digest(csv)
    assert planned.complete_settings == planned.settings | {"path": str(csv)}


def test_a_file_is_read_once_for_a_plan(csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def counting(path: str) -> str:
        read.append(path)
        return digest(path)

    monkeypatch.setattr(own_file, "digest", counting)
    mine = {"kind": "file", "path": str(csv), "target": "y"}
    uses = {"experiments": {"phase_diagram": {"dataset": "mine"}}}
    planned = Plan.from_config(load(CONFIG, {"datasets": {"mine": mine}, **uses}))
    assert "sha256" in planned.measures["phase_diagram"].settings["datasets"]["mine"]
    assert read == [str(csv)]


@pytest.mark.parametrize("path", ["~no_such_user/x.csv", "a\0b.csv", "a\nb.csv", ".", "/dev/zero"])
def test_paths_that_are_none_give_one_line(path: str) -> None:
    mine = {"kind": "file", "path": path, "target": "y"}
    with pytest.raises(ConfigError, match=r"datasets.mine.path = .* cannot be read: ") as error:
        plan = Plan.from_config(load(CONFIG, {"datasets": {"mine": mine}}))
        plan.require_files([plan.data["mine"]])
    assert str(error.value).isprintable()


def test_a_file_that_changes_under_way_is_noticed(csv: Path) -> None:
    planned = settings(kind="file", path=str(csv), target="y") | {"sha256": digest(csv)}
    csv.write_text("a,b,y\n1,2,3\n")
    with pytest.raises(DataError, match="changed since the workflow started"):
        file_kind.build(planned)


@pytest.mark.parametrize("inputs", ["normal", "unit_sphere", "uniform"])
def test_targets_of_a_function(inputs: str) -> None:
    keys = {"kind": "function", "formula": "sin(3 * x1) + abs(x2) ** 2", "n_features": 3}
    data = build(**keys, inputs=inputs, n_train=40, n_test=10)
    x = data["inputs"].values
    np.testing.assert_allclose(data["targets"], np.sin(3 * x[:, 0]) + x[:, 1] ** 2, rtol=1e-12)
    norms = np.linalg.norm(x, axis=1)
    assert (abs(x) <= 1).all() == (inputs != "normal")
    assert np.allclose(norms, 1) == (inputs == "unit_sphere")


def test_noise_and_more_points_keep_the_draw() -> None:
    keys = {"kind": "function", "formula": "x1", "n_features": 2, "n_test": 5}
    plain, noisy = (build(**keys, n_train=400, noise=noise) for noise in (0.0, 0.5))
    assert plain["inputs"].equals(noisy["inputs"])
    assert (noisy["targets"] - plain["targets"]).std().item() == pytest.approx(0.5, rel=0.15)
    fewer = build(**keys, n_train=100)
    np.testing.assert_array_equal(fewer["inputs"][:100], plain["inputs"][:100])
    np.testing.assert_array_equal(fewer["inputs"][100:], plain["inputs"][400:])


def test_a_constant_target_is_a_function_too() -> None:
    data = build(kind="function", formula="2", n_features=1, n_train=3, n_test=0)
    assert data["targets"].values.tolist() == [2.0] * 3


def test_a_function_that_is_not_finite_gives_one_line() -> None:
    with pytest.raises(DataError, match=r"formula 'log\(x1\)' is not finite at x1 = -"):
        build(kind="function", formula="log(x1)", n_features=1, n_train=50)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "x1.real",
        "x1 if x1 else 2",
        "exp(x1, 2)",
        "exp",
        "x3",
        "[x1]",
        "True",
        "'x1'",
        "1j",
        "x1 // 2",
        "lambda: x1",
        "9 ** 9 ** 9",
        "2 *",
        "",
        "(" * 500 + "x1" + ")" * 500,
        "x1 + " * 300 + "1",
    ],
)
def test_formulas_are_not_code(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        formulas.parse(text, ["x1", "x2"])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "sqrt(0 - 1) * x1",
        "log(-2) * x1",
        "log(log(0.5)) + x1",
        "(-8) ** (1 / 3) * x1",
        "log(0) * x1",
        "x1 / (x2 - x2)",
        "sqrt(-x1 ** 2)",
        "(((9 ** 100) ** 100) ** 100) ** 100 * x1",
        "((((2 * x1) ** 100) ** 100) ** 100) ** 100",
        "x1 * exp(exp(exp(exp(3))))",
        "sin(exp(exp(exp(5)))) * x1",
        "exp(10 ** 9 * log(2 * x1))",
        "1e200 * x1 * 1e200",
        "1" + "0" * 400 + " * x1",
        "-" * 480 + "x1",
        "sin(" * 60 + "x1" + ")" * 60,
    ],
)
def test_numbers_that_are_none_give_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match=r"no finite real one|too deep") as error:
        formulas.parse(text, ["x1", "x2"])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("names", "formula"),
    [
        (["a.b"], "a.b + 1"),
        (["a b"], "2 * a b"),
        (["a", "b", "a-b"], "a-b"),
        (["lambda"], "lambda ** 2"),
        (["\u00b5"], "\u00b5 + 1"),
        (["2nd"], "2nd"),
    ],
)
def test_columns_that_a_formula_cannot_name_are_refused(names: list[str], formula: str) -> None:
    message = (
        f"formula .* has a column {names[-1]!r}, .* letters, digits and _, .* rename it in the"
    )
    with pytest.raises(ConfigError, match=message) as error:
        settings(kind="file", path="mine.csv", inputs=names, formula=formula)
    assert "allowed: a.b" not in str(error.value)


def test_columns_with_odd_names_beside_a_formula(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("a,a.b,1\n2,3,4\n5,6,8\n")
    data = made(path, inputs=["a", "a.b", "1"], formula="a + 1")
    assert data["targets"].values.tolist() == [3, 6]


@pytest.mark.parametrize("name", ["sin", "pi", "abs"])
def test_columns_named_as_functions_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"a variable '{name}', the name of a function"):
        settings(kind="file", path="mine.csv", inputs=["a", name], formula="a + 1")


def test_large_constants_long_sums_and_odd_names() -> None:
    columns = {"numpy": np.array([1.0, 2.0]), "a b": np.array([0.0, 1.0]), "exp2": np.ones(2)}
    expression = formulas.parse("sin(9**99) * numpy + 10**30 + exp2 / 2", [*columns])
    expected = float(sympy.sin(9**99).evalf()) * columns["numpy"] + 1e30 + 0.5
    np.testing.assert_allclose(formulas.evaluate(expression, columns), expected, rtol=1e-15)
    long = formulas.parse("+".join(["numpy", "exp2"] * 40), [*columns])
    assert formulas.evaluate(long, columns).tolist() == [80, 120]


def test_formulas_are_what_they_say() -> None:
    x = sympy.Symbol("x", real=True)
    assert formulas.parse("-x ** 2 / (1 + exp(-x)) + pi / 2", ["x"]) == (
        -(x**2) / (1 + sympy.exp(-x)) + sympy.pi / 2
    )
    with pytest.raises(ConfigError, match=r"'abs\(x\)' is not allowed"):
        formulas.parse("abs(x)", ["x"])
