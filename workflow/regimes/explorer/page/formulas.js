"use strict";
// Formulas in plain text, such as |W_T - W_0| or gamma_prime <= 1e-3, as they are printed.
const Formulas = (() => {
  const GREEK = {
    alpha: "α", beta: "β", gamma: "γ", delta: "δ", epsilon: "ε", zeta: "ζ", eta: "η", theta: "θ",
    kappa: "κ", lambda: "λ", mu: "μ", nu: "ν", xi: "ξ", rho: "ρ", sigma: "σ", tau: "τ", phi: "φ",
    chi: "χ", psi: "ψ", omega: "ω", Gamma: "Γ", Delta: "Δ", Theta: "Θ", Lambda: "Λ", Sigma: "Σ",
    Phi: "Φ", Psi: "Ψ", Omega: "Ω",
  };
  // Names of variables that have a symbol, and words that have a sign.
  const SYMBOLS = {
    ...GREEK, gamma_prime: "γ′", sum: "∑", slope: "S", relative_distance: "RD", log: "log",
  };
  const SIGNS = {
    "<=": "≤", ">=": "≥", "+-": "±", "->": "→", " - ": " − ", "-": "−", "grad ": "∇", sqrt: "√",
  };
  const RAISED = { ...zipped("0123456789-()", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁽⁾"), "−": "⁻" };
  const LOWERED = zipped("0123456789aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ");

  const greek = Object.keys(GREEK).join("|");
  // An index is short: longer words below a letter are names, of files or of users' own.
  const index = `_(?<index>\\{[^{}]*\\}|min|max|${greek}|[A-Za-z0-9]{1,2})(?![A-Za-z0-9_])`;
  const TOKEN = new RegExp([
    "(?<![\\w.])(?<mantissa>\\d+(?:\\.\\d+)?)e(?<power>[+-]?\\d+)(?![\\w.]*\\w)",
    "(?<=[\\w)|'}~])\\^(?<raised>\\{[^{}]*\\}|\\([^()]*\\)|-\\d+/\\d+|-?[A-Za-z0-9]+)",
    `(?<![\\w\\\\])\\\\?(?<name>gamma_prime|relative_distance|slope|${greek}|sum|RD|log|[A-Za-z])`
      + `(?:(?<tilde>~)|(?<prime>'+))?(?:${index}|(?<digit>\\d+))?(?![A-Za-z0-9_])`,
    "(?<![\\w])(?<boundary>boundary_gamma)(?!\\w)",
    `(?<sign><=|>=|\\+-|->| - |(?<![\\w.\\-])-(?=\\d|\\.\\d|(?:${greek})\\b)|\\bgrad (?=\\w)|\\bsqrt(?=\\())`,
  ].join("|"), "g");

  function zipped(from, to) {
    const characters = [...to];
    return Object.fromEntries([...from].map((one, n) => [one, characters[n]]));
  }

  const bare = (text) => text.replace(/^[({]|[)}]$/g, "").replace(/-/g, "−");

  // Pieces of a text, each with its place: "" on the line, "sub" below or "sup" above it.
  function pieces(text) {
    const found = [];
    const add = (piece, place = "") => { if (piece) found.push({ piece, place }); };
    const plain = text.replace(/\$([^$]+)\$/g, "$1");
    let end = 0;
    for (const match of plain.matchAll(TOKEN)) {
      const { mantissa, power, raised, name, tilde, prime, index: below, digit, sign, boundary } =
        match.groups;
      const lower = below || digit;
      // Greek letters are symbols, and so is what has an index; all else are words, such as L1.
      if (name && !below && !(name in GREEK || name === "gamma_prime" || (name === "log" && digit))) {
        continue;
      }
      add(plain.slice(end, match.index));
      end = match.index + match[0].length;
      if (sign) add(SIGNS[sign]);
      if (power) {
        add(mantissa === "1" ? "10" : `${mantissa}×10`);
        add(String(Number(power)).replace("-", "−"), "sup");
      }
      if (boundary) {
        add("γ");
        add("boundary", "sub");
      }
      if (raised) add(bare(raised), "sup");
      if (name) {
        add((SYMBOLS[name] || name)
          + (tilde ? "\u0303" : "") + "′".repeat((prime || "").length));
        if (lower) add(bare(lower).replace(new RegExp(`^(${greek})$`), (one) => GREEK[one]), "sub");
      }
    }
    add(plain.slice(end));
    return found;
  }

  const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  // For an element of the page.
  const nodes = (text) => pieces(text).map(({ piece, place }) => {
    if (!place) return document.createTextNode(piece);
    const made = document.createElement(place);
    made.textContent = piece;
    return made;
  });

  // For Plotly, which knows some tags; in a plot, too, texts are texts.
  const markup = (text) => pieces(text).map(({ piece, place }) =>
    (place ? `<${place}>${escaped(piece)}</${place}>` : escaped(piece))).join("");

  // For what takes no tags: what Unicode cannot lower or raise stands after the mark of its place.
  const plain = (text) => pieces(text).map(({ piece, place }) => {
    if (!place) return piece;
    const letters = [...piece].map((one) => (place === "sub" ? LOWERED : RAISED)[one]);
    return letters.includes(undefined) ? `${place === "sub" ? "_" : "^"}${piece}` : letters.join("");
  }).join("");

  // A power of ten times a mantissa, in characters that may stand anywhere.
  const scientific = (mantissa, power) =>
    `${mantissa === "1" ? "" : `${mantissa}×`}10${[...String(power)].map((one) => RAISED[one]).join("")}`;

  return { nodes, markup, plain, scientific, escaped };
})();
