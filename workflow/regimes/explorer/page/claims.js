"use strict";
// The claims of the papers, filtered by paper, verdict and text.
Explorer.claims = (section, panel) => {
  const { number, option, element } = Explorer;
  const role = (name) => panel.querySelector(`[data-role="${name}"]`);
  const all = [["", "all"]];

  function cell(label, text, className = "") {
    return element("td", text, { "data-label": label, class: className });
  }

  function row(one) {
    const made = element("tr");
    const value = (size) => (size === null ? "" : number(size)
      + (one.units === "1" ? "" : ` ${one.units}`));
    const statement = cell("Statement", one.statement);
    statement.append(element("span", one.source, { class: "source" }));
    const detail = cell("What decided it", one.detail);
    if (one.figure) detail.append(element("span", `figures/${one.figure}.pdf`, { class: "source" }));
    made.append(
      cell("Claim", one.claim), statement, cell("Measured", value(one.value), "number"),
      cell("Paper", value(one.paper_value), "number"),
      cell("Tolerance", value(one.tolerance), "number"),
      cell("Verdict", one.verdict, `verdict ${one.verdict.replace(/ /g, "-")}`), detail,
    );
    made.title = section.papers[one.paper];
    return made;
  }

  function show() {
    const [paper, verdict, text] = ["paper", "verdict", "text"].map((name) => role(name).value);
    const within = (one) => [one.claim, one.statement, one.detail, one.source].join(" ")
      .toLowerCase().includes(text.trim().toLowerCase());
    const chosen = section.rows.filter((one) => (!paper || one.paper === paper)
      && (!verdict || one.verdict === verdict) && within(one));
    role("rows").replaceChildren(...chosen.map(row));
    const counts = {};
    chosen.forEach((one) => { counts[one.verdict] = (counts[one.verdict] || 0) + 1; });
    const parts = Object.entries(counts).map(([name, count]) => `${count} ${name}`);
    role("count").textContent = `${chosen.length} of ${section.rows.length} claims`
      + (parts.length ? `: ${parts.join(", ")}.` : ".");
  }

  option(role("paper"), [...all, ...Object.entries(section.papers)]);
  option(role("verdict"), [...all, ...[...new Set(section.rows.map((one) => one.verdict))].sort()
    .map((one) => [one, one])]);
  for (const name of ["paper", "verdict"]) role(name).addEventListener("change", show);
  role("text").addEventListener("input", show);
  show();
  return { show: () => {} };
};
