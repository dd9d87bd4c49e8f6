"""The explorer in a browser: what is chosen is shown, and shown values are those of the files."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import browser as chromium
import numpy as np
import pytest
from explorer_results import CONDENSATION_GAMMA, NEURONS, Results, write_results

pytest.importorskip("selenium")

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

SECONDS = 60

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return write_results(tmp_path_factory.mktemp("results"))


class Page:
    """The open page, and one panel of it."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser

    def panel(self, section: str) -> Any:
        """Choose a tab; its panel."""
        self.browser.find_element(By.ID, f"tab-{section}").click()
        return self.browser.find_element(By.ID, f"panel-{section}")

    def role(self, panel: Any, name: str) -> Any:
        """The element of a panel with a role."""
        return panel.find_element(By.CSS_SELECTOR, f'[data-role="{name}"]')

    def text(self, panel: Any, name: str) -> str:
        """The text of an element, with its numbers as Python reads them."""
        text = self.role(panel, name).text.replace("\u202f", "").replace("−", "-")
        for power in set(re.findall("[⁻⁰¹²³⁴-⁹]+", text)):
            exponent = power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
            text = text.replace(f"×10{power}", f"e{exponent}").replace(
                f"10{power}", f"1e{exponent}"
            )
        return text

    def traces(self, div: Any) -> list[dict]:
        """What Plotly shows in a div."""
        wanted = "arguments[0].data.map(({x, y, z, name, mode, opacity, meta, customdata}) =>"
        return self.browser.execute_script(
            f"return {wanted} ({{x, y, z, name, mode, opacity, meta, customdata}}))", div
        )

    def click(self, div: Any, x: float, y: float) -> None:
        """Click a plot at a point in the units of its axes."""
        at = self.browser.execute_script(
            "const [div, x, y] = arguments, layout = div._fullLayout, box ="
            " div.getBoundingClientRect();"
            "return [layout.xaxis.l2p(x) + layout._size.l - box.width / 2,"
            " layout.yaxis.l2p(y) + layout._size.t - box.height / 2].map(Math.round);",
            div,
            x,
            y,
        )
        # By way of a point beside it, since Plotly looks at where the pointer moves to.
        actions = ActionChains(self.browser)
        actions.move_to_element_with_offset(div, at[0] - 3, at[1] - 3).pause(0.1)
        actions.move_to_element_with_offset(div, *at).pause(0.1).click().perform()


@pytest.fixture
def page(browser: Any, results: Results) -> Page:
    """The page, freshly opened on a desk in light colours."""
    chromium.resize(browser, chromium.DESKTOP)
    chromium.prefer(browser, "light")
    browser.get("about:blank")
    chromium.console(browser), chromium.requests(browser)
    browser.get(results.page.as_uri())
    # Megabytes of script: a busy machine needs a moment more than the browser says.
    ready = "return document.documentElement.dataset.ready"
    WebDriverWait(browser, SECONDS).until(lambda page: page.execute_script(ready) == "yes")
    return Page(browser)


def eventually(condition: Callable[[], Any]) -> None:
    """Wait for what follows a change of the address: the browser tells the page of it later."""
    WebDriverWait(None, SECONDS).until(lambda _: condition())


def probes(page: Page) -> list:
    """Figures that are shown and still looked for."""
    found = page.browser.find_elements(By.CSS_SELECTOR, ".probe")
    return [probe for probe in found if probe.is_displayed()]


def test_every_section_opens_without_errors_or_requests(page: Page, results: Results) -> None:
    tabs = page.browser.find_elements(By.CSS_SELECTOR, '[role="tab"]')
    assert len(tabs) == 6
    for tab in tabs:
        tab.click()
        panels = page.browser.find_elements(By.CSS_SELECTOR, '[role="tabpanel"]')
        shown = [panel for panel in panels if panel.is_displayed()]
        assert [one.get_attribute("aria-labelledby") for one in shown] == [tab.get_attribute("id")]
        plots = shown[0].find_elements(By.CSS_SELECTOR, ".plot")
        drawn = shown[0].find_elements(By.CSS_SELECTOR, ".plot .main-svg")
        assert (len(drawn) > 0) == (len(plots) > 0)
    # Nothing but the figures beside it, one of which is missing
    folder = results.page.parents[1].as_uri()
    names = ("phase_diagram", "luo2021/fig", "song2021/gone")
    figures = [f"{folder}/figures/{name}.png" for name in names]
    eventually(lambda: not probes(page))
    assert sorted(chromium.requests(page.browser)) == sorted([*figures, results.page.as_uri()])
    (missing,) = chromium.console(page.browser)
    assert missing.startswith(figures[2]) and "ERR_FILE_NOT_FOUND" in missing
    # Plotly's button that would open a web site
    assert not page.browser.find_elements(By.CSS_SELECTOR, '[data-title*="loud"]')


