// The same files in a browser, if there is a Chromium here: no bundler, no shim, a page that follows, holds, goes through a break.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { it } from 'node:test';
import { Hub, NO_PROGRAM, stay } from './support/hub.js';
import { Proxy } from './support/proxy.js';
import { seeded } from './support/random.js';
import { within } from './support/wait.js';

function find(names: string[]): string | undefined {
  const candidates = (process.env['PATH'] ?? '').split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const BROWSER = process.env['LATCHKEY_BROWSER'] ?? find(['chromium', 'chromium-browser', 'google-chrome']);
const SKIP = NO_PROGRAM || (BROWSER === undefined ? 'there is no Chromium here: set LATCHKEY_BROWSER' : false);

/** What the page does; it tells the test by POST. */
const page = (url: string, token: string, data: unknown) => `<!doctype html><script type="module">
import { LatchkeyClient } from '/dist/index.js';
const tell = (path, body) => fetch(path, { method: 'POST', body: JSON.stringify(body) });
try {
  const stay = ${JSON.stringify(data)};
  const client = new LatchkeyClient({ url: '${url}', token: () => '${token}', backoffBaseMs: 50 });
  const states = [];
  client.on('state', (state) => states.push(state));
  const seen = [];
  let last = Infinity;
  for await (const message of client.subscribe('property:' + stay.property)) {
    seen.push(message.kind);
    if (message.kind === 'snapshot') {
      const hold = await client.command('hold', stay);
      await tell('/cut', {});
      last = (await client.command('release_hold', { hold: hold.id, property: hold.property })).seq;
    }
    if (message.seq >= last) break;
  }
  window.dispatchEvent(new Event('offline'));
  await client.command('ping');
  client.close();
  await tell('/done', { seen, states });
} catch (error) {
  await tell('/done', { error: String(error) });
}
</script>`;

it('a browser runs the package as it is', { skip: SKIP }, async () => {
  const [hub, profile] = await Promise.all([Hub.start(), mkdtemp(join(tmpdir(), 'latchkey-browser-'))]);
  const proxy = await Proxy.start(hub.port, seeded(1));
  const host = await hub.join('host');
  const home = await hub.home(host);
  let tellResult: (result: { seen?: string[]; states?: string[]; error?: string }) => void;
  const result = new Promise<{ seen?: string[]; states?: string[]; error?: string }>((resolve) => (tellResult = resolve));
  const server = createServer(async (request, response) => {
    const path = request.url ?? '/';
    if (request.method === 'POST') {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece as Buffer);
      if (path === '/cut') proxy.cutAll();
      else tellResult(JSON.parse(Buffer.concat(pieces).toString()));
      response.end();
    } else if (/^\/dist\/[\w.]+\.js$/.test(path)) {
      response.setHeader('content-type', 'text/javascript').end(await readFile(new URL(`..${path}`, import.meta.url)));
    } else {
      response.setHeader('content-type', 'text/html').end(page(proxy.url, host.access_token, stay(home, 5, 2)));
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const flags = ['--headless', '--disable-gpu', '--no-sandbox', '--no-first-run', '--disable-background-networking', `--user-data-dir=${profile}`];
  const browser = spawn(BROWSER!, [...flags, address], { stdio: 'ignore' });
  try {
    const { error, seen, states } = await within('the page', result, 40_000);
    assert.equal(error, undefined);
    assert.deepEqual(seen, ['snapshot', 'event', 'event']);
    assert.deepEqual(states, ['connecting', 'ready', 'waiting', 'connecting', 'ready', 'closed']);
  } finally {
    const exit = once(browser, 'exit');
    browser.kill('SIGKILL');
    await exit;
    server.closeAllConnections();
    server.close();
    await proxy.end();
    await hub.end();
    await rm(profile, { recursive: true, force: true, maxRetries: 10 });
  }
});
