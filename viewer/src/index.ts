export { TcxError, type ErrorKind } from "./errors.js";
export { TcxFile, type DecodeOptions, type Picture, type TileEvent } from "./file.js";
export type { FeatureStream } from "./features.js";
export { info, type Info, type Region, type TileInfo } from "./info.js";
export { ModelStore, modelsAt, type ModelSource } from "./models.js";

import { type DecodeOptions, type Picture, TcxFile } from "./file.js";
import { ModelStore, modelsAt } from "./models.js";
import { type RuntimeOptions, configureRuntime } from "./runtime.js";
import { configureWebp } from "./webp.js";

/** Where the wasm files lie; see `configure`. */
export interface Configuration {
  runtime?: RuntimeOptions | undefined;
  webp?: RuntimeOptions | undefined;
  /** Sets that `decode` and `open` use unless they are given others. */
  models?: ModelStore | undefined;
}

let defaultStore: ModelStore | undefined;

/** Say once, before the first decode, where wasm files and model sets lie. */
export function configure({ runtime = {}, webp = {}, models }: Configuration): void {
  configureRuntime(runtime);
  configureWebp(webp);
  if (models) defaultStore = models;
}

export interface OpenOptions {
  models?: ModelStore | undefined;
  /** Show what is sound of a damaged file. */
  salvage?: boolean | undefined;
}

/** Open a file to decode regions of it. */
export function open(bytes: Uint8Array, options: OpenOptions = {}): TcxFile {
  defaultStore ??= new ModelStore(modelsAt(new URL("models/", import.meta.url)));
  return new TcxFile(bytes, options.models ?? defaultStore, options);
}

/** Decode a file at once. Where there is `ImageData` the result is one, else it has the same fields. */
export async function decode(bytes: Uint8Array, options: OpenOptions & DecodeOptions = {}): Promise<Picture> {
  const { data, width, height } = await open(bytes, options).decode(options);
  if (typeof ImageData === "undefined") return { data, width, height };
  return new ImageData(data as Uint8ClampedArray<ArrayBuffer>, width, height);
}
