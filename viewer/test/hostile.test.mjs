// Damaged and hostile files: a picture or a sentence, soon, whatever the bytes are. MUTATIONS=5000 tries more of them.
import assert from "node:assert/strict";
import { test } from "node:test";

import { mutated } from "./mutations.mjs";
import { bytes, texcodec } from "./support.mjs";

const COUNT = Number(process.env.MUTATIONS ?? 240);
const LONGEST = 30_000; // milliseconds; a hang, not a slow machine
const SOUND = [
  "lean", "gaps", "alpha", "grey-alpha", "metadata", "drawn-grey", "lossless", "lossless-pixel", "features/shapes", "features/beside",
].map((name) => bytes(`tests/golden/${name}.tcx`));

async function outcome(data, salvage) {
  try {
    const file = texcodec.open(data, { salvage });
    if (!file.info.hasPixels) return "described";
    const { width, height } = await file.decode();
    assert.deepEqual([width, height], [file.info.width, file.info.height]);
    return "decoded";
  } catch (error) {
    assert.equal(error.name, "TcxError", error.stack);
    assert.match(error.message, /\.$/);
    return error.kind;
  }
}

test(`${COUNT} mutated files end in a picture or a sentence`, { timeout: 3_600_000 }, async () => {
  const outcomes = {};
  let longest = 0;
  for (let seed = 0; seed < COUNT; seed++) {
    const data = mutated(SOUND[seed % SOUND.length], seed);
    const start = performance.now();
    const found = await outcome(data, seed % 3 === 0);
    longest = Math.max(longest, performance.now() - start);
    outcomes[found] = (outcomes[found] ?? 0) + 1;
  }
  console.log(outcomes, `longest: ${longest.toFixed(0)} ms, memory: ${(process.memoryUsage().rss / 1e6).toFixed(0)} MB`);
  assert.ok(longest < LONGEST);
  assert.ok(outcomes.corrupt > 0 && outcomes.decoded > 0);
});

test("every flipped bit of a thumbnail is refused", async () => {
  const sound = bytes("tests/golden/pixel.tcx");
  for (let bit = 0; bit < 8 * sound.length; bit++) {
    const data = sound.slice();
    data[bit >> 3] ^= 1 << (bit & 7);
    assert.notEqual(await outcome(data, false), "decoded", `bit ${bit}`);
  }
});
