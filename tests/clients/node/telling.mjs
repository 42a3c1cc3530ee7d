// What every client in JavaScript begins with: telling the test what it did, and asking it for a browser.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const said = process.env;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

function tell(told) {
  process.stdout.write(JSON.stringify(told) + "\n");
}

function did(what) {
  tell({ did: what });
}

function begin(name) {
  tell({ version: JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version });
}

// Send a browser there; the address that it ends at.
async function visit(address, until = "") {
  tell({ visit: String(address), until });
  return (await lines.next()).value;
}
