"""The explorer: one page that needs no other file, no network and no server."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import plotly.io
import xarray as xr
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from regimes.explorer import contents
from regimes.explorer.assets import PAGE, SCRIPTS
from regimes.explorer.claims import rows
from regimes.explorer.phase_diagrams import condensations, diagrams
from regimes.explorer.values import origin
from regimes.papers.caron2023 import explorer as caron2023
from regimes.papers.chen2022 import explorer as chen2022
from regimes.papers.razborov2022 import explorer as razborov2022
from regimes.papers.song2021 import explorer as song2021

# Names of Plotly's templates for both colour schemes.
TEMPLATES = {"light": "plotly_white", "dark": "plotly_dark"}
# Sections of linked plots: paper, name of the tab, modules of its measures, what makes its groups.
LINKED: tuple[tuple[str, str, tuple[str, ...], Callable[..., list[dict[str, Any]]]], ...] = (
    ("razborov2022", "Razborov", contents.RAZBOROV, razborov2022.groups),
    ("chen2022", "Chen et al.", contents.CHEN, chen2022.groups),
    ("caron2023", "Caron et al.", contents.CARON, caron2023.groups),
    ("song2021", "Song et al.", contents.SONG, song2021.groups),
)


def render(
    measures: Mapping[str, xr.Dataset],
    claims: Mapping[str, xr.Dataset],
    titles: Mapping[str, str],
    paths: Mapping[str, str],
) -> str:
    """The page as HTML.

    measures: by experiment, as read from their files, whose attribute `source` says what they are;
    claims: verdicts by paper; titles: of the papers; paths: names of the files of the measures (by
    experiment) and of the claims (by paper, as `claims/<paper>`). What is not there has no section.
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
    """What the page embeds: `sections` in order, each with its data, and Plotly's templates.

    Arguments as for `render`.
    """

    def of(modules: tuple[str, ...]) -> dict[str, xr.Dataset]:
        return {
            name: one
            for name, one in measures.items()
            if contents.made_by(one.attrs["source"], modules)
        }

    def section(kind: str, key: str, tab: str, title: str, files: list, **data: Any) -> dict:
        return {"kind": kind, "id": key, "tab": tab, "title": title, "origins": files} | data

    def origins(chosen: Mapping[str, xr.Dataset]) -> list[dict[str, str]]:
        return [origin(paths[name], one) for name, one in chosen.items()]

    sections = []
    planes, neurons = of(contents.PHASE_DIAGRAMS), of(contents.CONDENSATION)
    if planes:
        sections.append(
            section(
                "diagrams",
                "luo2021",
                "Luo et al.",
                titles.get("luo2021", "Luo et al."),
                origins(planes | neurons),
                diagrams=diagrams(planes),
                condensations=condensations(neurons),
            )
        )
    for paper, tab, modules, groups in LINKED:
        runs = of(modules)
        shown = groups(runs)
        if shown:
            # An experiment may belong to a paper of the user's own.
            files, title = origins(runs), titles.get(paper, tab)
            sections.append(section("linked", paper, tab, title, files, groups=shown))
    if claims:
        files = [origin(paths[f"claims/{paper}"], one) for paper, one in claims.items()]
        names = {paper: titles[paper] for paper in claims}
        sections.append(
            section("claims", "claims", "Claims", "Claims of the papers", files, rows=rows(claims))
            | {"papers": names}
        )
    templates = {
        scheme: plotly.io.templates[name].to_plotly_json() for scheme, name in TEMPLATES.items()
    }
    return {"sections": sections, "templates": templates}


def embedded(data: Any) -> str:
    """JSON that may stand in an HTML script element, whatever the texts in it are."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")
