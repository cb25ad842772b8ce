// Pictures that were selected, and what they are good for: command lines, cut lists, marks.

import { quoted } from "./codecs.js";
import { element } from "./dom.js";

export class Selection extends EventTarget {
  constructor() {
    super();
    /** @type {Set<string>} */
    this.ids = new Set();
    this.last = "";
  }

  /** @param {string} id */
  has(id) {
    return this.ids.has(id);
  }

  /**
   * Selects a picture, or no longer. With an order, all from the last one up to this one.
   * @param {string} id
   * @param {string[] | null} order
   */
  toggle(id, order) {
    const [from, to] = order ? [order.indexOf(this.last), order.indexOf(id)] : [-1, -1];
    if (order && from >= 0)
      order.slice(Math.min(from, to), Math.max(from, to) + 1).forEach((id) => this.ids.add(id));
    else if (!this.ids.delete(id)) this.ids.add(id);
    this.last = id;
    this.dispatchEvent(new Event("change"));
  }

  clear() {
    this.ids.clear();
    this.dispatchEvent(new Event("change"));
  }
}

/**
 * Returns the command line that copies pictures.
 * @param {import("./recording.js").Recording} recording
 * @param {import("./recording.js").Frame[]} frames
 */
export function copyCommand(recording, frames) {
  return `cd ${quoted(recording.folder)} && cp ${frames.map(({ path }) => quoted(path)).join(" ")} DESTINATION/`;
}

/**
 * Returns the times of pictures as CSV: each from where it appears to where it goes.
 * @param {import("./recording.js").Recording} recording
 * @param {import("./recording.js").Frame[]} frames
 */
export function cutList(recording, frames) {
  const lines = frames.map((frame) => {
    const end = frame.timestamp + recording.stayOf(frame);
    return `${frame.id},${frame.timestamp.toFixed(6)},${end.toFixed(6)}`;
  });
  return ["id,start,end", ...lines, ""].join("\n");
}

/** The bar that is shown while pictures are selected. */
export class SelectionBar {
  /**
   * @param {import("./recording.js").Recording} recording
   * @param {Selection} selection
   * @param {(text: string, said: string) => void} copy
   */
  constructor(recording, selection, copy) {
    this.recording = recording;
    this.selection = selection;
    this.count = element("strong");
    const button = (/** @type {string} */ text, /** @type {() => void} */ press) =>
      element("button", { type: "button", onclick: press }, text);
    this.root = element(
      "div",
      { className: "selection", role: "region", "aria-label": "Selection", hidden: true },
      this.count,
      button("Copy shell line", () =>
        copy(copyCommand(recording, this.frames), "Shell line copied"),
      ),
      button("Copy cut list", () => copy(cutList(recording, this.frames), "Cut list copied")),
      recording.marks ? button("Mark as sent", () => this.#mark()) : null,
      button("Clear", () => selection.clear()),
    );
    selection.addEventListener("change", () => this.#show());
  }

  get frames() {
    return this.recording.frames.filter(({ id }) => this.selection.has(id));
  }

  #show() {
    const count = this.selection.ids.size;
    this.root.hidden = count === 0;
    this.count.textContent = count === 1 ? "1 picture" : `${count} pictures`;
  }

  async #mark() {
    const body = JSON.stringify({ ids: this.frames.map(({ id }) => id) });
    const answer = await fetch("sent", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    if (answer.ok) this.selection.clear();
    else this.count.textContent = `Not marked: ${await answer.text()}`;
  }
}
