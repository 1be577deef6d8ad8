// Damaged and hostile files: a picture or a sentence, soon, whatever the bytes are. MUTATIONS=5000 tries more of them.
import assert from "node:assert/strict";
import { test } from "node:test";

import { mutated } from "./mutations.mjs";
import { PROFILE_2, bytes, tinyModels, texcodec } from "./support.mjs";

const COUNT = Number(process.env.MUTATIONS ?? 240);
const LONGEST = 30_000; // milliseconds of processor time; a hang, not a slow or a busy machine
const SOUND = [
  "lean", "gaps", "alpha", "grey-alpha", "metadata", "drawn-grey", "lossless", "lossless-pixel", "features/shapes", "features/beside",
].map((name) => bytes(`tests/golden/${name}.tcx`));
const COMPACT = ["small", "soft", "gaps", "run", "crop", "alpha", "metadata", "drawn-between", "far-out", "two-slices"]
  .map((name) => bytes(`${PROFILE_2}/${name}.tcx`));

async function outcome(data, options) {
  try {
    const file = texcodec.open(data, options);
    if (!file.info.hasPixels) return "described";
    if (file.info.compact) await file.preview();
    const { width, height } = await file.decode();
    assert.deepEqual([width, height], [file.info.width, file.info.height]);
    return "decoded";
  } catch (error) {
    assert.equal(error.name, "TcxError", error.stack);
    assert.match(error.message, /\.$/);
    return error.kind;
  }
}

for (const [kind, sound, models] of [["chunked", SOUND, undefined], ["compact", COMPACT, tinyModels]]) {
  test(`${COUNT} mutated ${kind} files end in a picture or a sentence`, { timeout: 3_600_000 }, async () => {
    const outcomes = {};
    let [longest, which] = [0, 0];
    for (let seed = 0; seed < COUNT; seed++) {
      const data = mutated(sound[seed % sound.length], seed);
      const start = process.cpuUsage();
      const found = await outcome(data, { salvage: seed % 3 === 0, models });
      const { user, system } = process.cpuUsage(start);
      if ((user + system) / 1000 > longest) [longest, which] = [(user + system) / 1000, seed];
      outcomes[found] = (outcomes[found] ?? 0) + 1;
    }
    const memory = `${(process.memoryUsage().rss / 1e6).toFixed(0)} MB`;
    console.log(kind, outcomes, `longest: ${longest.toFixed(0)} ms (seed ${which}), memory: ${memory}`);
    assert.ok(longest < LONGEST);
    assert.ok(outcomes.corrupt > 0 && outcomes.decoded > 0);
  });
}

test("every flipped bit of a thumbnail is refused", async () => {
  const sound = bytes("tests/golden/pixel.tcx");
  for (let bit = 0; bit < 8 * sound.length; bit++) {
    const data = sound.slice();
    data[bit >> 3] ^= 1 << (bit & 7);
    assert.notEqual(await outcome(data, {}), "decoded", `bit ${bit}`);
  }
});
