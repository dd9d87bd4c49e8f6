"use strict";
// What all sections share: the data, numbers in words, colours, plots.
const Explorer = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const narrow = window.matchMedia("(max-width: 700px)");
  // Distinguishable on both backgrounds, also for colour blindness.
  const COLOURS = ["#1f83c7", "#e07b00", "#15a06d", "#d1495b", "#8f6bd1", "#b8860b", "#0fa3b1",
    "#d16ba5", "#7a8a00", "#8c7265"];
  const DASHES = ["solid", "dash", "dot", "dashdot"];

  // Figures that were looked for: by name, whether each is there.
  const looked = {};

  let theme = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const redraws = [];
  let moved = () => {};

  const colour = (index) => COLOURS[index % COLOURS.length];
  const dash = (index) => DASHES[Math.floor(index / COLOURS.length) % DASHES.length];

  // A number to four significant digits; null is one that is missing.
  function number(value, digits = 4) {
    if (value === null || value === undefined) return "no value";
    if (Number.isInteger(value) && Math.abs(value) < 1e7) return grouped(value).replace("-", "−");
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e6)) return power(value, digits);
    return String(Number(value.toPrecision(digits))).replace("-", "−");
  }

  // A number as a mantissa times a power of ten.
  function power(value, digits = 4) {
    const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
    return Formulas.scientific(String(Number(mantissa)).replace("-", "−"), Number(exponent));
  }

  // Thin spaces between thousands: the language of the page writes no commas.
  function grouped(value) {
    const text = String(value);
    return Math.abs(value) < 10000 ? text : text.replace(/\B(?=(\d{3})+$)/g, "\u202f");
  }

  function option(select, values, chosen) {
    select.replaceChildren(...values.map(([value, label]) => new Option(label, value)));
    if (chosen !== undefined) select.value = chosen;
  }

  function element(name, text, attributes = {}) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  // Put a text with formulas into an element.
  function say(target, text) {
    target.replaceChildren(...Formulas.nodes(text));
    return target;
  }

  // A link to a figure in the folder beside that of the page, or its name, where it is missing.
  function figureLink(name) {
    const path = `figures/${name}.png`;
    const address = `../${path.split("/").map(encodeURIComponent).join("/")}`;
    const made = element("span", undefined, { class: "figure" });
    // A long name may break after its words.
    const parts = path.split(/(?<=[/_])/).flatMap((part) => [part, element("wbr")]);
    const settle = (there) => {
      looked[name] = there;
      if (there) {
        const link = element("a", undefined, { href: address, target: "_blank" });
        link.append(...parts);
        made.replaceChildren(link);
      } else {
        made.replaceChildren(...parts, " (missing)");
        made.title = `snakemake --cores 8 ${path} draws it`;
      }
    };
    if (name in looked) {
      settle(looked[name]);
      return made;
    }
    // A picture tells whether the file is there; it is asked for when it comes into view.
    const probe = element("img", undefined, { loading: "lazy", alt: "", class: "probe" });
    probe.addEventListener("load", () => settle(true));
    probe.addEventListener("error", () => settle(false));
    probe.src = address;
    made.append(...parts, probe);
    return made;
  }

  // Links to some figures; without any their line is hidden.
  function showFigures(line, names) {
    line.hidden = !names.length;
    line.querySelector('[data-role="figures"]').replaceChildren(
      ...names.flatMap((name, n) => [n ? ", " : "", figureLink(name)]));
  }

  // A view of a section as the fragment of an address; fields without a value are left out.
  function address(section, fields) {
    const known = Object.entries({ section, ...fields }).filter(([, value]) =>
      value !== null && value !== "");
    return `#${new URLSearchParams(known)}`;
  }

  const variable = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Draw into a div that is visible: Plotly takes its size from there.
  function draw(div, traces, layout) {
    const whole = {
      template: data.templates[theme],
      paper_bgcolor: variable("--back"),
      plot_bgcolor: variable("--back"),
      font: { color: variable("--text"), size: 13 },
      margin: { l: 62, r: 12, t: 30, b: 48 },
      dragmode: narrow.matches ? false : "zoom",
      hoverlabel: { align: "left" },
      showlegend: false,
      ...layout,
    };
    const axis = { gridcolor: variable("--line"), zeroline: false, automargin: true };
    whole.xaxis = { ...axis, ...whole.xaxis };
    whole.yaxis = { ...axis, ...whole.yaxis };
    const first = !div.classList.contains("js-plotly-plot");
    const drawn = Plotly.react(div, traces, whole, {
      responsive: true,
      displaylogo: false,
      // The page sends nothing anywhere.
      showSendToCloud: false,
      plotlyServerURL: "",
      displayModeBar: narrow.matches ? false : "hover",
      modeBarButtonsToRemove: ["select2d", "lasso2d"],
    });
    // Plotly gives the div its `on` with the first plot.
    if (first) div.on("plotly_relayout", () => tickAgain(div));
    return drawn;
  }

  // After a zoom an axis with ticks of its own has those of what it shows.
  function tickAgain(div) {
    const changes = {};
    for (const name of ["xaxis", "yaxis"]) {
      const axis = div._fullLayout[name];
      if (axis.tickmode !== "array") continue;
      const wanted = axis.type === "log" ? logTicks(...axis.range) : ticks(evenly(...axis.range));
      if (String(axis.tickvals) === String(wanted.tickvals)) continue;
      for (const [key, values] of Object.entries(wanted)) changes[`${name}.${key}`] = values;
    }
    if (Object.keys(changes).length) Plotly.relayout(div, changes);
  }

  // A logarithmic axis for some values.
  function log(title, values, half = 0.02) {
    const there = values.filter((one) => one > 0).map(Math.log10);
    const [low, high] = there.length ? [Math.min(...there), Math.max(...there)] : [0, 1];
    const room = Math.max(0.55 * (high - low), half);
    const range = [(low + high) / 2 - room, (low + high) / 2 + room];
    return { type: "log", title: { text: Formulas.markup(title) }, range, ...logTicks(...range) };
  }

  // Ticks of a logarithmic axis from `low` to `high`, in decades: at least three, whatever it spans.
  function logTicks(low, high) {
    const inside = (values) => values.filter((one) => one >= 10 ** low && one <= 10 ** high);
    const powers = (every, steps) => {
      const found = [];
      for (let n = Math.ceil((low - 1) / every) * every; n <= high; n += every) {
        found.push(...steps.map((step) => Number(`${step}e${n}`)));
      }
      return inside(found);
    };
    const size = Math.ceil((high - low) / 6);
    const few = [[1], [1, 2, 5], [1, 2, 3, 5, 7]].map((steps) => powers(size, steps));
    // Over less than half a decade logarithms are nearly proportional to the values.
    const wanted = high - low < 0.5 ? undefined : few.find((one) => one.length > 2);
    return ticks(wanted || evenly(10 ** low, 10 ** high));
  }

  // Three to six round numbers in equal steps.
  function evenly(low, high) {
    const unit = 10 ** Math.floor(Math.log10((high - low) / 3));
    const step = unit * [5, 2.5, 2, 1].find((one) => one * unit <= (high - low) / 3);
    const found = [];
    // Products, not sums, whose rounding would add up.
    for (let n = Math.ceil(low / step); n * step <= high; n += 1) {
      found.push(Number((n * step).toPrecision(12)));
    }
    return found;
  }

  // All as powers of ten where one would be long otherwise; with the digits that tell them apart.
  function ticks(values) {
    const sizes = values.filter((one) => one !== 0).map(Math.abs);
    const long = Math.max(...sizes) >= 1e5 || Math.min(...sizes) < 1e-3;
    const steps = values.slice(1).map((one, n) => Math.abs(one - values[n]));
    const digits = 2 + Math.ceil(Math.log10(Math.max(...sizes) / Math.min(...steps)) - 1e-9);
    const write = (one) => (long && one !== 0 ? power : number)(one, Math.min(Math.max(digits, 1), 15));
    return { tickvals: values, ticktext: values.map(write) };
  }

  // A linear axis for some values; without any its range and ticks are Plotly's.
  function linear(title, values) {
    const axis = { type: "linear", title: { text: Formulas.markup(title) }, exponentformat: "power" };
    const there = (values || []).filter((one) => one !== null);
    if (!there.length) return axis;
    const [low, high] = [Math.min(...there), Math.max(...there)];
    const room = 0.55 * (high - low) || 0.05 * Math.abs(low) || 0.5;
    const range = [(low + high) / 2 - room, (low + high) / 2 + room];
    return { ...axis, range, ...ticks(evenly(...range)) };
  }

  function setTheme(name) {
    theme = name;
    document.documentElement.dataset.theme = name;
    document.getElementById("theme").textContent = name === "dark" ? "Light colours" : "Dark colours";
    redraws.forEach((redraw) => redraw());
  }

  return {
    data, narrow, colour, dash, number, grouped, option, element, say, figureLink, showFigures, address, variable, draw, log,
    linear, ticks, setTheme, theme: () => theme, onTheme: (redraw) => redraws.push(redraw),
    // Sections say that a user chose something; `start.js` puts it into the page's address.
    moved: () => moved(), onMove: (follow) => { moved = follow; },
  };
})();
