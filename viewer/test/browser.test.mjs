// The page in a real Chromium: what a reader does with it, and what it does with files that are not sound.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { basename } from "node:path";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

import { PROFILE_2, ROOT, bytes, tinyModels, pngSamples, texcodec } from "./support.mjs";
import { mutated } from "./mutations.mjs";
import { serveFolder } from "./serve.mjs";

const SAMPLES = `${ROOT}build/viewer-samples`;
const WAIT = { timeout: 180_000 }; // machines of continuous integration are slow
let server, browser;

before(async () => {
  server = await serveFolder(`${ROOT}viewer/dist/page`, (name) => {
    const pack = `${PROFILE_2}/${basename(name)}`; // the set of entropy profile 2, which is no part of the page
    return name.endsWith(".tcxpack") && existsSync(pack) ? pack : undefined;
  });
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
  });
});

after(async () => {
  await browser?.close();
  server?.close();
});

/** A fresh page; fails the test on errors that the page does not show. */
async function opened(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, ...options });
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(String(error)));
  await page.goto(server.url);
  return page;
}

async function close(page) {
  assert.deepEqual(page.faults, []);
  await page.context().close();
}

/** Drop a file on the page, as from a file manager. */
async function drop(page, name, data, type = "image/x-tcx") {
  const base64 = Buffer.from(data).toString("base64");
  const transfer = await page.evaluateHandle(
    async ({ base64, name, type }) => {
      const data = await (await fetch(`data:application/octet-stream;base64,${base64}`)).arrayBuffer();
      const transfer = new DataTransfer();
      transfer.items.add(new File([data], name, { type }));
      return transfer;
    },
    { base64, name, type },
  );
  await page.dispatchEvent("#stage", "drop", { dataTransfer: transfer });
}

const decoded = (page) => page.waitForFunction(() => /^\d+$/.test(document.body.dataset.ready ?? ""), undefined, WAIT);
const dropped = async (page, name, path = `${SAMPLES}/${name}`, data = bytes(path)) => {
  await page.evaluate(() => delete document.body.dataset.ready);
  await drop(page, name, data);
  await decoded(page);
};
const noticeOf = (page) => page.locator("#notice p").textContent();

/** Samples of the screen's canvas, as many as it has pixels. */
const shown = (page) =>
  page.evaluate(async () => {
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const canvas = document.getElementById("view");
    const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let sum = 0;
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 0) sum++;
    const middle = 4 * (Math.floor(height / 2) * width + Math.floor(width / 2));
    return { covered: sum, middle: Array.from(data.subarray(middle, middle + 4)) };
  });

test("a dropped file is shown, with its details and classes", async () => {
  const page = await opened();
  await dropped(page, "photo.tcx");
  assert.equal(await page.title(), "photo.tcx – texcodec viewer");
  const facts = await page.locator("#facts").textContent();
  assert.match(facts, /768 × 512/);
  assert.match(facts, /std-2/);
  assert.match(await page.locator("#legend").textContent(), /tile/);
  const { covered, middle } = await shown(page);
  assert.ok(covered >= 768 * 512);
  const expected = pngSamples(bytes(`${SAMPLES}/photo.png`));
  const at = 4 * (256 * 768 + 384);
  for (let c = 0; c < 3; c++) assert.ok(Math.abs(middle[c] - expected.data[at + c]) <= 12, `${middle} in the middle`);
  await page.keyboard.press("Tab");
  await page.locator("#map").click();
  assert.equal(await page.locator("#map").getAttribute("aria-pressed"), "true");
  await close(page);
});

test("keys and the wheel zoom and move the picture", async () => {
  const page = await opened();
  await dropped(page, "photo.tcx");
  const zoom = async () => parseFloat(await page.locator("#zoom").textContent());
  await page.locator("#stage").focus();
  const first = await zoom();
  await page.keyboard.press("+");
  assert.ok((await zoom()) > first);
  await page.keyboard.press("1");
  assert.equal(await zoom(), 100);
  const before = await shown(page);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowDown");
  assert.notDeepEqual((await shown(page)).middle, before.middle);
  await page.mouse.move(400, 400);
  await page.mouse.wheel(0, -400);
  assert.ok((await zoom()) > 100);
  await page.keyboard.press("0");
  assert.equal(await zoom(), first);
  await close(page);
});

