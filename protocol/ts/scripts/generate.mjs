// Makes src/types.generated.ts from the JSON Schema that the Rust crate writes; with --check only says whether it would change.
//
// The schema is the contract: nothing in the generated file is edited by hand. Whole messages (`hello`, `command.hold`, …) are left out:
// the client takes them apart in src/wire.ts; the types of what is in them are made.
import { readFile, writeFile } from 'node:fs/promises';
import { compile } from 'json-schema-to-typescript';

const SCHEMA = new URL('../../schema/latchkey.json', import.meta.url);
const TYPES = new URL('../src/types.generated.ts', import.meta.url);
const BANNER = '// Generated from protocol/schema/latchkey.json by `npm run generate`. Do not edit.\n';
const ROOT = 'LatchkeyProtocol';
const REF = '#/$defs/';

const isType = (name) => /^[A-Z][A-Za-z0-9]*$/.test(name) && name !== 'ServerMessage' && name !== 'ClientMessage';

// Types are named as in $defs: titles would make second names of them, and a reference with a description a copy.
function named(node) {
  if (Array.isArray(node)) return node.map(named);
  if (node === null || typeof node !== 'object') return node;
  if (typeof node.$ref === 'string' && node.$ref.startsWith(REF)) {
    const tsType = node.$ref.slice(REF.length);
    return node.description === undefined ? { tsType } : { tsType, description: node.description };
  }
  const entries = Object.entries(node).filter(([key, value]) => key !== 'title' || typeof value !== 'string');
  return Object.fromEntries(entries.map(([key, value]) => [key, named(value)]));
}

const { $defs } = JSON.parse(await readFile(SCHEMA, 'utf8'));
const types = Object.fromEntries(Object.entries($defs).filter(([name]) => isType(name)).map(([name, type]) => [name, named(type)]));
const generated = await compile({ $defs: types, type: 'object' }, ROOT, {
  bannerComment: BANNER,
  unreachableDefinitions: true,
  additionalProperties: false,
  // How many items there may be is for the hub to judge; tuples would only be in the way.
  ignoreMinAndMaxItems: true,
  style: { singleQuote: true, printWidth: 140 },
});
// The root says nothing; where each definition was found says nothing either.
const text = generated
  .replace(new RegExp(`export interface ${ROOT} \\{\\}\\n`), '')
  .replace(/ \* This interface was referenced by `[^`]*`'s JSON-Schema\n \* via the `definition` "[^"]*"\.\n/g, '')
  .replace(/\/\*\*\n \*\/\n/g, '')
  .replace(/ \*\n \*\/\n/g, ' */\n');

if (process.argv.includes('--check')) {
  const checkedIn = await readFile(TYPES, 'utf8').catch(() => '');
  if (checkedIn !== text) {
    console.error('src/types.generated.ts is not what the schema says: npm run generate');
    process.exit(1);
  }
} else {
  await writeFile(TYPES, text);
}
