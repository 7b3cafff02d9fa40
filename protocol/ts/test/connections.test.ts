// Connections that end, and networks that are gone: silence, close codes, goaway, garbage.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { fake, HOME, kind, STAY } from './support/scene.js';
import { eventually, sleep, within } from './support/wait.js';

describe('connections that end', () => {
  it('a silent one is asked, and cut when no answer comes', async () => {
    let answers = true;
    const { hub, client } = await fake(
      (asked, session, fakeHub) => {
        if (asked.cmd !== 'ping' || answers) kind(asked, session, fakeHub);
      },
      { heartbeatMarginMs: 40 },
      (fakeHub) => (fakeHub.heartbeatMs = 60),
    );
    await client.connect();
    await eventually('pings', () => hub.asked('ping').length >= 2);
    assert.equal(hub.sessions.length, 1, 'a connection that answers stays');
    answers = false;
    await eventually('another connection', () => hub.sessions.length >= 2, 2_000);
  });

  it('codes 4500 to 4999 are final, and everybody is told', async () => {
    for (const [code, name] of [[4501, 'revoked'], [4502, 'policy_violation'], [4999, 'refused']] as const) {
      const { hub, client } = await fake(kind);
      const closed = new Promise<LatchkeyError>((resolve) => client.on('close', resolve));
      const reader = client.subscribe(HOME)[Symbol.asyncIterator]();
      await reader.next();
      const waiting = client.command('hold', STAY, { key: 'mine' });
      await eventually('the hold', () => hub.asked('hold').length === 1);
      hub.last.close(code);
      const isIt = (error: LatchkeyError) => error instanceof LatchkeyError && error.code === name && error.closeCode === code;
      await assert.rejects(waiting, (error: LatchkeyError) => isIt(error) && error.key === 'mine');
      await assert.rejects(reader.next(), isIt);
      assert.ok(isIt(await closed));
      await assert.rejects(client.command('ping'), isIt);
      await assert.rejects(client.connect(), isIt);
      await sleep(50);
      assert.deepEqual([hub.sessions.length, client.state], [1, 'closed']);
    }
  });

  it('a token that is refused is final', async () => {
    const { client } = await fake(
      (asked, session) => {
        session.refuse(asked, 'unauthenticated');
        session.close(4500);
      },
      {},
      (hub) => (hub.authenticates = false),
    );
    await assert.rejects(client.connect(), (error: LatchkeyError) => error.code === 'unauthenticated');
    assert.equal(client.state, 'closed');
  });

  it('codes 4000 to 4499, 1006 and the rest lead to another connection', async () => {
    const { hub, client } = await fake(kind);
    const codes = [4001, 4008, 4009, 4010, 1000, 1011, 0];
    for (const [index, code] of codes.entries()) {
      await client.connect();
      if (code === 0) hub.last.cut();
      else hub.last.close(code);
      await eventually(`a connection after ${code}`, () => hub.sessions.length === index + 2);
    }
  });

  it('goaway: nothing more is sent, and the next connection waits as long as it says', async () => {
    const { hub, client } = await fake((asked, session, fakeHub) => {
      if (asked.cmd === 'hold') return fakeHub.sessions.length === 2 ? session.ok(asked, { id: 'h' }) : undefined;
      kind(asked, session, fakeHub);
    });
    await client.connect();
    hub.last.send({ goaway: { after_ms: 150 } });
    await sleep(20);
    const held = client.command('hold', STAY);
    await sleep(20);
    assert.equal(hub.asked('hold').length, 0);
    const closedAt = Date.now();
    hub.last.close(4001);
    assert.equal((await within('the hold', held)).id, 'h');
    assert.ok(Date.now() - closedAt >= 145);
  });

  it('frames that are not JSON are not believed', async () => {
    const { hub, client } = await fake(kind);
    await client.connect();
    hub.last.sendText('{"half":');
    await eventually('another connection', () => hub.sessions.length === 2);
  });

  it('an anonymous client with nothing to do hangs up before it is told to, and comes back when needed', async () => {
    const { hub, client } = await fake(kind, { token: () => null, idleAfterMs: 30 });
    await client.command('ping');
    await eventually('idleness', () => client.state === 'idle');
    assert.equal(hub.asked('authenticate').length, 0);
    await client.command('ping');
    assert.equal(hub.sessions.length, 2);
    const subscription = client.subscribe(HOME);
    await sleep(80);
    assert.equal(client.state, 'ready');
    subscription.close();
    await eventually('idleness', () => client.state === 'idle');
  });
});

describe('a network that is gone', () => {
  it('is not tried hard, commands wait up to a limit, and are done when it is back', async () => {
    const network = Object.assign(new EventTarget(), { onLine: false });
    const { hub, client } = await fake(kind, { network, queueLimit: 3, backoffCapMs: 60_000, url: 'ws://127.0.0.1:9/ws' });
    assert.equal(hub.sessions.length, 0);
    const states: string[] = [];
    client.on('state', (state) => void states.push(state));
    const waiting = [1, 2, 3].map(() => client.command('ping'));
    for (const one of waiting) one.catch(() => {});
    await assert.rejects(client.command('ping'), (error: LatchkeyError) => error.code === 'queue_full' && error.retryable && error.details['limit'] === 3);
    await eventually('offline', () => client.state === 'offline');
    await sleep(30);
    assert.deepEqual(states, ['connecting', 'offline']);
    client.close();
    for (const one of waiting) await assert.rejects(one, (error: LatchkeyError) => error.code === 'closed');
  });

  it('an `online` event tries again at once; an `offline` one doubts the connection', async () => {
    const network = Object.assign(new EventTarget(), { onLine: true });
    let answers = true;
    const { hub, client } = await fake(
      (asked, session, fakeHub) => {
        if (answers) kind(asked, session, fakeHub);
      },
      { network, backoffCapMs: 60_000, heartbeatMarginMs: 30 },
    );
    await client.connect();
    network.dispatchEvent(new Event('offline'));
    await eventually('a ping', () => hub.asked('ping').length === 1);
    await sleep(60);
    assert.equal(client.state, 'ready', 'it answers, so it is there');
    answers = false;
    network.onLine = false;
    network.dispatchEvent(new Event('offline'));
    await eventually('offline', () => client.state === 'offline');
    answers = true;
    const pong = client.command('ping');
    network.onLine = true;
    network.dispatchEvent(new Event('online'));
    await within('the pong', pong, 2_000);
    assert.ok(Math.abs(client.serverNow() - Date.now() - 1_000_000) < 500, "the hub's clock");
  });
});
