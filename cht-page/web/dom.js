// Makes elements of the page.

/**
 * Makes an element. `on…` properties are listeners, names with a hyphen attributes, and all others
 * properties of the element.
 * @param {string} tag
 * @param {Record<string, any>} [properties]
 * @param {...(Node | string | null | undefined)} children
 * @returns {any}
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role") made.setAttribute(name, value);
    else /** @type {any} */ (made)[name] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Shapes of icons, in a square of 24. */
const ICONS = {
  play: "M8 5v14l11-7z",
  pause: "M7 5h4v14H7zM13 5h4v14h-4z",
  previous: "M7 6h2v12H7zM19 6v12l-9-6z",
  next: "M15 6h2v12h-2zM5 6v12l9-6z",
  sound: "M4 9v6h4l5 4V5L8 9zM16 8.5a5 5 0 0 1 0 7z",
  muted: "M4 9v6h4l5 4V5L8 9zM15.5 9.5l5 5-1 1-5-5zM19.5 9.5l1 1-5 5-1-1z",
  full: "M5 5h6v2H7v4H5zM13 5h6v6h-2V7h-4zM5 13h2v4h4v2H5zM17 13h2v6h-6v-2h4z",
  theme: "M12 4a8 8 0 1 0 0 16zm0-2a10 10 0 1 1 0 20 10 10 0 0 1 0-20z",
  help: "M11 16h2v2h-2zM12 6a4 4 0 0 1 1 7.87V15h-2v-3h1a2 2 0 1 0-2-2H8a4 4 0 0 1 4-4z",
  check: "M9.5 16.2 5.3 12l-1.4 1.4 5.6 5.6L20.6 7.9 19.2 6.5z",
  link: "M10.6 13.4a4 4 0 0 1 0-5.7l3-3a4 4 0 1 1 5.7 5.7l-1.6 1.6-1.4-1.4 1.6-1.6a2 2 0 1 0-2.9-2.9l-3 3a2 2 0 0 0 0 2.9zm2.8-2.8a4 4 0 0 1 0 5.7l-3 3a4 4 0 1 1-5.7-5.7l1.6-1.6 1.4 1.4-1.6 1.6a2 2 0 1 0 2.9 2.9l3-3a2 2 0 0 0 0-2.9z",
  copy: "M8 3h12v14H8zM10 5v10h8V5zM4 7h2v12h10v2H4z",
  folder: "M4 6h6l2 2h8v10H4z",
};

/**
 * Makes an icon, which says nothing to a screen reader.
 * @param {keyof typeof ICONS} name
 */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const image = document.createElementNS(space, "svg");
  image.setAttribute("viewBox", "0 0 24 24");
  image.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", ICONS[name]);
  image.append(path);
  return image;
}

/**
 * Makes a button with an icon; its label is shown as a tooltip.
 * @param {keyof typeof ICONS} name
 * @param {string} label
 * @param {() => void} press
 */
export function iconButton(name, label, press) {
  return element(
    "button",
    { type: "button", className: "icon", title: label, "aria-label": label, onclick: press },
    icon(name),
  );
}

/**
 * Shows that a picture is not there, and not the browser's sign for it.
 * @param {Event} event
 */
export function missing({ target }) {
  const image = /** @type {HTMLElement} */ (target);
  image.hidden = true;
  image.parentElement?.classList.add("missing");
}

/**
 * Makes a text that lies on several lines into one.
 * @param {string} text
 */
export function oneLine(text) {
  return text.replace(/\s+/g, " ").trim();
}
