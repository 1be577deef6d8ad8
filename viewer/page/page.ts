// The page: files in, events to the stage, words to the reader.
import { type RemoteFile, TcxClient } from "../src/client.js";
import { TcxError } from "../src/errors.js";
import { type Catalogue, bytesText, showDetails } from "./details.js";
import { Stage } from "./stage.js";

const byId = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const client = new TcxClient(new URL("worker.js", import.meta.url));
const element = byId("stage");
const catalogue: Promise<Catalogue> = fetch(new URL("models/catalogue.json", import.meta.url))
  .then((response) => (response.ok ? (response.json() as Promise<Catalogue>) : {}))
  .catch(() => ({}));

let current: { file: RemoteFile; bytes: Uint8Array; name: string; salvaged: boolean; started: number } | undefined;
let turn = 0;

const stage = new Stage(element, byId<HTMLCanvasElement>("view"), {
  onView: () => (byId("zoom").textContent = `${(stage.zoom * 100).toFixed(stage.zoom < 0.1 ? 1 : 0)} %`),
  onProgress: (done, all) => {
    const bar = byId<HTMLProgressElement>("progress");
    bar.hidden = done === all;
    bar.value = all > 0 ? done / all : 0;
    element.setAttribute("aria-busy", String(done < all));
    if (done === all && current && document.body.dataset["ready"] !== String(turn)) {
      document.body.dataset["ready"] = String(turn);
      document.body.dataset["milliseconds"] = (performance.now() - current.started).toFixed(0);
      say(`${current.name} is decoded.`);
      if (current.file.problems.length > 0) {
        warnOf(current.file.problems);
        void details(); // decoding has found damaged tiles
      }
    }
  },
  onError: (error) => void decodingFailed(error),
});

const say = (text: string) => (byId("status").textContent = text);

function notice(text: string, mild = false): void {
  const box = byId("notice");
  box.querySelector("p")!.textContent = text;
  box.classList.toggle("mild", mild);
  box.hidden = text === "";
}

function warnOf(problems: readonly string[]): void {
  const shown = problems.slice(0, 4);
  if (problems.length > shown.length) shown.push(`And ${problems.length - shown.length} more.`);
  notice(`The file is damaged. What is sound of it is shown, the rest is grey.\n${shown.join("\n")}`, true);
}

const isDamage = (error: unknown) => error instanceof TcxError && ["corrupt", "truncated"].includes(error.kind);

/** Why a file cannot be shown, in a sentence; defects of the viewer say that they are. */
function reason(error: unknown): string {
  if (error instanceof TcxError) return error.message;
  return `The viewer failed: ${error instanceof Error ? error.message : String(error)}`;
}

async function show(bytes: Uint8Array, name: string): Promise<void> {
  const mine = ++turn;
  notice("");
  say(`Opening ${name}.`);
  try {
    const opened = await client.open(bytes).catch((error: unknown) => {
      if (isDamage(error)) return undefined;
      throw error;
    });
    const salvaged = !opened?.info.sound;
    if (salvaged) await opened?.close();
    const file = opened && !salvaged ? opened : await client.open(bytes, { salvage: true });
    if (mine === turn) await present(file, bytes, name, salvaged);
  } catch (error) {
    if (mine === turn) fail(name, error);
  }
}

async function present(file: RemoteFile, bytes: Uint8Array, name: string, salvaged: boolean): Promise<void> {
  void current?.file.close().catch(() => undefined);
  current = { file, bytes, name, salvaged, started: performance.now() };
  const { info } = file;
  endComparison();
  byId("empty").hidden = true;
  document.body.classList.add("has-picture");
  document.title = `${name} – texcodec viewer`;
  const kind = info.hasPixels ? "picture" : "feature streams without a picture";
  for (const part of [element, byId("view")]) {
    part.setAttribute("aria-label", `${name}: ${kind}, ${info.width} by ${info.height} pixels`);
  }
  panelShown(innerWidth > 760);
  await details();
  stage.open(info.hasPixels ? file : undefined);
  if (!info.hasPixels) {
    notice("This file holds features for task networks and no pixels; the details name them.", true);
    say(`${name} holds features and no pixels.`);
  }
}

