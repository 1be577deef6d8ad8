import { TcxError } from "./errors.js";
import { ModelSet } from "./model_set.js";
import { unpackModels } from "./pack.js";

/** Gives the packed set whose identity begins with these 16 hexadecimal digits, or nothing if it has none. */
export type ModelSource = (identity: string) => Promise<Uint8Array | undefined>;

/** Hexadecimal digits of an identity by which sets are found; compact files name no more of them. */
const DIGITS = 16;

/** Model sets that have been asked for: each is fetched, checked and built once. */
export class ModelStore {
  private readonly sets = new Map<string, Promise<ModelSet>>();

  constructor(private readonly source: ModelSource) {}

  /** @param identity hexadecimal digits, 32 or the first 16 of them. */
  async get(identity: string): Promise<ModelSet> {
    const key = identity.slice(0, DIGITS);
    let found = this.sets.get(key);
    if (!found) {
      found = this.load(identity);
      this.sets.set(key, found);
      found.catch(() => this.sets.delete(key)); // a failed download may be tried again
    }
    const set = await found;
    if (!set.identity.startsWith(identity)) throw unknown(identity);
    return set;
  }

  private async load(identity: string): Promise<ModelSet> {
    const packed = await this.source(identity.slice(0, DIGITS));
    if (!packed) throw unknown(identity);
    return new ModelSet(await unpackModels(packed, identity));
  }
}

function unknown(identity: string): TcxError {
  return new TcxError("unknown-set", `The file needs the model set ${identity}, which this viewer does not have.`);
}

/** Where `decode` and `TcxFile` look unless they are told: the folder `models/` beside the module or page. */
export function modelsAt(base: string | URL): ModelSource {
  return async (identity) => {
    const url = new URL(`${identity}.tcxpack`, base);
    const response = await fetch(url).catch(() => undefined);
    if (response?.status === 404) return undefined;
    if (!response?.ok) throw new TcxError("model", `The model set ${identity} cannot be fetched from ${url.href}.`);
    return new Uint8Array(await response.arrayBuffer());
  };
}
