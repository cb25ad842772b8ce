// Lets a page that was opened from a file play the recording: a browser reads no files by itself,
// so the reader chooses the session's folder, and hls.js gets its files from there.

/**
 * Asks for the session's folder. Returns the loader of its files, or `null`.
 * @returns {Promise<any>}
 */
export function chooseFolder() {
  return new Promise((done) => {
    const input = document.createElement("input");
    input.type = "file";
    input.webkitdirectory = true;
    input.addEventListener("change", () => done(loaderOf(input.files ?? [])));
    input.addEventListener("cancel", () => done(null));
    input.click();
  });
}

/**
 * Returns a loader of hls.js that reads files by their names.
 * @param {Iterable<File>} files
 */
export function loaderOf(files) {
  const byName = new Map([...files].map((file) => [file.name, file]));
  if (![...byName.keys()].some((name) => name.endsWith(".m3u8"))) return null;
  return class {
    constructor() {
      const times = () => ({ start: 0, first: 0, end: 0 });
      this.stats = {
        aborted: false,
        loaded: 0,
        retry: 0,
        total: 0,
        chunkCount: 0,
        bwEstimate: 0,
        loading: times(),
        parsing: times(),
        buffering: times(),
      };
      this.context = null;
    }

    /**
     * @param {any} context
     * @param {any} _config
     * @param {any} callbacks
     */
    async load(context, _config, callbacks) {
      this.context = context;
      this.stats.loading.start = performance.now();
      const name = decodeURIComponent(context.url.split("/").pop());
      const file = byName.get(name);
      if (!file) {
        callbacks.onError(
          { code: 404, text: `${name} is not in the folder` },
          context,
          null,
          this.stats,
        );
        return;
      }
      const data =
        context.responseType === "arraybuffer" ? await file.arrayBuffer() : await file.text();
      if (this.stats.aborted) return;
      this.stats.loaded = this.stats.total = file.size;
      this.stats.loading.first = this.stats.loading.end = performance.now();
      callbacks.onSuccess({ url: context.url, data, code: 200 }, this.stats, context, null);
    }

    abort() {
      this.stats.aborted = true;
    }

    destroy() {
      this.abort();
    }
  };
}
