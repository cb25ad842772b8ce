// Opens pages of cht-page in chromium and uses them. Each scenario ends with status 0, or throws.
//
// Usage: node check.mjs MODULES SCENARIO ARGUMENT…

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

import { launch, packagesIn } from "./chromium.mjs";

const [modules, scenario, ...rest] = process.argv.slice(2);
const axe = readFileSync(packagesIn(modules)("axe-core/axe.min.js"), "utf8");

/** Longest wait for anything, in milliseconds. */
const LIMIT = 60_000;

const browser = await launch(modules);

/** An empty page, which reads pictures of others. */
const reader = await browser.newPage();

/** Opens a page that must neither fail nor ask any machine but this one. */
async function open(url, { width = 1280, height = 800, theme = "dark" } = {}) {
  const page = await browser.newPage();
  page.setDefaultTimeout(LIMIT);
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("console", (message) => {
    const { url = "" } = message.location();
    // A page asks for the live stream until it hears that the recording has ended.
    const isExpected = url.endsWith("/live.ts") && message.text().includes(" 404 ");
    if (message.type() === "error" && !isExpected) page.faults.push(`${message.text()} ${url}`);
  });
  page.on("request", (request) => {
    const { protocol, hostname } = new URL(request.url());
    const isHere = ["file:", "data:", "blob:"].includes(protocol) || hostname === "127.0.0.1";
    if (!isHere) page.faults.push(`asked for ${request.url()}`);
  });
  await page.setViewport({ width, height });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: theme }]);
  await page.goto(url, { waitUntil: "load" });
  return page;
}

/** Closes a page, which must not have failed. */
async function close(page) {
  assert.deepEqual(page.faults, []);
  await page.close();
}

const texts = (page, selector) => page.$$eval(selector, (all) => all.map((it) => it.textContent));
const time = (page) => page.evaluate(() => globalThis.chtApp.player.time);
const count = (page) => page.$eval(".count", (it) => it.textContent);
const waitFor = (page, test, ...values) => page.waitForFunction(test, { polling: 50 }, ...values);

/** Checks a page with the rules of axe-core: nothing serious. */
async function checkAccess(page, name) {
  await page.evaluate(axe);
  const found = await page.evaluate(() =>
    globalThis.axe.run(document, { resultTypes: ["violations"], preload: false }),
  );
  const serious = found.violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  const said = serious.map(
    ({ id, nodes }) =>
      `${id}: ${nodes
        .slice(0, 3)
        .map((node) => node.html)
        .join(" ")}`,
  );
  assert.deepEqual(said, [], name);
}

/** Waits until the video shows a picture with one of these numbers; its bars show it in binary. */
async function showsPicture(page, numbers, name) {
  const read = (numbers) => {
    const { video, still } = globalThis.chtApp.player.screen;
    if (still.classList.contains("shown")) return false;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [320, 180];
    const paint = canvas.getContext("2d");
    paint.drawImage(video, 0, 0, 320, 180);
    let number = 0;
    for (let bar = 0; bar < 16; bar++) {
      if (paint.getImageData(bar * 20 + 10, 90, 1, 1).data[0] > 127) number += 2 ** bar;
    }
    globalThis.shown = number;
    return numbers.includes(number);
  };
  // The picture comes on the screen a moment after the player has found it.
  await page.waitForFunction(read, { polling: 50, timeout: 10_000 }, numbers).catch(async () => {
    assert.fail(
      `${name}: picture ${await page.evaluate(() => globalThis.shown)} instead of ${numbers}`,
    );
  });
}

/**
 * Waits until the screen shows the picture with this number. A script may not read the pixels of a
 * video from a file, so the screen is photographed.
 */
async function showsOnScreen(page, number, name) {
  const screen = await page.$(".screen video");
  for (let tries = 1; ; tries++) {
    const image = `data:image/png;base64,${await screen.screenshot({ encoding: "base64" })}`;
    const shown = await reader.evaluate(async (image) => {
      const bitmap = await createImageBitmap(await (await fetch(image)).blob());
      const { width, height } = bitmap;
      const canvas = new OffscreenCanvas(width, height);
      const paint = canvas.getContext("2d");
      paint.drawImage(bitmap, 0, 0);
      // The video may be narrower than its element.
      const scale = Math.min(width / 320, height / 180);
      let number = 0;
      for (let bar = 0; bar < 16; bar++) {
        const x = width / 2 + (bar * 20 + 10 - 160) * scale;
        if (paint.getImageData(x, height / 2, 1, 1).data[0] > 127) number += 2 ** bar;
      }
      return number;
    }, image);
    const isVideo = await page.evaluate(
      () => !globalThis.chtApp.player.screen.still.classList.contains("shown"),
    );
    if (shown === number && isVideo) return;
    if (tries === 50) assert.fail(`${name}: ${isVideo ? "video" : "still"} ${shown} instead of ${number}`);
  }
}

