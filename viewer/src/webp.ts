import createDecoder from "@jsquash/webp/codec/dec/webp_dec.js";

import { TcxError } from "./errors.js";

interface Decoder {
  decode(file: ArrayBuffer): { data: Uint8ClampedArray; width: number; height: number } | null;
}

let binary: ArrayBuffer | undefined;
let decoder: Promise<Decoder> | undefined;

/** Give the bytes of the decoder's wasm file, where it cannot be fetched from beside the module. */
export function configureWebp(options: { wasmBinary?: ArrayBuffer | undefined; wasm?: string | undefined }): void {
  binary = options.wasmBinary;
  url = options.wasm;
}
let url: string | undefined;

/** Node has no ImageData, of which the decoder makes its result. */
class PlainImageData {
  constructor(
    readonly data: Uint8ClampedArray,
    readonly width: number,
    readonly height: number,
  ) {}
}

async function load(): Promise<Decoder> {
  if (!("ImageData" in globalThis)) {
    Object.defineProperty(globalThis, "ImageData", { value: PlainImageData, configurable: true, writable: true });
  }
  const options: Record<string, unknown> = { noInitialRun: true };
  if (binary) options["wasmBinary"] = binary;
  if (url !== undefined) options["locateFile"] = () => url;
  return (await createDecoder(options)) as Decoder;
}

/** Samples R, G, B, A of a WebP file, which must have this size. */
export async function decodeWebp(file: Uint8Array, width: number, height: number): Promise<Uint8ClampedArray> {
  decoder ??= load();
  const ready = await decoder;
  let image: ReturnType<Decoder["decode"]>;
  try {
    image = ready.decode(file.slice().buffer as ArrayBuffer);
  } catch {
    decoder = undefined; // an instance that has trapped is not used again
    image = null;
  }
  if (!image || image.width !== width || image.height !== height) {
    throw new TcxError("corrupt", "its WebP stream is not sound.");
  }
  return image.data;
}
