// What the tests in Node share: the built library with its wasm files, packed model sets, golden files.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import * as texcodec from "../dist/texcodec.js";

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
