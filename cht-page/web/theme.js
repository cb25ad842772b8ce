// Dark or light: as the system has it, or as the reader chose.

import { forgetColours } from "./colours.js";

const KEY = "cht-theme";

/**
 * Applies the reader's choice, and returns a function that changes it.
 * @param {() => void} changed
 */
export function theme(changed) {
  const system = matchMedia("(prefers-color-scheme: light)");
  const apply = (/** @type {string | null} */ chosen) => {
    document.documentElement.dataset.theme = chosen ?? (system.matches ? "light" : "dark");
    forgetColours();
    changed();
  };
  system.addEventListener("change", () => apply(read()));
  apply(read());
  return () => {
    const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(KEY, next);
    } catch {
      // The choice then holds for this page.
    }
    apply(next);
  };
}

function read() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}
