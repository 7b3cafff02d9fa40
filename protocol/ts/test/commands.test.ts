// Commands: repeated with one key, refused, late, given up, too many.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LatchkeyError } from '@latchkey/client';
import { fake, HOLD, kind, STAY } from './support/scene.js';
import { eventually, sleep, within } from './support/wait.js';

describe('commands', () => {
  it('are sent again with the same key and body until answered, in order', async () => {
    const { hub, client } = await fake((asked, session, fakeHub) => {
      if (fakeHub.sessions.length < 4) return session.cut();
      session.ok(asked, { id: asked.key });
    });
    const data = { ...STAY };
    const first = client.command('hold', data);
    data.guests = 99;
    const second = client.command('release_hold', HOLD, { key: 'my own' });
    const third = client.command('quote', STAY);
    const answers = await within('the answers', Promise.all([first, second, third]));
    assert.deepEqual(answers.map((answer) => (answer as { id?: string }).id), [hub.asked('hold')[0]!.key, 'my own', undefined]);
    assert.equal(new Set(hub.asked('hold').map(({ key, data: sent }) => JSON.stringify([key, sent]))).size, 1);
    assert.equal(hub.asked('hold')[0]!.data?.['guests'], 2);
    assert.deepEqual(hub.last.asked.map(({ cmd }) => cmd), ['authenticate', 'hold', 'release_hold', 'quote']);
  });

  it('refusals are told as they are, and not repeated', async () => {
    const { hub, client } = await fake((asked, session) => session.refuse(asked, 'hold_cooldown', true, { retry_after_ms: 1500 }));
    await assert.rejects(client.command('hold', STAY, { key: 'k' }), (error: LatchkeyError) => {
      assert.deepEqual([error.name, error.code, error.retryable, error.retryAfterMs, error.key], ['LatchkeyError', 'hold_cooldown', true, 1500, 'k']);
      return true;
    });
    assert.equal(hub.asked('hold').length, 1);
  });

  it('have a deadline and can be given up', async () => {
    const { client } = await fake(() => {});
    const isTimeout = (error: LatchkeyError) => error.code === 'timeout' && error.key === 'late';
    await assert.rejects(client.command('hold', STAY, { timeoutMs: 30, key: 'late' }), isTimeout);
    const controller = new AbortController();
    const aborted = client.command('hold', STAY, { signal: controller.signal });
    controller.abort(new Error('changed my mind'));
    await assert.rejects(aborted, /changed my mind/);
    await assert.rejects(client.command('hold', STAY, { signal: AbortSignal.abort() }), { name: 'AbortError' });
  });

  it('that can never be taken are not sent', async () => {
    const { hub, client } = await fake(kind);
    const code = (expected: string) => (error: LatchkeyError) => error.code === expected;
    await assert.rejects(client.command('message.send', { booking: 'b', text: 'ä'.repeat(33_000) }), code('too_large'));
    await assert.rejects(client.command('hold', STAY, { key: '' }), code('key_required'));
    await assert.rejects(client.command('hold', STAY, { key: 'ä'.repeat(65) }), code('key_required'));
    await client.command('ping');
    assert.deepEqual(hub.last.asked.map(({ cmd }) => cmd), ['authenticate', 'ping']);
  });

  it('no more are under way at once than the limit says', async () => {
    const { hub, client } = await fake(() => {}, { inFlightLimit: 3 });
    const all = Array.from({ length: 5 }, () => client.command('hold', STAY, { timeoutMs: 5_000 }));
    for (const one of all) one.catch(() => {});
    await eventually('three', () => hub.asked('hold').length === 3);
    await sleep(20);
    assert.equal(hub.asked('hold').length, 3);
    hub.last.ok(hub.asked('hold')[1]!, { id: 'x' });
    await eventually('a fourth', () => hub.asked('hold').length === 4);
  });
});
