// Starts chromium for a script that uses pages.
import { createRequire } from "node:module";
import path from "node:path";

/** Returns a function that resolves the packages in a folder. */
export function packagesIn(modules) {
  return createRequire(path.join(modules, "package.json")).resolve;
}

/**
 * Starts a browser, which plays video without a gesture, with the driver in the folder `modules` and
 * further options.
 */
export async function launch(modules, ...options) {
  const { default: puppeteer } = await import(packagesIn(modules)("puppeteer-core"));
  return puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--mute-audio",
      "--autoplay-policy=no-user-gesture-required",
      ...options,
    ],
  });
}
