import type { ModelSource } from "./models.js";

const NAME = "texcodec-models-2";

/** Keep packed sets in the browser's cache: an identity never names anything else, so each is fetched once. */
export function cached(source: ModelSource): ModelSource {
  return async (identity) => {
    const store = await globalThis.caches?.open(NAME).catch(() => undefined);
    const key = `https://models.invalid/${identity}`;
    const kept = await store?.match(key).catch(() => undefined);
    if (kept) return new Uint8Array(await kept.arrayBuffer());
    const packed = await source(identity);
    if (packed) await store?.put(key, new Response(packed as Uint8Array<ArrayBuffer>)).catch(() => undefined);
    return packed;
  };
}
