// Colour profiles: samples for the screen are those of LittleCMS, and no profile of a stranger does harm.
import assert from "node:assert/strict";
import { test } from "node:test";

import { crc32, random } from "./mutations.mjs";
import { ROOT, bytes, pngSamples, texcodec } from "./support.mjs";

const SAMPLES = `${ROOT}build/viewer-samples/colours`;
const file = (name) => bytes(`${SAMPLES}/${name}.tcx`);
const NAMES = { p3: "Display P3", wide: "Wide", table: "Wide", linear: "Wide", grey: "Grey 1.8" };

for (const [name, called] of Object.entries(NAMES)) {
  test(`the profile ${name} is converted as LittleCMS does`, async () => {
    const { colours } = texcodec.info(file(name));
    assert.deepEqual(colours, { name: called, convertible: true });
    const plain = await texcodec.decode(file(name));
    const seen = [];
    const shown = await texcodec.decode(file(name), { colours: "srgb", onTile: ({ picture, final }) => final && seen.push(picture) });
    assert.notDeepEqual(shown.data, plain.data);
    assert.deepEqual(seen[0].data, shown.data);
    const expected = pngSamples(bytes(`${SAMPLES}/${name}.png`));
    const distances = Array.from(shown.data, (value, i) => Math.abs(value - expected.data[i]));
    assert.ok(Math.max(...distances) <= 1, String(Math.max(...distances)));
  });
}

test("sRGB by its own name is left as it is", async () => {
  const { colours } = texcodec.info(file("srgb"));
  assert.ok(/srgb/i.test(colours.name) && colours.convertible);
  assert.deepEqual((await texcodec.decode(file("srgb"), { colours: "srgb" })).data, (await texcodec.decode(file("srgb"))).data);
});

test("a profile that is none leaves the samples as they are", async () => {
  const golden = bytes("tests/golden/metadata.tcx");
  assert.deepEqual(texcodec.info(golden).colours, { name: undefined, convertible: false });
  assert.deepEqual((await texcodec.decode(golden, { colours: "srgb" })).data, (await texcodec.decode(golden)).data);
  assert.equal(texcodec.info(bytes("tests/golden/lean.tcx")).colours, undefined);
});

test("damaged profiles are read or left aside", async () => {
  const icc = bytes(`${SAMPLES}/table.icc`);
  const data = file("table");
  const at = Buffer.from(data).indexOf(Buffer.from(icc));
  let converted = 0;
  for (let seed = 0; seed < 300; seed++) {
    const pick = random(seed);
    const changed = data.slice();
    for (let n = pick(12); n >= 0; n--) changed[at + pick(Math.min(icc.length, 600))] = pick(256);
    new DataView(changed.buffer).setUint32(at + icc.length, crc32(changed.subarray(at - 8, at + icc.length)), true);
    const { colours } = texcodec.info(changed);
    if (colours.convertible) converted++;
    if (seed % 10 === 0) await texcodec.decode(changed, { colours: "srgb" });
  }
  assert.ok(converted > 0 && converted < 300, String(converted));
});
