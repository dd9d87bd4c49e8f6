"use strict";
// Phase diagrams: a map of cells, and what is behind the chosen one.
Explorer.diagrams = (section, panel) => {
  const { number, grouped, option, element, say, showFigures, draw, log, linear, ticks, colour,
    variable } = Explorer;
  const role = (name) => panel.querySelector(`[data-role="${name}"]`);
  const SYMBOLS = { w: "S_w", a: "S_a", theta: "S_theta" };
  const DISTANCES = { w: "RD_w", a: "RD_a", theta: "RD_theta" };
  // Red below 0 and blue above, as in the paper.
  const SLOPES = ["#67001f", "#b2182b", "#d6604d", "#f4a582", "#fddbc7", "#f7f7f7", "#d1e5f0",
    "#92c5de", "#4393c3", "#2166ac", "#053061"].map((one, index) => [index / 10, one]);
  // Of numbers of neurons: one neuron, too, is seen on the background.
  const COUNTS = {
    light: [[0, "#440154"], [0.5, "#21918c"], [1, "#d8b800"]],
    dark: [[0, "#6f7fe0"], [0.5, "#2fc0a6"], [1, "#fde725"]],
  };

  let diagram = section.diagrams[0];
  let layer = "w";
  let cursor = { i: 0, j: 0 };
  let chosen = { i: 0, j: 0 };
  // The scatter that is shown, of the chosen cell or of the nearest setting.
  let scatter = null;

  const gammaPrime = (cell) => diagram.gamma_prime[cell.i];
  const gamma = (cell) => diagram.gamma[cell.j];
  const place = (cell) => `γ′ = ${number(gammaPrime(cell))}, γ = ${number(gamma(cell))}`;
  const at = (values, cell) => values[cell.i][cell.j];
  const error = (value) => (value === null ? "" : ` ± ${number(value, 2)}`);
  const nearest = (values, value) => values.reduce((best, one, index) =>
    (Math.abs(one - value) < Math.abs(values[best] - value) ? index : best), 0);

  function slopeInWords(cell) {
    const of = diagram.layers[layer];
    return `${SYMBOLS[layer]} = ${number(at(of.slope, cell))}${error(at(of.slope_stderr, cell))}`;
  }

  // Borders of the cells, halfway between the centres.
  function edges(centres, index) {
    const step = (k) => (centres.length > 1 ? centres[k + 1] - centres[k] : 1);
    const below = step(Math.max(index - 1, 0)) / 2;
    const above = step(Math.min(index, centres.length - 2)) / 2;
    return [centres[index] - below, centres[index] + above];
  }

  function frame(cell, line) {
    const [x0, x1] = edges(diagram.gamma_prime, cell.i);
    const [y0, y1] = edges(diagram.gamma, cell.j);
    return { type: "rect", x0, x1, y0, y1, line };
  }

  // The chosen cell in yellow and black, seen on every colour; the cursor dashed.
  const frames = () => [
    frame(chosen, { color: "black", width: 5 }),
    frame(chosen, { color: "#ffd33d", width: 2 }),
    ...(cursor.i === chosen.i && cursor.j === chosen.j ? []
      : [frame(cursor, { color: "black", width: 2, dash: "dot" })]),
  ];

  // The symbol of a cell whose runs did not all converge: that of its worst ending.
  function mark(cell) {
    if (at(diagram.converged_share, cell) === null) return "square-x-open";
    if (at(diagram.diverged_share, cell) > 0) return "x-thin-open";
    if (at(diagram.capped_share, cell) > 0) return "line-ne-open";
    return at(diagram.stationary_share, cell) > 0 ? "circle-open-dot" : null;
  }

  function drawMap() {
    const of = diagram.layers[layer];
    const x = diagram.gamma_prime;
    const y = diagram.gamma;
    const transposed = (values) => y.map((_, j) => x.map((_, i) => values[i][j]));
    const marked = [];
    x.forEach((_, i) => y.forEach((_, j) => {
      const symbol = mark({ i, j });
      if (symbol) marked.push([x[i], y[j], symbol]);
    }));
    const span = (values) => [edges(values, 0)[0], edges(values, values.length - 1)[1]];
    say(document.getElementById("map-title"),
      `${SYMBOLS[layer]}: slope of log relative distance of the ${of.name} against log width`);
    const passive = { hoverinfo: "skip", type: "scatter" };
    draw(role("map"), [
      {
        type: "heatmap", x, y, z: transposed(of.slope), zmin: -1, zmax: 1, colorscale: SLOPES,
        colorbar: { title: { text: Formulas.markup(SYMBOLS[layer]) }, thickness: 14, xpad: 4 },
        text: y.map((_, j) => x.map((_, i) =>
          `${place({ i, j })}<br>${Formulas.markup(slopeInWords({ i, j }))}`)),
        hovertemplate: "%{text}<extra></extra>", xgap: 1, ygap: 1,
      },
      {
        ...passive, mode: "markers", x: marked.map((one) => one[0]), y: marked.map((one) => one[1]),
        marker: { symbol: marked.map((one) => one[2]), color: "black", size: 8 },
      },
      { ...passive, mode: "lines", x, y: of.theory, line: { color: "black", dash: "dash", width: 2 } },
      {
        ...passive, mode: "markers", x, y: of.boundary,
        error_y: { type: "data", array: of.boundary_stderr, color: "black", thickness: 1.5 },
        marker: { symbol: "star", color: "gold", size: 13, line: { color: "black", width: 1 } },
      },
    ], {
      xaxis: { ...linear("γ′"), range: span(x), fixedrange: true, showgrid: false },
      yaxis: { ...linear("γ"), range: span(y), fixedrange: true, showgrid: false },
      dragmode: false,
      shapes: frames(),
    });
  }

  function boundaryInWords() {
    const of = diagram.layers[layer];
    const i = chosen.i;
    const measured = of.boundary[i] === null ? "is not in the range of γ"
      : `is at γ = ${number(of.boundary[i])}${error(of.boundary_stderr[i])}`;
    role("boundary").textContent = `The boundary at γ′ = ${number(diagram.gamma_prime[i])} `
      + `${measured}; ${diagram.theory_name} has γ = ${number(of.theory[i])}.`;
    role("theory").textContent = diagram.theory_name;
  }

  const mean = (values) => values.reduce((sum, one) => sum + one, 0) / values.length;

  // The line with the measured slope through the mean of the logarithms.
  function fitted(distances) {
    const points = [];
    diagram.width.forEach((width, k) => distances[k].forEach((one) => {
      if (one > 0) points.push([Math.log(width), Math.log(one)]);
    }));
    const slope = at(diagram.layers[layer].slope, chosen);
    if (!points.length || slope === null) return [];
    const [x, y] = [0, 1].map((part) => mean(points.map((one) => one[part])));
    return diagram.width.map((width) => Math.exp(y + slope * (Math.log(width) - x)));
  }

  function drawDistance() {
    const distances = at(diagram.layers[layer].distance, chosen);
    const seeds = diagram.seed.map((seed, index) => ({
      type: "scatter", mode: "markers", name: `seed ${seed}`, x: diagram.width,
      y: distances.map((one) => one[index]), marker: { color: colour(index), size: 8 },
      text: distances.map((one, k) => `m = ${grouped(diagram.width[k])}<br>`
        + `${Formulas.markup(DISTANCES[layer])} = ${number(one[index], 5)}`),
      hovertemplate: `%{text}<extra>seed ${seed}</extra>`,
    }));
    const line = {
      type: "scatter", mode: "lines", name: "fit", x: diagram.width, y: fitted(distances),
      line: { color: variable("--text"), dash: "dash", width: 1.5 }, hoverinfo: "skip",
    };
    // Where the distances hardly change, an axis of their own range would show noise.
    draw(role("distance"), [...seeds, line], {
      xaxis: log("width m", diagram.width),
      yaxis: log(DISTANCES[layer], distances.flat(), 0.5),
      ...legend(),
    });
    const head = element("tr");
    head.append(element("th", "width", { scope: "col" }),
      ...diagram.seed.map((seed) => element("th", `seed ${seed}`, { scope: "col" })));
    const rows = diagram.width.map((width, k) => {
      const row = element("tr");
      row.append(element("th", grouped(width), { scope: "row" }),
        ...distances[k].map((one) => element("td", number(one, 7), { class: "number" })));
      return row;
    });
    role("table").replaceChildren(head, ...rows);
  }

  const legend = () => ({
    showlegend: true, legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom" },
    margin: { l: 62, r: 12, t: 46, b: 48 },
  });

  const widest = () => diagram.width[diagram.width.length - 1];

  function drawLoss() {
    const times = at(diagram.time, chosen);
    const losses = at(diagram.train_loss, chosen);
    draw(role("loss"), diagram.seed.map((seed, index) => ({
      type: "scatter", mode: "lines", name: `seed ${seed}`, x: times[index], y: losses[index],
      line: { color: colour(index) },
      text: times[index].map((time, n) => `t = ${number(time)}<br>loss = ${number(losses[index][n])}`),
      hovertemplate: `%{text}<extra>seed ${seed}</extra>`,
    })), {
      xaxis: log(`time t, m = ${grouped(widest())}`, times.flat()),
      yaxis: log("loss", losses.flat()), ...legend(),
    });
  }

  function inWords() {
    const distances = at(diagram.layers[layer].distance, chosen);
    const average = (k) => {
      const there = distances[k].filter((one) => one !== null);
      return there.length ? number(mean(there)) : "no value";
    };
    const ended = Object.entries({
      converged: diagram.converged_share,
      "came to rest at a loss above zero (circle)": diagram.stationary_share,
      "hit a cap (stroke)": diagram.capped_share,
      "diverged (cross)": diagram.diverged_share,
    }).map(([words, shares]) => [words, at(shares, chosen)])
      .filter(([words, share]) => share > 0 || (words === "converged" && share !== null))
      .map(([words, share], k) => `${number(100 * share)} %${k ? "" : " of the runs"} ${words}`);
    const losses = at(diagram.train_loss, chosen).map((one) => one[one.length - 1]);
    const known = losses.filter((one) => one !== null);
    say(role("words"), `${diagram.data}, ${diagram.activation}: ${slopeInWords(chosen)}. `
      + `Mean relative distance ${average(0)} at m = ${grouped(diagram.width[0])} and `
      + `${average(diagram.width.length - 1)} at m = ${grouped(widest())}; ${diagram.seed.length} `
      + `seed${diagram.seed.length > 1 ? "s" : ""}. `
      + (known.length ? `Loss at the end ${number(Math.max(...known))} or less. ` : "")
      + `${ended.join(", ") || "Nothing was run"}.`);
  }

  // Condensation: of the same data and activation, if anything.
  const condensation = () => section.condensations.find((one) =>
    one.data === diagram.data && one.activation === diagram.activation);

  function nearestSetting(of) {
    let best = null;
    of.gamma_prime.forEach((x, i) => of.gamma.forEach((y, j) => {
      const distance = Math.hypot(x - gammaPrime(chosen), y - gamma(chosen));
      if (best === null || distance < best.distance - 1e-9) best = { i, j, distance };
    }));
    return best;
  }

  function showScatter(near = false) {
    const of = condensation();
    const words = role("scatter-words");
    role("nearest").hidden = true;
    scatter = null;
    if (!of) {
      words.textContent = `Neurons are not simulated for ${diagram.data}, ${diagram.activation}.`;
    } else {
      const found = nearestSetting(of);
      const setting = `γ′ = ${number(of.gamma_prime[found.i])}, γ = ${number(of.gamma[found.j])}`;
      if (found.distance < 1e-9 || near) {
        scatter = { of, i: found.i, j: found.j, near };
        words.textContent = near ? `Nearest setting, ${setting}:` : "";
      } else {
        words.textContent = `Not simulated at this setting; the nearest is ${setting}.`;
        role("nearest").hidden = false;
      }
    }
    role("width-label").hidden = role("scatter").hidden = !scatter;
    if (!scatter) return;
    const wanted = role("width").value;
    option(role("width"), of.width.map((one, k) => [String(k), `m = ${grouped(one)}`]));
    role("width").value = wanted && wanted < of.width.length ? wanted : String(of.width.length - 1);
    drawScatter();
  }

  function drawScatter() {
    if (!scatter) return;
    const { of, i, j } = scatter;
    const k = Number(role("width").value);
    const cells = of.cells[i][j][k];
    const z = of.height.map(() => of.position.map(() => null));
    const counts = of.height.map(() => of.position.map(() => 0));
    let index = 0;
    let neurons = 0;
    (cells || [[], []])[0].forEach((difference, n) => {
      index += difference;
      const row = index % of.height.length;
      const column = Math.floor(index / of.height.length);
      counts[row][column] = cells[1][n];
      z[row][column] = Math.log10(cells[1][n]);
      neurons += cells[1][n];
    });
    const top = Math.ceil(Math.max(1, ...z.flat()));
    const counted = top > 1 ? Array.from({ length: top + 1 }, (_, power) => 10 ** power) : [1, 2, 5, 10];
    draw(role("scatter"), [{
      type: "heatmap", x: of.position, y: of.height, z, customdata: counts, zmin: 0, zmax: top,
      colorscale: COUNTS[Explorer.theme()], hovertemplate: "%{customdata} neurons<extra></extra>",
      colorbar: { title: { text: "neurons" }, thickness: 14, tickvals: counted.map(Math.log10),
        ticktext: counted.map((one) => number(one)) },
    }], { xaxis: linear(of.position_name), yaxis: { ...linear("A / max A"), range: [0, 1] } });
    const share = of.share[i][j][k];
    const text = role("scatter-words").textContent.split(":")[0];
    const near = text.startsWith("Nearest") ? `${text}: ` : "";
    role("scatter-words").textContent = `${near}${grouped(neurons)} neurons, seed ${of.seed}; `
      + `${of.share_name}: ${number(100 * share)} %.`;
  }

  function drawDetails() {
    role("chosen").textContent = place(chosen);
    boundaryInWords();
    inWords();
    drawDistance();
    drawLoss();
    showScatter();
  }

  function moveCursor(cell) {
    cursor = cell;
    Plotly.relayout(role("map"), { shapes: frames() });
    say(role("cursor"), `${place(cursor)}: ${slopeInWords(cursor)}`);
  }

  function choose(cell) {
    chosen = cell;
    moveCursor(cell);
    drawDetails();
    Explorer.moved();
  }

  const state = () => ({
    experiment: diagram.experiment, layer, gamma_prime: gammaPrime(chosen), gamma: gamma(chosen),
    neurons: scatter && scatter.near ? "nearest" : null,
    width: scatter ? scatter.of.width[Number(role("width").value)] : null,
  });

  // Open what an address names; what is not there is as if it were not named.
  function restore(wanted) {
    const one = section.diagrams.find((each) => each.experiment === wanted.experiment);
    role("data").value = (one || section.diagrams[0]).data;
    offerActivations((one || section.diagrams[0]).activation);
    layer = Object.hasOwn(diagram.layers, wanted.layer) ? wanted.layer : "w";
    role("layer").value = layer;
    const index = (axis) => diagram[axis].findIndex((value) => String(value) === wanted[axis]);
    const [i, j] = [index("gamma_prime"), index("gamma")];
    if (i >= 0) chosen = { ...chosen, i };
    if (j >= 0) chosen = { ...chosen, j };
    cursor = chosen;
    option(role("width"), []);
    show();
    if (wanted.neurons === "nearest") showScatter(true);
    const k = scatter ? scatter.of.width.findIndex((value) => String(value) === wanted.width) : -1;
    if (k >= 0) {
      role("width").value = String(k);
      drawScatter();
    }
  }

  function show() {
    showFigures(role("figures-label"),
      [diagram, condensation()].flatMap((one) => (one ? one.figures : [])));
    drawMap();
    drawDetails();
  }

  // Start in the middle of the plane, where there is a boundary.
  function open(one) {
    diagram = one;
    chosen = { i: nearest(one.gamma_prime, 0), j: nearest(one.gamma, 1.5) };
    cursor = chosen;
    role("cursor").textContent = "";
  }

  const distinct = (values) => [...new Set(values)];

  function offerActivations(wanted = role("activation").value) {
    const there = section.diagrams.filter((one) => one.data === role("data").value);
    option(role("activation"), there.map((one) => [one.activation, one.activation]));
    if (there.some((one) => one.activation === wanted)) role("activation").value = wanted;
    open(there.find((one) => one.activation === role("activation").value));
  }

  function listen() {
    const follow = (name, change) => role(name).addEventListener("change", () => {
      change();
      Explorer.moved();
    });
    follow("data", () => { offerActivations(); show(); });
    follow("activation", () => { offerActivations(); show(); });
    follow("layer", () => { layer = role("layer").value; show(); });
    follow("width", drawScatter);
    role("nearest").addEventListener("click", () => {
      showScatter(true);
      role("width").focus();
      Explorer.moved();
    });
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
    panel.querySelector(".map").addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        choose({ ...cursor });
      } else if (event.key in moves) {
        event.preventDefault();
        const [right, up] = moves[event.key];
        const within = (index, length) => Math.min(Math.max(index, 0), length - 1);
        moveCursor({
          i: within(cursor.i + right, diagram.gamma_prime.length),
          j: within(cursor.j + up, diagram.gamma.length),
        });
      }
    });
  }

  option(role("data"), distinct(section.diagrams.map((one) => one.data)).map((one) => [one, one]));
  option(role("layer"), Object.entries(diagram.layers).map(([key, one]) =>
    [key, one.name]));
  offerActivations();
  listen();
  show();
  // Plotly gives the div its `on` with the first plot.
  role("map").on("plotly_click", (event) => {
    const point = event.points[0];
    choose({ i: nearest(diagram.gamma_prime, point.x), j: nearest(diagram.gamma, point.y) });
  });
  Explorer.onTheme(() => { if (!panel.hidden) show(); else panel.dataset.stale = "yes"; });
  return { show, state, restore };
};
