// Which pictures are shown.

import { Folded, termsOf } from "./search.js";

/** Reasons in the order of the page. */
export const REASONS = ["first", "scene", "gradual", "screen", "interval"];

export class Filter extends EventTarget {
  constructor() {
    super();
    /** Reasons that are shown; all if it is empty. @type {Set<string>} */
    this.reasons = new Set();
    this.minScore = 0;
    this.query = "";
    this.reader = "agent";
    /** @type {"all" | "sent" | "unsent"} */
    this.sent = "all";
    /** Texts of the frames, and words. */
    this.folded = new Folded();
  }

  /** What the query asks for, as a text has it when it is folded. */
  get terms() {
    return termsOf(this.query);
  }

  /**
   * Changes some of it.
   * @param {Partial<Filter>} change
   */
  set(change) {
    Object.assign(this, change);
    this.dispatchEvent(new Event("change"));
  }

  /** @param {string} reason */
  toggle(reason) {
    const reasons = new Set(this.reasons);
    if (!reasons.delete(reason)) reasons.add(reason);
    this.set({ reasons });
  }

  /** Goes on from all pictures to those that were sent, those that were not, and all again. */
  nextSent() {
    const order = /** @type {const} */ (["all", "sent", "unsent"]);
    this.set({ sent: order[(order.indexOf(this.sent) + 1) % order.length] });
  }

  get isOpen() {
    return (
      this.reasons.size === 0 && this.minScore === 0 && this.query === "" && this.sent === "all"
    );
  }

  /**
   * Returns the frames that pass, in order of time.
   * @param {import("./recording.js").Recording} recording
   */
  of(recording) {
    if (this.isOpen) return recording.frames;
    const { terms } = this;
    return recording.frames.filter((frame) => {
      if (this.reasons.size > 0 && !this.reasons.has(frame.reason)) return false;
      if (this.minScore > 0 && scoreOf(frame) < this.minScore) return false;
      if (
        this.sent !== "all" &&
        recording.hasSent(frame.id, this.reader) !== (this.sent === "sent")
      )
        return false;
      if (terms.length === 0) return true;
      const text = this.#textOf(frame, recording);
      return terms.every((term) => text.includes(term));
    });
  }

  /**
   * Returns all words of a frame, folded: its id, the text on it, and what was said meanwhile, by
   * whom.
   * @param {import("./recording.js").Frame} frame
   * @param {import("./recording.js").Recording} recording
   */
  #textOf(frame, recording) {
    const { folded } = this;
    const said = recording
      .spokenWhile(frame)
      .map((words) => folded.of(words, `${words.speaker ?? ""} ${words.text}`));
    return [frame.id.toLowerCase(), folded.of(frame.id, recording.textOf(frame.id)), ...said].join(
      "\n",
    );
  }
}

/**
 * Returns the score of the detector that found a frame, 0 to 1.
 * @param {import("./recording.js").Frame} frame
 */
export function scoreOf(frame) {
  return frame.scores[frame.detector ?? "scene"] ?? frame.scores.scene ?? 0;
}
