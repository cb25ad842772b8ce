// Takes a picture of a page: node picture.mjs MODULES URL FILE.webp
import { launch } from "./chromium.mjs";

const [modules, url, file] = process.argv.slice(2);
const browser = await launch(modules, "--hide-scrollbars");
const page = await browser.newPage();
await page.setViewport({ width: 1280, height: 860, deviceScaleFactor: 1.5 });
await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
await page.goto(`${url}#t=32.4`, { waitUntil: "load" });
await page.evaluate(() => {
  document.querySelector(".wall").scrollTop = 0;
  document.querySelector(".extra").replaceChildren();
  // They are shown where the pointer is; this browser has none.
  for (const box of document.querySelectorAll(".choose")) box.style.visibility = "hidden";
});
await page.waitForFunction(() => [...document.images].every((image) => image.complete));
await page.screenshot({ path: file, type: "webp", quality: 82 });
await browser.close();
