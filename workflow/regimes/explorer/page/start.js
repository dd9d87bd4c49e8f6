"use strict";
// Tabs, colour scheme; a section is drawn when it is first shown.
(() => {
  const tabs = [...document.querySelectorAll('[role="tab"]')];
  const sections = Explorer.data.sections;
  const drawn = {};

  function select(index) {
    tabs.forEach((tab, n) => {
      const here = n === index;
      tab.setAttribute("aria-selected", String(here));
      tab.tabIndex = here ? 0 : -1;
      document.getElementById(`panel-${sections[n].id}`).hidden = !here;
    });
    const section = sections[index];
    const panel = document.getElementById(`panel-${section.id}`);
    if (!drawn[section.id]) {
      drawn[section.id] = Explorer[section.kind](section, panel);
    } else if (panel.dataset.stale) {
      drawn[section.id].show();
    }
    delete panel.dataset.stale;
    panel.querySelectorAll(".js-plotly-plot").forEach((div) => {
      if (div.offsetParent) Plotly.Plots.resize(div);
    });
  }

  document.getElementById("theme").addEventListener("click", () =>
    Explorer.setTheme(Explorer.theme() === "dark" ? "light" : "dark"));
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) =>
    Explorer.setTheme(event.matches ? "dark" : "light"));
  Explorer.setTheme(Explorer.theme());
  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => select(index));
    tab.addEventListener("keydown", (event) => {
      const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: tabs.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      const next = (to + tabs.length) % tabs.length;
      select(next);
      tabs[next].focus();
    });
  });
  if (tabs.length) select(0);
  document.documentElement.dataset.ready = "yes";
})();
