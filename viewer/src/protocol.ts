import type { ErrorKind } from "./errors.js";
import type { Picture, TileEvent } from "./file.js";
import type { Info, Region } from "./info.js";

/** What the page asks the worker; answers carry the same `id`. */
export type Request = { id: number } & (
  | { op: "open"; bytes: Uint8Array; salvage: boolean }
  | { op: "decode"; file: number; region: Region | "crop" | undefined; scale: number; colours: "file" | "srgb"; tiles: boolean }
  | { op: "preview"; file: number; colours: "file" | "srgb" }
  | { op: "close"; file: number }
);

export type Reply =
  | { id: number; type: "opened"; file: number; info: Info }
  | { id: number; type: "decoded"; picture: Picture; problems: string[]; damaged: number[] }
  | { id: number; type: "tile"; tile: TileEvent }
  | { id: number; type: "closed" }
  | { id: number; type: "failed"; kind: ErrorKind | "defect"; message: string; tile: number | undefined };
