// Watched searches: pages that stay current, across breaks, refusals and readers that look away.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LatchkeyError, SearchPage } from '@latchkey/client';
import { LatchkeyClient } from '@latchkey/client';
import type { Asked, Behaviour, FakeSession } from './support/fake.js';
import { Hub, NO_PROGRAM, stay } from './support/hub.js';
import { fake } from './support/scene.js';
import { eventually } from './support/wait.js';

const home = (id: string, nightly_minor = 1) => ({ id, nightly_minor });
const show = (page: SearchPage | undefined) => page?.items.map(({ id, nightly_minor }) => `${id}${nightly_minor}`).join(' ');

/** Answers each watch with `a1 b1`; its numbers begin anew on each connection. */
const kind: Behaviour = (asked, session) => {
  if (asked.cmd === 'search.watch') watched(asked, session);
  if (asked.cmd === 'search.unwatch') session.ok(asked, {});
};

function watched(asked: Asked, session: FakeSession): void {
  const watch = session.asked.filter(({ cmd }) => cmd === 'search.watch').length;
  session.ok(asked, { watch, revision: 1, items: [home('a'), home('b')] });
}

describe('a watched search', () => {
  it('shows its first page and what updates make of it, in their order', async () => {
    const { hub, client } = await fake(kind);
    const search = client.search({ sort: 'price', limit: 2 });
    const pages: (string | undefined)[] = [];
    search.on('page', (page) => void pages.push(show(page)));
    await eventually('the first page', () => pages.length === 1);
    assert.deepEqual(hub.asked('search.watch')[0]!.data, { sort: 'price', limit: 2 });
    hub.last.send({ search: { watch: 1, revision: 2, order: ['c', 'a'], entries: [home('c', 3)], next: 'more' } });
    hub.last.send({ search: { watch: 2, revision: 2, order: [], entries: [] } });
    hub.last.send({ search: { watch: 1, revision: 3, order: ['a', 'c'], entries: [home('a', 4)] } });
    await eventually('all', () => pages.length === 3);
    assert.deepEqual(pages, ['a1 b1', 'c3 a1', 'a4 c3']);
    assert.equal(search.page?.next, undefined);
    search.close();
    hub.last.send({ search: { watch: 1, revision: 4, order: [], entries: [] } });
    await eventually('the last word', () => hub.asked('search.unwatch').length === 1);
    assert.deepEqual([hub.asked('search.unwatch')[0]!.data, search.isEnded, pages.length], [{ watch: 1 }, true, 3]);
  });

  it('is asked again after a break, and when an update does not continue what is known', async () => {
    const { hub, client } = await fake(kind);
    const search = client.search({});
    await eventually('the page', () => show(search.page) === 'a1 b1');
    hub.last.send({ search: { watch: 1, revision: 2, order: ['a'], entries: [] } });
    await eventually('the update', () => show(search.page) === 'a1');
    hub.last.cut();
    await eventually('the page again', () => show(search.page) === 'a1 b1');
    hub.last.send({ search: { watch: 1, revision: 3, order: ['b'], entries: [] } });
    await eventually('another question', () => hub.last.asked.filter(({ cmd }) => cmd === 'search.watch').length === 2);
    hub.last.send({ search: { watch: 2, revision: 2, order: ['b', 'x'], entries: [] } });
    await eventually('a third one', () => hub.last.asked.filter(({ cmd }) => cmd === 'search.watch').length === 3);
    assert.deepEqual(hub.asked('search.unwatch').map(({ data }) => data), [{ watch: 1 }, { watch: 2 }]);
    hub.last.send({ search: { watch: 3, revision: 2, order: ['b'], entries: [] } });
    await eventually('it goes on', () => show(search.page) === 'b1');
  });

  it('is tried again when the hub is busy, and ends when it is refused for good', async () => {
    let refusals = 2;
    const { client } = await fake((asked, session, hub) => {
      if (asked.cmd !== 'search.watch') return kind(asked, session, hub);
      if (asked.data?.['limit'] === 0) return session.refuse(asked, 'invalid');
      if (refusals-- > 0) return session.refuse(asked, 'busy', true, { retry_after_ms: 1 });
      watched(asked, session);
    });
    const search = client.search({});
    await eventually('the page', () => show(search.page) === 'a1 b1');
    const bad = client.search({ limit: 0 });
    const ends: (string | undefined)[] = [];
    bad.on('end', (error) => void ends.push(error?.code));
    await assert.rejects(async () => {
      for await (const page of bad) assert.fail(String(page));
    }, (error: LatchkeyError) => error.code === 'invalid');
    assert.deepEqual([ends, search.isEnded], [['invalid'], false]);
    client.close();
    assert.deepEqual([search.isEnded, client.search({}).isEnded], [true, true]);
  });

  it('gives who reads slowly the newest page and none in between', async () => {
    const { hub, client } = await fake(kind);
    const search = client.search({});
    const seen: (string | undefined)[] = [];
    for await (const page of search) {
      seen.push(show(page));
      if (seen.length === 2) break;
      for (let revision = 2; revision < 9; revision += 1) {
        hub.last.send({ search: { watch: 1, revision, order: ['a'], entries: [home('a', revision)] } });
      }
      await eventually('the newest', () => show(search.page) === 'a8');
    }
    assert.deepEqual([seen, search.isEnded], [['a1 b1', 'a8'], true]);
  });

  it('that is closed before its answer came is unwatched when it comes', async () => {
    const { hub, client } = await fake((asked, session) => void (asked.cmd === 'search.watch' && watching.push([asked, session])));
    const watching: [Asked, FakeSession][] = [];
    const search = client.search({});
    await eventually('the question', () => watching.length === 1);
    search.close();
    watched(...watching[0]!);
    await eventually('the end', () => hub.asked('search.unwatch').length === 1);
    assert.equal(search.page, undefined);
  });
});

it('a watched search of a real hub follows its nights, also across a restart', { skip: NO_PROGRAM }, async () => {
  const hub = await Hub.start();
  const [host, guest] = [await hub.join('host'), await hub.join('guest')];
  const property = await hub.home(host);
  const anybody = new LatchkeyClient({ url: hub.url, backoffBaseMs: 20, backoffCapMs: 200 });
  const client = new LatchkeyClient({ url: hub.url, backoffBaseMs: 20, backoffCapMs: 200, token: () => guest.access_token });
  try {
    const { check_in, check_out } = stay(property, 2, 3);
    const search = anybody.search({ check_in, check_out, near: '48.26,16.35' });
    const shows = (count: number) => eventually(`${count} homes`, () => search.page?.items.length === count);
    await shows(1);
    const hold = await client.command('hold', stay(property, 2, 1));
    await shows(0);
    await client.command('release_hold', { hold: hold.id, property });
    await shows(1);
    assert.equal(search.page?.items[0]?.id, property);
    await hub.stop('SIGKILL');
    await hub.startAgain();
    await client.command('hold', stay(property, 3, 1));
    await shows(0);
  } finally {
    anybody.close();
    client.close();
    await hub.end();
  }
});