/** Waits until the video shows the time that was sought. */
const settled = (page) =>
  waitFor(page, () => {
    const { engine, video } = globalThis.chtApp.player;
    return (
      ["Recorded", "VideoFile"].includes(engine.constructor.name) &&
      engine.target === null &&
      !video.seeking &&
      video.readyState >= 2
    );
  });

/** Keys that every page has. `frames` is the number of its pictures. */
async function useKeys(page, frames) {
  assert.equal(await count(page), `${frames} pictures`);
  const times = await page.evaluate(() =>
    globalThis.chtApp.recording.frames.map((frame) => frame.timestamp),
  );
  const isAt = async (expected, name) => {
    const now = await time(page);
    assert.ok(Math.abs(now - expected) < 0.05, `${name}: at ${now} instead of ${expected}`);
  };
  await page.keyboard.press("j");
  await isAt(times[1], "j");
  await page.keyboard.press("j");
  await isAt(times[2], "j again");
  await page.keyboard.press("k");
  await isAt(times[1], "k");
  await page.keyboard.press("ArrowRight");
  await isAt(times[1] + 5, "right");
  await page.keyboard.press("ArrowLeft");
  await isAt(times[1], "left");
  await page.keyboard.press(".");
  const next = await time(page);
  assert.ok(next > times[1] + 0.03 && next < times[1] + 0.07, `.: ${next}`);
  await page.keyboard.press(",");
  await page.keyboard.press(" ");
  await waitFor(page, (from) => globalThis.chtApp.player.time > from + 0.3, times[1]);
  await page.keyboard.press(" ");
  assert.equal(await page.evaluate(() => globalThis.chtApp.player.isPlaying), false);

  await page.keyboard.press("?");
  assert.ok(await page.$("dialog[open]"));
  await page.keyboard.press("?");
  assert.equal(await page.$("dialog[open]"), null);
  await page.keyboard.press("s");
  assert.equal((await texts(page, ".filters > .chip"))[0], "sent");
  await page.keyboard.press("s");
  await page.keyboard.press("s");
  assert.equal(await count(page), `${frames} pictures`);
  await page.keyboard.press("/");
  await page.keyboard.type("F000002 agenda");
  assert.equal(await count(page), `1 of ${frames} pictures`);
  assert.deepEqual(await texts(page, ".card .id"), ["F000002"]);
  await page.keyboard.press("Escape");
  assert.equal(await count(page), `${frames} pictures`);
}