def check_cell(page: Page, results: Results, gamma_prime: float, gamma: float) -> None:
    """What is shown of a cell is what the file has."""
    panel = page.browser.find_element(By.ID, "panel-luo2021")
    assert page.text(panel, "chosen") == f"γ′ = {gamma_prime:g}, γ = {gamma:g}"
    measure = results.read("phase_diagram").sel(gamma_prime=gamma_prime, gamma=gamma)
    slope, error = (float(measure[name]) for name in ("slope_w", "slope_w_stderr"))
    shown = re.search(r"Sw = ([-\d.e]+) ± ([-\d.e]+)\.", page.text(panel, "words"))
    assert float(shown[1]) == pytest.approx(slope, rel=1e-3, abs=1e-12)
    assert float(shown[2]) == pytest.approx(error, rel=0.05)
    distance = measure["relative_distance_w"]
    *seeds, fit = page.traces(page.role(panel, "distance"))
    for seed, trace in zip(distance["seed"], seeds, strict=True):
        assert trace["x"] == distance["width"].values.tolist()
        np.testing.assert_allclose(trace["y"], distance.sel(seed=seed), rtol=1e-6)
    line = np.polyfit(np.log(fit["x"]), np.log(fit["y"]), 1)
    assert line[0] == pytest.approx(slope, abs=1e-5)
    for seed, trace in enumerate(page.traces(page.role(panel, "loss"))):
        loss = measure.sel(seed=seed)
        np.testing.assert_allclose(trace["x"], loss["time"], rtol=1e-6)
        np.testing.assert_allclose(trace["y"], loss["train_loss"], rtol=1e-6)
    boundary = float(results.read("phase_diagram")["boundary_gamma"].sel(gamma_prime=gamma_prime))
    assert f"γ = {float(f'{boundary:.4g}'):g} ±" in page.text(panel, "boundary")


def test_a_click_on_a_cell_shows_its_runs(page: Page, results: Results) -> None:
    panel = page.panel("luo2021")
    for gamma_prime, gamma in ((-0.5, 0.75), (0.5, 2.0), (0.0, 1.0)):
        page.click(page.role(panel, "map"), gamma_prime, gamma)
        check_cell(page, results, gamma_prime, gamma)


