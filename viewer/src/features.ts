import { Fields, hex } from "./bytes.js";
import { require } from "./errors.js";
import { checkSize } from "./limits.js";

/** A feature stream, as its fields describe it (docs/format.md, "FEAT and feat"). */
export interface FeatureStream {
  /** Of the feature set, 32 hexadecimal digits. */
  identity: string;
  level: number;
  tasks: { identifier: number; height: number; width: number }[];
  /** Bytes of the coded symbols. */
  bytes: number;
}

export function readFeatureStream(payload: Uint8Array): FeatureStream {
  const fields = new Fields(payload, "A feature stream");
  const identity = hex(fields.take(16));
  const level = fields.u8();
  const count = fields.varint();
  require(count >= 1 && count <= 255, "corrupt", "A feature stream has 1 to 255 tasks.");
  const tasks = Array.from({ length: count }, () => {
    const task = { identifier: fields.u16(), height: fields.varint(), width: fields.varint() };
    require(task.height > 0 && task.width > 0, "corrupt", "A task of a feature stream has no positions.");
    checkSize(task.width, task.height, "A feature tensor");
    return task;
  });
  require(new Set(tasks.map((task) => task.identifier)).size === count, "corrupt", "A feature stream has a task twice.");
  fields.u16();
  return { identity, level, tasks, bytes: fields.rest };
}
