"""The explorer: one page that needs no other file, no network and no server."""

import json
from collections.abc import Mapping
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


def render(
    measures: Mapping[str, xr.Dataset],
    claims: Mapping[str, xr.Dataset],
    titles: Mapping[str, str],
    paths: Mapping[str, str],
) -> str:
    """Return the page as HTML.

    measures: by experiment, as read from their files, whose attribute `source` names the module
    that made them. claims: verdicts by paper. titles: of the papers. paths: names of the files of
    the measures (by experiment) and of the claims (by paper, as `claims/<paper>`). A paper without
    data has no section.
    """
    environment = Environment(
        loader=FileSystemLoader(PAGE),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    data = collect(measures, claims, titles, paths)
    return environment.get_template("page.html").render(
        sections=data["sections"],
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


def embedded(data: Any) -> str:
    """JSON that may stand in an HTML script element, whatever texts it contains."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")
