// The screen, and the row of controls under it.

import { element, icon, iconButton } from "./dom.js";
import { clock } from "./time.js";

const RATES = [0.5, 1, 1.25, 1.5, 2, 3];

export class Screen {
  /** @param {import("./player.js").Player} player that is controlled */
  constructor(player) {
    this.video = element("video", { playsInline: true, muted: true, "aria-label": "Recording" });
    this.still = element("img", {
      className: "still",
      alt: "",
      decoding: "async",
      fetchPriority: "high",
      onerror: () => (this.still.hidden = true),
      onload: () => (this.still.hidden = false),
    });
    this.notice = element("div", { className: "notice", role: "status", hidden: true });
    this.root = element(
      "section",
      { className: "player", "aria-label": "Player" },
      element(
        "div",
        { className: "screen", onclick: () => player.toggle() },
        this.video,
        this.still,
      ),
      this.notice,
      this.#controls(player),
    );
  }

  /** @param {import("./player.js").Player} player */
  #controls(player) {
    this.badge = element(
      "button",
      {
        type: "button",
        className: "live-badge",
        title: "Go to the newest picture",
        onclick: () => player.goLive(),
      },
      "LIVE",
    );
    this.toggler = iconButton("play", "Play or pause (space)", () => player.toggle());
    this.clock = element("output", { className: "clock", "aria-label": "Time" });
    this.muter = iconButton("muted", "Sound on or off", () => this.#mute());
    const rates = RATES.map((rate) =>
      element("option", { value: String(rate), selected: rate === 1 }, `${rate}×`),
    );
    this.rates = element(
      "select",
      {
        title: "Speed",
        "aria-label": "Speed",
        onchange: () => player.setRate(Number(this.rates.value)),
      },
      ...rates,
    );
    /** Place for what the page adds. */
    this.extra = element("span", { className: "extra" });
    return element(
      "div",
      { className: "controls" },
      iconButton("previous", "Previous picture (k)", () => player.picture(-1)),
      this.toggler,
      iconButton("next", "Next picture (j)", () => player.picture(1)),
      this.clock,
      this.badge,
      this.extra,
      this.rates,
      this.muter,
      iconButton("full", "Full screen (f)", () => player.fullScreen()),
    );
  }

  #mute() {
    this.video.muted = !this.video.muted;
    this.muter.replaceChildren(icon(this.video.muted ? "muted" : "sound"));
  }

  /**
   * Shows the picture of a time, and that time.
   * @param {import("./recording.js").Recording} recording
   * @param {import("./engines.js").Engines} engines
   */
  show(recording, engines) {
    const { showsStills, silence, current } = engines;
    const frame = recording.frameAt(current.time);
    const shows = showsStills || engines.isSeeking;
    this.still.classList.toggle("shown", shows && Boolean(frame));
    if (shows && frame) {
      const url = recording.url(frame.path);
      if (this.still.getAttribute("src") !== url) this.still.src = url;
    }
    this.video.classList.toggle("shown", !showsStills);
    this.clock.textContent = `${clock(current.time, 1)} / ${clock(recording.end)}`;
    this.toggler.replaceChildren(icon(current.isPlaying ? "pause" : "play"));
    this.badge.hidden = !recording.isLive;
    this.badge.classList.toggle("on", current.isLive && !silence);
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen?.();
  }
}