async function details(): Promise<void> {
  const known = await catalogue;
  if (current) showDetails(byId("panel"), current.name, current.file.info, known);
}

function fail(name: string, error: unknown): void {
  notice(`${name} cannot be shown. ${reason(error)}`);
  document.body.dataset["ready"] = "failed";
}

/** A tile could not be decoded although its bytes match their checksum: show what is sound. */
async function decodingFailed(error: unknown): Promise<void> {
  if (!current) return;
  const { bytes, name, salvaged } = current;
  if (!isDamage(error) || salvaged) return fail(name, error);
  try {
    await present(await client.open(bytes, { salvage: true }), bytes, name, true);
  } catch (second) {
    fail(name, second);
  }
}

async function openUrl(address: string, name?: string): Promise<void> {
  try {
    const url = new URL(address, location.href);
    say("Fetching the file.");
    const response = await fetch(url);
    if (!response.ok) throw new TcxError("argument", `The address answers with ${response.status}.`);
    const last = decodeURIComponent(url.pathname.split("/").pop() ?? "");
    await show(new Uint8Array(await response.arrayBuffer()), name ?? (last || "picture"));
  } catch (error) {
    const text = error instanceof TcxError ? error.message : "It cannot be reached, or does not let other pages read it (CORS).";
    notice(`${address} cannot be opened. ${text}`);
  }
}

async function openFile(file: File): Promise<void> {
  await show(new Uint8Array(await file.arrayBuffer()), file.name);
}

// Comparison

async function compareWith(file: File): Promise<void> {
  if (!current) return;
  const { info } = current.file;
  try {
    const bitmap = file.name.endsWith(".tcx") ? await tcxBitmap(file) : await createImageBitmap(file);
    if (bitmap.width !== info.width || bitmap.height !== info.height) {
      notice(`${file.name} has ${bitmap.width} × ${bitmap.height} pixels; it is stretched to ${info.width} × ${info.height}.`, true);
    }
    stage.compareWith(bitmap);
    byId("split").hidden = false;
    byId("compare").setAttribute("aria-pressed", "true");
    byId("tag-left").textContent = `${current.name} · ${bytesText(info.bytes)}`;
    byId("tag-right").textContent = `${file.name} · ${bytesText(file.size)}`;
    moveSplit();
    byId("slider").focus();
  } catch (error) {
    notice(`${file.name} cannot be compared: ${error instanceof TcxError ? error.message : "it is no picture that this browser reads."}`);
  }
}

async function tcxBitmap(file: File): Promise<ImageBitmap> {
  const opened = await client.open(new Uint8Array(await file.arrayBuffer()));
  const { data, width } = await opened.decode({ colours: "srgb" });
  await opened.close();
  return createImageBitmap(new ImageData(data as Uint8ClampedArray<ArrayBuffer>, width));
}

function endComparison(): void {
  stage.compareWith(undefined);
  byId("split").hidden = true;
  byId("compare").setAttribute("aria-pressed", "false");
}

function moveSplit(): void {
  const value = Number(byId<HTMLInputElement>("slider").value);
  stage.split = value / 100;
  byId("line").style.left = `${value}%`;
  stage.draw();
}

// Controls

function panelShown(shown: boolean): void {
  byId("panel").hidden = !shown;
  byId("details").setAttribute("aria-expanded", String(shown));
}

function toggleClasses(): void {
  stage.showClasses = !stage.showClasses;
  byId("map").setAttribute("aria-pressed", String(stage.showClasses));
  stage.draw();
}

function toggleComparison(): void {
  if (!byId("split").hidden) endComparison();
  else byId("other").click();
}

