// The list of sessions: those that are being recorded first, then the newest.

import { element, missing, iconButton } from "./dom.js";
import { theme } from "./theme.js";
import { clock, day, timeOfDay } from "./time.js";

/** Time between two looks, in milliseconds. */
const AGAIN = 5000;

/**
 * @typedef {{name: string, live: boolean, started_at?: string, duration: number, picture?: string,
 *   pictures: number}} Listed
 */

/** @param {HTMLElement} place */
function showSessions(place) {
  const list = element("ol", { className: "sessions" });
  const note = element("p", { className: "empty", hidden: true });
  const changeTheme = theme(() => {});
  const header = element(
    "header",
    {},
    element("h1", {}, "Sessions"),
    element("span", { className: "space" }),
    iconButton("theme", "Dark or light", changeTheme),
  );
  place.replaceChildren(header, list, note);
  let before = "";
  const look = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch("sessions.json");
      if (!answer.ok) throw new Error(await answer.text());
      const text = await answer.text();
      if (text === before) return;
      before = text;
      /** @type {Listed[]} */
      const sessions = JSON.parse(text);
      list.replaceChildren(...sessions.map(session));
      note.hidden = sessions.length > 0;
      note.textContent = "No session yet. cht-recv makes the first.";
    } catch (error) {
      note.hidden = false;
      note.textContent = `The server does not answer: ${error instanceof Error ? error.message : error}`;
    }
  };
  look();
  setInterval(look, AGAIN);
  document.addEventListener("visibilitychange", look);
}

/** @param {Listed} it */
function session(it) {
  const base = `s/${encodeURIComponent(it.name)}/`;
  const picture = it.picture
    ? element("img", {
        src: `${base}files/${it.picture.split("/").map(encodeURIComponent).join("/")}`,
        alt: "",
        loading: "lazy",
        decoding: "async",
        onerror: missing,
      })
    : null;
  const state = it.live
    ? element("span", { className: "state recording" }, "recording")
    : element("span", { className: "state" }, clock(it.duration));
  const about = `${day(it.started_at)}  ${timeOfDay(it.started_at)}`;
  const count = it.pictures === 1 ? "1 picture" : `${it.pictures} pictures`;
  return element(
    "li",
    {},
    element(
      "a",
      { href: base },
      element("span", { className: picture ? "cover" : "cover missing" }, picture),
      element("strong", {}, element("bdi", {}, it.name)),
      element("span", { className: "line" }, state, element("span", {}, count)),
      element("span", { className: "line" }, about),
    ),
  );
}

const listPlace = document.getElementById("sessions");
if (listPlace) showSessions(listPlace);
