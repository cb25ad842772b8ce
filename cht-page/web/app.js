// The page of a session: makes its parts, and joins them.

import { element, icon, iconButton } from "./dom.js";
import { chooseFolder } from "./files.js";
import { Filter, REASONS } from "./filter.js";
import { follow } from "./follow.js";
import { help, listenToKeys } from "./keys.js";
import { Player } from "./player.js";
import { Recording } from "./recording.js";
import { Ruler } from "./ruler.js";
import { Selection, SelectionBar } from "./selection.js";
import { theme } from "./theme.js";
import { clock, day, parseClock, timeOfDay } from "./time.js";
import { Wall } from "./wall.js";
import { Transcript } from "./words.js";

/** Jump of the arrow keys, in seconds. */
const JUMP = 5;

class App {
  /** @param {any} data @param {HTMLElement} place */
  constructor(data, place) {
    this.recording = new Recording(data);
    this.filter = new Filter();
    this.selection = new Selection();
    this.player = new Player(this.recording, (text, said) => this.copy(text, said));
    this.ruler = new Ruler(this.recording, this.player);
    this.wall = new Wall(this.recording, this.selection, (frame) => this.open(frame.timestamp));
    this.transcript = new Transcript(this.recording, (time) => this.open(time));
    this.ruler.root.hidden = this.recording.isEmpty;
    this.said = element("div", { className: "said", role: "status" });
    /** Buttons of the reasons. @type {HTMLElement[]} */
    this.chips = [];
    /** Timer of the next change of the address. */
    this.remembering = 0;
    this.keys = this.#keys();
    this.help = help(this.keys);
    // Isolates: characters that turn the direction of writing turn the name alone.
    document.title = `\u2068${this.recording.name}\u2069 · cht`;
    place.replaceChildren(
      this.#header(),
      element("div", { className: "stage" }, this.player.screen.root, this.transcript.root),
      this.ruler.root,
      this.#filters(),
      this.wall.root,
      new SelectionBar(this.recording, this.selection, (text, said) => this.copy(text, said)).root,
      this.said,
      this.help,
    );
    this.changeTheme = theme(() => this.ruler.refresh());
    this.#join();
    this.#begin();
  }

