// What callers of the package rely on.
import assert from "node:assert/strict";
import { test } from "node:test";

import { bytes, texcodec } from "./support.mjs";

const golden = (name) => bytes(`tests/golden/${name}.tcx`);

test("info describes a file without a model set", () => {
  const { width, height, hasPixels, tiles, identity, crop } = texcodec.info(golden("crop"));
  assert.ok(hasPixels && identity === "a439b2d848a6e3bd15bbfed2872f14bf");
  assert.equal(tiles.reduce((sum, tile) => sum + tile.width * tile.height, 0), width * height);
  assert.ok(crop.width < width || crop.height < height);
  assert.equal(texcodec.info(golden("lossless")).identity, undefined);
});

test("a scale gives the mean of the pixels", async () => {
  const whole = await texcodec.decode(golden("lossless"));
  const half = await texcodec.decode(golden("lossless"), { scale: 1 / 2 });
  assert.deepEqual([half.width, half.height], [Math.ceil(whole.width / 2), Math.ceil(whole.height / 2)]);
  const at = (x, y, c) => whole.data[4 * (y * whole.width + x) + c];
  for (let c = 0; c < 3; c++) {
    const mean = (at(10, 20, c) + at(11, 20, c) + at(10, 21, c) + at(11, 21, c)) / 4;
    assert.ok(Math.abs(half.data[4 * (10 * half.width + 5) + c] - mean) <= 1);
  }
});

test("any region is the same part of the whole picture", async () => {
  const file = texcodec.open(golden("rates"));
  const whole = await file.decode();
  for (const region of [{ x: 0, y: 0, width: 1, height: 1 }, { x: 77, y: 100, width: 60, height: 40 }, { x: 127, y: 127, width: 2, height: 2 }]) {
    const part = await texcodec.decode(golden("rates"), { region });
    for (let y = 0; y < region.height; y++) {
      const from = 4 * ((region.y + y) * whole.width + region.x);
      const row = part.data.slice(4 * y * region.width, 4 * (y + 1) * region.width);
      assert.deepEqual(row, whole.data.slice(from, from + 4 * region.width));
    }
  }
});

test("tiles come as they are decoded, and once as they stay", async () => {
  const events = [];
  const file = texcodec.open(golden("wide"));
  const whole = await file.decode({ onTile: (event) => events.push(event) });
  const final = events.filter((event) => event.final);
  assert.equal(new Set(final.map((event) => event.index)).size, file.info.tiles.length);
  for (const { x, y, picture } of final) {
    const at = 4 * (y * whole.width + x);
    assert.deepEqual(picture.data.slice(0, 4), whole.data.slice(at, at + 4));
  }
});

test("salvage shows the sound tiles and names the others", async () => {
  const data = golden("wide");
  const cut = data.slice(0, data.length - 40);
  assert.throws(() => texcodec.open(cut), { name: "TcxError", kind: "truncated" });
  const file = texcodec.open(cut, { salvage: true });
  const part = await file.decode();
  const whole = await texcodec.decode(data);
  assert.deepEqual(part.data.slice(0, 64), whole.data.slice(0, 64));
  assert.ok(file.problems.some((problem) => /tile \d/.test(problem)), file.problems.join("\n"));
});

test("what cannot be is refused with a kind", async () => {
  await assert.rejects(texcodec.decode(golden("wide"), { scale: 0.3 }), { kind: "argument" });
  await assert.rejects(texcodec.decode(golden("wide"), { region: { x: 0, y: 0, width: 0, height: 5 } }), { kind: "argument" });
  const nobody = new texcodec.ModelStore(async () => undefined);
  await assert.rejects(texcodec.decode(golden("wide"), { models: nobody }), { kind: "unknown-set", message: /a439b2d848a6/ });
  const broken = new texcodec.ModelStore(async () => new Uint8Array(100));
  await assert.rejects(texcodec.decode(golden("wide"), { models: broken }), { kind: "model" });
  assert.throws(() => texcodec.info(new Uint8Array()), { kind: "truncated" });
});

test("a signal ends the work", async () => {
  const controller = new AbortController();
  const work = texcodec.decode(golden("wide"), { signal: controller.signal, onTile: () => controller.abort() });
  await assert.rejects(work, { name: "AbortError" });
});
