"""`regimes describe`: what settings mean, and where they come from."""

import pytest

from regimes.config.load import load
from regimes.tools import describe
from regimes.tools.cli import main

LUO = "papers/luo2021/experiments.yaml"


def rows(text: str) -> dict[str, list[str]]:
    """Cells of each setting by its key: value, default, origin; and below it what it means."""
    lines = text.splitlines()[3:]
    key, found = "", {}
    for line in lines:
        if line.startswith("    "):
            found[key].append(line.strip())
        else:
            key, *cells = [cell.strip() for cell in line.split("  ") if cell.strip()]
            found[key] = cells
    return found


def test_a_setting_has_value_default_origin_and_meaning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    change = "experiments={phase_diagram: {solver: {tolerance: 0.01}}}"
    assert main(["describe", "phase_diagram", "--config", "scale=smoke", change]) == 0
    text = capsys.readouterr().out
    assert text.startswith("experiment phase_diagram at scale smoke: ")
    found = rows(text)
    assert found["solver.tolerance"][:3] == ["0.01", "0.03", "--config"]
    assert found["solver.tolerance"][3].startswith("Largest error of a step")
    assert found["axes.width"][:3] == ["[100, 200, 400]", "needed", f"{LUO} (scales.smoke)"]
    assert found["solver.max_steps"][:3] == ["5000", "5000", LUO]
    assert found["reduce_inputs"][:3] == ["true", "true", "default"]
    assert found["snapshots"][:3] == ["null", "null", "default"]


def test_what_is_inherited_says_from_where() -> None:
    found = rows(describe.described(load(), "growth_inverse"))
    assert found["exponents.beta1"][:3] == ["-1", "null", LUO]
    assert found["axes.seed"][2] == f"{LUO}, inherited from growth_unit"


@pytest.mark.parametrize("section", ["experiments", "datasets", "figures"])
def test_everything_can_be_described(section: str) -> None:
    config = load()
    for name in getattr(config, section):
        assert all(len(cells) >= 4 for cells in rows(describe.described(config, name)).values())


def test_without_a_name_experiments_are_listed_by_paper(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["describe"]) == 0
    lines = capsys.readouterr().out.splitlines()
    config = load()
    papers = [line.partition(":")[0] for line in lines if line and not line.startswith(" ")]
    assert papers == list(config.papers)
    described = dict(line.strip().split(": ", 1) for line in lines if line.startswith(" "))
    on_request = described.pop("on request alone").split(", ")
    assert {*described, *on_request} == set(config.experiments)
    assert "boundary_four_point" in on_request
    assert "  typical_cases: gradient_flow on four_point; 1 gamma_prime x 3 gamma x 1 width" in (
        "\n".join(lines)
    )


def test_an_unknown_name_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "phase"]) == 1
    assert (
        "no experiment, data set or figure 'phase'; experiments: phase_" in capsys.readouterr().err
    )


def test_what_cannot_be_made_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "boundary_unit_sphere_40"]) == 1
    assert "boundary_unit_sphere_40 cannot be made: " in capsys.readouterr().err
