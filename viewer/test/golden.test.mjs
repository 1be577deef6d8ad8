// Every golden file: symbols exactly, pixels within one level of what they were where the file was made.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { ROOT, bytes, pngSamples, texcodec, tinyModels } from "./support.mjs";

const listed = (path) =>
  readFileSync(`${ROOT}/${path}`, "ascii")
    .split("\n")
    .filter((line) => line && !line.startsWith("#"))
    .map((line) => line.split(" "));

const folder = (place, models) => listed(`${place}/golden.txt`).map((line) => [place, models, ...line]);
const goldens = [
  ...folder("tests/golden", {}),
  ...folder("tests/golden/profile-2", { models: tinyModels }),
  ...folder("tests/golden/std-3", {}),
  ...folder("tests/golden/std-3-ssim", {}),
  ...folder("tests/golden/std-4", {}),
  ...folder("tests/golden/std-4-ssim", {}),
  ...folder("tests/golden/std-5", {}),
  ...folder("tests/golden/std-5-ssim", {}),
  ...folder("tests/golden/std-6", {}),
];
assert.ok(goldens.length >= 35);

for (const [place, models, name, sha256, symbols] of goldens) {
  test(`golden file ${place}/${name}`, async () => {
    const data = bytes(`${place}/${name}.tcx`);
    assert.equal(createHash("sha256").update(data).digest("hex"), sha256);
    const file = texcodec.open(data, models);
    const digest = createHash("sha256");
    for await (const part of file.symbols()) digest.update(part);
    assert.equal(digest.digest("hex"), symbols);
    const expected = pngSamples(bytes(`${place}/${name}.png`));
    const whole = expected.width === file.info.width && expected.height === file.info.height;
    const picture = await file.decode({ region: whole ? undefined : "crop" });
    assert.deepEqual([picture.width, picture.height], [expected.width, expected.height]);
    let worst = 0;
    for (let i = 0; i < picture.data.length; i++) worst = Math.max(worst, Math.abs(picture.data[i] - expected.data[i]));
    assert.ok(worst <= 1, `differs by ${worst} levels`);
    for (let i = 3; i < picture.data.length; i += 4) assert.equal(picture.data[i], expected.data[i], "alpha");
  });
}

for (const [name] of listed("tests/golden/features/golden.txt")) {
  test(`golden file with features ${name}`, async () => {
    const file = texcodec.open(bytes(`tests/golden/features/${name}.tcx`));
    assert.ok(file.info.features.length >= 1);
    for (const stream of file.info.features) {
      assert.match(stream.identity, /^[0-9a-f]{32}$/);
      assert.ok(stream.tasks.length >= 1);
    }
    if (!file.info.hasPixels) await assert.rejects(file.decode(), { kind: "argument", message: /no pixels/ });
  });
}