def test_the_keyboard_does_what_the_pointer_does(page: Page, results: Results) -> None:
    panel = page.panel("luo2021")
    steps = 0
    # From the top of the page with the tabulator alone
    page.browser.execute_script("document.activeElement.blur()")
    while "map" not in page.browser.switch_to.active_element.get_attribute("class").split():
        page.browser.switch_to.active_element.send_keys(Keys.TAB)
        steps += 1
        assert steps < 12
    focused = page.browser.switch_to.active_element
    assert focused.value_of_css_property("outline-style") == "solid"
    focused.send_keys(Keys.ARROW_LEFT, Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert page.text(panel, "cursor").startswith("γ′ = -0.5, γ = 1: Sw = ")
    assert page.text(panel, "chosen") == "γ′ = 0, γ = 1.5"  # not yet
    focused.send_keys(Keys.ENTER)
    check_cell(page, results, -0.5, 1.0)
    focused.send_keys(*[Keys.ARROW_RIGHT] * 9, *[Keys.ARROW_UP] * 9, Keys.SPACE)
    check_cell(page, results, 0.5, 2.0)


def test_the_table_has_the_same_numbers(page: Page, results: Results) -> None:
    panel = page.panel("luo2021")
    panel.find_element(By.CSS_SELECTOR, "details summary").click()
    cells = page.role(panel, "table").find_elements(By.CSS_SELECTOR, "td")
    shown = [float(cell.text.replace("\u202f", "")) for cell in cells]
    distance = results.read("phase_diagram")["relative_distance_w"].sel(gamma_prime=0, gamma=1.5)
    np.testing.assert_allclose(shown, distance.transpose("width", "seed").values.ravel(), rtol=1e-6)


def test_data_activation_and_layer_are_chosen(page: Page, results: Results) -> None:
    panel = page.panel("luo2021")
    activations = Select(page.role(panel, "activation"))
    assert [one.text for one in activations.options] == ["relu", "tanh"]
    assert "; the theory has γ = " in page.text(panel, "boundary")
    assert page.text(panel, "theory") == "the theory"
    activations.select_by_visible_text("tanh")
    Select(page.role(panel, "layer")).select_by_value("a")
    measure = results.read("phase_diagram_tanh")
    heat, _, theory, stars = page.traces(page.role(panel, "map"))
    np.testing.assert_allclose(heat["z"], measure["slope_a"].transpose("gamma", ...), rtol=1e-6)
    np.testing.assert_allclose(theory["y"], measure["theory_boundary_gamma_a"], rtol=1e-6)
    assert "; the theory for ReLU has γ = " in page.text(panel, "boundary")
    assert page.text(panel, "theory") == "the theory for ReLU"
    zeros = np.array([one if one is not None else np.nan for one in stars["y"]], float)
    np.testing.assert_allclose(zeros, measure["boundary_gamma_a"], rtol=1e-6)
    assert "not simulated for 4 points, tanh" in page.text(panel, "scatter-words")
    Select(page.role(panel, "data")).select_by_visible_text("MNIST, 45 images")
    assert [one.text for one in activations.options] == ["relu"]


def test_neurons_are_shown_where_they_were_simulated(page: Page, results: Results) -> None:
    panel = page.panel("luo2021")
    nearest = page.role(panel, "nearest")
    assert page.text(panel, "scatter-words") == (
        "Not simulated at this setting; the nearest is γ′ = 0, γ = 1."
    )
    assert not page.role(panel, "scatter").is_displayed()
    nearest.click()
    assert page.text(panel, "scatter-words").startswith("Nearest setting, γ′ = 0, γ = 1: 300 neur")
    page.click(page.role(panel, "map"), 0.0, CONDENSATION_GAMMA[0])
    assert not nearest.is_displayed()
    measure = results.read("condensation").isel(gamma_prime=0, gamma=0, seed=0)
    for index, width in enumerate(NEURONS):
        Select(page.role(panel, "width")).select_by_index(index)
        (scatter,) = page.traces(page.role(panel, "scatter"))
        assert np.sum(scatter["customdata"]) == width
        share = float(measure["heaviest_bins_share"].sel(width=width))
        words = page.text(panel, "scatter-words")
        assert words.startswith(f"{width} neurons, seed 0;")
        percent = float(re.search(r"at random: ([\d.]+) %", words)[1])
        assert percent == pytest.approx(100 * share, rel=1e-3)


def opacities(page: Page, panel: Any) -> list[dict[str, set]]:
    """Of each plot the opacities of the curves by key."""
    found = []
    for div in panel.find_elements(By.CSS_SELECTOR, ".grid .plot"):
        by_key: dict[str, set] = {}
        for trace in page.traces(div):
            if "key" in trace["meta"]:
                by_key.setdefault(trace["meta"]["key"], set()).add(trace["opacity"] or 1)
        found.append(by_key)
    return found


def rings(page: Page, panel: Any) -> list[list]:
    """Of each plot the abscissas of the ringed points."""
    divs = panel.find_elements(By.CSS_SELECTOR, ".grid .plot")
    return [page.traces(div)[-1]["x"] for div in divs]


def test_a_point_in_one_plot_is_marked_in_the_others(page: Page, results: Results) -> None:
    panel = page.panel("razborov2022")
    runs = results.read("razborov2022").sel(width=100, n_train=200)
    first = panel.find_element(By.CSS_SELECTOR, ".grid .plot")
    page.click(first, 200, float(np.log10(runs["stopping_time"].mean())))
    for plot in opacities(page, panel):
        assert plot["S=100"] == {1} and max(plot["S=200"]) < 0.5
    assert rings(page, panel) == [[200]] * 4
    words = page.text(panel, "words")
    assert words.startswith("S = 100. number m of training points: 200. steps T")
    values = runs["kappa_h"]
    expected = [float(f"{value:.4g}") for value in (values.mean(), values.min(), values.max())]
    assert (
        "κH = λmin(HT) / λmin(H0): {:g} ({:g} to {:g}, mean of {} seeds)".format(
            *expected, runs.sizes["seed"]
        )
        in words
    )
    assert "steps T until convergence in the paper: 699 (664 to 772)" in words


def test_the_list_and_the_slider_mark_by_the_keyboard(page: Page) -> None:
    panel = page.panel("caron2023")
    buttons = page.role(panel, "legend").find_elements(By.TAG_NAME, "button")
    assert len(buttons) == 4
    buttons[3].send_keys(Keys.ENTER)
    assert [one.get_attribute("aria-pressed") for one in buttons] == ["false"] * 3 + ["true"]
    for plot in opacities(page, panel):
        assert [max(one) == 1 for one in plot.values()] == [False] * 3 + [True]
    slider = page.role(panel, "at")
    slider.send_keys(Keys.END)
    over_steps = [one for one in rings(page, panel) if one]
    assert len(over_steps) >= 3 and all(one == [100000] for one in over_steps)
    assert page.text(panel, "words").startswith("γ = 0, α = 0.4. number of steps: 100000.")
    buttons[3].send_keys(Keys.SPACE)
    assert all(set().union(*plot.values()) == {1} for plot in opacities(page, panel))


def test_the_pointer_marks_as_long_as_it_is_there(page: Page) -> None:
    panel = page.panel("song2021")
    button = page.role(panel, "legend").find_element(By.TAG_NAME, "button")
    ActionChains(page.browser).move_to_element(button).perform()
    assert any(max(one) < 0.5 for one in opacities(page, panel)[2].values())
    heading = panel.find_element(By.TAG_NAME, "h2")
    ActionChains(page.browser).move_to_element(heading).perform()
    assert all(max(one) == 1 for one in opacities(page, panel)[2].values())


def test_groups_are_chosen(page: Page) -> None:
    panel = page.panel("chen2022")
    groups = Select(page.role(panel, "group"))
    assert [one.text for one in groups.options] == [
        "chen2022_random_labels: m = 4096",
        "chen2022_random_labels: m = 8192",
    ]
    groups.select_by_index(1)
    assert len(panel.find_elements(By.CSS_SELECTOR, ".grid .plot .main-svg")) > 0
    assert chromium.console(page.browser) == []


def test_tabs_follow_the_arrow_keys(page: Page) -> None:
    page.browser.find_element(By.ID, "tab-luo2021").send_keys(Keys.ARROW_LEFT)
    last = page.browser.switch_to.active_element
    assert last.get_attribute("id") == "tab-claims"
    assert last.get_attribute("aria-selected") == "true"
    last.send_keys(Keys.HOME)
    assert page.browser.switch_to.active_element.get_attribute("id") == "tab-luo2021"


def shown_claims(panel: Any) -> list[str]:
    return [row.find_element(By.TAG_NAME, "td").text for row in rows(panel)]


def rows(panel: Any) -> list:
    return panel.find_elements(By.CSS_SELECTOR, "tbody[data-role] tr")


def test_claims_are_filtered(page: Page) -> None:
    panel = page.panel("claims")
    assert shown_claims(panel) == ["L1", "L2", "R1"]
    # Texts are texts, whatever is in them.
    assert "the boundary is <b>there</b>" in rows(panel)[0].text
    assert "by </script> & hand" in rows(panel)[0].text
    assert "3.25" in rows(panel)[1].text
    Select(page.role(panel, "verdict")).select_by_visible_text("reproduced")
    assert shown_claims(panel) == ["L1", "R1"]
    Select(page.role(panel, "paper")).select_by_value("razborov2022")
    assert shown_claims(panel) == ["R1"]
    assert page.text(panel, "count") == "1 of 3 claims: 1 reproduced."
    Select(page.role(panel, "verdict")).select_by_visible_text("all")
    Select(page.role(panel, "paper")).select_by_visible_text("all")
    page.role(panel, "text").send_keys("SLOPES")
    assert shown_claims(panel) == ["L2"]


@pytest.fixture
def section_names(page: Page) -> list[str]:
    tabs = page.browser.find_elements(By.CSS_SELECTOR, '[role="tab"]')
    return [tab.get_attribute("id").removeprefix("tab-") for tab in tabs]


def test_nothing_overflows_a_phone(page: Page, section_names: list[str]) -> None:
    chromium.resize(page.browser, chromium.PHONE)
    page.browser.refresh()
    for name in section_names:
        panel = page.panel(name)
        for details in panel.find_elements(By.CSS_SELECTOR, "details:not([open]) > summary"):
            details.click()
        width, inside = page.browser.execute_script(
            "return [document.documentElement.scrollWidth, innerWidth]"
        )
        assert (width, inside) == (390, 390), name
        left = {
            round(div.rect["x"]) for div in panel.find_elements(By.CSS_SELECTOR, ".columns > div")
        }
        assert len(left) <= 1, "more than one column"


def background(page: Page, scale: Callable[[list[int]], float] = sum) -> tuple[float, float]:
    """Brightness of the page, and of a plot."""
    colours = [
        page.browser.find_element(By.TAG_NAME, "body").value_of_css_property("background-color"),
        page.browser.find_element(By.CSS_SELECTOR, ".main-svg").value_of_css_property("background"),
    ]
    found = [[int(part) for part in re.findall(r"\d+", colour)[:3]] for colour in colours]
    return tuple(scale(one) for one in found)


def test_colours_follow_the_system_and_the_button(page: Page) -> None:
    page.panel("luo2021")
    assert min(background(page)) > 600
    button = page.browser.find_element(By.ID, "theme")
    assert button.text == "Dark colours"
    button.click()
    assert max(background(page)) < 150
    assert button.text == "Light colours"
    # Sections that are opened later, too
    page.panel("chen2022")
    assert max(background(page)) < 150
    chromium.prefer(page.browser, "dark")
    page.browser.refresh()
    assert max(background(page)) < 150
    template = "return document.querySelector('.js-plotly-plot').layout.template.layout"
    assert page.browser.execute_script(template)["paper_bgcolor"] != "white"
    page.browser.find_element(By.ID, "theme").click()
    assert min(background(page)) > 600
    assert page.browser.execute_script(template)["paper_bgcolor"] == "white"


def test_what_is_shown_is_told_to_screen_readers(page: Page, section_names: list[str]) -> None:
    for name in section_names:
        panel = page.panel(name)
        live = [
            one
            for one in panel.find_elements(By.CSS_SELECTOR, '[aria-live="polite"]')
            if one.text.strip()
        ]
        assert live, name
        for control in panel.find_elements(By.CSS_SELECTOR, "select, input, button"):
            if control.is_displayed():
                assert control.accessible_name, control.get_attribute("outerHTML")[:200]


def test_the_header_says_what_made_the_results(page: Page, results: Results) -> None:
    attributes = results.read("phase_diagram").attrs
    shown = page.browser.find_element(By.CSS_SELECTOR, "header .made").text
    assert shown.startswith(f"Scale smoke · regimes {attributes['regimes_version']}")
    assert attributes["created"][:10] in shown


def test_every_axis_has_three_labels(page: Page, section_names: list[str]) -> None:
    for size in (chromium.DESKTOP, chromium.PHONE):
        chromium.resize(page.browser, size)
        page.browser.refresh()
        for name in section_names:
            panel = page.panel(name)
            if name == "luo2021":
                page.role(panel, "nearest").click()
            assert chromium.few_ticks(page.browser) == []


@pytest.mark.parametrize("decades", [1e-4, 0.01, 0.2, 0.5, 0.9, 1.2, 1.7, 2.5, 4, 9, 30])
def test_logarithmic_axes_have_labels_whatever_they_span(page: Page, decades: float) -> None:
    for low in (-12.34, -3.01, -0.1, 0.0, 2.7, 5.5):
        axis = page.browser.execute_script(
            "return Explorer.log('', arguments[0])", [10**low, 10 ** (low + decades)]
        )
        ticks = np.log10(axis["tickvals"])
        assert axis["range"][0] <= low and axis["range"][1] >= low + decades
        assert np.all((ticks >= axis["range"][0] - 1e-9) & (ticks <= axis["range"][1] + 1e-9))
        assert 3 <= len(ticks) == len(set(axis["ticktext"])) <= 9, axis


def test_an_axis_of_equal_or_of_no_values_has_labels(page: Page) -> None:
    for values in ([2.0, 2.0], [], [0.0, -1.0]):
        axis = page.browser.execute_script("return Explorer.log('', arguments[0])", values)
        assert len(axis["tickvals"]) >= 3


def test_a_zoomed_axis_has_labels(page: Page) -> None:
    panel = page.panel("caron2023")
    div = panel.find_elements(By.CSS_SELECTOR, ".grid .plot")[1]
    for change in ("'yaxis.range': [0.01, 0.1]", "'yaxis.autorange': true"):
        page.browser.execute_script(f"Plotly.relayout(arguments[0], {{{change}}})", div)
        assert chromium.few_ticks(page.browser) == []


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("slope_w <= gamma - gamma_prime - 1", "S<sub>w</sub> ≤ γ − γ′ − 1"),
        ("kappa' a_k^2 - |w_k|^2", "κ′ a<sub>k</sub><sup>2</sup> − |w<sub>k</sub>|<sup>2</sup>"),
        ("kappa_H = lambda_min(H_T)", "κ<sub>H</sub> = λ<sub>min</sub>(H<sub>T</sub>)"),
        ("exp(-gamma kappa_n t / 2) L_0", "exp(−γ κ<sub>n</sub> t / 2) L<sub>0</sub>"),
        ("C_0(X) sum_j lambda_mj^2", "C<sub>0</sub>(X) ∑<sub>j</sub> λ<sub>mj</sub><sup>2</sup>"),
        ("beta1 = m^-1/2, (m n)^(1/3)", "β<sub>1</sub> = m<sup>−1/2</sup>, (m n)<sup>1/3</sup>"),
        ("|Phi - Phi~|, 2.5e5, 1e-3", "|Φ − Φ\u0303|, 2.5×10<sup>5</sup>, 10<sup>−3</sup>"),
        (r"$\gamma'$, \omega_2 and m^{-1/2}", "γ′, ω<sub>2</sub> and m<sup>−1/2</sup>"),
        ("|boundary_gamma - theory|, log10 of slope_theta",
         "|γ<sub>boundary</sub> − theory|, log<sub>10</sub> of S<sub>θ</sub>"),
        # Names and words stay what they are.
        ("L1, A2-cifar10: own_gamma, gamma_sweep, n_train, chen2022_scalings, a slope, 1-2", None),
        ("beta-smoothness", "β-smoothness"),
        ("a < b & <b>c</b>", "a &lt; b &amp; &lt;b&gt;c&lt;/b&gt;"),
    ],
)  # fmt: skip
def test_formulas_are_typeset(page: Page, text: str, printed: str | None) -> None:
    typeset = page.browser.execute_script(
        "const made = document.createElement('p'); Explorer.say(made, arguments[0]);"
        "return [made.innerHTML, Formulas.markup(arguments[0])]",
        text,
    )
    assert typeset == [text if printed is None else printed] * 2


