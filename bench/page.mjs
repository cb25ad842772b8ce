// Watches a live page: node page.mjs MODULES URL SECONDS
import { launch } from "../tests/page/chromium.mjs";

const [modules, url, seconds] = process.argv.slice(2);
const browser = await launch(modules);
const page = await browser.newPage();
await page.goto(url, { waitUntil: "load" });
await page.waitForFunction(() => globalThis.chtApp.player.isLive);
await page.evaluate(() => {
  const { recording } = globalThis.chtApp;
  globalThis.late = [];
  let known = recording.frames.length;
  recording.addEventListener("change", () => {
    for (; known < recording.frames.length; known++) {
      const at = Date.parse(recording.frames[known].at);
      requestAnimationFrame(() => globalThis.late.push(Date.now() + recording.ahead - at));
    }
  });
});
const waits = [];
for (let second = 0; second < Number(seconds); second++) {
  await new Promise((done) => setTimeout(done, 1000));
  waits.push(await page.evaluate(() => globalThis.chtApp.player.engine.behind ?? Infinity));
}
const late = await page.evaluate(() => globalThis.late);
await browser.close();

const at = (values, share) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))];
const row = (name, values, unit, digits) =>
  console.log(
    `${name}: median ${at(values, 0.5).toFixed(digits)}, p95 ${at(values, 0.95).toFixed(digits)}, max ${at(values, 1).toFixed(digits)} ${unit} (${values.length})`,
  );
row("not shown yet", waits, "s", 2);
row("new picture", late, "ms", 0);
