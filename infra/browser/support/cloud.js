// The local cloud as a child process: the README's command, on a free port.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const REPOSITORY = fileURLToPath(new URL("../../..", import.meta.url));
const READY = /Meridian is ready on (http:\/\/\S+)/;

// Builds what is not built yet, which takes minutes at the first time, and resolves once requests are answered.
export async function startCloud(webUrl) {
  // Kept only as long as the cloud runs. The keys are in it: a test that wants an expired token has to sign one.
  const data = await mkdtemp(join(tmpdir(), "meridian-browser-"));
  const child = spawn("cargo", ["run", "--quiet", "--bin", "local", "--", "--port", "0", "--socket-port", "0", "--data", data], {
    cwd: REPOSITORY,
    env: { ...process.env, WEB_URL: webUrl },
    stdio: ["ignore", "pipe", "inherit"],
    // Nothing may hang for ever, a build neither.
    signal: AbortSignal.timeout(25 * 60_000),
  });
  const closed = new Promise((resolve) => {
    child.once("close", async (code) => {
      await rm(data, { recursive: true });
      resolve(code);
    });
  });

  const log = [];
  const url = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      log.push(line);
      const ready = READY.exec(line);
      if (ready) resolve(ready[1]);
    });
    child.once("error", reject);
    void closed.then((code) => reject(new Error(`the local cloud ended with ${code}\n${log.join("\n")}`)));
  });

  return {
    url,
    log,
    signingKey: async () => JSON.parse(await readFile(join(data, "keys.json"), "utf8")).SessionSigningKey,
    // As Ctrl-C does. Cargo has replaced itself by the cloud, so the process is the cloud's.
    stop() {
      child.kill("SIGINT");
      return closed;
    },
  };
}