/** Keys that change what is seen, and the buttons of the filters. */
async function look(page, frames) {
  const app = (read) => page.evaluate(read);
  await page.keyboard.press("l");
  const newest = await app(() => globalThis.chtApp.recording.frames.at(-1).timestamp);
  assert.equal(await time(page), newest, "l");
  const span = () =>
    app(() => {
      const [from, to] = globalThis.chtApp.ruler.ends;
      return to - from;
    });
  const whole = await span();
  await page.keyboard.press("+");
  assert.ok(Math.abs((await span()) / whole - 0.5) < 0.01, "+");
  await page.keyboard.press("-");
  assert.ok(Math.abs((await span()) / whole - 1) < 0.01, "-");
  await page.keyboard.press("x");
  assert.deepEqual(await texts(page, ".selection strong"), ["1 picture"]);
  await page.keyboard.press("Escape");
  const link = await app(() => {
    const { copy } = globalThis.chtApp;
    let copied = "";
    globalThis.chtApp.copy = (text) => (copied = text);
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "c", bubbles: true }));
    globalThis.chtApp.copy = copy;
    return copied;
  });
  assert.ok(link.startsWith(page.url().replace(/#.*/, "#t=")), link);
  await page.keyboard.press("f");
  await waitFor(page, () => document.fullscreenElement?.matches(".player"));
  await page.keyboard.press("f");
  await waitFor(page, () => !document.fullscreenElement);

  // Each filter leaves the pictures that it names.
  const wanted = await app(() => {
    const { frames } = globalThis.chtApp.recording;
    return frames.filter(({ reason }) => reason === "first").length;
  });
  assert.ok(wanted > 0 && wanted < frames);
  await page.click('.chip[data-reason="first"]');
  assert.equal(await count(page), `${wanted} of ${frames} pictures`);
  await page.click('.chip[data-reason="first"]');
  await page.$eval(".score input", (it) => {
    it.value = "1";
    it.dispatchEvent(new Event("input"));
  });
  assert.match(await count(page), /^\d+ of /);
  await page.$eval(".score input", (it) => {
    it.value = "0";
    it.dispatchEvent(new Event("input"));
  });
  assert.equal(await count(page), `${frames} pictures`);

  // In print, all pictures and no controls, in black on white.
  await page.emulateMediaType("print");
  await app(() => dispatchEvent(new Event("beforeprint")));
  assert.equal((await page.$$(".card")).length, Number(frames));
  const isShown = (selector) => page.$eval(selector, (it) => getComputedStyle(it).display);
  for (const selector of [".stage", ".ruler", ".filters"]) {
    assert.equal(await isShown(selector), "none", selector);
  }
  const ground = await page.$eval(":root", (it) => getComputedStyle(it).backgroundColor);
  assert.equal(ground, "rgb(255, 255, 255)");
  await page.emulateMediaType("screen");
  await app(() => dispatchEvent(new Event("afterprint")));
}

/** Selects pictures, and reads the lines for them. */
async function select(page) {
  const [one, two] = await page.$$(".card .choose");
  await one.click();
  await page.keyboard.down("Shift");
  await two.click();
  await page.keyboard.up("Shift");
  assert.deepEqual(await texts(page, ".selection strong"), ["2 pictures"]);
  const context = page.browserContext();
  await context
    .overridePermissions(new URL(page.url()).origin, ["clipboard-read", "clipboard-write"])
    .catch(() => {});
  const lines = await page.evaluate(() => {
    let copied = "";
    globalThis.chtApp.copy = (text) => (copied += `${text}\n`);
    for (const button of document.querySelectorAll(".selection button")) {
      if (button.textContent.startsWith("Copy")) button.click();
    }
    return copied;
  });
  assert.match(lines, /^cd \S+ && cp frames\/F000001.jpg frames\/F000002.jpg DESTINATION\/\n/);
  assert.match(lines, /\nid,start,end\nF000001,0.000000,/);
  await page.keyboard.press("Escape");
  assert.equal(await page.$eval(".selection", (it) => it.hidden), true);
}

const scenarios = {
  /** A page that was opened from a file: URL, folder of the session, number of pictures. */
  async file(url, folder, frames) {
    const page = await open(url);
    await useKeys(page, frames);
    await look(page, frames);
    await select(page);
    // Pictures play in their times until the reader opens the folder.
    assert.equal(
      await page.evaluate(() => globalThis.chtApp.player.engine.constructor.name),
      "Stills",
    );
    const chooser = page.waitForFileChooser();
    await page.click("button.text");
    await (await chooser).accept([folder]);
    await settled(page);
    await page.evaluate(() => globalThis.chtApp.player.seek(3.02));
    await settled(page);
    await showsPicture(page, [75], "from a folder");
    await close(page);
    for (const theme of ["dark", "light"]) {
      const page = await open(`${url}#t=2.5`, { theme });
      assert.equal(await time(page), 2.5);
      await checkAccess(page, theme);
      await close(page);
    }
  },

  /**
   * A page from a file with its video next to it, whose connections begin at these times: URL,
   * times joined by commas. It has whole seconds of video from each.
   */
  async video(url, joined) {
    const begins = String(joined).split(",").map(Number);
    const page = await open(url);
    assert.equal(await page.$("button.text"), null, "nothing has to be opened");
    // A click on a picture shows that picture of the video.
    const cards = await page.$$(".card img");
    assert.ok(cards.length > 5);
    for (const [at, card] of cards.entries()) {
      await card.click();
      await settled(page);
      const time = await page.evaluate((at) => globalThis.chtApp.recording.frames[at].timestamp, at);
      const begin = begins.findLast((begin) => begin <= time + 0.001);
      await showsOnScreen(page, Math.round((time - begin) * 25), `the picture at ${time}`);
    }
    // So does a time within each connection; one in a gap shows what comes after it.
    const seek = async (time, number, name) => {
      await page.evaluate((time) => globalThis.chtApp.player.seek(time), time);
      await settled(page);
      await showsOnScreen(page, number, `${name} ${time}`);
    };
    for (const begin of begins) {
      for (const number of [0, 1, 24, 25, 37, 49]) {
        await seek(begin + (number + 0.5) / 25, number, "at");
      }
      if (begin > begins[0]) await seek(begin - 0.3, 0, "before");
    }
    await seek(begins[1] + 0.5 / 25, 0, "again");
    for (const [key, number] of [
      [".", 1],
      [".", 2],
      [",", 1],
    ]) {
      await page.keyboard.press(key);
      await settled(page);
      await showsOnScreen(page, number, `after ${key}`);
    }
    // It plays over a gap, at the times of the session.
    const last = begins.at(-1);
    const end = await page.evaluate(() => globalThis.chtApp.recording.stretches.at(-2)[1]);
    await page.evaluate((time) => globalThis.chtApp.player.seek(time), end - 0.4);
    await page.keyboard.press(" ");
    await waitFor(page, (time) => globalThis.chtApp.player.time > time, last + 0.2);
    await page.keyboard.press(" ");
    const { time, media } = await page.evaluate(() => {
      const { player } = globalThis.chtApp;
      return { time: player.time, media: player.video.currentTime };
    });
    const parts = await page.evaluate(() => globalThis.chtSession.video.parts);
    assert.ok(Math.abs(time - last - (media - parts.at(-1).at)) < 1e-6, `${time} at ${media}`);
    await checkAccess(page, "with video");
    await close(page);
  },

  /**
   * Pages from files whose video is not played: URLs of one with MPEG-2, and of one without its
   * file.
   */
  async refused(codec, absent) {
    for (const [url, says] of [
      [codec, /^This browser does not play MPEG-2\. /],
      [absent, /^This browser does not play the video file of the page, or it is not there any more/],
    ]) {
      const page = await open(url);
      await page.keyboard.press(" ");
      await waitFor(page, () => globalThis.chtApp.player.time > 0.3);
      assert.equal(
        await page.evaluate(() => globalThis.chtApp.player.engine.constructor.name),
        "Stills",
      );
      assert.match(await page.$eval(".notice", (it) => it.textContent), says);
      // A file that is not there is an error of the browser, too.
      page.faults = page.faults.filter((fault) => !/ERR_FILE_NOT_FOUND/.test(fault));
      await close(page);
    }
  },

  /** A page of a server: URL, number of pictures, begin of the second connection in seconds. */
  async served(url, frames, second) {
    const page = await open(url);
    await useKeys(page, frames);
    await page.evaluate(() => {
      const { player } = globalThis.chtApp;
      const seek = player.seek.bind(player);
      player.seek = (time) => seek((globalThis.sought = time));
    });
    const box = await (await page.$(".track")).boundingBox();
    for (const share of [0.02, 0.5, 0.93, 0.31, 0.77, 0.101, 0.617]) {
      const x = Math.round(box.width * share);
      await page.mouse.click(box.x + x, box.y + 40);
      const clicked = await page.evaluate(() => globalThis.sought);
      await settled(page);
      const begin = clicked < second ? 0 : second;
      // In the gap between both, the second one begins.
      const gap = await page.evaluate(() => globalThis.chtApp.recording.stretches[0][1]);
      const shown = clicked >= gap && clicked < second ? second : clicked;
      const exact = shown === second ? 0 : (shown - begin) * 25;
      // A picture that begins within 2 ms is shown.
      await showsPicture(page, [Math.floor(exact), Math.floor(exact + 0.05)], `at ${clicked}`);
    }
    // Each step is one frame.
    await page.evaluate(() => globalThis.chtApp.player.seek(2.01));
    await settled(page);
    for (const [key, expected] of [
      [".", 51],
      [".", 52],
      [".", 53],
      [",", 52],
      [",", 51],
    ]) {
      await page.keyboard.press(key);
      await settled(page);
      await showsPicture(page, [expected], `after ${key}`);
    }
    await checkAccess(page, "served");
    await close(page);
    const list = await open(new URL("/", url).href);
    await list.waitForSelector(".sessions a");
    await checkAccess(list, "the list");
    await close(list);
  },

  /**
   * Each press of a key is one frame: URL of a page at 1.02 s, and the numbers of the pictures from
   * there on, joined by commas.
   */
  async steps(url, joined) {
    const numbers = String(joined).split(",").map(Number);
    const page = await open(url);
    await settled(page);
    await showsPicture(page, [numbers[0]], "at first");
    let at = 0;
    const press = async (key) => {
      at += key === "." ? 1 : -1;
      await page.keyboard.press(key);
      await settled(page);
      await showsPicture(page, [numbers[at]], `after ${key}`);
      // What is on the screen stays there.
      await page.evaluate(() => new Promise((done) => setTimeout(done, 100)));
      await showsPicture(page, [numbers[at]], `still after ${key}`);
    };
    for (const key of "....................,,,,,,,,,,.,..,,,") await press(key);
    // Also those that are pressed before a picture is there.
    if (numbers.length > 40) {
      for (const key of "...............,,,") await page.keyboard.press(key);
      await settled(page);
      await showsPicture(page, [numbers[at + 12]], "after many");
    }
    await close(page);
  },

  /**
   * Pages of recordings that a browser plays in part: URLs of one with MPEG-2, and of one with
   * MP2.
   */
  async codecs(video, sound) {
    const notice = (page) => page.$eval(".notice", (it) => (it.hidden ? "" : it.textContent));
    let page = await open(video);
    await page.keyboard.press(" ");
    await waitFor(page, () => globalThis.chtApp.player.time > 0.3);
    assert.equal(
      await page.evaluate(() => globalThis.chtApp.player.engine.constructor.name),
      "Stills",
    );
    assert.match(
      await notice(page),
      /^This browser does not play MPEG-2\. .* cht-monitor \S+ --from [\d.]+$/,
    );
    const command = await page.$eval(".notice code", (it) => it.textContent);
    execFileSync("sh", ["-c", `${command} --help`]);
    const copied = await page.evaluate(() => {
      globalThis.chtApp.copy = (text) => (globalThis.copied = text);
      document.querySelector(".notice button").click();
      return globalThis.copied;
    });
    assert.equal(copied, command);
    await close(page);
    page = await open(`${sound}#t=1.02`);
    await settled(page);
    await showsPicture(page, [25], "without sound");
    assert.match(
      await notice(page),
      /^This browser does not play MP2: the video is silent here\. cht-monitor /,
    );
    await close(page);
  },

  /** A session whose pictures go on for longer than its video, which ends at 3 s: URL. */
  async absent(url) {
    const page = await open(`${url}#t=13`);
    const engine = () => page.evaluate(() => globalThis.chtApp.player.engine.constructor.name);
    await page.keyboard.press(" ");
    await waitFor(page, () => globalThis.chtApp.player.time > 13.3);
    assert.equal(await engine(), "Stills");
    assert.match(await page.$eval(".notice", (it) => it.textContent), /^There is no video at this/);
    // The address follows what plays.
    await waitFor(page, () => Number(location.hash.slice(3)) > 13.3);
    // Past the end of the video, the pictures go on.
    await page.evaluate(() => globalThis.chtApp.player.seek(2));
    await settled(page);
    await waitFor(page, () => globalThis.chtApp.player.time > 4);
    assert.equal(await engine(), "Stills");
    await page.keyboard.press(" ");
    // The newest picture; playing at the end begins at the start.
    await page.keyboard.press("l");
    assert.equal(await time(page), 20);
    await page.keyboard.press(" ");
    await waitFor(page, () => {
      const { time, isPlaying } = globalThis.chtApp.player;
      return isPlaying && time > 0.2 && time < 3;
    });
    await close(page);
  },

  /** A session with a transcript of 2,000 lines, one each second: URL. */
  async words(url) {
    const page = await open(`${url}#t=1500.2`);
    const isSeen = (expected) => {
      const line = document.querySelector(".transcript .current");
      if (!line?.textContent.includes(expected)) return false;
      const [box, column] = [line, line.closest(".transcript")].map((it) =>
        it.getBoundingClientRect(),
      );
      globalThis.still = globalThis.place === box.top ? (globalThis.still ?? 0) + 1 : 0;
      globalThis.place = box.top;
      if (globalThis.still < 10) return false;
      return box.top >= column.top && box.bottom <= column.bottom;
    };
    await waitFor(page, isSeen, "line 1500 ");
    await page.evaluate(() => globalThis.chtApp.player.seek(300.2));
    await waitFor(page, isSeen, "line 300 ");
    // It stays where its reader has scrolled, until it may follow again.
    const button = () => page.$eval(".follow", (it) => it.hidden);
    assert.equal(await button(), true);
    await page.hover(".transcript");
    await page.mouse.wheel({ deltaY: 4000 });
    await waitFor(page, () => !document.querySelector(".follow").hidden);
    await page.evaluate(() => globalThis.chtApp.player.seek(1000.2));
    await waitFor(page, () =>
      document.querySelector(".transcript .current")?.textContent.includes("line 1000 "),
    );
    const isWithin = await page.$eval(".transcript .current", (line) => {
      const [box, column] = [line, line.closest(".transcript")].map((it) =>
        it.getBoundingClientRect(),
      );
      return box.bottom > column.top && box.top < column.bottom;
    });
    assert.equal(isWithin, false);
    await page.click(".follow");
    await waitFor(page, isSeen, "line 1000 ");
    assert.equal(await button(), true);
    // Long words stay in their column, and the direction of one text ends with it.
    assert.ok(await page.$eval(".transcript", (it) => it.scrollWidth <= it.clientWidth));
    assert.equal(await page.$eval(".current b bdi", (it) => it.textContent), "\u202eAna");
    await close(page);
  },

  /** A wall of very many pictures: URL, number of pictures. */
  async wall(url, frames) {
    const page = await open(url, { width: 1600, height: 1000 });
    assert.equal(await count(page), `${frames} pictures`);
    for (const share of [0, 0.5, 1, 0.33, 0.9]) {
      await page.$eval(
        ".wall",
        (wall, share) => wall.scrollTo({ top: share * wall.scrollHeight }),
        share,
      );
      // Every place of the window shows a picture that has been decoded.
      await waitFor(page, () => {
        const { left, right, top, bottom } = document
          .querySelector(".wall")
          .getBoundingClientRect();
        const cards = [...document.querySelectorAll(".card")];
        const seen = cards.filter((card) => {
          const box = card.getBoundingClientRect();
          return box.bottom > top && box.top < bottom && box.right > left && box.left < right;
        });
        return (
          seen.length > 1 &&
          seen.every(
            (card) =>
              card.querySelector("img").complete && card.querySelector("img").naturalWidth > 0,
          )
        );
      });
      const cards = await page.$$eval(".card", (cards) => cards.length);
      assert.ok(cards < 150, `${cards} cards are in the page`);
    }
    // While it scrolls, cards are there before they are seen.
    const blanks = await page.evaluate(async () => {
      const wall = document.querySelector(".wall");
      const box = wall.getBoundingClientRect();
      let blanks = 0;
      for (let step = 0; step < 60; step++) {
        wall.scrollTop -= 120;
        await new Promise(requestAnimationFrame);
        const at = document.elementFromPoint(box.left + 60, box.top + box.height / 2);
        if (!at?.closest(".card") && !at?.closest(".cards")) blanks++;
        const under = document.querySelectorAll(".card");
        const covers =
          [...under].some((card) => card.getBoundingClientRect().top <= box.top) &&
          [...under].some((card) => card.getBoundingClientRect().bottom >= box.bottom);
        if (!covers) blanks++;
      }
      return blanks;
    });
    assert.equal(blanks, 0);
    await page.keyboard.press("/");
    await page.keyboard.type(`F0${frames}`);
    await waitFor(page, () => document.querySelectorAll(".card").length === 1);
    await close(page);
  },

  /** A page of a recording that ends while its sender still sends: URL. Says when it is ready. */
  async ending(url) {
    const page = await open(url);
    await waitFor(page, () => globalThis.chtApp.recording.open?.timeline);
    console.log("ready");
    await waitFor(page, () => {
      const { isLive, open } = globalThis.chtApp.recording;
      return !isLive && !open;
    });
    await page.evaluate(() => new Promise(requestAnimationFrame));
    const { shown, stays } = await page.evaluate(() => {
      const { recording, wall } = globalThis.chtApp;
      wall.scrollToEnd();
      const last = recording.frames.at(-1);
      const card = [...document.querySelectorAll(".card")].find(
        (it) => it.querySelector(".id").textContent === last.id,
      );
      return {
        shown: card.querySelector(".stay").textContent,
        stays: recording.parts.at(-1).end - last.timestamp,
      };
    });
    assert.equal(shown, `${stays.toFixed(1)} s`);
    await close(page);
  },

  /**
   * Words of a session, its frames and its speakers: URL. Each is found in any case, with and
   * without accents, and marked.
   */
  async search(url) {
    const page = await open(url);
    const find = async (query) => {
      await page.$eval(
        "input[type=search]",
        (it, query) => {
          it.value = query;
          it.dispatchEvent(new Event("input"));
        },
        query,
      );
      return {
        ids: await texts(page, ".card .id"),
        cards: await texts(page, ".card mark"),
        lines: await page.$$eval(".transcript li", (all) =>
          all.filter((it) => it.checkVisibility()).map((it) => it.querySelector(".text").innerText),
        ),
        said: await texts(page, ".transcript mark"),
      };
    };
    const all = await find("");
    assert.deepEqual([all.ids.length, all.lines.length, all.cards, all.said], [3, 3, [], []]);
    for (const [query, word] of [
      ["koln", "Köln"],
      ["KÖLN", "Köln"],
      ["naive", "nai\u0308ve"],
      ["strasse", "Straße"],
      ["STRASSE", "Straße"],
      ["istanbul", "İstanbul"],
      ["fine", "ﬁne"],
      ['"koln sud"', "Köln Süd"],
    ]) {
      const found = await find(query);
      assert.deepEqual([found.ids, found.cards], [["F000002"], [word]], query);
      assert.equal(found.lines.length, 3, `${query} is in no words`);
    }
    assert.deepEqual((await find('"sud koln"')).ids, []);
    // Speech, with the names of its speakers.
    for (const query of ["zoe", "cafe", "zoë cafe"]) {
      const found = await find(query);
      assert.deepEqual(found.ids, ["F000003"], query);
      assert.deepEqual(found.lines, ["Zoë: and then the Café"], query);
    }
    const found = await find("zoe cafe");
    assert.deepEqual([found.said, found.cards], [["Zoë", "Café"], ["Café"]]);
    await checkAccess(page, "search");
    assert.deepEqual(await find(""), all);
    await close(page);
  },

  /** A page of a recording in progress: URL. Says when it is ready, and then what it has seen. */
  async live(url) {
    const page = await open(url);
    await waitFor(
      page,
      () => globalThis.chtApp.player.isLive && globalThis.chtApp.player.video.currentTime > 0.5,
    );
    const before = await page.evaluate(() => globalThis.chtApp.recording.frames.length);
    console.log("ready");
    await waitFor(page, (before) => globalThis.chtApp.recording.frames.length > before, before);
    await waitFor(page, () => {
      const cards = [...document.querySelectorAll(".card .id")].map((it) => it.textContent);
      return cards.includes(globalThis.chtApp.recording.frames.at(-1).id);
    });
    // Back into the recording, and live again.
    await page.evaluate(() => globalThis.chtApp.player.seek(0.5));
    await settled(page);
    await page.click(".live-badge");
    await waitFor(
      page,
      () => globalThis.chtApp.player.isLive && !globalThis.chtApp.player.video.paused,
    );
    // Out of sight, it holds no connection.
    const setHidden = (hidden) =>
      page.evaluate((value) => {
        Object.defineProperty(document, "hidden", { value, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
      }, hidden);
    await setHidden(true);
    assert.equal(await page.evaluate(() => globalThis.chtApp.player.isLive), false);
    await setHidden(false);
    await waitFor(
      page,
      () => globalThis.chtApp.player.isLive && globalThis.chtApp.player.video.currentTime > 0.3,
    );
    console.log("seen");
    // The sender pauses for longer than the page waits before it opens the stream again.
    await waitFor(page, () =>
      /^No video for (8|9|\d\d+) s/.test(document.querySelector(".notice").textContent),
    );
    assert.equal(await page.$eval(".live-badge", (it) => it.classList.contains("on")), false);
    console.log("silent");
    // The same page when the recording has ended. The last picture stays as long as its video.
    await waitFor(page, () => !globalThis.chtApp.recording.isLive);
    await page.evaluate(() => globalThis.chtApp.player.seek(1.5));
    await settled(page);
    await close(page);
  },
};

try {
  await scenarios[scenario](...rest.map((text) => (/^[\d.]+$/.test(text) ? Number(text) : text)));
} finally {
  await browser.close();
}
