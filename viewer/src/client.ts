// The page's side of the worker.
import { TcxError } from "./errors.js";
import type { Picture, TileEvent } from "./file.js";
import type { Info, Region } from "./info.js";
import type { Reply, Request } from "./protocol.js";

interface Pending {
  resolve: (reply: Reply) => void;
  reject: (error: unknown) => void;
  onTile: ((tile: TileEvent) => void) | undefined;
}

type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;

/** A worker that decodes; files are opened in it, and decoded without stopping the page. */
export class TcxClient {
  private readonly worker: Worker;
  private readonly pending = new Map<number, Pending>();
  private next = 1;

  /** @param url of `worker.js`, which must be of the page's own origin. */
  constructor(url: string | URL) {
    this.worker = new Worker(url, { type: "module" });
    this.worker.onmessage = ({ data }: MessageEvent<Reply>) => this.receive(data);
    this.worker.onerror = (event) => {
      const error = new Error(event.message || "The worker cannot be started.");
      for (const { reject } of this.pending.values()) reject(error);
      this.pending.clear();
    };
  }

  private receive(reply: Reply): void {
    const waiting = this.pending.get(reply.id);
    if (!waiting) return;
    if (reply.type === "tile") {
      waiting.onTile?.(reply.tile);
      return;
    }
    this.pending.delete(reply.id);
    if (reply.type !== "failed") waiting.resolve(reply);
    else if (reply.kind === "defect") waiting.reject(new Error(reply.message));
    else waiting.reject(new TcxError(reply.kind, reply.message, reply.tile));
  }

  /** @internal */
  ask(request: WithoutId<Request>, onTile?: (tile: TileEvent) => void): Promise<Reply> {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject, onTile });
      this.worker.postMessage({ id, ...request });
    });
  }

  async open(bytes: Uint8Array, { salvage = false }: { salvage?: boolean } = {}): Promise<RemoteFile> {
    const reply = await this.ask({ op: "open", bytes, salvage });
    if (reply.type !== "opened") throw new Error("The worker gave another answer.");
    return new RemoteFile(this, reply.file, reply.info);
  }

  close(): void {
    this.worker.terminate();
  }
}

/** A file that is open in the worker. */
export class RemoteFile {
  /** What salvage left out so far. */
  problems: string[];

  constructor(
    private readonly client: TcxClient,
    private readonly file: number,
    readonly info: Info,
  ) {
    this.problems = info.problems;
  }

  async decode(
    options: {
      region?: Region | "crop";
      scale?: number;
      colours?: "file" | "srgb";
      onTile?: ((tile: TileEvent) => void) | undefined;
    } = {},
  ): Promise<Picture> {
    const { region, scale = 1, colours = "file", onTile } = options;
    const reply = await this.client.ask(
      { op: "decode", file: this.file, region, scale, colours, tiles: onTile !== undefined },
      onTile,
    );
    return this.taken(reply);
  }

  /** A picture of one pixel for each square of 16 x 16 pixels. */
  async preview({ colours = "file" }: { colours?: "file" | "srgb" } = {}): Promise<Picture> {
    return this.taken(await this.client.ask({ op: "preview", file: this.file, colours }));
  }

  private taken(reply: Reply): Picture {
    if (reply.type !== "decoded") throw new Error("The worker gave another answer.");
    this.problems = reply.problems;
    for (const index of reply.damaged) this.info.tiles[index]!.sound = false;
    return reply.picture;
  }

  async close(): Promise<void> {
    await this.client.ask({ op: "close", file: this.file });
  }
}
