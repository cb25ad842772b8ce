// The transcript: a column of speech that follows the player. While words are searched for, it has
// the lines with them.

import { element } from "./dom.js";
import { Folded, marked } from "./search.js";
import { clock } from "./time.js";

export class Transcript {
  /**
   * @param {import("./recording.js").Recording} recording
   * @param {(time: number) => void} open
   */
  constructor(recording, open) {
    this.recording = recording;
    this.open = open;
    this.follows = true;
    this.current = -1;
    /** Request for the next look at the place of the current words. */
    this.looking = 0;
    /** Words in the list. @type {import("./recording.js").Words[]} */
    this.shown = [];
    /** Terms that are searched for. @type {string[]} */
    this.terms = [];
    this.folded = new Folded();
    this.list = element("ol", {});
    this.follower = element(
      "button",
      { type: "button", className: "follow", hidden: true, onclick: () => this.#setFollows(true) },
      "Follow",
    );
    this.root = element(
      "section",
      { className: "transcript", tabIndex: 0, "aria-label": "Transcript" },
      this.list,
      this.follower,
    );
    for (const name of ["wheel", "touchmove"])
      this.root.addEventListener(name, () => this.#setFollows(false), { passive: true });
  }

  /** Shows the words that are there. */
  set() {
    const { words } = this.recording;
    this.root.hidden = words.length === 0;
    // Mostly they are appended.
    let same = 0;
    while (same < this.shown.length && this.shown[same] === words[same]) same++;
    while (this.list.children.length > same) this.list.lastElementChild?.remove();
    this.list.append(...words.slice(same).map((it) => this.#line(it)));
    this.shown = [...words];
    if (this.current >= same) this.current = -1;
    this.#filter();
  }

  /**
   * Marks terms, and leaves the lines without any of them out.
   * @param {string[]} terms
   */
  search(terms) {
    if (terms.join("\n") === this.terms.join("\n")) return;
    this.terms = terms;
    this.shown.forEach((words, at) => {
      const line = this.list.children[at];
      if (line.classList.contains("hit") || this.#has(words))
        line.querySelector(".text").replaceWith(this.#text(words));
      line.classList.toggle("hit", this.#has(words));
    });
    this.#filter();
    if (this.follows) this.#reveal();
  }

  /** Leaves lines out as long as others have a hit: terms may be those of pictures alone. */
  #filter() {
    this.list.classList.toggle("found", this.list.querySelector(".hit") !== null);
  }

  /** @param {import("./recording.js").Words} words */
  #has(words) {
    if (!this.terms.length) return false;
    const text = this.folded.of(words, `${words.speaker ?? ""} ${words.text}`);
    return this.terms.some((term) => text.includes(term));
  }

  /** @param {import("./recording.js").Words} words */
  #text({ speaker, text }) {
    const name = speaker
      ? element("b", {}, element("bdi", {}, ...marked(speaker, this.terms)), ": ")
      : null;
    const said = element("bdi", {}, ...marked(text, this.terms));
    return element("span", { className: "text" }, name, said);
  }

  /** @param {import("./recording.js").Words} words */
  #line(words) {
    const line = element(
      "button",
      { type: "button", onclick: () => this.open(words.start) },
      element("time", {}, clock(words.start)),
      this.#text(words),
    );
    return element("li", { className: this.#has(words) ? "hit" : "" }, line);
  }

  /** @param {boolean} follows */
  #setFollows(follows) {
    this.follows = follows;
    this.follower.hidden = follows;
    if (follows) this.#reveal();
  }

  /** Highlights the words at a time. @param {number} time */
  setTime(time) {
    const { words } = this.recording;
    const at = this.recording.wordsAfter(time);
    const current = at < words.length && words[at].start <= time + 0.3 ? at : at - 1;
    if (current === this.current) return;
    this.list.children[this.current]?.classList.remove("current");
    this.current = current;
    this.list.children[current]?.classList.add("current");
    if (this.follows) this.#reveal();
  }

  /**
   * Scrolls to the current words. Lines out of sight have assumed heights until they come near the
   * window: their places move then, so the place is looked up again until it stays.
   * @param {number} [looks]
   */
  #reveal(looks = 20) {
    cancelAnimationFrame(this.looking);
    const line = /** @type {HTMLElement | undefined} */ (this.list.children[this.current]);
    if (!line?.offsetParent) return;
    const before = this.root.scrollTop;
    this.root.scrollTo({ top: line.offsetTop - this.root.clientHeight / 3 });
    const isThere = Math.abs(this.root.scrollTop - before) < 1;
    if (looks > 0 && !(isThere && looks < 18))
      this.looking = requestAnimationFrame(() => this.follows && this.#reveal(looks - 1));
  }
}
