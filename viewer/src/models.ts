import { TcxError } from "./errors.js";
import { ModelSet } from "./model_set.js";
import { unpackModels } from "./pack.js";

/** Gives the packed set of an identity (32 hexadecimal digits), or nothing if it has none. */
export type ModelSource = (identity: string) => Promise<Uint8Array | undefined>;

/** Model sets that have been asked for: each is fetched, checked and built once. */
export class ModelStore {
  private readonly sets = new Map<string, Promise<ModelSet>>();

  constructor(private readonly source: ModelSource) {}

  get(identity: string): Promise<ModelSet> {
    let found = this.sets.get(identity);
    if (!found) {
      found = this.load(identity);
      this.sets.set(identity, found);
      found.catch(() => this.sets.delete(identity)); // a failed download may be tried again
    }
    return found;
  }

  private async load(identity: string): Promise<ModelSet> {
    const packed = await this.source(identity);
    if (!packed) {
      throw new TcxError("unknown-set", `The file needs the model set ${identity}, which this viewer does not have.`);
    }
    return new ModelSet(await unpackModels(packed, identity));
  }
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
