// Tokens that run out, and callbacks that fail.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { fake, INBOX, kind, listen, resumes, STAY } from './support/scene.js';
import { eventually, within } from './support/wait.js';

describe('tokens', () => {
  it('one that ends soon is replaced in place', async () => {
    const reasons: string[] = [];
    const token = ({ reason }: { reason: string }) => {
      reasons.push(reason);
      if (reasons.length === 2) throw new Error('the login service is down for a moment');
      return `token ${reasons.length}`;
    };
    const { hub, client } = await fake((asked, session) => session.ok(asked, { user: 'u', session: 's', expires_at: Date.now() + 2e6 }), { token });
    await client.connect();
    hub.last.send({ token_expiring: { expires_at: Date.now() + 30_000 } });
    await eventually('the refresh', () => hub.asked('refresh').length === 1);
    assert.deepEqual(reasons, ['connect', 'expiring', 'expiring']);
    assert.deepEqual([hub.asked('refresh')[0]!.data, hub.sessions.length], [{ token: 'token 3' }, 1]);
  });

  it('4011 asks for a new one, and goes on where it was', async () => {
    const reasons: string[] = [];
    const token = async ({ reason }: { reason: string }) => {
      reasons.push(reason);
      return 't';
    };
    const { hub, client } = await fake(kind, { token });
    const { until } = listen(client);
    await until('snapshot 10');
    hub.last.close(4011);
    await eventually('the resume', () => resumes(hub).length === 1);
    assert.deepEqual(reasons, ['connect', 'expired']);
    assert.equal(client.user, 'u');
  });

  it('a command and a topic that are refused for it wait for the new one', async () => {
    const { hub, client } = await fake((asked, session, fakeHub) => {
      if (fakeHub.sessions.length === 1 && asked.cmd !== 'authenticate') return session.refuse(asked, 'unauthenticated');
      if (asked.cmd === 'hold') return session.ok(asked, { id: 'h' });
      if (asked.cmd === 'subscribe') session.ok(asked, { topic: INBOX, seq: 1, snapshot: { inbox: { bookings: [] } } });
    });
    const reader = client.subscribe(INBOX)[Symbol.asyncIterator]();
    const hold = await client.command('hold', STAY);
    const { value } = await reader.next();
    assert.equal(hold.id, 'h');
    assert.deepEqual(value?.kind === 'snapshot' && value.snapshot.bookings, []);
    const keys = hub.asked('hold').map(({ key }) => key);
    assert.ok(keys.every((key) => key === keys[0]));
  });

  it('a callback may fail, hang, or say that it is over', async () => {
    let calls = 0;
    const token = () => {
      calls += 1;
      if (calls === 1) throw new Error('down');
      if (calls === 2) return new Promise<string>(() => {});
      if (calls === 3) return 't';
      throw new LatchkeyError({ code: 'bad_credentials', message: 'logged out' });
    };
    const { hub, client } = await fake(kind, { token, connectTimeoutMs: 30 });
    await client.connect();
    hub.last.cut();
    const closed = await within('the end', new Promise<LatchkeyError>((resolve) => client.on('close', resolve)));
    assert.deepEqual([closed.code, calls], ['bad_credentials', 4]);
  });
});