const actions: Record<string, () => void> = {
  "+": () => stage.zoomTo(stage.zoom * 1.5),
  "=": () => stage.zoomTo(stage.zoom * 1.5),
  "-": () => stage.zoomTo(stage.zoom / 1.5),
  "0": () => stage.fit(),
  "1": () => stage.zoomTo(1 / devicePixelRatio),
  m: toggleClasses,
  d: () => panelShown(byId("panel").hidden),
  c: toggleComparison,
  ArrowLeft: () => stage.pan(64, 0),
  ArrowRight: () => stage.pan(-64, 0),
  ArrowUp: () => stage.pan(0, 64),
  ArrowDown: () => stage.pan(0, -64),
};
const buttons: Record<string, string> = {
  "zoom-in": "+", "zoom-out": "-", fit: "0", full: "1", map: "m", details: "d", compare: "c",
};
for (const [id, key] of Object.entries(buttons)) byId(id).addEventListener("click", () => actions[key]!());

element.addEventListener("keydown", (event) => {
  const action = actions[event.key];
  if (!action || !current || event.ctrlKey || event.metaKey || event.altKey || event.target !== element) return;
  event.preventDefault();
  action();
});

const placeOf = (event: MouseEvent) => {
  const box = element.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
};
element.addEventListener("wheel", (event) => {
  if (!current) return;
  event.preventDefault();
  const step = event.deltaMode === 1 ? 20 * event.deltaY : event.deltaY;
  stage.zoomTo(stage.zoom * Math.exp(-Math.max(Math.min(step, 200), -200) / 300), placeOf(event));
}, { passive: false });

// one finger or the mouse moves the picture, two fingers zoom it
const pointers = new Map<number, PointerEvent>();
element.addEventListener("pointerdown", (event) => {
  if (!current || event.target === byId("slider") || event.button > 0) return;
  element.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, event);
  element.classList.add("dragging");
});
element.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const other = [...pointers.values()].find((pointer) => pointer.pointerId !== event.pointerId);
  if (other) {
    const spread = (a: PointerEvent) => Math.hypot(a.clientX - other.clientX, a.clientY - other.clientY);
    if (spread(before) > 0) stage.zoomTo((stage.zoom * spread(event)) / spread(before), placeOf(event));
  } else {
    stage.pan(event.clientX - before.clientX, event.clientY - before.clientY);
  }
  pointers.set(event.pointerId, event);
});
for (const type of ["pointerup", "pointercancel"] as const) {
  element.addEventListener(type, (event) => {
    pointers.delete(event.pointerId);
    if (pointers.size === 0) element.classList.remove("dragging");
  });
}
element.addEventListener("dblclick", (event) => current && stage.zoomTo(stage.zoom * 2, placeOf(event)));

byId("choose").addEventListener("click", () => byId("file").click());
for (const [id, act] of [["file", openFile], ["other", compareWith]] as const) {
  const input = byId<HTMLInputElement>(id);
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    input.value = "";
    if (file) void act(file);
  });
}
byId("url-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const address = byId<HTMLInputElement>("url").value.trim();
  if (address) void openUrl(address);
});
byId("slider").addEventListener("input", moveSplit);
byId("notice").querySelector("button")!.addEventListener("click", () => notice(""));

for (const type of ["dragover", "dragleave", "drop"] as const) {
  document.addEventListener(type, (event) => {
    event.preventDefault();
    element.classList.toggle("dropping", type === "dragover");
    const file = type === "drop" ? event.dataTransfer?.files[0] : undefined;
    if (!file) return;
    const isPicture = current && !file.name.endsWith(".tcx") && file.type.startsWith("image/") && file.type !== "image/x-tcx";
    void (isPicture ? compareWith(file) : openFile(file));
  });
}

// Dark and light: the system's choice until the reader makes another

const dark = matchMedia("(prefers-color-scheme: dark)");
const setTheme = () => {
  document.documentElement.dataset["theme"] = localStorage.getItem("theme") ?? (dark.matches ? "dark" : "light");
  stage.draw();
};
dark.addEventListener("change", setTheme);
byId("theme").addEventListener("click", () => {
  localStorage.setItem("theme", document.documentElement.dataset["theme"] === "dark" ? "light" : "dark");
  setTheme();
});
setTheme();

const asked = new URLSearchParams(location.search).get("file");
if (asked) void openUrl(asked);
// `texcodec view` serves every file from another port, where nothing needs to be kept
else if ("serviceWorker" in navigator && isSecureContext) void navigator.serviceWorker.register("sw.js").catch(() => undefined);
