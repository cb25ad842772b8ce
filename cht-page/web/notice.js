// Says what is not played, and the command that plays it.

import { helpsOf, playCommand, unplayable } from "./codecs.js";

export class Notice {
  /**
   * @param {HTMLElement} root
   * @param {import("./recording.js").Recording} recording
   * @param {(text: string, said: string) => void} copy
   */
  constructor(root, recording, copy) {
    this.root = root;
    this.recording = recording;
    this.copy = copy;
  }

  /** @param {import("./engines.js").Engines} engines */
  show(engines) {
    const { recording, root } = this;
    const { current, refusal, isLost, isGone } = engines;
    const remark = this.#remark(engines);
    const unread = recording.isEmpty ? "" : refusal;
    const says = unread || remark || this.#silence(engines);
    root.hidden = !says;
    if (!says) return;
    const { says: said, command: before } = root.dataset;
    // While it plays, the command stays: a screen reader would read each one.
    const isHelped = !isLost && (Boolean(unread) || !remark);
    const kept = current.isPlaying && said === says && before;
    const command = isHelped ? kept || playCommand(recording, current.time) : "";
    if (said === says && before === command) return;
    Object.assign(root.dataset, { says, command });
    root.replaceChildren(says, " ", ...helpsOf(command, isGone, this.copy));
  }

  /**
   * Returns what has to be said of the place that is shown; empty if there is nothing.
   * @param {import("./engines.js").Engines} engines
   */
  #remark(engines) {
    const { recording } = this;
    const { current, silence, showsStills, hasVideo } = engines;
    if (recording.isEmpty) return "Nothing is recorded yet.";
    if (silence) return `No video for ${silence} s: the page waits for the sender.`;
    if (!showsStills || recording.isLive || engines.hasVideoAt(current.time)) return "";
    return hasVideo ? "There is no video at this time. The pictures play in their times." : "";
  }

  /**
   * Returns what has to be said of the sound.
   * @param {import("./engines.js").Engines} engines
   */
  #silence({ file }) {
    const sound = file?.other ? null : unplayable(this.recording.streams).sound;
    return sound ? `This browser does not play ${sound}: the video is silent here.` : "";
  }
}
