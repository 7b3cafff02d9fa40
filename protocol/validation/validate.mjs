// What others will read the protocol's documents with must find nothing wrong in them: AsyncAPI's parser, and JSON Schema's validator, which also
// judges every example by the schema of its name.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

import { DiagnosticSeverity, Parser, fromFile } from "@asyncapi/parser";
import Ajv from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const protocol = new URL("../", import.meta.url);
const read = async (name) => JSON.parse(await readFile(new URL(name, protocol), "utf8"));

async function validateDocument() {
  const path = new URL("asyncapi.yaml", protocol).pathname;
  const { document, diagnostics } = await fromFile(new Parser(), path).parse();
  const faults = diagnostics.filter(({ severity }) => severity <= DiagnosticSeverity.Warning);
  for (const { code, message, path } of faults) console.error(`asyncapi.yaml: ${code} at ${path.join(".")}: ${message}`);
  assert.equal(faults.length, 0, "AsyncAPI's parser finds faults");
  return document.operations().all().length;
}

async function validateExamples() {
  const [schema, examples] = await Promise.all([read("schema/latchkey.json"), read("examples.json")]);
  const ajv = new Ajv({ allErrors: true, strictTypes: false });
  addFormats(ajv);
  // What JSON has no numbers for, and the names of topics: said for people and code generators.
  for (const format of ["int32", "int64", "latchkey-topic"]) ajv.addFormat(format, true);
  ajv.addSchema(schema, "latchkey");
  const named = (name) => ajv.getSchema(`latchkey#/$defs/${name}`) ?? assert.fail(`no schema of ${name}`);
  const isOfClient = (name) => name.startsWith("command.");
  const either = { true: named("ClientMessage"), false: named("ServerMessage") };
  for (const [name, example] of Object.entries(examples)) {
    for (const validate of [named(name), either[isOfClient(name)]]) {
      assert.ok(validate(example), `${name}: ${ajv.errorsText(validate.errors)}`);
    }
    // A validator that takes anything would take this.
    assert.ok(!named(name)({}), `${name}: an empty message is valid`);
  }
  const messages = Object.keys(schema.$defs).filter((name) => /^(command|reply|event)\./.test(name));
  for (const name of messages) assert.ok(name in examples, `no example of ${name}`);
  return Object.keys(examples).length;
}

const [operations, examples] = await Promise.all([validateDocument(), validateExamples()]);
console.log(`asyncapi.yaml: ${operations} operations, no faults; ${examples} examples are valid`);
