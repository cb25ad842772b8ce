// Colours of the style sheet, for drawings.

/** @type {Map<string, string>} */
let known = new Map();

/**
 * Returns the value of a custom property of the page.
 * @param {string} name
 */
export function colour(name) {
  if (!known.has(name))
    known.set(
      name,
      getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim(),
    );
  return /** @type {string} */ (known.get(name));
}

/** Forgets all values: the theme has changed. */
export function forgetColours() {
  known = new Map();
}

/**
 * Returns a colour of its own for each picture of a slide map; pictures that came back have the
 * same.
 * @param {string} id
 */
export function slideColour(id) {
  // Neighbours differ by the golden angle.
  const hue = (Number.parseInt(id.replace(/\D/g, ""), 10) * 137.508) % 360;
  return `hsl(${hue.toFixed(0)} var(--slide))`.replace("var(--slide)", colour("slide"));
}
