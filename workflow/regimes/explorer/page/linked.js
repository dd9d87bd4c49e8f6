"use strict";
// Plots of the same settings: what is chosen in one of them is marked in all.
Explorer.linked = (section, panel) => {
  const { number, option, element, say, showFigures, draw, log, linear, colour, dash, variable } = Explorer;
  const role = (name) => panel.querySelector(`[data-role="${name}"]`);
  const FAINT = 0.12;
  // With more points than these a curve needs no markers.
  const MARKED = 24;

  let group = section.groups[0];
  let keys = [];
  let labels = {};
  // What was chosen by a click or a key, and what the pointer is on.
  let fixed = { key: null, x: null };
  let over = null;
  // The plot that was chosen, by its heading.
  let panelled = null;
  let divs = [];
  // What the plots are marked with.
  let marked = {};

  const shared = () => group.plots[0].x;
  // Abscissas of the plots that share the first one's, in order.
  const abscissas = () => [...new Set(group.plots.filter((plot) => plot.x === shared())
    .flatMap((plot) => plot.curves.flatMap((one) => one.x)))].sort((a, b) => a - b);

  const transparent = (hex, alpha) =>
    `rgba(${[1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)).join(",")},${alpha})`;

  const inSeeds = (count) => (count === 1 ? "1 seed" : `mean of ${count} seeds`);

  function tracesOf(plot) {
    const traces = [];
    for (const one of plot.curves) {
      const index = keys.indexOf(one.key);
      const paint = colour(index);
      const meta = { key: one.key };
      if (one.low && !one.printed && one.x.length > 1) {
        traces.push({
          type: "scatter", mode: "lines", meta, hoverinfo: "skip", fill: "toself",
          x: [...one.x, ...[...one.x].reverse()], y: [...one.high, ...[...one.low].reverse()],
          fillcolor: transparent(paint, 0.18), line: { width: 0 },
        });
      }
      const text = one.y.map((value, n) => [Formulas.markup(one.label),
        `${number(one.x[n])}: ${number(value, 5)}${one.seeds ? ` (${inSeeds(one.seeds[n])})` : ""}`,
      ].join("<br>"));
      const hover = { text, hovertemplate: "%{text}<extra></extra>" };
      if (one.printed) {
        const [above, below] = [one.high, one.low].map((end) =>
          one.y.map((value, n) => (end[n] === null ? 0 : Math.abs(end[n] - value))));
        traces.push({
          type: "scatter", mode: "markers", meta, x: one.x, y: one.y, ...hover,
          marker: { symbol: "diamond-open", size: 8, color: paint },
          error_y: { type: "data", array: above, arrayminus: below, thickness: 1, color: paint },
        });
      } else {
        traces.push({
          type: "scatter", mode: one.x.length > MARKED ? "lines" : "lines+markers", meta, x: one.x,
          y: one.y, line: { color: paint, dash: dash(index), width: 2 }, marker: { size: 6 },
          ...hover,
        });
      }
    }
    // The last trace is the ring around the chosen points.
    traces.push({
      type: "scatter", mode: "markers", meta: { ring: true }, x: [], y: [], hoverinfo: "skip",
      marker: { symbol: "circle-open", size: 15, line: { width: 3 }, color: variable("--text") },
    });
    return traces;
  }

  function drawAll() {
    divs = group.plots.map((plot, index) => {
      const div = role("plots").children[index].querySelector(".plot");
      const all = (name) => plot.curves.flatMap((one) => one[name] || one.y);
      draw(div, tracesOf(plot), {
        xaxis: (plot.log_x ? log : linear)(plot.x, all("x")),
        yaxis: (plot.log_y ? log : linear)("", [...all("low"), ...all("high")]),
        hovermode: "closest",
      });
      return div;
    });
    marked = {};
    mark();
  }

  // Of a curve the index of the point at x, or of its last one.
  function pointAt(one, plot, x) {
    if (x === null || plot.x !== shared()) return one.x.length - 1;
    return one.x.indexOf(x);
  }

  function mark() {
    const now = over || fixed;
    if (now.key !== marked.key || now.x !== marked.x) markPlots(now);
    marked = { ...now };
    for (const button of role("legend").children) {
      button.setAttribute("aria-pressed", String(button.dataset.key === fixed.key));
    }
    group.plots.forEach((plot, index) => {
      const figure = role("plots").children[index];
      figure.classList.toggle("chosen", plot.id === panelled);
      // The link of the chosen plot's heading lets go of it.
      const plotOf = plot.id === panelled ? null : plot.id;
      figure.querySelector("h4 a").href = Explorer.address(section.id, { ...state(), plot: plotOf });
    });
    inWords();
  }

  function markPlots(now) {
    group.plots.forEach((plot, index) => {
      const div = divs[index];
      const last = div.data.length - 1;
      const faint = (trace) => now.key !== null && trace.meta.key !== now.key;
      const opacities = div.data.map((trace, n) => (n < last && faint(trace) ? FAINT : 1));
      const rings = { x: [], y: [] };
      if (now.x !== null && plot.x === shared()) {
        for (const one of plot.curves) {
          const n = one.x.indexOf(now.x);
          if (n >= 0 && !one.printed && (now.key === null || one.key === now.key)) {
            rings.x.push(one.x[n]);
            rings.y.push(one.y[n]);
          }
        }
      }
      if (now.key !== marked.key) Plotly.restyle(div, { opacity: opacities });
      if (rings.x.length || div.data[last].x.length) {
        Plotly.restyle(div, { x: [rings.x], y: [rings.y] }, [last]);
      }
    });
  }

  function inWords() {
    // The pointer changes what is marked many times a second: words follow what was chosen.
    const { key, x } = fixed;
    const where = x === null ? "" : `${shared()}: ${number(x)}. `;
    if (key === null) {
      say(role("words"), x === null
        ? "Point at a curve, or choose a setting in the list, to mark it in all plots; the slider marks "
          + "a place on all curves."
        : `${where}Choose a setting in the list to hear its values.`);
      return;
    }
    const values = group.plots.flatMap((plot) => plot.curves
      .filter((one) => one.key === key).map((one) => {
        const n = pointAt(one, plot, x);
        if (n < 0) return null;
        const about = [
          ...(one.low ? [`${number(one.low[n])} to ${number(one.high[n])}`] : []),
          ...(one.seeds ? [inSeeds(one.seeds[n])] : []),
        ].join(", ");
        const at = plot.x !== shared() || x === null ? ` at ${number(one.x[n])}` : "";
        return `${plot.title}${one.printed ? " in the paper" : ""}${at}: ${number(one.y[n])}`
          + (about && ` (${about})`);
      }).filter((text) => text !== null));
    say(role("words"), `${labels[key]}. ${where}${values.join("; ") || "no value here"}.`);
  }

  function fillLegend() {
    const swatch = (index) => {
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("viewBox", "0 0 28 10");
      svg.setAttribute("aria-hidden", "true");
      const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
      const dashes = { solid: "none", dash: "8 4", dot: "3 3", dashdot: "8 3 2 3" };
      const attributes = { x1: 0, x2: 28, y1: 5, y2: 5, "stroke-width": 3, stroke: colour(index),
        "stroke-dasharray": dashes[dash(index)] };
      for (const [name, value] of Object.entries(attributes)) line.setAttribute(name, value);
      svg.append(line);
      return svg;
    };
    role("legend").replaceChildren(...keys.map((key, index) => {
      const button = element("button", undefined, { type: "button", "aria-pressed": "false" });
      button.dataset.key = key;
      button.append(swatch(index), ...Formulas.nodes(labels[key]));
      button.addEventListener("click", () => {
        fixed.key = fixed.key === key ? null : key;
        mark();
        Explorer.moved();
      });
      button.addEventListener("mouseenter", () => { over = { key, x: fixed.x }; mark(); });
      button.addEventListener("mouseleave", () => { over = null; mark(); });
      return button;
    }));
  }

  // Plots of a group are new elements: groups differ in their number.
  function open(index) {
    group = section.groups[index];
    const curves = group.plots.flatMap((plot) => plot.curves);
    keys = [...new Set(curves.map((one) => one.key))];
    labels = Object.fromEntries(curves.map((one) => [one.key, one.label.replace(/, paper$/, "")]));
    fixed = { key: null, x: null };
    over = null;
    panelled = null;
    role("group").value = String(index);
    divs.forEach((div) => Plotly.purge(div));
    role("plots").replaceChildren(...group.plots.map((plot) => {
      const figure = element("div");
      const heading = element("h4");
      heading.append(say(element("a"), plot.title));
      figure.append(heading, element("div", undefined, { class: "plot" }));
      return figure;
    }));
    fillLegend();
    say(role("at-name"), shared());
    role("at").max = abscissas().length - 1;
    slide();
    showFigures(role("figures-label"), group.figures);
    drawAll();
    divs.forEach(listenTo);
  }

  // The slider stands where the marked points are.
  function slide() {
    const index = abscissas().indexOf(fixed.x);
    role("at").value = Math.max(index, 0);
    role("at-value").textContent = index < 0 ? " –" : ` ${number(fixed.x)}`;
  }

  const state = () => ({ view: group.id, setting: fixed.key, at: fixed.x, plot: panelled });

  // Open what an address names; what is not there is as if it were not named.
  function restore(wanted) {
    const index = Math.max(section.groups.findIndex((one) => one.id === wanted.view), 0);
    if (group !== section.groups[index]) open(index);
    const x = abscissas().find((one) => String(one) === wanted.at);
    fixed = { key: keys.includes(wanted.setting) ? wanted.setting : null, x: x === undefined ? null : x };
    over = null;
    const before = panelled;
    panelled = group.plots.some((one) => one.id === wanted.plot) ? wanted.plot : null;
    slide();
    mark();
    if (panelled !== null && panelled !== before) {
      role("plots").querySelector(".chosen").scrollIntoView({ block: "center" });
    }
  }

  function listenTo(div) {
    const found = (event) => {
      const point = event.points.find((one) => one.data.meta && one.data.meta.key);
      if (!point) return null;
      const plot = group.plots[divs.indexOf(div)];
      return { key: point.data.meta.key, x: plot.x === shared() ? point.x : fixed.x };
    };
    div.on("plotly_hover", (event) => { over = found(event); mark(); });
    div.on("plotly_unhover", () => { over = null; mark(); });
    div.on("plotly_click", (event) => {
      fixed = found(event) || fixed;
      slide();
      mark();
      Explorer.moved();
    });
  }

  option(role("group"), section.groups.map((one, index) => [String(index), Formulas.plain(one.label)]));
  role("group").addEventListener("change", () => {
    open(Number(role("group").value));
    Explorer.moved();
  });
  role("at").addEventListener("input", () => {
    fixed.x = abscissas()[Number(role("at").value)];
    slide();
    mark();
  });
  // Once, where the slider is let go.
  role("at").addEventListener("change", () => Explorer.moved());
  open(0);
  Explorer.onTheme(() => { if (!panel.hidden) drawAll(); else panel.dataset.stale = "yes"; });
  return { show: drawAll, state, restore };
};
