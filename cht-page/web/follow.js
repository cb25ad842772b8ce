// Follows a session that is served: new items as they come, and those missed in a break.

/** Time after which a broken connection is tried again, in milliseconds. */
const AGAIN = 1000;

/**
 * Hands the items of a session on as they come, for as long as the page is in sight: a browser
 * opens few connections to one server, and a page in the background needs none.
 * @param {import("./recording.js").Recording} recording
 */
export function follow(recording) {
  /** @type {EventSource | null} */
  let events = null;
  let { position } = recording;
  let again = 0;
  const open = () => {
    clearTimeout(again);
    if (events || document.hidden) return;
    events = new EventSource(`events?from=${position}`);
    events.addEventListener("message", (event) => {
      if (event.lastEventId) position = event.lastEventId;
      recording.apply([JSON.parse(event.data)]);
    });
    // The index was started over.
    events.addEventListener("reset", () => location.reload());
    events.addEventListener("error", () => {
      if (events?.readyState !== EventSource.CLOSED) return;
      events = null;
      again = setTimeout(open, AGAIN);
    });
  };
  const close = () => {
    events?.close();
    events = null;
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
}
