// <tcx-img src="picture.tcx" alt="..."> for any page: load this module, and lay worker.js, the wasm files and models/ beside it.
import { TcxClient } from "./client.js";

let client: TcxClient | undefined;

/** Shows a `.tcx` picture, its tiles as they are decoded. Fires `load` or `error` as an image does. */
export class TcxImage extends HTMLElement {
  static readonly observedAttributes = ["src", "alt"];
  private readonly canvas = document.createElement("canvas");
  private turn = 0;

  constructor() {
    super();
    const style = document.createElement("style");
    style.textContent = ":host{display:inline-block}canvas{display:block;max-width:100%;height:auto}";
    this.canvas.width = this.canvas.height = 0;
    this.attachShadow({ mode: "open" }).append(style, this.canvas);
  }

  get src(): string {
    return this.getAttribute("src") ?? "";
  }

  set src(value: string) {
    this.setAttribute("src", value);
  }

  connectedCallback(): void {
    this.setAttribute("role", "img");
  }

  attributeChangedCallback(name: string): void {
    if (name === "alt") this.setAttribute("aria-label", this.getAttribute("alt") ?? "");
    else void this.show();
  }

  private async show(): Promise<void> {
    const turn = ++this.turn;
    if (!this.src) return;
    try {
      const response = await fetch(new URL(this.src, document.baseURI));
      if (!response.ok) throw new Error(`The picture cannot be fetched (${response.status}).`);
      client ??= new TcxClient(new URL("worker.js", import.meta.url));
      const file = await client.open(new Uint8Array(await response.arrayBuffer()));
      if (turn !== this.turn) return;
      this.canvas.width = file.info.width;
      this.canvas.height = file.info.height;
      const context = this.canvas.getContext("2d")!;
      await file.decode({
        colours: "srgb",
        onTile: ({ picture, x, y }) => {
          if (turn !== this.turn) return;
          context.putImageData(new ImageData(picture.data as Uint8ClampedArray<ArrayBuffer>, picture.width), x, y);
        },
      });
      await file.close();
      if (turn === this.turn) this.dispatchEvent(new Event("load"));
    } catch (error) {
      if (turn === this.turn) this.dispatchEvent(new ErrorEvent("error", { error, message: String(error) }));
    }
  }
}

customElements.define("tcx-img", TcxImage);
