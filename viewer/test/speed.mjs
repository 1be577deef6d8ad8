// Times the worker in Chromium: node speed.mjs FOLDER RUNS FILE.tcx ..., after `make viewer`. FOLDER has packs of sets that are not
// part of the page. Prints what comes over the wire, milliseconds of whole decodings and until the first part of a tile, and
// the processor time of the browser's renderers, which other work on the machine changes less.
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";

import { chromium } from "playwright-core";

import { ROOT } from "./support.mjs";
import { serveFolder } from "./serve.mjs";

const [folder, runs, ...files] = process.argv.slice(2);
const page = `${ROOT}viewer/dist/page`;
const server = await serveFolder(page, (name) => {
  const pack = join(folder, basename(name));
  return name.endsWith(".tcxpack") && existsSync(pack) ? pack : undefined;
});
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });

/** Median and largest. */
const summary = (times) => {
  const sorted = times.toSorted((a, b) => a - b);
  return `${sorted[sorted.length >> 1].toFixed(0)} (at most ${sorted.at(-1).toFixed(0)})`;
};

const session = await browser.newBrowserCDPSession();
/** Milliseconds of processor time of all renderers. */
async function processorTime() {
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  return 1000 * processInfo.filter(({ type }) => type === "renderer").reduce((sum, { cpuTime }) => sum + cpuTime, 0);
}

try {
  const scripts = readdirSync(page).filter((name) => statSync(join(page, name)).isFile());
  const sizes = scripts.map((name) => gzipSync(readFileSync(join(page, name)), { level: 9 }).length);
  console.log(`page: ${sizes.reduce((a, b) => a + b, 0)} bytes compressed`);
  for (const path of files) {
    const tab = await (await browser.newContext()).newPage();
    let pack = 0;
    tab.context().on("response", async (response) => {
      if (response.url().endsWith(".tcxpack")) pack += Number((await response.allHeaders())["content-length"] ?? 0) || (await response.body()).length;
    });
    await tab.goto(server.url);
    await tab.evaluate(async (base64) => {
      const { TcxClient } = await import("./client.js");
      globalThis.client = new TcxClient(new URL("worker.js", location.href));
      globalThis.bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    }, readFileSync(path).toString("base64"));
    const [all, first, used] = [[], [], []];
    for (let run = 0; run <= runs; run++) {
      const before = await processorTime();
      const [whole, tile] = await tab.evaluate(async () => {
        const file = await globalThis.client.open(globalThis.bytes.slice());
        const start = performance.now();
        let tile;
        await file.decode({ onTile: () => (tile ??= performance.now() - start) });
        const whole = performance.now() - start;
        await file.close();
        return [whole, tile];
      });
      used.push((await processorTime()) - before);
      all.push(whole);
      first.push(tile);
    }
    console.log(
      `${basename(path)}: ${statSync(path).size} bytes, pack ${pack}; cold ${all[0].toFixed(0)} ms,`,
      `warm ${summary(all.slice(1))} ms, first part ${summary(first.slice(1))} ms, processor ${summary(used.slice(1))} ms`,
    );
    await tab.context().close();
  }
} finally {
  await browser.close();
  server.close();
}
