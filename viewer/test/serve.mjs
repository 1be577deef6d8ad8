import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES = {
  ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm", ".svg": "image/svg+xml",
  ".json": "application/json",
};

/** Serve a folder on a free port of this machine; `elsewhere` may give the path of a file that lies in another one. */
export async function serveFolder(folder, elsewhere = () => undefined) {
  const server = createServer((request, response) => {
    const name = normalize(new URL(request.url, "http://localhost").pathname);
    const path = elsewhere(name) ?? join(folder, name.endsWith("/") ? `${name}index.html` : name);
    if (!existsSync(path) || !statSync(path).isFile()) return void response.writeHead(404).end();
    response.writeHead(200, { "Content-Type": TYPES[extname(path)] ?? "application/octet-stream" });
    createReadStream(path).pipe(response);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { url: `http://localhost:${server.address().port}/`, port: server.address().port, close: () => server.closeAllConnections() ?? server.close() };
}