def test_what_takes_no_tags_has_characters_instead(page: Page) -> None:
    plain = page.browser.execute_script("return Formulas.plain('omega_2, m^-1, kappa_H')")
    assert plain == "ω₂, m⁻¹, κ_H"


def test_no_formula_is_shown_as_it_is_typed(page: Page, section_names: list[str]) -> None:
    for name in section_names:
        page.panel(name)
        assert chromium.raw_formulas(page.browser) == []
    third = rows(page.panel("claims"))[2]
    assert "|WT − W0| ≤ 10−3 at γ′ = −0.5, log_view aside" in third.text
    assert [one.text for one in third.find_elements(By.TAG_NAME, "sub")] == ["T", "0"]


def test_claims_are_found_by_what_is_typed_and_by_what_is_shown(page: Page) -> None:
    panel = page.panel("claims")
    for text in ("gamma_prime", "γ′"):
        page.role(panel, "text").clear()
        page.role(panel, "text").send_keys(text)
        assert shown_claims(panel) == ["R1"]


def test_a_point_is_told_in_words_and_signs(page: Page) -> None:
    panel = page.panel("caron2023")
    divs = panel.find_elements(By.CSS_SELECTOR, ".grid .plot")
    trace = page.browser.execute_script(
        "return arguments[0].data.find((one) => one.text).text", divs[0]
    )
    label, first = trace[0].split("<br>")
    assert label == "γ = 1"
    assert re.fullmatch(r"0: [\d.]+ \(mean of \d seeds\)", first)


