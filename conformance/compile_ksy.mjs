// Compiles tcx.ksy to the parser that the tests use, tests/kaitai_tcx.py:
//
//     npm install --no-save --prefix build/ksy kaitai-struct-compiler@0.11.0 js-yaml@5.5.0
//     node conformance/compile_ksy.mjs build/ksy/node_modules
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const require = createRequire(resolve(process.argv[2]) + "/");
const compiler = require("kaitai-struct-compiler");
const yaml = require("js-yaml");
const here = new URL(".", import.meta.url);
const source = readFileSync(new URL("tcx.ksy", here));
const files = await compiler.compile("python", yaml.load(source.toString()), null, false);
const digest = createHash("sha256").update(source).digest("hex");
const note = `# Made of conformance/tcx.ksy by conformance/compile_ksy.mjs (kaitai-struct-compiler ${compiler.version}).\n# SHA-256 of the source: ${digest}\n`;
writeFileSync(new URL("../tests/kaitai_tcx.py", here), note + files["tcx.py"]);
