import type { Container } from "./container.js";
import type { Picture } from "./file.js";
import type { Box, Grid } from "./grid.js";
import { MEAN_CHANNELS } from "./pyramid.js";
import type { Renderer } from "./renderer.js";

const NEUTRAL = 128;
const SIDE = 16;

/** One pixel for each square of the lattice (docs/format.md, "Preview"). */
export async function previewOf(file: Container, renderer: Renderer, alpha: Uint8Array | undefined): Promise<Picture> {
  const { grid, header } = file;
  const all = grid.squares(grid.picture);
  const [width, height] = [(all.right - all.left) / SIDE, (all.bottom - all.top) / SIDE];
  const data = new Uint8ClampedArray(4 * width * height);
  const opacity = alpha && averaged((x, y) => alpha[y * header.width + x]!, grid.picture, grid);
  for (let i = 0; i < width * height; i++) data[4 * i + 3] = opacity ? rounded(opacity[i]!) : 255;
  for (let index = 0; index < grid.count; index++) {
    const levels = await levelsOf(file, renderer, index);
    const box = grid.latentBox(index);
    const [rows, columns] = grid.latentShape(index);
    const area = rows * columns;
    for (let i = 0; i < area; i++) {
      const y = (box.top - all.top) / SIDE + Math.floor(i / columns);
      const to = 4 * (y * width + (box.left - all.left) / SIDE + (i % columns));
      let [r, g, b] = [levels[i]!, levels[area + i]!, levels[2 * area + i]!];
      if (header.channels === 1) r = g = b = (r + g + b) / 3;
      [data[to], data[to + 1], data[to + 2]] = [rounded(r), rounded(g), rounded(b)];
    }
  }
  return { data, width, height };
}

/** Levels R, G, B of the squares of a tile, 3 x h x w. */
async function levelsOf(file: Container, renderer: Renderer, index: number): Promise<Float32Array> {
  if (file.header.profile === 2 && renderer.kind(index) === "coded") {
    const [rows, columns] = file.grid.latentShape(index);
    const means = await renderer.meansOf(index);
    if (!means) return new Float32Array(3 * rows * columns).fill(NEUTRAL);
    return coloursOf(means, renderer, file.tiles[index]!.rate);
  }
  const [whole] = renderer.partsOf(index, file.grid.picture); // only tiles of entropy profile 2 have more parts than one
  const { box, rgb } = await renderer.rounded(whole!, file.grid.picture, true);
  const width = box.right - box.left;
  const planes = [0, 1, 2].map((channel) =>
    averaged((x, y) => rgb[3 * ((y - box.top) * width + x - box.left) + channel]!, box, file.grid),
  );
  const out = new Float32Array(3 * planes[0]!.length);
  planes.forEach((plane, channel) => out.set(plane, channel * plane.length));
  return out;
}

function coloursOf(means: Float32Array, renderer: Renderer, rate: number): Float32Array {
  const { models } = renderer;
  const area = means.length / 3;
  const out = new Float32Array(3 * area).fill(NEUTRAL);
  const steps = models.stepsOf(rate);
  for (let colour = 0; colour < 3; colour++) {
    MEAN_CHANNELS.forEach((channel, mean) => {
      const factor = steps[channel]! * models.meanColours[colour * models.channels + channel]!;
      for (let i = 0; i < area; i++) out[colour * area + i]! += factor * means[mean * area + i]!;
    });
  }
  return out;
}

/** Means of samples of `box` over the squares of the lattice; of those that the picture cuts, over what they have. */
function averaged(sample: (x: number, y: number) => number, box: Box, grid: Grid): Float64Array {
  const squares = grid.squares(box);
  const [rows, columns] = [(squares.bottom - squares.top) / SIDE, (squares.right - squares.left) / SIDE];
  const sums = new Float64Array(rows * columns);
  const counts = new Uint32Array(rows * columns);
  for (let y = box.top; y < box.bottom; y++) {
    const row = Math.floor((y - squares.top) / SIDE) * columns;
    for (let x = box.left; x < box.right; x++) {
      const at = row + Math.floor((x - squares.left) / SIDE);
      sums[at]! += sample(x, y);
      counts[at]!++;
    }
  }
  return sums.map((sum, i) => sum / counts[i]!);
}

const rounded = (level: number) => Math.floor(Math.min(Math.max(level, 0), 255) + 0.5);