def settled(page: Page, panel: Any, name: str) -> Any:
    """The line of figures, or a claim's, when it is known what is there."""
    eventually(lambda: not probes(page))
    return panel.find_element(By.CSS_SELECTOR, name)


def test_figures_that_are_there_are_linked(page: Page, results: Results) -> None:
    folder = results.page.parents[1] / "figures"
    line = settled(page, page.panel("luo2021"), '[data-role="figures"]')
    assert line.text == "figures/phase_diagram.png, figures/luo2021/fig.png"
    addresses = [link.get_attribute("href") for link in line.find_elements(By.TAG_NAME, "a")]
    expected = [folder / "phase_diagram.png", folder / "luo2021/fig.png"]
    assert addresses == [path.as_uri() for path in expected]
    assert all(path.is_file() for path in expected)
    link = settled(page, rows(page.panel("claims"))[0], ".figure a")
    assert link.get_attribute("href") == expected[1].as_uri()


def test_figures_that_are_missing_are_said_to_be(page: Page) -> None:
    panel = page.panel("song2021")
    line = settled(page, panel, '[data-role="figures"]')
    assert line.text == "figures/song2021/gone.png (missing)"
    assert not line.find_elements(By.TAG_NAME, "a")
    # No figure shows this experiment.
    assert not page.role(page.panel("chen2022"), "figures-label").is_displayed()


