// What the tests in Node share: the built library with its wasm files, packed model sets, golden files.
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { inflateSync } from "node:zlib";

import * as texcodec from "../dist/index.js";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DIST = new URL("../dist/", import.meta.url);

/** Bytes of a file of the repository. */
export const bytes = (path) => new Uint8Array(readFileSync(path.startsWith("/") ? path : `${ROOT}/${path}`));

texcodec.configure({
  runtime: { wasmBinary: readFileSync(new URL("ort.wasm", DIST)).buffer },
  webp: { wasmBinary: new Uint8Array(readFileSync(new URL("webp.wasm", DIST))).buffer },
  models: new texcodec.ModelStore(async (identity) => {
    const pack = new URL(`models/${identity}.tcxpack`, DIST);
    return existsSync(pack) ? new Uint8Array(readFileSync(pack)) : undefined;
  }),
});
export { texcodec };

/** Files of entropy profile 2, made by profile_2_samples.py, and the set that they need. */
export const PROFILE_2 = `${ROOT}build/viewer-samples/profile-2`;
export const tinyModels = new texcodec.ModelStore(async (identity) => {
  const pack = `${PROFILE_2}/${identity}.tcxpack`;
  return existsSync(pack) ? bytes(pack) : undefined;
});

/** Samples R, G, B, A of a PNG file of 8 bits that is not interlaced, as those of the golden files are. */
export function pngSamples(data) {
  const view = new DataView(data.buffer, data.byteOffset);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const channels = { 0: 1, 2: 3, 4: 2, 6: 4 }[data[25]];
  const parts = [];
  for (let at = 8; at < data.length; at += 12 + view.getUint32(at)) {
    const type = String.fromCharCode(...data.subarray(at + 4, at + 8));
    if (type === "IDAT") parts.push(data.subarray(at + 8, at + 8 + view.getUint32(at)));
  }
  const rows = inflateSync(Buffer.concat(parts));
  const stride = width * channels;
  const samples = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = rows[y * (stride + 1)];
    for (let i = 0; i < stride; i++) {
      const [a, b, c] = [
        i >= channels ? samples[y * stride + i - channels] : 0,
        y > 0 ? samples[(y - 1) * stride + i] : 0,
        i >= channels && y > 0 ? samples[(y - 1) * stride + i - channels] : 0,
      ];
      const p = a + b - c;
      const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
      const paeth = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
      samples[y * stride + i] = rows[y * (stride + 1) + 1 + i] + [0, a, b, (a + b) >> 1, paeth][filter];
    }
  }
  const out = new Uint8ClampedArray(4 * width * height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) out[4 * i + c] = samples[i * channels + (channels > 2 ? c : 0)];
    out[4 * i + 3] = channels % 2 === 0 ? samples[i * channels + channels - 1] : 255;
  }
  return { data: out, width, height };
}
