// The wall of pictures: of any number of them, those near the window are in the page.

import { element, icon, missing, oneLine } from "./dom.js";
import { scoreOf } from "./filter.js";
import { marked } from "./search.js";
import { clock, span, timeOfDay } from "./time.js";

/** Narrowest picture, and the space between pictures, in pixels. */
const NARROWEST = 232;
const SPACE = 14;

/** Heights of the lines under a picture, in heights of the page's letters: facts, marks, words. */
const LINES = { facts: 2, marks: 1.45, words: 3 };

/**
 * Heights of the window that are kept ready before and after it: while the page loads, and
 * afterwards.
 */
const READY_FIRST = 0.2;
const READY = 1.5;

export class Wall {
  /**
   * @param {import("./recording.js").Recording} recording
   * @param {import("./selection.js").Selection} selection
   * @param {(frame: import("./recording.js").Frame) => void} open
   */
  constructor(recording, selection, open) {
    this.recording = recording;
    this.selection = selection;
    this.open = open;
    /** @type {import("./recording.js").Frame[]} */
    this.frames = [];
    /** Cards in the page, by the index of their frames. @type {Map<number, any>} */
    this.cards = new Map();
    this.currentId = "";
    /** Terms that are searched for. @type {string[]} */
    this.terms = [];
    this.columns = 1;
    this.width = this.high = this.row = 0;
    this.ready = READY_FIRST;
    this.list = element("ol", { className: "cards" });
    this.empty = element("p", { className: "empty", hidden: true });
    this.root = element(
      "section",
      { className: "wall", tabIndex: -1, "aria-label": "Pictures" },
      this.list,
      this.empty,
    );
    this.root.addEventListener("scroll", () => this.#fill(), { passive: true });
    new ResizeObserver(() => this.#arrange()).observe(this.root);
    selection.addEventListener("change", () => this.refresh());
    addEventListener("load", () => {
      this.ready = READY;
      this.#fill();
    });
    addEventListener("beforeprint", () => this.#fillAll());
    addEventListener("afterprint", () => this.#arrange());
  }

  /**
   * Shows these frames, with the terms marked that are searched for.
   * @param {import("./recording.js").Frame[]} frames
   * @param {string[]} terms
   */
  set(frames, terms) {
    this.frames = frames;
    this.terms = terms;
    this.empty.hidden = frames.length > 0;
    this.empty.textContent = this.recording.frames.length
      ? "No picture passes the filter."
      : "No picture yet.";
    this.#arrange();
  }

  /**
   * Makes those cards anew whose contents have changed; pictures of the others stay without a
   * flicker.
   */
  refresh() {
    for (const [at, card] of this.cards) {
      const frame = this.frames[at];
      if (frame && card.dataset.contents === this.#contents(frame)) {
        this.#place(card, at);
        this.#showStay(card, frame);
      } else {
        card.remove();
        this.cards.delete(at);
      }
    }
    this.#fill();
  }

  /** Shows how long pictures have stayed by now. */
  refreshStays() {
    for (const [at, card] of this.cards) this.#showStay(card, this.frames[at]);
  }

  /** @param {any} card @param {import("./recording.js").Frame} frame */
  #showStay(card, frame) {
    const text = span(this.recording.stayOf(frame));
    const stay = card.querySelector(".stay");
    if (stay.textContent !== text) stay.textContent = text;
  }

  /**
   * Returns all that a card shows of a frame, but for its stay.
   * @param {import("./recording.js").Frame} frame
   */
  #contents(frame) {
    const { recording, selection } = this;
    const words = this.#words(frame).join(" — ");
    const isSent = recording.hasSent(frame.id, "agent");
    const isChosen = selection.has(frame.id);
    return [frame.id, frame.hash, frame.timestamp, isChosen, isSent, words, ...this.terms].join("|");
  }

  /**
   * Returns the text on a frame and the words that were said meanwhile, if there are any.
   * @param {import("./recording.js").Frame} frame
   */
  #words(frame) {
    return [this.recording.textOf(frame.id), this.recording.wordsOf(frame)]
      .map(oneLine)
      .filter(Boolean);
  }

  /** Places the columns. */
  #arrange() {
    const bar = this.root.offsetWidth - this.root.clientWidth;
    this.root.style.setProperty("--bar", `${bar}px`);
    const width = this.list.clientWidth;
    if (width === 0) return;
    const least = Math.min(NARROWEST * (width > 2400 ? 1.5 : 1), (width - SPACE) / 2);
    this.columns = Math.max(1, Math.floor((width + SPACE) / (least + SPACE)));
    this.width = (width - SPACE * (this.columns - 1)) / this.columns;
    this.high = Math.round(this.width / this.#shape());
    this.row = this.high + this.#textHeight() + SPACE;
    this.list.style.height = `${Math.ceil(this.frames.length / this.columns) * this.row}px`;
    this.list.style.setProperty("--high", `${this.high}px`);
    this.refresh();
  }

  /** Returns the height of the text under each picture: of the lines that any picture has. */
  #textHeight() {
    const { frames, texts, words, marked } = this.recording;
    const hasWords = texts.size > 0 || words.length > 0;
    const hasMarks =
      (marked.get("agent")?.size ?? 0) > 0 || frames.some((frame) => frame.returned_to);
    const lines = LINES.facts + (hasMarks ? LINES.marks : 0) + (hasWords ? LINES.words : 0);
    return Math.ceil(
      lines * Number.parseFloat(getComputedStyle(document.documentElement).fontSize),
    );
  }

