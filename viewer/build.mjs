// Builds the library (dist/), the page (dist/page) and what the tests run (build/): see the Makefile's `viewer`.
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

import * as esbuild from "esbuild";

process.chdir(fileURLToPath(new URL(".", import.meta.url)));

const WASM = {
  "ort.wasm": "node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm",
  "webp.wasm": "node_modules/@jsquash/webp/codec/dec/webp_dec.wasm",
};
const common = {
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none",
  logLevel: "warning",
  external: ["node:*", "module", "fs", "path", "url", "worker_threads"],
};

rmSync("dist", { recursive: true, force: true });
mkdirSync("dist", { recursive: true });
await esbuild.build({ ...common, entryPoints: { texcodec: "src/index.ts" }, outdir: "dist" });
for (const [name, path] of Object.entries(WASM)) copyFileSync(path, `dist/${name}`);