def fragment(page: Page) -> dict[str, str]:
    return dict(parse_qsl(page.browser.current_url.partition("#")[2]))


def reopened(page: Page, address: str) -> None:
    """Open an address as if it had been sent."""
    page.browser.get("about:blank")
    page.browser.get(address)


def test_a_cell_is_in_the_address(page: Page, results: Results) -> None:
    panel = page.panel("luo2021")
    Select(page.role(panel, "activation")).select_by_visible_text("tanh")
    Select(page.role(panel, "layer")).select_by_value("a")
    page.click(page.role(panel, "map"), 0.5, 2.0)
    assert fragment(page) == {
        "section": "luo2021",
        "experiment": "phase_diagram_tanh",
        "layer": "a",
        "gamma_prime": "0.5",
        "gamma": "2",
    }
    words, address = page.text(panel, "words"), page.browser.current_url
    reopened(page, address)
    panel = page.browser.find_element(By.ID, "panel-luo2021")
    assert page.text(panel, "words") == words and "tanh" in words
    assert page.text(panel, "chosen") == "γ′ = 0.5, γ = 2"
    assert page.role(panel, "layer").get_attribute("value") == "a"
    assert page.browser.current_url == address


def test_neurons_are_in_the_address(page: Page) -> None:
    panel = page.panel("luo2021")
    page.role(panel, "nearest").click()
    Select(page.role(panel, "width")).select_by_index(0)
    assert (fragment(page)["neurons"], fragment(page)["width"]) == ("nearest", str(NEURONS[0]))
    words = page.text(panel, "scatter-words")
    reopened(page, page.browser.current_url)
    panel = page.browser.find_element(By.ID, "panel-luo2021")
    assert page.text(panel, "scatter-words") == words
    assert words.startswith(f"Nearest setting, γ′ = 0, γ = 1: {NEURONS[0]} neurons")


