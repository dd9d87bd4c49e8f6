"""The explorer: one page that needs no other file, no network and no server."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.io
import xarray as xr
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from regimes.explorer.assets import PAGE, SCRIPTS
from regimes.explorer.claims import rows
from regimes.explorer.values import made_by, origin
from regimes.plan.parts import load

# Names of Plotly's templates for both colour schemes.
TEMPLATES = {"light": "plotly_white", "dark": "plotly_dark"}
# Each paper's module `explorer` has TAB, the name of its tab, MEASURES, the modules whose measures
# it shows, and `section`, which makes the data of its section of them, or None.
LOADS_PART = "explorer"
# Parts of a section that each show an experiment.
VIEWS = ("groups", "diagrams", "condensations")
# More commits than these are counted.
NAMED_COMMITS = 3


def render(
    measures: Mapping[str, xr.Dataset],
    claims: Mapping[str, xr.Dataset],
    titles: Mapping[str, str],
    paths: Mapping[str, str],
    figures: Mapping[str, Sequence[str]],
) -> str:
    """Return the page as HTML.

    measures: by experiment, as read from their files, whose attribute `source` names the module
    that made them. claims: verdicts by paper. titles: of the papers. paths: names of the files of
    the measures (by experiment) and of the claims (by paper, as `claims/<paper>`). figures: names
    of the figures that show an experiment, by experiment. A paper without data has no section.
    """
    environment = Environment(
        loader=FileSystemLoader(PAGE),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    data = collect(measures, claims, titles, paths, figures)
    return environment.get_template("page.html").render(
        sections=data["sections"],
        made=made([origin for section in data["sections"] for origin in section["origins"]]),
        data=Markup(embedded(data)),
        plotly=Markup(get_plotlyjs()),
        styles=Markup((PAGE / "page.css").read_text(encoding="utf-8")),
        scripts=[Markup((PAGE / name).read_text(encoding="utf-8")) for name in SCRIPTS],
    )


def collect(
    measures: Mapping[str, xr.Dataset],
    claims: Mapping[str, xr.Dataset],
    titles: Mapping[str, str],
    paths: Mapping[str, str],
    figures: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """Collect the data of the page: `sections` in order, and Plotly's templates.

    Arguments as for `render`.
    """
    sections = []
    parts = load(LOADS_PART)
    # In the order of the titles. An experiment may belong to a paper of the user's own.
    for paper in sorted(parts, key=lambda name: [*titles, *parts].index(name)):
        part = parts[paper]
        runs = {name: one for name, one in measures.items() if made_by(one, part.MEASURES)}
        section = part.section(runs)
        if section is not None:
            origins = [origin(paths[name], one) for name, one in runs.items()]
            for view in (one for key in VIEWS for one in section.get(key, ())):
                view["figures"] = list(figures.get(view["experiment"], ()))
            title = titles.get(paper, part.TAB)
            sections.append(
                {"id": paper, "tab": part.TAB, "title": title, "origins": origins} | section
            )
    if claims:
        sections.append(
            {
                "id": "claims",
                "tab": "Claims",
                "title": "Claims of the papers",
                "origins": [origin(paths[f"claims/{paper}"], one) for paper, one in claims.items()],
                "kind": "claims",
                "rows": rows(claims),
                "papers": {paper: titles[paper] for paper in claims},
            }
        )
    templates = {
        scheme: plotly.io.templates[name].to_plotly_json() for scheme, name in TEMPLATES.items()
    }
    return {"sections": sections, "templates": templates}


def made(origins: Sequence[Mapping[str, str]]) -> str:
    """Say of which scale, version, commit and time some files are, as far as they tell.

    origins: as made by `values.origin`. They alone say it: the same files make the same page.
    """

    def known(key: str) -> list[str]:
        return sorted({one[key] for one in origins} - {"unknown"})

    commits = known("commit")
    if len(commits) > NAMED_COMMITS:
        commits = [f"{len(commits)} different ones"]
    days = sorted({created[: len("2021-01-31")] for created in known("created")})
    parts = {
        "Scale": known("scale"),
        "regimes": known("version"),
        "commit": commits,
        "made": [f"{days[0]} to {days[-1]}"] if len(days) > 1 else days,
    }
    return " · ".join(f"{name} {', '.join(values)}" for name, values in parts.items() if values)


def embedded(data: Any) -> str:
    """JSON that may stand in an HTML script element, whatever texts it contains."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")
