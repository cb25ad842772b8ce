// Plays the recording by hls.js, over the playlist that cht-recv keeps.

import { unplayable } from "./codecs.js";
import { Film } from "./film.js";
import { Playlist } from "./playlist.js";
import { joined, withoutPid } from "./packets.js";

/** Time until a recording without segments, or out of reach, is looked at again, in milliseconds. */
const ASK_AGAIN = 1000;

/**
 * Returns the loader of hls.js, extended. Segments that begin without tables get those of their
 * connection, which the playlist names as their map and hls.js does not use; and sound that the
 * browser does not play is left out.
 * @param {any} Hls
 * @param {any} Loader the loader that fetches
 * @param {number | null} refused PID of sound that is not played
 */
function withTables(Hls, Loader, refused) {
  /** @type {Map<string, Promise<ArrayBuffer | null>>} */
  const tables = new Map();
  return class extends Loader {
    /**
     * @param {any} context
     * @param {any} config
     * @param {any} callbacks
     */
    load(context, config, callbacks) {
      if (context.responseType !== "arraybuffer") {
        super.load(context, config, callbacks);
        return;
      }
      const map = context.frag?.initSegment?.url;
      if (map && !tables.has(map)) tables.set(map, loaded(Hls, Loader, map, context, config));
      const onSuccess = async (/** @type {any} */ response, /** @type {any[]} */ ...rest) => {
        const before = await tables.get(map);
        if (before) response.data = joined(before, response.data);
        if (refused !== null) withoutPid(new Uint8Array(response.data), refused);
        callbacks.onSuccess(response, ...rest);
      };
      super.load(context, config, { ...callbacks, onSuccess });
    }
  };
}

/**
 * Loads one file; `null` if it cannot be loaded.
 * @param {any} Hls
 * @param {any} Loader
 * @param {string} url
 * @param {any} context
 * @param {any} config
 * @returns {Promise<ArrayBuffer | null>}
 */
function loaded(Hls, Loader, url, context, config) {
  return new Promise((done) => {
    const loader = new Loader(Hls.DefaultConfig);
    const fail = () => done(null);
    const onSuccess = (/** @type {any} */ response) => done(response.data);
    loader.load({ ...context, url, frag: null, rangeStart: 0, rangeEnd: 0 }, config, {
      onSuccess,
      onError: fail,
      onTimeout: fail,
      onAbort: fail,
    });
  });
}

export class Recorded extends Film {
  /**
   * @param {HTMLVideoElement} video
   * @param {import("./recording.js").Recording} recording
   * @param {{Loader?: any, tell: () => void, fail: (message: string) => void,
   *   learn: (range: import("./engines.js").Range | null) => void}} options
   */
  constructor(video, recording, { Loader, tell, fail, learn }) {
    super(video, recording, tell);
    const Hls = /** @type {any} */ (globalThis).Hls;
    const { streams } = recording;
    const refused = unplayable(streams).sound ? (streams.sound_pid ?? null) : null;
    this.hls = new Hls({
      enableWorker: false,
      fLoader: withTables(Hls, Loader ?? Hls.DefaultConfig.loader, refused),
      ...(Loader && { loader: Loader }),
      startPosition: 0,
      maxBufferLength: 20,
      backBufferLength: 30,
    });
    this.times = this.playlist = new Playlist(this.hls, recording);
    this.#listen(Hls, fail, learn);
    this.hls.loadSource(new URL(recording.url("stream/session.m3u8"), document.baseURI).href);
    this.hls.attachMedia(video);
  }

  /**
   * @param {any} Hls
   * @param {(message: string) => void} fail
   * @param {(range: import("./engines.js").Range | null) => void} learn
   */
  #listen(Hls, fail, learn) {
    let recoveries = 0;
    this.hls.on(Hls.Events.LEVEL_UPDATED, () => {
      learn(this.playlist.range);
      if (!this.stop.signal.aborted) this.aim();
    });
    this.hls.on(Hls.Events.INIT_PTS_FOUND, (/** @type {string} */ _, /** @type {any} */ data) =>
      this.playlist.learn(data),
    );
    this.hls.on(Hls.Events.FRAG_BUFFERED, () => this.aim());
    this.hls.on(Hls.Events.ERROR, (/** @type {string} */ _, /** @type {any} */ data) => {
      // A file that is not there does not come by asking again.
      const isLost = data.response?.code === 404 && !this.recording.isLive;
      if (isLost) queueMicrotask(() => this.#giveUp(data.details, fail));
      if (!data.fatal || isLost) return;
      if (data.type === Hls.ErrorTypes.MEDIA_ERROR && recoveries++ < 3)
        this.hls.recoverMediaError();
      else if (data.type === Hls.ErrorTypes.NETWORK_ERROR && this.recording.isLive)
        setTimeout(() => this.stop.signal.aborted || this.hls.startLoad(), ASK_AGAIN);
      else fail(data.details);
    });
  }

  /**
   * Ends the playing, once.
   * @param {string} details
   * @param {(message: string) => void} fail
   */
  #giveUp(details, fail) {
    if (!this.stop.signal.aborted) fail(details);
  }

  end() {
    super.end();
    this.hls.destroy();
  }
}
