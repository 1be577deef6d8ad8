// The picture on the screen: zoom, pan, and which parts of it are decoded.
import type { RemoteFile } from "../src/client.js";
import type { TileInfo } from "../src/info.js";

/** Side of a cell on its own level: one cell is one request to the worker. */
const CELL = 256;
const LEVELS = 8;
const KEPT_CELLS = 256;
const LARGEST_ZOOM = 32;

interface Cell {
  canvas: HTMLCanvasElement;
  /** Whether all of it is decoded; a first look may be shown before. */
  ready: boolean;
}

export interface StageEvents {
  /** The zoom, or what is shown, has changed. */
  onView: () => void;
  /** Parts in view that are decoded, of how many. */
  onProgress: (done: number, all: number) => void;
  onError: (error: unknown) => void;
}

/** Colours of the classes of tiles, as in page.css. */
export function colourOf({ texture, sound }: Pick<TileInfo, "texture" | "sound">): string {
  if (!sound) return "damaged";
  return typeof texture === "number" ? `c${texture % 6}` : texture;
}

export class Stage {
  /** Pixels of the screen (CSS) per pixel of the picture, and the pixel of the picture in the middle. */
  zoom = 1;
  private x = 0;
  private y = 0;
  private file: RemoteFile | undefined;
  private width = 1;
  private height = 1;
  private readonly cells = new Map<string, Cell>();
  private busy = false;
  private fitted = true;
  private frame = 0;
  private other: ImageBitmap | undefined;
  split = 0.5;
  showClasses = false;
  private readonly colours = new Map<string, string>();

  constructor(
    private readonly element: HTMLElement,
    private readonly canvas: HTMLCanvasElement,
    private readonly events: StageEvents,
  ) {
    new ResizeObserver(() => (this.fitted ? this.fit() : this.draw())).observe(element);
  }

  open(file: RemoteFile | undefined): void {
    this.file = file;
    this.cells.clear();
    this.other = undefined;
    this.width = file?.info.width ?? 1;
    this.height = file?.info.height ?? 1;
    this.fit();
  }

  /** Show another picture of the same scene at the right of the split. */
  compareWith(other: ImageBitmap | undefined): void {
    this.other = other;
    this.draw();
  }

  /** Show the whole picture; small ones are enlarged a little only. */
  fit(): void {
    const { clientWidth, clientHeight } = this.element;
    const zoom = Math.min((clientWidth - 48) / this.width, (clientHeight - 48) / this.height);
    const largest = Math.max(2, 256 / Math.max(this.width, this.height));
    this.zoom = Math.max(Math.min(zoom, largest), 1e-4);
    [this.x, this.y] = [this.width / 2, this.height / 2];
    this.fitted = true;
    this.draw();
  }

  /** Zoom so that the point of the picture at this place of the stage stays there (by default the middle). */
  zoomTo(zoom: number, at?: { x: number; y: number }): void {
    const smallest = Math.min(1, 32 / Math.max(this.width, this.height));
    zoom = Math.min(Math.max(zoom, smallest), LARGEST_ZOOM);
    const [dx, dy] = at ? [at.x - this.element.clientWidth / 2, at.y - this.element.clientHeight / 2] : [0, 0];
    this.x += dx / this.zoom - dx / zoom;
    this.y += dy / this.zoom - dy / zoom;
    this.zoom = zoom;
    this.fitted = false;
    this.draw();
  }

  /** Move the picture by pixels of the screen. */
  pan(dx: number, dy: number): void {
    this.x = Math.min(Math.max(this.x - dx / this.zoom, 0), this.width);
    this.y = Math.min(Math.max(this.y - dy / this.zoom, 0), this.height);
    this.fitted = false;
    this.draw();
  }

