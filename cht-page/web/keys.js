// The keys, and the page that explains them.

import { element } from "./dom.js";

/**
 * Lets keys press.
 * @param {[string[], string, () => void][]} keys their names, their effect in words, and the effect
 */
export function listenToKeys(keys) {
  const actions = new Map(keys.flatMap(([names, , act]) => names.map((name) => [name, act])));
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const writes = target.matches("input:not([type=range]), textarea, select");
    if (writes && event.key !== "Escape") return;
    // A button that has the focus is pressed by the space bar and enter.
    if (target.matches("button, summary") && event.key === " ") return;
    if (document.querySelector("dialog[open]") && event.key !== "?") return;
    const act = actions.get(event.key);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

/** Names of keys as people read them. */
const NAMES = { " ": "space", ArrowLeft: "←", ArrowRight: "→" };

/**
 * Makes the page about the keys.
 * @param {[string[], string, () => void][]} keys
 */
export function help(keys) {
  const rows = keys.map(([names, effect]) => {
    const shown = names.map((name) => element("kbd", {}, /** @type {any} */ (NAMES)[name] ?? name));
    return element("div", {}, element("dt", {}, ...shown), element("dd", {}, effect));
  });
  const dialog = element(
    "dialog",
    { className: "help", "aria-label": "Keys" },
    element("h2", {}, "Keys"),
    element("dl", {}, ...rows),
    element(
      "p",
      {},
      "On the ruler: drag to move in time, turn the wheel to zoom, with shift to move along, double-click for all.",
    ),
    element("form", { method: "dialog" }, element("button", {}, "Close")),
  );
  return dialog;
}
