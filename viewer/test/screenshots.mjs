// Takes the screenshots of docs/guides/viewer.md: node screenshots.mjs FILE.tcx FILE.jpg FOLDER, after `make viewer`.
import { chromium } from "playwright-core";

import { ROOT } from "./support.mjs";
import { serveFolder } from "./serve.mjs";

const [tcx, other, out] = process.argv.slice(2);
const server = await serveFolder(`${ROOT}viewer/dist/page`);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });

async function opened(colorScheme) {
  const context = await browser.newContext({ viewport: { width: 1180, height: 700 }, colorScheme });
  const page = await context.newPage();
  await page.goto(server.url);
  await page.locator("#file").setInputFiles(tcx);
  await page.waitForFunction(() => document.body.dataset.ready, undefined, { timeout: 180_000 });
  await page.waitForTimeout(500);
  return page;
}

let page = await opened("light");
await page.locator("#map").click();
await page.waitForTimeout(300);
await page.screenshot({ path: `${out}/viewer-classes.png` });
page = await opened("dark");
await page.locator("#other").setInputFiles(other);
await page.waitForTimeout(600);
await page.screenshot({ path: `${out}/viewer-compare.png` });
await browser.close();
server.close();
process.exit(0);
