// Which pictures are shown.

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
    const words = this.query.toLowerCase().split(/\s+/).filter(Boolean);
    return recording.frames.filter((frame) => {
      if (this.reasons.size > 0 && !this.reasons.has(frame.reason)) return false;
      if (this.minScore > 0 && scoreOf(frame) < this.minScore) return false;
      if (
        this.sent !== "all" &&
        recording.hasSent(frame.id, this.reader) !== (this.sent === "sent")
      )
        return false;
      if (words.length === 0) return true;
      const text =
        `${frame.id} ${recording.textOf(frame.id)} ${recording.wordsOf(frame)}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
  }
}

/**
 * Returns the score of the detector that found a frame, 0 to 1.
 * @param {import("./recording.js").Frame} frame
 */
export function scoreOf(frame) {
  return frame.scores[frame.detector ?? "scene"] ?? frame.scores.scene ?? 0;
}
