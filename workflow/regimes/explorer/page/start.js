"use strict";
// Tabs, colour scheme, address; a section is drawn when it is first shown.
(() => {
  const tabs = [...document.querySelectorAll('[role="tab"]')];
  const sections = Explorer.data.sections;
  const drawn = {};
  let shown = 0;

  function select(index) {
    shown = index;
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

  // What is shown, as the fragment of the address: by names, which outlive the order of the page.
  const here = () =>
    Explorer.address(sections[shown].id, drawn[sections[shown].id].state());

  // Each choice of the user is a step of the browser's history.
  Explorer.onMove(() => { window.location.hash = here(); });

  function open() {
    const { hash } = window.location;
    const wanted = Object.fromEntries(new URLSearchParams(hash.slice(1)));
    const index = Math.max(sections.findIndex((one) => one.id === wanted.section), 0);
    const known = drawn[sections[index].id];
    if (known && shown === index && hash === here()) return;
    select(index);
    if (hash || known) drawn[sections[index].id].restore(wanted);
    // What was not understood is not kept; no step back leads to it.
    if (hash && hash !== here()) window.location.replace(here());
  }

  document.getElementById("theme").addEventListener("click", () =>
    Explorer.setTheme(Explorer.theme() === "dark" ? "light" : "dark"));
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) =>
    Explorer.setTheme(event.matches ? "dark" : "light"));
  Explorer.setTheme(Explorer.theme());
  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => { select(index); Explorer.moved(); });
    tab.addEventListener("keydown", (event) => {
      const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: tabs.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      const next = (to + tabs.length) % tabs.length;
      select(next);
      tabs[next].focus();
      Explorer.moved();
    });
  });
  if (tabs.length) {
    open();
    window.addEventListener("hashchange", open);
  }
  document.documentElement.dataset.ready = "yes";
})();