def test_linked_plots_are_in_the_address(page: Page) -> None:
    panel = page.panel("chen2022")
    Select(page.role(panel, "group")).select_by_index(1)
    page.role(panel, "legend").find_elements(By.TAG_NAME, "button")[1].click()
    page.role(panel, "at").send_keys(Keys.END)
    panel.find_elements(By.CSS_SELECTOR, ".grid h4 a")[2].click()
    eventually(lambda: panel.find_elements(By.CSS_SELECTOR, ".grid .chosen"))
    shown = fragment(page)
    assert shown["view"] == "chen2022_random_labels/8192" and shown["plot"] == "feature_movement"
    words = page.text(panel, "words")
    assert "n = " in words and "number of steps" in words
    reopened(page, page.browser.current_url)
    panel = page.browser.find_element(By.ID, "panel-chen2022")
    assert page.text(panel, "words") == words
    assert Select(page.role(panel, "group")).first_selected_option.text.endswith("m = 8192")
    assert fragment(page) == shown
    (chosen,) = panel.find_elements(By.CSS_SELECTOR, ".grid .chosen")
    assert chosen.find_element(By.TAG_NAME, "h4").text == "mean movement of the features"
    top = page.browser.execute_script("return arguments[0].getBoundingClientRect().top", chosen)
    assert 0 <= top < chromium.DESKTOP[1], "it is in view"
    # The heading lets go of it.
    chosen.find_element(By.TAG_NAME, "a").click()
    eventually(lambda: not panel.find_elements(By.CSS_SELECTOR, ".grid .chosen"))


