// The browser's entry as a bundler makes it: without a module of Node, and not large.

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { test } from "node:test";
import { build } from "esbuild";

test("the browser's entry is bundled without modules of Node", async () => {
  const entry = fileURLToPath(new URL("../dist/browser.js", import.meta.url));
  const options = { bundle: true, minify: true, platform: "browser", format: "esm", write: false, metafile: true, logLevel: "silent" };
  const { outputFiles, metafile } = await build({ ...options, entryPoints: [entry] });
  assert.deepEqual(Object.values(metafile.outputs).flatMap(({ imports }) => imports), []);
  assert.ok(!Object.keys(metafile.inputs).some((path) => /connect-node|zstd-wasm|dist\/node/.test(path)));
  const size = gzipSync(outputFiles[0].contents).length;
  assert.ok(size < 100_000, `${size} bytes compressed`);
});
