// The panel beside the picture: what the file says about itself.
import { crc32 } from "../src/bytes.js";
import type { Info } from "../src/info.js";
import { colourOf } from "./stage.js";

/** Sets that the page knows by name: catalogue.json. */
export type Catalogue = Record<string, { name: string; kind: string; classes?: string[]; tasks?: string[] }>;

/** What the catalogue says of an identity, of which compact files name the first half only. */
function setOf(identity: string | undefined, catalogue: Catalogue): Catalogue[string] | undefined {
  if (identity === undefined) return undefined;
  return Object.entries(catalogue).find(([name]) => name.startsWith(identity))?.[1];
}

const number = new Intl.NumberFormat("en");

export function bytesText(bytes: number): string {
  return bytes < 1000 ? `${bytes} bytes` : bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(2)} MB`;
}

export function facts(info: Info, catalogue: Catalogue): [string, string][] {
  const known = info.identity === undefined ? undefined : (setOf(info.identity, catalogue)?.name ?? `unknown, ${info.identity}`);
  const crop = info.crop;
  const rows: [string, string | undefined][] = [
    ["Size", `${number.format(info.width)} × ${number.format(info.height)}`],
    ["File", bytesText(info.bytes)],
    ["Rate", info.hasPixels ? `${info.bitsPerPixel.toFixed(3)} bits per pixel` : undefined],
    ["Samples", info.hasPixels ? `${info.channels === 1 ? "grey" : "RGB"}${info.alpha ? " with alpha" : ""}, 8 bits` : undefined],
    ["Model set", known ?? (info.hasPixels ? "none is needed" : undefined)],
    ["Rate index", info.identity === undefined ? undefined : String(info.rate)],
    ["Tiles", info.hasPixels ? `${info.columns} × ${info.rows} of ${info.tile} pixels` : undefined],
    ["Region", crop ? `${crop.width} × ${crop.height} at ${crop.x}, ${crop.y}` : undefined],
    ["Colour profile", info.colours && `${info.colours.name ?? "ICC"}${info.colours.convertible ? "" : ", shown as sRGB"}`],
    ["Encoder", info.encoder],
    ["Format", `version ${info.version}${info.lean ? ", lean" : info.compact ? ", compact" : ""}`],
  ];
  return rows.filter((row): row is [string, string] => row[1] !== undefined);
}

/** One entry for each kind of tile: name, colour, how many, bytes. */
export function legend(info: Info, catalogue: Catalogue): { name: string; colour: string; count: number; bytes: number }[] {
  const names = setOf(info.identity, catalogue)?.classes;
  const found = new Map<string, { name: string; colour: string; count: number; bytes: number }>();
  for (const tile of info.tiles) {
    const name = !tile.sound ? "damaged" : typeof tile.texture === "number" ? (names?.[tile.texture] ?? `class ${tile.texture}`) : tile.texture;
    const entry = found.get(name) ?? { name, colour: colourOf(tile), count: 0, bytes: 0 };
    entry.count++;
    entry.bytes += tile.bytes;
    found.set(name, entry);
  }
  return [...found.values()].sort((a, b) => b.count - a.count);
}

/** A sentence for each feature stream. */
export function streams(info: Info, catalogue: Catalogue): string[] {
  return info.features.map(({ identity, level, tasks, bytes }) => {
    const set = catalogue[identity];
    const nameOf = (identifier: number) =>
      set?.tasks?.find((name) => (crc32(new TextEncoder().encode(name)) & 0xffff) === identifier) ?? `task ${identifier}`;
    const named = tasks.map(({ identifier, width, height }) => `${nameOf(identifier)} (${width} × ${height})`).join(", ");
    return `${named}: ${bytesText(bytes)} at level ${level}, set ${set?.name ?? identity}`;
  });
}

function item(tag: "dt" | "dd" | "li" | "span", text: string, className = ""): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

/** Fill the panel; texts of the file go in as texts, never as markup. */
export function showDetails(panel: HTMLElement, name: string, info: Info, catalogue: Catalogue): void {
  const part = (id: string) => panel.querySelector<HTMLElement>(`#${id}`)!;
  part("name").textContent = name;
  part("facts").replaceChildren(...facts(info, catalogue).flatMap(([key, value]) => [item("dt", key), item("dd", value)]));
  part("legend").replaceChildren(
    ...legend(info, catalogue).map(({ name: kind, colour, count, bytes }) => {
      const entry = item("li", "");
      const tiles = `${number.format(count)} ${count === 1 ? "tile" : "tiles"}, ${bytesText(bytes)}`;
      entry.append(item("span", "", `swatch ${colour}`), item("span", kind), item("span", tiles, "count"));
      return entry;
    }),
  );
  part("classes").hidden = info.tiles.length === 0;
  part("streams").replaceChildren(...streams(info, catalogue).map((text) => item("li", text)));
  part("features").hidden = info.features.length === 0;
}