  /** Returns width over height of most pictures, within limits that suit a wall. */
  #shape() {
    const shapes = this.frames.map(({ width, height }) => width / height).sort((a, b) => a - b);
    const middle = shapes[shapes.length >> 1] || 16 / 9;
    return Math.min(Math.max(middle, 1.25), 16 / 9);
  }

  /** Adds the cards that are near the window, and removes the others. */
  #fill() {
    if (!this.row) return;
    const { scrollTop, clientHeight } = this.root;
    const row = (/** @type {number} */ y) => Math.floor(y / this.row) * this.columns;
    const first = Math.max(0, row(scrollTop - this.ready * clientHeight));
    const last = Math.min(
      this.frames.length,
      row(scrollTop + (1 + this.ready) * clientHeight) + this.columns,
    );
    for (const [at, card] of this.cards) {
      if (at >= first && at < last) continue;
      card.remove();
      this.cards.delete(at);
    }
    for (let at = first; at < last; at++) if (!this.cards.has(at)) this.#add(at);
  }

  /** Adds all cards in their order, for print. */
  #fillAll() {
    for (let at = 0; at < this.frames.length; at++) {
      if (this.cards.has(at)) this.list.append(this.cards.get(at));
      else this.#add(at);
    }
  }

  /** @param {number} at */
  #add(at) {
    const card = this.#card(this.frames[at]);
    card.dataset.contents = this.#contents(this.frames[at]);
    this.#place(card, at);
    this.cards.set(at, card);
    this.list.append(card);
  }

  /** @param {HTMLElement} card @param {number} at */
  #place(card, at) {
    const [x, y] = [
      (at % this.columns) * (this.width + SPACE),
      Math.floor(at / this.columns) * this.row,
    ];
    card.style.width = `${this.width}px`;
    card.style.transform = `translate(${x}px, ${y}px)`;
    card.classList.toggle("current", this.frames[at].id === this.currentId);
  }

  /** @param {import("./recording.js").Frame} frame */
  #card(frame) {
    const { recording, selection } = this;
    const isChosen = selection.has(frame.id);
    const words = this.#words(frame);
    const press = (/** @type {MouseEvent} */ { detail, currentTarget }) => {
      // After a click, the space bar plays. Those who press by keys keep their place.
      if (detail) /** @type {HTMLElement} */ (currentTarget).blur();
      this.open(frame);
    };
    const picture = element(
      "button",
      { type: "button", className: "picture", onclick: press },
      element("img", {
        src: recording.url(frame.thumbnail ?? frame.path),
        alt: `${frame.id}, ${frame.reason}`,
        decoding: "async",
        fetchPriority: "low",
        onerror: missing,
      }),
      element("span", { className: "time" }, clock(frame.timestamp, 1)),
      element(
        "span",
        { className: "stay", title: "How long it stayed" },
        span(recording.stayOf(frame)),
      ),
    );
    const chosen = element(
      "button",
      {
        type: "button",
        className: "choose",
        role: "checkbox",
        "aria-checked": String(isChosen),
        "aria-label": `Select ${frame.id}`,
        onclick: (/** @type {MouseEvent} */ event) => this.#choose(frame, event.shiftKey),
      },
      icon("check"),
    );
    const facts = element(
      "p",
      { className: "facts" },
      element("span", { className: "reason", "data-reason": frame.reason }, frame.reason),
      element("span", { title: "Score" }, scoreOf(frame).toFixed(2)),
      element("span", { className: "at", title: frame.at ?? "" }, timeOfDay(frame.at)),
      element("span", { className: "id" }, frame.id),
    );
    const marks = element("p", { className: "marks" });
    if (frame.returned_to) marks.append(this.#returned(frame.returned_to));
    if (recording.hasSent(frame.id, "agent"))
      marks.append(element("span", { className: "sent" }, "sent"));
    const text = element("p", { className: "words", title: words.join(" — ") });
    words.forEach((it, at) => text.append(at ? " — " : "", element("bdi", {}, ...marked(it, this.terms, true))));
    return element(
      "li",
      { className: isChosen ? "card chosen" : "card" },
      picture,
      chosen,
      facts,
      marks.childNodes.length ? marks : null,
      text,
    );
  }

  /** @param {string} id */
  #returned(id) {
    const open = () => {
      const frame = this.recording.byId.get(id);
      if (frame) this.open(frame);
    };
    return element(
      "button",
      {
        type: "button",
        className: "returned",
        title: `The screen came back: ${id}`,
        onclick: open,
      },
      `↩ ${id}`,
    );
  }

  /** @param {import("./recording.js").Frame} frame @param {boolean} isRange */
  #choose(frame, isRange) {
    this.selection.toggle(frame.id, isRange ? this.frames.map(({ id }) => id) : null);
  }

  /**
   * Highlights the frame that is shown.
   * @param {import("./recording.js").Frame | undefined} frame
   */
  setCurrent(frame) {
    const id = frame?.id ?? "";
    if (id === this.currentId) return;
    this.currentId = id;
    for (const [at, card] of this.cards)
      card.classList.toggle("current", this.frames[at]?.id === id);
  }

  /**
   * Scrolls to a frame, unless it is in the window.
   * @param {import("./recording.js").Frame | undefined} frame
   */
  reveal(frame) {
    const at = frame ? this.frames.indexOf(frame) : -1;
    if (at < 0 || !this.row) return;
    const top = Math.floor(at / this.columns) * this.row;
    const { scrollTop, clientHeight } = this.root;
    if (top < scrollTop || top + this.row > scrollTop + clientHeight) {
      this.root.scrollTo({ top: Math.max(0, top - (clientHeight - this.row) / 2) });
    }
  }

  get isAtEnd() {
    const { scrollTop, clientHeight, scrollHeight } = this.root;
    return scrollTop + clientHeight > scrollHeight - 2 * this.row;
  }

  scrollToEnd() {
    this.root.scrollTo({ top: this.root.scrollHeight });
  }
}
