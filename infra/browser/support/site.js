// The web app's host: the page and its script, on an origin of their own.

import { createServer } from "node:http";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const page = (name) => fileURLToPath(new URL(`../page/${name}`, import.meta.url));

export async function startSite() {
  const files = { "/": { type: "text/html", body: await readFile(page("index.html")) } };
  const server = createServer((request, response) => {
    const file = files[request.url];
    // Never a 401 from here: the SDK looks at host names only, not at ports, and would refresh the session.
    if (!file) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": file.type }).end(file.body);
  });
  server.listen(0, "localhost");
  await once(server, "listening");

  return {
    url: `http://localhost:${server.address().port}`,
    // The web app has no configuration at run time either: where the API is becomes part of the script.
    async bake(apiUrl) {
      const { outputFiles } = await build({
        entryPoints: [page("main.js")],
        bundle: true,
        format: "esm",
        write: false,
        define: { API_BASEURL: JSON.stringify(apiUrl), global: "globalThis" },
      });
      files["/main.js"] = { type: "text/javascript", body: outputFiles[0].contents };
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
