// Loads the players when they are needed: a page is there sooner without them.

/** Where the scripts of the page lie. */
const FOLDER =
  /** @type {HTMLScriptElement | null} */ (document.currentScript)?.src ?? document.baseURI;

/** @type {Map<string, Promise<void>>} */
const loading = new Map();

/**
 * Loads a script that lies next to the one of the page, once.
 * @param {string} name
 * @returns {Promise<void>}
 */
export function loadScript(name) {
  const known = loading.get(name);
  if (known) return known;
  const loaded = new Promise((/** @type {(value: void) => void} */ done, fail) => {
    const script = document.createElement("script");
    script.src = new URL(name, FOLDER).href;
    script.addEventListener("load", () => done());
    script.addEventListener("error", () => fail(new Error(`${name} cannot be loaded`)));
    document.head.append(script);
  });
  loading.set(name, loaded);
  return loaded;
}