test("a region decodes to the same pixels in the worker, in Node and in Python", async () => {
  const page = await opened();
  const region = { x: 201, y: 190, width: 130, height: 100 };
  const inWorker = await page.evaluate(
    async ({ base64, region }) => {
      const { TcxClient } = await import("./client.js");
      const client = new TcxClient(new URL("worker.js", location.href));
      const data = await (await fetch(`data:application/octet-stream;base64,${base64}`)).arrayBuffer();
      const file = await client.open(new Uint8Array(data));
      const { data: samples } = await file.decode({ region });
      client.close();
      return Array.from(samples);
    },
    { base64: Buffer.from(bytes(`${SAMPLES}/photo.tcx`)).toString("base64"), region },
  );
  const inNode = await texcodec.decode(bytes(`${SAMPLES}/photo.tcx`), { region });
  assert.deepEqual(inWorker, Array.from(inNode.data));
  const whole = pngSamples(bytes(`${SAMPLES}/photo.png`));
  let worst = 0;
  for (let y = 0; y < region.height; y++) {
    for (let i = 0; i < 4 * region.width; i++) {
      const from = 4 * ((region.y + y) * whole.width + region.x) + i;
      worst = Math.max(worst, Math.abs(inNode.data[4 * y * region.width + i] - whole.data[from]));
    }
  }
  assert.ok(worst <= 1, `differs by ${worst} levels`);
  await close(page);
});

test("a damaged file is shown as far as it is sound, and says so", async () => {
  const page = await opened();
  await dropped(page, "damaged.tcx");
  assert.match(await noticeOf(page), /damaged.*\nTile 1 is damaged/s);
  assert.match(await page.locator("#legend").textContent(), /damaged1 tile/);
  await close(page);
});

test("a compact file is decoded in the worker as in Node", async () => {
  const page = await opened();
  await dropped(page, "lapped.tcx", `${PROFILE_2}/lapped.tcx`);
  assert.match(await page.locator("#facts").textContent(), /300 × 260.*3 × 3 of 128 pixels.*version 1\.3, compact/s);
  const [whole, small] = await page.evaluate(async (base64) => {
    const { TcxClient } = await import("./client.js");
    const client = new TcxClient(new URL("worker.js", location.href));
    const file = await client.open(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)));
    const pictures = [await file.decode(), await file.preview()];
    client.close();
    return pictures.map(({ data }) => Array.from(data));
  }, Buffer.from(bytes(`${PROFILE_2}/lapped.tcx`)).toString("base64"));
  const inNode = texcodec.open(bytes(`${PROFILE_2}/lapped.tcx`), { models: tinyModels });
  assert.deepEqual(whole, Array.from((await inNode.decode()).data));
  assert.deepEqual(small, Array.from((await inNode.preview()).data));
  await close(page);
});

test("damaged tiles of a compact file are named when decoding has found them", async () => {
  const page = await opened();
  await dropped(page, "damaged.tcx", `${PROFILE_2}/damaged.tcx`);
  assert.match(await noticeOf(page), /Tile [14] is damaged.*Tile [14] is damaged/s);
  await page.waitForFunction(() => /damaged2 tiles/.test(document.getElementById("legend").textContent), undefined, WAIT);
  await close(page);
});

