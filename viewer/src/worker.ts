/// <reference lib="webworker" />
// The decoder in a Web Worker. It lies beside the wasm files and the folder of model sets.
import { TcxError } from "./errors.js";
import { ModelStore, type Picture, TcxFile, type TileEvent, configure, modelsAt } from "./index.js";
import type { Reply, Request } from "./protocol.js";
import { cached } from "./stored.js";

const here = (name: string) => new URL(name, import.meta.url).href;
configure({ runtime: { wasm: here("ort.wasm") }, webp: { wasm: here("webp.wasm") } });

const scope = self as unknown as DedicatedWorkerGlobalScope;
const models = new ModelStore(cached(modelsAt(here("models/"))));
const files = new Map<number, TcxFile>();
let last = Promise.resolve();

const send = (reply: Reply, transfer: Transferable[] = []) => scope.postMessage(reply, transfer);

scope.onmessage = ({ data }: MessageEvent<Request>) => {
  last = last.then(() => answer(data)); // one after the other: there is one processor to share
};

async function answer(request: Request): Promise<void> {
  const { id } = request;
  try {
    if (request.op === "open") {
      const file = new TcxFile(request.bytes, models, { salvage: request.salvage });
      files.set(id, file);
      send({ id, type: "opened", file: id, info: file.info });
    } else if (request.op === "close") {
      files.delete(request.file);
      send({ id, type: "closed" });
    } else {
      const file = files.get(request.file);
      if (!file) throw new TcxError("argument", "The file has been closed.");
      const picture = await (request.op === "preview" ? file.preview(request) : decoded(file, request));
      send({ id, type: "decoded", picture, problems: file.problems, damaged: file.damaged }, [picture.data.buffer as ArrayBuffer]);
    }
  } catch (error) {
    const known = error instanceof TcxError;
    const message = error instanceof Error ? error.message : String(error);
    send({ id, type: "failed", kind: known ? error.kind : "defect", message, tile: known ? error.tile : undefined });
  }
}

function decoded(file: TcxFile, { id, region, scale, colours, tiles }: Request & { op: "decode" }): Promise<Picture> {
  const onTile = (tile: TileEvent) => send({ id, type: "tile", tile }, [tile.picture.data.buffer as ArrayBuffer]);
  return file.decode({ region, scale, colours, onTile: tiles ? onTile : undefined });
}