  draw(): void {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.paint();
      void this.decodeNext();
    });
    this.events.onView();
  }

  /** The level whose pixels are at least as small as the screen's: one pixel of it is 2^level of the picture. */
  private get level(): number {
    return Math.min(Math.max(Math.floor(-Math.log2(this.zoom * devicePixelRatio) + 1e-6), 0), LEVELS);
  }

  private left(): number {
    return this.element.clientWidth / 2 - this.x * this.zoom;
  }

  private top(): number {
    return this.element.clientHeight / 2 - this.y * this.zoom;
  }

  /** Cells of a level that are in view, those nearest to the middle first. */
  private inView(level: number): { key: string; x: number; y: number; side: number }[] {
    const side = CELL << level;
    const first = (edge: number) => Math.floor(Math.max(-edge / this.zoom, 0) / side);
    const last = (edge: number, extent: number, size: number) =>
      Math.min(Math.ceil(Math.min((extent - edge) / this.zoom, size) / side), Math.ceil(size / side));
    const found = [];
    const { clientWidth, clientHeight } = this.element;
    for (let row = first(this.top()); row < last(this.top(), clientHeight, this.height); row++) {
      for (let column = first(this.left()); column < last(this.left(), clientWidth, this.width); column++) {
        found.push({ key: `${level}/${column}/${row}`, x: column * side, y: row * side, side });
      }
    }
    const distance = (cell: { x: number; y: number }) =>
      Math.hypot(cell.x + side / 2 - this.x, cell.y + side / 2 - this.y);
    return found.sort((a, b) => distance(a) - distance(b));
  }

  private async decodeNext(): Promise<void> {
    const { file, level } = this;
    if (!file) return;
    const wanted = this.inView(level);
    const next = wanted.find(({ key }) => !this.cells.get(key)?.ready);
    this.events.onProgress(wanted.filter(({ key }) => this.cells.get(key)?.ready).length, wanted.length);
    if (!next || this.busy) return;
    this.busy = true;
    const { x, y, side, key } = next;
    const region = { x, y, width: Math.min(side, this.width - x), height: Math.min(side, this.height - y) };
    const cell = this.cellAt(key, Math.ceil(region.width / 2 ** level), Math.ceil(region.height / 2 ** level));
    const context = cell.canvas.getContext("2d")!;
    const image = ({ data, width }: { data: Uint8ClampedArray; width: number }) =>
      new ImageData(data as Uint8ClampedArray<ArrayBuffer>, width);
    try {
      const picture = await file.decode({
        region,
        scale: 2 ** -level,
        colours: "srgb",
        onTile: level > 0 ? undefined : (tile) => {
          if (this.file !== file) return;
          context.putImageData(image(tile.picture), tile.x - x, tile.y - y);
          this.draw();
        },
      });
      if (this.file === file) {
        context.putImageData(image(picture), 0, 0);
        cell.ready = true;
      }
    } catch (error) {
      if (this.file === file) {
        this.file = undefined; // nothing more of it is asked for
        this.events.onError(error);
      }
    } finally {
      this.busy = false;
      this.draw();
    }
  }

  private cellAt(key: string, width: number, height: number): Cell {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width, height];
    const cell = { canvas, ready: false };
    this.cells.set(key, cell);
    if (this.cells.size > KEPT_CELLS) this.cells.delete(this.cells.keys().next().value!);
    return cell;
  }

  private paint(): void {
    const { canvas, element, zoom } = this;
    const ratio = devicePixelRatio;
    const [width, height] = [element.clientWidth, element.clientHeight];
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    }
    const context = canvas.getContext("2d")!;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    if (!this.file && this.cells.size === 0) return;
    context.imageSmoothingEnabled = zoom * ratio < 2;
    const [left, top] = [this.left(), this.top()];
    if (this.file?.info.alpha) paintChecks(context, { left, top, width: this.width * zoom, height: this.height * zoom }, width, height);
    for (let level = LEVELS; level >= 0; level--) {
      if (level !== this.level && level < this.level) continue;
      for (const { key, x, y } of this.inView(level)) {
        const cell = this.cells.get(key);
        if (!cell) continue;
        const scale = zoom * 2 ** level;
        const [right, bottom] = [left + x * zoom + cell.canvas.width * scale, top + y * zoom + cell.canvas.height * scale];
        const [x0, y0] = [snap(left + x * zoom, ratio), snap(top + y * zoom, ratio)];
        context.drawImage(cell.canvas, x0, y0, snap(right, ratio) - x0, snap(bottom, ratio) - y0);
      }
    }
    if (this.showClasses) this.paintClasses(context, left, top);
    if (this.other) {
      context.save();
      context.beginPath();
      context.rect(this.split * width, 0, width, height);
      context.clip();
      context.clearRect(left, top, this.width * zoom, this.height * zoom);
      context.drawImage(this.other, left, top, this.width * zoom, this.height * zoom);
      context.restore();
    }
  }

  private paintClasses(context: CanvasRenderingContext2D, left: number, top: number): void {
    const { zoom } = this;
    for (const tile of this.file?.info.tiles ?? []) {
      const [x, y, w, h] = [left + tile.x * zoom, top + tile.y * zoom, tile.width * zoom, tile.height * zoom];
      if (x > this.element.clientWidth || y > this.element.clientHeight || x + w < 0 || y + h < 0) continue;
      const colour = this.colour(colourOf(tile));
      context.globalAlpha = 0.36;
      context.fillStyle = colour;
      context.fillRect(x, y, w, h);
      context.globalAlpha = 1;
      context.strokeStyle = colour;
      context.strokeRect(x + 0.5, y + 0.5, w - 1, h - 1);
    }
  }

  /** The colour that page.css gives a class. */
  private colour(name: string): string {
    let found = this.colours.get(name);
    if (!found) {
      const probe = document.createElement("span");
      probe.className = `swatch ${name}`;
      document.body.append(probe);
      found = getComputedStyle(probe).backgroundColor;
      probe.remove();
      this.colours.set(name, found);
    }
    return found;
  }
}

/** Squares behind a picture that one can see through. */
function paintChecks(
  context: CanvasRenderingContext2D,
  picture: { left: number; top: number; width: number; height: number },
  width: number,
  height: number,
): void {
  const side = 12;
  const [left, top] = [Math.max(picture.left, 0), Math.max(picture.top, 0)];
  const [right, bottom] = [Math.min(picture.left + picture.width, width), Math.min(picture.top + picture.height, height)];
  context.fillStyle = "#fff";
  context.fillRect(left, top, right - left, bottom - top);
  context.fillStyle = "#ccc";
  for (let y = top, row = 0; y < bottom; y += side, row++) {
    for (let x = left + (row % 2) * side; x < right; x += 2 * side) {
      context.fillRect(x, y, Math.min(side, right - x), Math.min(side, bottom - y));
    }
  }
}

/** To a whole pixel of the screen, so that cells meet without a gap. */
function snap(position: number, ratio: number): number {
  return Math.round(position * ratio) / ratio;
}