test("colours of a profile are converted for the screen", async () => {
  const page = await opened();
  const folder = `${ROOT}build/viewer-samples/colours`;
  await dropped(page, "p3.tcx", `${folder}/p3.tcx`);
  assert.match(await page.locator("#facts").textContent(), /Colour profileDisplay P3/);
  const expected = pngSamples(bytes(`${folder}/p3.png`));
  await page.locator("#stage").focus();
  await page.keyboard.press("1");
  const { middle } = await shown(page);
  const near = [0, 1].flatMap((y) => [0, 1].map((x) => 4 * ((expected.height / 2 - y) * expected.width + expected.width / 2 - x)));
  const distances = near.map((at) => Math.max(...[0, 1, 2].map((c) => Math.abs(middle[c] - expected.data[at + c]))));
  assert.ok(Math.min(...distances) <= 4, `${middle} in the middle`); // a neighbour of it, perhaps
  await close(page);
});

test("a file of an unknown set, and one that is none, get a sentence", async () => {
  const page = await opened();
  const failed = () => page.waitForFunction(() => document.body.dataset.ready === "failed", undefined, WAIT);
  await drop(page, "unknown.tcx", bytes(`${SAMPLES}/unknown.tcx`));
  await failed();
  assert.match(await noticeOf(page), /needs the model set 000102030405060708090a0b0c0d0e0f, which this viewer does not have/);
  await page.evaluate(() => delete document.body.dataset.ready);
  await drop(page, "notes.tcx", Buffer.from("no picture at all"));
  await failed();
  assert.match(await noticeOf(page), /This is not a \.tcx file/);
  await close(page);
});

test("a file of features names its tasks", async () => {
  const page = await opened();
  await drop(page, "shapes.tcx", bytes("tests/golden/features/shapes.tcx"));
  await page.locator("#features:not([hidden])").waitFor(WAIT);
  assert.match(await page.locator("#streams").textContent(), /segmentation.*set shapes-1/);
  assert.match(await noticeOf(page), /no pixels/);
  await close(page);
});

test("two pictures are compared with the slider", async () => {
  const page = await opened();
  await dropped(page, "photo.tcx");
  await page.locator("#other").setInputFiles(`${SAMPLES}/photo.png`);
  await page.locator("#split:not([hidden])").waitFor(WAIT);
  assert.match(await page.locator("#tag-right").textContent(), /photo\.png/);
  await page.locator("#slider").focus();
  const before = await page.locator("#line").evaluate((line) => line.style.left);
  await page.keyboard.press("ArrowLeft");
  assert.notEqual(await page.locator("#line").evaluate((line) => line.style.left), before);
  await close(page);
});

test("the page works without a network once it has been open", async () => {
  const page = await opened();
  await page.evaluate(() => navigator.serviceWorker.ready);
  await dropped(page, "photo.tcx");
  await page.context().setOffline(true);
  await page.reload();
  await dropped(page, "photo.tcx");
  await close(page);
});

test("tcx-img shows a picture in any page", async () => {
  const page = await opened();
  await page.evaluate(async (base64) => {
    await import("./element.js");
    const picture = document.createElement("tcx-img");
    picture.setAttribute("alt", "A pattern");
    const done = new Promise((resolve, reject) => {
      picture.addEventListener("load", resolve);
      picture.addEventListener("error", (event) => reject(new Error(event.message)));
    });
    picture.src = `data:image/x-tcx;base64,${base64}`;
    const frame = document.createElement("div");
    frame.append(picture);
    document.body.append(frame);
    await done;
  }, Buffer.from(bytes("tests/golden/wide.tcx")).toString("base64"));
  const role = await page.locator("tcx-img").evaluate((e) => [e.getAttribute("role"), e.getAttribute("aria-label"), e.offsetWidth]);
  assert.deepEqual(role, ["img", "A pattern", 275]);
  await close(page);
});

