// Builds the library (dist/), and the page with all it needs but model sets (dist/page/).
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

import * as esbuild from "esbuild";

process.chdir(fileURLToPath(new URL(".", import.meta.url)));

const WASM = {
  "ort.wasm": "node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm",
  "webp.wasm": "node_modules/@jsquash/webp/codec/dec/webp_dec.wasm",
};
const STATIC = ["index.html", "page.css", "icon.svg", "licences.txt"];
const common = {
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "eof",
  logLevel: "warning",
  external: ["node:*", "module", "fs", "path", "url", "worker_threads"],
};

rmSync("dist", { recursive: true, force: true });
mkdirSync("dist/page", { recursive: true });
const library = { index: "src/index.ts", client: "src/client.ts", element: "src/element.ts", worker: "src/worker.ts" };
await esbuild.build({ ...common, entryPoints: library, outdir: "dist" });
const page = { page: "page/page.ts", client: "src/client.ts", element: "src/element.ts", worker: "src/worker.ts" };
await esbuild.build({ ...common, entryPoints: page, outdir: "dist/page" });
for (const folder of ["dist", "dist/page"]) {
  for (const [name, path] of Object.entries(WASM)) copyFileSync(path, `${folder}/${name}`);
}
copyFileSync("page/licences.txt", "dist/licences.txt");
for (const name of STATIC) copyFileSync(`page/${name}`, `dist/page/${name}`);

// the service worker names what it keeps, and changes whenever any of it does
const files = readdirSync("dist/page").sort();
const digest = createHash("sha256");
for (const name of files) digest.update(name).update(readFileSync(`dist/page/${name}`));
await esbuild.build({
  ...common,
  entryPoints: { sw: "page/sw.ts" },
  outdir: "dist/page",
  define: {
    VERSION: JSON.stringify(digest.digest("hex").slice(0, 16)),
    FILES: JSON.stringify(["./", ...files, "models/catalogue.json"]),
  },
});
