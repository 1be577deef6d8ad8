import * as ort from "onnxruntime-web/wasm";

import { TcxError } from "./errors.js";

/** Where the two wasm files lie, if not beside the module; set before the first decode. */
export interface RuntimeOptions {
  /** URL (or path, in Node) of the wasm file of onnxruntime-web. */
  wasm?: string | undefined;
  /** The same file's bytes, in place of a URL. */
  wasmBinary?: ArrayBuffer | undefined;
}

export function configureRuntime(options: RuntimeOptions): void {
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  if (options.wasm !== undefined) ort.env.wasm.wasmPaths = { wasm: options.wasm };
  if (options.wasmBinary !== undefined) ort.env.wasm.wasmBinary = options.wasmBinary;
}

/** A tensor of float32 values. */
export interface Tensor {
  values: Float32Array;
  shape: readonly number[];
}

/** One network, ready to run on one thread of the processor, where sums of integers below 2^24 are exact. */
export class Network {
  private constructor(private readonly session: ort.InferenceSession) {}

  static async create(model: Uint8Array): Promise<Network> {
    try {
      return new Network(
        await ort.InferenceSession.create(model, {
          executionProviders: ["wasm"],
          graphOptimizationLevel: "all",
          enableMemPattern: false, // tiles at the edges have many sizes
        }),
      );
    } catch (error) {
      throw new TcxError("model", `A network cannot be built: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** Run on inputs in the order of the graph; the output must have `shape`. */
  async run(inputs: readonly Tensor[], shape: readonly number[]): Promise<Float32Array> {
    const names = this.session.inputNames;
    if (names.length !== inputs.length) throw new TcxError("model", "A network has another number of inputs.");
    const feeds: Record<string, ort.Tensor> = {};
    inputs.forEach(({ values, shape: dims }, i) => {
      feeds[names[i]!] = new ort.Tensor("float32", values, dims);
    });
    let out: ort.Tensor;
    try {
      out = (await this.session.run(feeds))[this.session.outputNames[0]!]!;
    } catch (error) {
      throw new TcxError("model", `A network cannot be run: ${error instanceof Error ? error.message : String(error)}`);
    }
    const fits = out.dims.length === shape.length && shape.every((size, i) => out.dims[i] === size);
    if (!fits || !(out.data instanceof Float32Array)) {
      throw new TcxError("model", `A network gives ${out.dims.join(" x ")} instead of ${shape.join(" x ")} numbers.`);
    }
    return out.data;
  }
}