  #header() {
    const { recording } = this;
    const isList = recording.served;
    this.state = element("span", { className: "state" });
    return element(
      "header",
      {},
      isList
        ? element("a", { href: "../../", className: "up", title: "All sessions" }, "Sessions")
        : null,
      element("h1", {}, element("bdi", {}, recording.name)),
      element(
        "p",
        { className: "about" },
        `${day(recording.startedAt)}  ${timeOfDay(recording.startedAt)}`,
      ),
      this.state,
      element("span", { className: "space" }),
      iconButton("link", "Copy a link to this moment (c)", () => this.copyLink()),
      iconButton("theme", "Dark or light", () => this.changeTheme()),
      iconButton("help", "Keys (?)", () => this.help.showModal()),
    );
  }

  #filters() {
    const { filter } = this;
    this.search = element("input", {
      type: "search",
      placeholder: "Search words and text",
      "aria-label": "Search words and text",
      oninput: () => filter.set({ query: this.search.value }),
    });
    this.chips = REASONS.map((reason) =>
      element(
        "button",
        {
          type: "button",
          className: "chip",
          "data-reason": reason,
          "aria-pressed": "false",
          onclick: () => filter.toggle(reason),
        },
        reason,
      ),
    );
    this.score = element("input", {
      type: "range",
      min: "0",
      max: "1",
      step: "0.01",
      value: "0",
      "aria-label": "Lowest score",
      title: "Lowest score",
      oninput: () => filter.set({ minScore: Number(this.score.value) }),
    });
    this.sent = element("button", {
      type: "button",
      className: "chip",
      title: "All, sent, or not sent (s)",
      onclick: () => filter.nextSent(),
    });
    this.reader = element("select", {
      "aria-label": "Reader",
      title: "Reader",
      onchange: () => filter.set({ reader: this.reader.value }),
    });
    this.count = element("output", { className: "count" });
    return element(
      "div",
      { className: "filters", role: "search" },
      this.search,
      element("div", { className: "chips", role: "group", "aria-label": "Reasons" }, ...this.chips),
      element(
        "label",
        { className: "score" },
        "Score ≥ ",
        this.score,
        (this.scoreText = element("span", {}, "0")),
      ),
      this.sent,
      this.reader,
      this.count,
    );
  }

  /** @returns {[string[], string, () => void][]} */
  #keys() {
    const { player } = this;
    return [
      [[" "], "Play or pause", () => player.toggle()],
      [["ArrowLeft"], "Back by 5 seconds", () => player.seek(player.time - JUMP)],
      [["ArrowRight"], "On by 5 seconds", () => player.seek(player.time + JUMP)],
      [[","], "Back by one frame", () => player.step(-1)],
      [["."], "On by one frame", () => player.step(1)],
      [["j"], "Next picture", () => player.picture(1)],
      [["k"], "Previous picture", () => player.picture(-1)],
      [["l"], "Newest picture, live while it is being recorded", () => player.goLive()],
      [["+", "="], "Zoom in on the ruler", () => this.ruler.zoom(0.5)],
      [["-"], "Zoom out", () => this.ruler.zoom(2)],
      [["/"], "Search", () => this.search.focus()],
      [["f"], "Full screen", () => player.fullScreen()],
      [["s"], "All pictures, those sent, or those not sent", () => this.filter.nextSent()],
      [["x"], "Select the picture", () => this.#choose()],
      [["c"], "Copy a link to this moment", () => this.copyLink()],
      [["Escape"], "Clear search and selection", () => this.#clear()],
      [["?"], "This help", () => (this.help.open ? this.help.close() : this.help.showModal())],
    ];
  }

  #join() {
    const { player, recording, filter, ruler, wall, transcript } = this;
    player.addEventListener("time", () => {
      ruler.follow();
      ruler.draw();
      transcript.setTime(player.time);
      const frame = recording.frameAt(player.time);
      const isNew = frame?.id !== wall.currentId;
      wall.setCurrent(frame);
      if (isNew && player.isPlaying && !player.isLive) wall.reveal(frame);
      if (player.isPlaying && !player.isLive && !this.remembering) this.#remember(1000);
    });
    player.addEventListener("seek", () => this.#remember(300));
    player.addEventListener("mode", () => {
      this.#showState();
      if (player.isLive) this.#remember(0);
    });
    recording.addEventListener("change", (event) =>
      this.#showChange(/** @type {CustomEvent} */ (event).detail),
    );
    filter.addEventListener("change", () => this.#showFiltered());
    addEventListener("hashchange", () => this.#openLink());
    listenToKeys(this.keys);
  }

  /** Shows all for the first time. */
  #begin() {
    const { recording, player } = this;
    this.transcript.set();
    this.#showFiltered();
    this.#showState();
    const { refusal, file } = player.engines;
    const isFile = location.protocol === "file:" && !refusal;
    if (isFile && !file && recording.parts.length) this.#offerFolder();
    if (recording.served) follow(recording);
    if (!this.#openLink() && recording.isLive) {
      player.goLive();
      this.wall.scrollToEnd();
    }
    this.#restOutOfSight();
    setInterval(() => recording.isLive && this.#goOn(), 500);
    player.tell();
  }

  /** Leaves the live stream while the page is out of sight and silent, and comes back to it. */
  #restOutOfSight() {
    const { player, recording } = this;
    let rests = false;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden && player.isLive && player.video.muted) {
        rests = true;
        player.seek(recording.end);
      } else if (!document.hidden && rests) {
        rests = false;
        player.goLive();
      }
    });
  }

  /** Shows that the end of a live recording moves on by itself. */
  #goOn() {
    this.wall.refreshStays();
    this.player.tell();
  }

  /** Offers to play video on a page that was opened from a file. */
  #offerFolder() {
    const choose = async () => {
      const Loader = await chooseFolder();
      if (!Loader) {
        this.say("No session.m3u8 in that folder");
        return;
      }
      this.player.open(Loader);
      button.remove();
    };
    const title =
      "Pictures play by themselves. For the video, choose the session's folder: a browser reads no files without being asked to.";
    const button = element(
      "button",
      { type: "button", className: "text", title, "aria-label": "Open video", onclick: choose },
      icon("folder"),
      element("span", { className: "label" }, "Open video"),
    );
    this.player.screen.extra.append(button);
  }

  /** @param {Set<string>} changed */
  #showChange(changed) {
    const wasAtEnd = this.wall.isAtEnd;
    if (changed.has("transcript")) this.transcript.set();
    if (["frame", "text", "sent", "reader", "transcript"].some((kind) => changed.has(kind)))
      this.#showFiltered();
    else {
      this.ruler.refresh();
      // The end of the recording stops the stay of the last one.
      this.wall.refreshStays();
    }
    this.ruler.root.hidden = this.recording.isEmpty;
    if (changed.has("frame") && wasAtEnd && this.recording.isLive) this.wall.scrollToEnd();
    this.#showState();
    this.player.tell();
  }

  #showFiltered() {
    const { filter, recording } = this;
    const frames = filter.of(recording);
    const { terms } = filter;
    this.wall.set(frames, terms);
    this.transcript.search(terms);
    this.ruler.frames = frames;
    this.ruler.refresh();
    this.chips.forEach((chip, at) =>
      chip.setAttribute("aria-pressed", String(filter.reasons.has(REASONS[at]))),
    );
    this.scoreText.textContent = String(filter.minScore);
    this.sent.textContent = { all: "sent or not", sent: "sent", unsent: "not sent" }[filter.sent];
    this.sent.setAttribute("aria-pressed", String(filter.sent !== "all"));
    const { readers } = recording;
    if (this.reader.options.length !== readers.length) {
      this.reader.replaceChildren(
        ...readers.map((name) => element("option", { value: name }, name)),
      );
      this.reader.value = filter.reader;
    }
    this.reader.hidden = readers.length < 2;
    const all = recording.frames.length;
    this.count.textContent =
      frames.length === all
        ? all === 1
          ? "1 picture"
          : `${all} pictures`
        : `${frames.length} of ${all} pictures`;
  }

  #showState() {
    const { recording } = this;
    this.state.textContent = recording.isLive ? "recording" : clock(recording.end);
    this.state.classList.toggle("recording", recording.isLive);
  }

  /** Goes to a time, which the reader has chosen. @param {number} time */
  open(time) {
    this.player.seek(time);
  }

  /** Goes to the time in the address. Returns whether there is one. */
  #openLink() {
    const text = /^#t=(.+)$/.exec(location.hash)?.[1];
    const time = text ? parseClock(decodeURIComponent(text)) : null;
    if (time === null) return false;
    if (Math.abs(time - this.player.time) > 0.01 || this.player.isLive) this.player.seek(time);
    this.wall.reveal(this.recording.frameAt(time));
    return true;
  }

  get link() {
    const link = new URL(location.href);
    link.hash = `t=${this.player.time.toFixed(2).replace(/\.?0+$/, "")}`;
    return link.href;
  }

  /**
   * Keeps the time in the address, so that it can be shared and reloaded; live, the address has
   * none. Browsers refuse to change it often.
   * @param {number} delay in milliseconds
   */
  #remember(delay) {
    clearTimeout(this.remembering);
    this.remembering = setTimeout(() => {
      this.remembering = 0;
      const { href } = location;
      const wanted = this.player.isLive ? href.replace(/#.*$/, "") : this.link;
      if (wanted !== href) history.replaceState(null, "", wanted);
    }, delay);
  }

  copyLink() {
    this.copy(this.link, "Link copied");
  }

  /** @param {string} text @param {string} said */
  async copy(text, said) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without a secure context there is no clipboard but this one.
      const field = element("textarea", { value: text });
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    this.say(said);
  }

  /** Says something for a moment. @param {string} text */
  say(text) {
    this.said.textContent = text;
    this.said.classList.add("shown");
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.said.classList.remove("shown"), 2000);
  }

  #choose() {
    const frame = this.recording.frameAt(this.player.time);
    if (frame) this.selection.toggle(frame.id, null);
  }

  #clear() {
    this.selection.clear();
    this.search.value = "";
    this.search.blur();
    this.filter.set({ query: "" });
  }
}

const place = document.getElementById("session");
if (place)
  /** @type {any} */ (globalThis).chtApp = new App(
    /** @type {any} */ (globalThis).chtSession,
    place,
  );
