"use strict";
// What all sections share: the data, numbers in words, colours, plots.
const Explorer = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const narrow = window.matchMedia("(max-width: 700px)");
  // Distinguishable on both backgrounds, also for colour blindness.
  const COLOURS = ["#1f83c7", "#e07b00", "#15a06d", "#d1495b", "#8f6bd1", "#b8860b", "#0fa3b1",
    "#d16ba5", "#7a8a00", "#8c7265"];
  const DASHES = ["solid", "dash", "dot", "dashdot"];

  let theme = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const redraws = [];

  const colour = (index) => COLOURS[index % COLOURS.length];
  const dash = (index) => DASHES[Math.floor(index / COLOURS.length) % DASHES.length];

  // A number to four significant digits; null is one that is missing.
  function number(value, digits = 4) {
    if (value === null || value === undefined) return "no value";
    if (Number.isInteger(value) && Math.abs(value) < 1e7) return grouped(value);
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e6)) {
      return value.toExponential(digits - 1).replace(/\.?0+e/, "e").replace("e+", "e");
    }
    return String(Number(value.toPrecision(digits)));
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
    return Plotly.react(div, traces, whole, {
      responsive: true,
      displaylogo: false,
      // The page sends nothing anywhere.
      showSendToCloud: false,
      plotlyServerURL: "",
      displayModeBar: narrow.matches ? false : "hover",
      modeBarButtonsToRemove: ["select2d", "lasso2d"],
    });
  }

  // A logarithmic axis for some values. Over few decades it has ticks at 1, 2 and 5 times powers of
  // ten, written out: Plotly would write single digits there.
  function log(title, values) {
    const axis = {
      type: "log", title: { text: title }, exponentformat: "power", minorloglabels: "none",
    };
    const there = values.filter((one) => one > 0).map(Math.log10);
    const [low, high] = [Math.min(...there), Math.max(...there)];
    if (!there.length || high - low > 3) return axis;
    const steps = high - low > 1.5 ? [1] : [1, 2, 5];
    const at = [];
    for (let power = Math.floor(low) - 1; power <= high + 1; power += 1) {
      at.push(...steps.map((step) => Number(`${step}e${power}`)));
    }
    return { ...axis, ...ticks(at) };
  }

  const ticks = (values) =>
    ({ tickvals: values, ticktext: values.map((one) => number(one)) });

  const linear = (title) => ({ type: "linear", title: { text: title } });

  function setTheme(name) {
    theme = name;
    document.documentElement.dataset.theme = name;
    document.getElementById("theme").textContent = name === "dark" ? "Light colours" : "Dark colours";
    redraws.forEach((redraw) => redraw());
  }

  return {
    data, narrow, colour, dash, number, grouped, option, element, variable, draw, log, linear, ticks,
    setTheme, theme: () => theme, onTheme: (redraw) => redraws.push(redraw),
  };
})();