def test_the_filter_of_claims_is_in_the_address(page: Page) -> None:
    panel = page.panel("claims")
    Select(page.role(panel, "verdict")).select_by_visible_text("reproduced")
    page.role(panel, "text").send_keys("gamma", Keys.ENTER)
    assert fragment(page) == {"section": "claims", "verdict": "reproduced", "text": "gamma"}
    reopened(page, page.browser.current_url)
    assert shown_claims(page.browser.find_element(By.ID, "panel-claims")) == ["R1"]


def test_back_and_forward_go_from_choice_to_choice(page: Page) -> None:
    panel = page.panel("luo2021")
    plot = page.role(panel, "map")
    page.click(plot, -0.5, 1.0)
    page.click(plot, 0.5, 2.0)
    page.panel("song2021")
    page.role(page.panel("song2021"), "legend").find_elements(By.TAG_NAME, "button")[1].click()

    def shown() -> tuple[str, str]:
        (tab,) = page.browser.find_elements(By.CSS_SELECTOR, '[role="tab"][aria-selected="true"]')
        pressed = page.browser.find_elements(
            By.CSS_SELECTOR, '#panel-song2021 [aria-pressed="true"]'
        )
        chosen = pressed[0].text if pressed else page.text(panel, "chosen")
        return tab.text, chosen

    first, second = ("Luo et al.", "γ′ = -0.5, γ = 1"), ("Luo et al.", "γ′ = 0.5, γ = 2")
    assert shown() == ("Song et al.", "mean square")
    for wanted in (("Song et al.", ""), second, first, ("Luo et al.", "γ′ = 0, γ = 1.5")):
        page.browser.back()
        eventually(lambda wanted=wanted: shown() == wanted)
    for wanted in (first, second):
        page.browser.forward()
        eventually(lambda wanted=wanted: shown() == wanted)


@pytest.mark.parametrize(
    ("bad", "shown"),
    [
        ("nonsense", "luo2021"),
        ("section=other&layer=x", "luo2021"),
        ("%E0%A4%A&section=%ZZ", "luo2021"),
        ("section=luo2021&experiment=gone&layer=constructor&gamma=a&gamma_prime=", "luo2021"),
        ("section=caron2023&view=gone&setting=toString&at=1e999&plot=%22%5D", "caron2023"),
        ("section=claims&paper=gone&verdict=%3Cb%3E", "claims"),
    ],
)  # fmt: skip
def test_a_bad_address_opens_the_default(
    page: Page, results: Results, bad: str, shown: str
) -> None:
    chromium.console(page.browser)
    reopened(page, f"{results.page.as_uri()}#{bad}")
    (tab,) = page.browser.find_elements(By.CSS_SELECTOR, '[role="tab"][aria-selected="true"]')
    assert tab.get_attribute("id") == f"tab-{shown}"
    assert page.browser.execute_script("return document.documentElement.dataset.ready") == "yes"
    assert chromium.console(page.browser) == []
    # What was not understood is gone from the address.
    assert fragment(page)["section"] == shown
    assert not {"paper", "verdict", "setting", "at", "plot", "nonsense"} & set(fragment(page))
    if shown == "luo2021":
        panel = page.browser.find_element(By.ID, "panel-luo2021")
        assert page.text(panel, "chosen") == "γ′ = 0, γ = 1.5"
        assert fragment(page)["experiment"] == "phase_diagram"
