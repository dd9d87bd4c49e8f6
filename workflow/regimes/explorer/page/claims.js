"use strict";
// The claims of the papers, filtered by paper, verdict, kind and text.
Explorer.claims = (section, panel) => {
  const { number, option, element, say, figureLink } = Explorer;
  const role = (name) => panel.querySelector(`[data-role="${name}"]`);
  const all = [["", "all"]];
  const CHOSEN = ["paper", "verdict", "kind"];
  const FILTERS = [...CHOSEN, "text"];

  function cell(label, text, className = "") {
    return say(element("td", undefined, { "data-label": label, class: className }), text);
  }

  function row(one) {
    const made = element("tr");
    const value = (size) => (size === null ? "" : number(size)
      + (one.units === "1" ? "" : ` ${one.units}`));
    const measured = cell("Measured", value(one.value), "number");
    if (one.lower !== null && one.lower !== one.upper) {
      const limits = `${number(one.lower)} to ${number(one.upper)}`;
      measured.append(say(element("span", undefined, { class: "source" }), limits));
    }
    const wanted = cell("Wanted", one.wanted);
    wanted.append(say(element("span", undefined, { class: "source" }), one.reason));
    const statement = cell("Statement", one.statement);
    const place = [one.source, one.kind, ...(one.reading === "text" ? [] : [one.reading])];
    statement.append(say(element("span", undefined, { class: "source" }), place.join("; ")));
    const detail = cell("What decided it", one.detail);
    if (one.figure) {
      const source = element("span", undefined, { class: "source" });
      source.append(figureLink(one.figure));
      detail.append(source);
    }
    made.append(
      cell("Claim", one.claim), statement, measured, wanted,
      cell("Paper", value(one.paper_value), "number"),
      cell("Verdict", one.verdict, `verdict ${one.verdict.replace(/ /g, "-")}`), detail,
    );
    made.title = section.papers[one.paper];
    return made;
  }

  const state = () => Object.fromEntries(FILTERS.map((name) => [name, role(name).value]));

  function restore(wanted) {
    for (const name of FILTERS) {
      role(name).value = wanted[name] || "";
      // A select without such an option has no value.
      if (role(name).value !== (wanted[name] || "")) role(name).value = "";
    }
    show();
  }

  function show() {
    const { text, ...chosenBy } = state();
    // As it is printed, and as it would be typed.
    const within = (one) => {
      const written = [one.claim, one.statement, one.detail, one.source].join(" ");
      return `${written} ${Formulas.plain(written)}`.toLowerCase().includes(text.trim().toLowerCase());
    };
    const chosen = section.rows.filter((one) => within(one)
      && CHOSEN.every((name) => !chosenBy[name] || one[name] === chosenBy[name]));
    role("rows").replaceChildren(...chosen.map(row));
    const counts = {};
    chosen.forEach((one) => { counts[one.verdict] = (counts[one.verdict] || 0) + 1; });
    const parts = Object.entries(counts).map(([name, count]) => `${count} ${name}`);
    role("count").textContent = `${chosen.length} of ${section.rows.length} claims`
      + (parts.length ? `: ${parts.join(", ")}.` : ".");
  }

  option(role("paper"), [...all, ...Object.entries(section.papers)]);
  for (const name of ["verdict", "kind"]) {
    const found = [...new Set(section.rows.map((one) => one[name]))].sort();
    option(role(name), [...all, ...found.map((one) => [one, one])]);
  }
  for (const name of CHOSEN) role(name).addEventListener("change", show);
  role("text").addEventListener("input", show);
  for (const name of FILTERS) role(name).addEventListener("change", () => Explorer.moved());
  show();
  return { show: () => {}, state, restore };
};
