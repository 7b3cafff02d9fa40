// The examples of README.md as they stand there, in an empty folder where the packed package was installed, against a hub with demo data.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Hub, NO_PROGRAM } from './support/hub.js';

const run = promisify(execFile);
const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const ADDRESS = '127.0.0.1:8080';

it('the package installs into an empty folder, and the examples of the README do there what they say', { skip: NO_PROGRAM }, async (context) => {
  const [hub, folder] = await Promise.all([Hub.start(['--demo']), mkdtemp(join(tmpdir(), 'latchkey-pack-'))]);
  try {
    // It is built already, and other tests are reading what was built.
    const packed = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], { cwd: PACKAGE });
    const [{ filename, files }] = JSON.parse(packed.stdout) as [{ filename: string; files: { path: string }[] }];
    const strangers = files.filter(({ path }) => !/^(dist\/[\w.]+\.(js|d\.ts)|README\.md|LICENSE|package\.json)$/.test(path));
    assert.deepEqual(strangers, []);
    await writeFile(join(folder, 'package.json'), '{"private":true,"type":"module"}');
    await run('npm', ['install', '--offline', '--no-audit', '--no-fund', `./${filename}`], { cwd: folder });

    const readme = await readFile(join(folder, 'node_modules', '@latchkey', 'client', 'README.md'), 'utf8');
    const blocks = [...readme.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code]) => code!);
    assert.ok(blocks.length >= 10, 'the examples are there');
    await writeFile(join(folder, 'examples.js'), blocks.join('\n').replaceAll(ADDRESS, `127.0.0.1:${hub.port}`));
    const flags = ['--experimental-websocket', '--no-warnings'];
    const { stdout } = await run(process.execPath, [...flags, 'examples.js'], { cwd: folder, timeout: 30_000 });
    const said = stdout.trimEnd().split('\n');
    context.diagnostic(said.join(' | '));
    assert.equal(said[0], 'ready true');
    assert.ok(said.includes('true'), 'the same key gives the same message');
    assert.ok(said.some((line) => line.startsWith('snapshot ') && line.endsWith(' confirmed')));
    assert.ok(said.some((line) => line.startsWith('taken at event ')));
    assert.ok(said.some((line) => line.startsWith('cancelled: ')));
    assert.ok(said.includes('no more: closed'));
    assert.equal(said.at(-1), 'closed: closed');
  } catch (error) {
    // A hub that is older than this client does not know every command.
    if (!String((error as { stderr?: string }).stderr).includes("code: 'unknown_command'")) throw error;
    context.skip('the hub answers unknown_command: it is older than this client');
  } finally {
    await hub.end();
    await rm(folder, { recursive: true, force: true });
  }
});