test("12 megapixels are shown in less than 400 MB", { timeout: 600_000 }, async () => {
  const page = await opened();
  let most = 0;
  const timer = setInterval(() => (most = Math.max(most, megabytesOf(server.port))), 200);
  try {
    await dropped(page, "large.tcx");
    await page.locator("#stage").focus();
    for (const key of ["1", "ArrowRight", "ArrowDown", "0"]) {
      await page.evaluate(() => delete document.body.dataset.ready);
      await page.keyboard.press(key);
      await page.waitForFunction(() => document.getElementById("progress").hidden, undefined, WAIT);
    }
  } finally {
    clearInterval(timer);
  }
  console.log(`12 megapixels: at most ${most.toFixed(0)} MB in the renderer`);
  assert.ok(most > 20 && most < 400, `${most} MB`);
  await close(page);
});

/** Private memory of the largest renderer of this test's browser, in MB. */
function megabytesOf() {
  let most = 0;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "latin1");
      if (!command.includes("--type=renderer") || !command.includes("chromium")) continue;
      const status = readFileSync(`/proc/${pid}/status`, "latin1");
      const kilobytes = (field) => Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
      most = Math.max(most, (kilobytes("RssAnon") + kilobytes("RssShmem")) / 1000);
    } catch {
      // the process has ended
    }
  }
  return most;
}

test("mutated files end in a picture or a sentence in the worker, too", { timeout: 3_600_000 }, async () => {
  const page = await opened();
  const count = Number(process.env.MUTATIONS ?? 100);
  const sound = ["lean", "gaps", "alpha", "metadata", "drawn-grey", "lossless"].map((name) => bytes(`tests/golden/${name}.tcx`));
  sound.push(...["small", "gaps", "alpha", "drawn-between", "two-slices"].map((name) => bytes(`${PROFILE_2}/${name}.tcx`)));
  await page.evaluate(async () => {
    const { TcxClient } = await import("./client.js");
    globalThis.client = new TcxClient(new URL("worker.js", location.href));
  });
  const outcomes = {};
  for (let seed = 0; seed < count; seed += 50) {
    const files = Array.from({ length: 50 }, (_, i) => Buffer.from(mutated(sound[(seed + i) % sound.length], seed + i)).toString("base64"));
    const found = await page.evaluate(async (files) => {
      const kinds = [];
      for (const [i, base64] of files.entries()) {
        const data = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
        try {
          const file = await globalThis.client.open(data, { salvage: i % 3 === 0 });
          await file.decode();
          await file.close();
          kinds.push("decoded");
        } catch (error) {
          kinds.push(error.kind ?? `defect: ${error.message}`);
        }
      }
      return kinds;
    }, files);
    for (const kind of found) outcomes[kind] = (outcomes[kind] ?? 0) + 1;
  }
  console.log(outcomes);
  assert.ok(Object.keys(outcomes).every((kind) => !kind.startsWith("defect")), JSON.stringify(outcomes));
  assert.ok(outcomes.decoded > 0 && outcomes.corrupt > 0);
  await close(page);
});

test("texcodec view serves the page to this machine alone", async () => {
  const python = process.env.PYTHON ?? "python3";
  const view = spawn(python, ["-m", "texcodec", "view", "--no-browser", "tests/golden/wide.tcx"], {
    cwd: ROOT, env: { ...process.env, PYTHONPATH: ROOT, PYTHONUNBUFFERED: "1" }, stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const url = await new Promise((resolve, reject) => {
      view.stdout.on("data", (data) => resolve(String(data).trim()));
      view.on("exit", () => reject(new Error("texcodec view has ended")));
    });
    const { origin, pathname } = new URL(url);
    assert.match(origin, /^http:\/\/127\.0\.0\.1:\d+$/);
    assert.equal((await fetch(`${origin}/index.html`)).status, 404);
    assert.equal((await fetch(`${origin}/${"x".repeat(32)}/index.html`)).status, 404);
    assert.equal((await fetch(`${origin}${pathname.replace("index.html", "..%2fserver.py")}`)).status, 404);
    const page = await (await browser.newContext()).newPage();
    await page.goto(url);
    await decoded(page);
    assert.equal(await page.title(), "wide.tcx – texcodec viewer");
    await page.context().close();
  } finally {
    view.kill("SIGINT");
  }
});
