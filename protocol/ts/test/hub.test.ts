// The whole of it against a real hub over a good network, and what happens when the hub goes away or says no.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { type ClientOptions, LatchkeyClient, LatchkeyError, type TopicMessage } from '@latchkey/client';
import { WebSocket } from 'ws';
import { Hub, type Login, NO_PROGRAM, stay } from './support/hub.js';
import { Proxy } from './support/proxy.js';
import { seeded } from './support/random.js';
import { eventually, within } from './support/wait.js';

const QUICK = { backoffBaseMs: 20, backoffCapMs: 200 };

describe('a client of a real hub', { skip: NO_PROGRAM }, () => {
  let hub: Hub;
  let host: Login;
  let guest: Login;
  let home: string;
  const opened: LatchkeyClient[] = [];

  before(async () => {
    hub = await Hub.start();
    host = await hub.join('host');
    guest = await hub.join('guest');
    home = await hub.home(host);
  });
  afterEach(() => opened.splice(0).forEach((client) => client.close()));
  after(() => hub.end());

  function open(login?: Login, options: Partial<ClientOptions> = {}): LatchkeyClient {
    const token = login === undefined ? {} : { token: () => login.access_token };
    const client = new LatchkeyClient({ url: hub.url, ...QUICK, ...token, ...options });
    opened.push(client);
    return client;
  }

  /** Skips a test of a command that this hub does not know yet. */
  async function known<V>(context: { skip(message: string): void }, answer: Promise<V>): Promise<V | undefined> {
    try {
      return await answer;
    } catch (error) {
      if (!(error instanceof LatchkeyError) || error.code !== 'unknown_command') throw error;
      context.skip('the hub answers unknown_command: it is older than this client');
      return undefined;
    }
  }

  async function booked(client: LatchkeyClient, first: number) {
    const hold = await client.command('hold', stay(home, first, 3));
    const booking = await client.command('book', { hold: hold.id, property: home });
    const payment = await client.command('pay', { booking: booking.id, payment_method: 'pm_card_visa' });
    return { hold, booking, payment };
  }

  it('tells how many look at a home, and that the other side is writing', async () => {
    const [asGuest, asHost, nobody] = [open(guest), open(host), open()];
    const viewers: number[] = [];
    asGuest.on('presence', (presence) => void (presence.property === home && viewers.push(presence.viewers)));
    for (const client of [asGuest, nobody]) await client.subscribe(`property:${home}`)[Symbol.asyncIterator]().next();
    await eventually('two viewers', () => viewers.at(-1) === 2);
    nobody.close();
    await eventually('one viewer', () => viewers.at(-1) === 1);

    const { booking } = await booked(asGuest, 240);
    const written: string[] = [];
    asHost.on('typing', (typing) => void written.push(typing.booking));
    await assert.rejects(asGuest.command('typing', { booking: booking.id }), { code: 'invalid_state' });
    for (const client of [asGuest, asHost]) await client.subscribe(`booking:${booking.id}`)[Symbol.asyncIterator]().next();
    // It is told to whoever follows at that moment, which the host does a moment after their snapshot.
    await eventually('the guest to write', async () => {
      await asGuest.command('typing', { booking: booking.id });
      return written.length > 0;
    });
    assert.deepEqual(new Set(written), new Set([booking.id]));
  });

  it('quotes, holds, books and pays; both sides and the public are told, each what is theirs', async () => {
    const [asGuest, asHost, public_] = [open(guest), open(host), open()];
    const inbox = asHost.subscribe(`user:${host.user}`);
    const types: string[] = [];
    inbox.on('event', ({ type }) => void types.push(type));
    const states: string[] = [];
    const watch = public_.subscribe(`property:${home}`);
    watch.on('availability.changed', ({ data }) => void states.push(data.state));
    await eventually('snapshots', () => inbox.seq !== undefined && watch.seq !== undefined);

    const quote = await asGuest.command('quote', stay(home, 2, 3));
    assert.equal(quote.total_minor, quote.lines.reduce((sum, line) => sum + line.amount_minor, 0));
    const { booking, payment } = await booked(asGuest, 2);
    assert.equal(asGuest.user, guest.user);
    assert.ok(booking.id && payment.id);
    await eventually('the host to hear it', () => types.includes('booking.confirmed'));
    await eventually('the public to see it', () => states.includes('booked'));
    assert.ok(types.indexOf('booking.created') < types.indexOf('booking.confirmed'), types.join());
    assert.deepEqual([...new Set(states)], ['held', 'booked']);

    const file = asGuest.subscribe(`booking:${booking.id}`)[Symbol.asyncIterator]();
    const { value } = await within('the file', file.next());
    assert.equal(value?.kind === 'snapshot' && value.snapshot.booking.state, 'confirmed');
    assert.ok(Math.abs(asGuest.serverNow() - Date.now()) < 2_000);
  });

  it('for await gives the snapshot and then every event', async () => {
    const client = open(guest);
    const seen: TopicMessage<`property:${string}`>[] = [];
    let last = Infinity;
    for await (const message of client.subscribe(`property:${home}`)) {
      seen.push(message);
      if (message.kind === 'snapshot') {
        assert.ok(message.snapshot.taken.every(({ state }) => state !== 'free'));
        const hold = await client.command('hold', stay(home, 10, 2));
        last = (await client.command('release_hold', { hold: hold.id, property: home })).seq;
      }
      if (message.seq === last) break;
    }
    assert.deepEqual(seen.map(({ kind }) => kind), ['snapshot', 'event', 'event']);
    assert.deepEqual(seen.map(({ seq }) => seq - last), [-2, -1, 0]);
  });

  it('a loser hears which event beat it; the same key says the same again', async () => {
    const [first, second] = [open(host), open(guest)];
    const hold = await first.command('hold', stay(home, 20, 2), { key: 'winner' });
    await assert.rejects(second.command('hold', stay(home, 21, 2)), (error: LatchkeyError) => {
      assert.deepEqual([error.code, error.retryable, error.details['seq']], ['dates_unavailable', false, hold.seq]);
      return true;
    });
    assert.deepEqual(await first.command('hold', stay(home, 20, 2), { key: 'winner' }), hold);
    await assert.rejects(first.command('hold', stay(home, 30, 2), { key: 'winner' }), (error: LatchkeyError) => error.code === 'key_reused');
  });

  it('what is not theirs ends the subscription; other subscriptions go on', async () => {
    const client = open(guest);
    const own = client.subscribe(`property:${home}`);
    const reader = client.subscribe(`user:${host.user}`)[Symbol.asyncIterator]();
    await assert.rejects(reader.next(), (error: LatchkeyError) => error.code === 'not_found');
    await eventually('the own one', () => own.seq !== undefined);
    await assert.rejects(open().subscribe(`user:${host.user}`)[Symbol.asyncIterator]().next(), LatchkeyError);
    const anonymous = open().command('hold', stay(home, 40, 1));
    await assert.rejects(anonymous, (error: LatchkeyError) => error.code === 'unauthenticated');
  });

  it('a home that its host takes back ends its topic for others', async () => {
    const other = await hub.home(host);
    const subscription = open().subscribe(`property:${other}`);
    const types: string[] = [];
    subscription.on('event', ({ type }) => void types.push(type));
    const ended = new Promise<LatchkeyError | undefined>((resolve) => subscription.on('end', resolve));
    await eventually('the snapshot', () => subscription.seq !== undefined);
    await hub.call('POST', `/properties/${other}/unlist/`, host.access_token).catch(async () => {
      const headers = { authorization: `Bearer ${host.access_token}`, 'if-match': '"v1"', 'content-type': 'application/json' };
      const answer = await fetch(`${hub.rest}/properties/${other}/`, { method: 'DELETE', headers });
      assert.ok(answer.ok, await answer.text());
    });
    assert.equal((await within('the end', ended))?.code, 'not_found');
    assert.match(types.at(-1) ?? '', /^property\.(unlisted|deleted)$/);
  });

  it('works with another WebSocket', async () => {
    const client = open(guest, { webSocket: WebSocket });
    assert.ok((await client.command('ping')).now > 0);
    await client.command('quote', stay(home, 50, 2));
  });

  it('a session that is logged out stops its clients with 4501 within a second', async () => {
    const login = await hub.join('leaver');
    const client = open(login);
    await client.connect();
    const closed = new Promise<LatchkeyError>((resolve) => client.on('close', resolve));
    await hub.call('POST', '/auth/logout/', login.access_token, { refresh_token: login.refresh_token });
    const error = await within('the close', closed, 2_000);
    assert.deepEqual([error.code, error.closeCode, client.state], ['revoked', 4501, 'closed']);
  });

  it('a token that is none is final', async () => {
    const client = open({ ...guest, access_token: 'nonsense' });
    await assert.rejects(client.connect(), (error: LatchkeyError) => error.code === 'unauthenticated');
    assert.equal(client.state, 'closed');
  });

  it('a token is refreshed in place', async (context) => {
    let login = await hub.join('stayer');
    const client = open(undefined, { token: async ({ reason }) => (reason === 'expiring' ? (login = await hub.refresh(login)) : login).access_token });
    const states: string[] = [];
    await client.connect();
    client.on('state', (state) => void states.push(state));
    const before = login.refresh_token;
    await known(context, client.refreshToken());
    assert.notEqual(login.refresh_token, before);
    await client.command('ping');
    assert.deepEqual(states, []);
  });

  it('messages are sent once and read, notifications too', async (context) => {
    const [asGuest, asHost] = [open(guest), open(host)];
    const { booking } = await booked(asGuest, 60);
    const message = await known(context, asGuest.command('message.send', { booking: booking.id, text: 'We arrive at 6.' }, { key: 'hello' }));
    if (message === undefined) return;
    const again = await asGuest.command('message.send', { booking: booking.id, text: 'We arrive at 6.' }, { key: 'hello' });
    assert.deepEqual([message.number, again.number, message.text], [1, 1, 'We arrive at 6.']);
    const thread = await asHost.command('message.read', { booking: booking.id, up_to: 1 });
    assert.deepEqual([thread.unread, thread.read_up_to], [0, 1]);
    const { items } = await hub.call<{ items: { id: string }[] }>('GET', '/notifications/?unread=true', host.access_token);
    const { unread } = await asHost.command('notification.read', { notifications: items.map(({ id }) => id) });
    assert.equal(unread, 0);
  });

  it('many topics are followed on one connection, and resumed together', async () => {
    const proxy = await Proxy.start(hub.port, seeded(1));
    try {
      const homes = await Promise.all(Array.from({ length: 12 }, () => hub.home(host)));
      const [client, direct] = [open(guest, { url: proxy.url }), open(guest)];
      const subscriptions = homes.map((id) => client.subscribe(`property:${id}`));
      await eventually('the snapshots', () => subscriptions.every(({ seq }) => seq === 1));
      proxy.cutAll();
      const held = await Promise.all([0, 5, 11].map((index) => direct.command('hold', stay(homes[index]!, 5, 1))));
      await eventually('what was missed', () => subscriptions.filter(({ seq }) => seq === 2).length === 3);
      await client.command('ping');
      assert.ok(held.every(({ seq }) => seq === 2) && subscriptions.every(({ isEnded }) => !isEnded));
    } finally {
      await proxy.end();
    }
  });

  it('a hub that is killed or drained and started again is nothing but a pause', async () => {
    const [asGuest, public_] = [open(guest), open()];
    const watch = public_.subscribe(`property:${home}`);
    const places: string[] = [];
    watch.on('message', ({ kind, seq }) => void places.push(`${kind} ${seq}`));
    await eventually('the snapshot', () => watch.seq !== undefined);
    await asGuest.connect();
    let seq = watch.seq!;
    const expected = [...places];
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const stopped = hub.stop(signal);
      const held = asGuest.command('hold', stay(home, 80, 1), { timeoutMs: 60_000 });
      await stopped;
      await hub.startAgain();
      const hold = await within('the hold', held);
      await asGuest.command('release_hold', { hold: hold.id, property: home });
      await eventually('the events', () => watch.seq === seq + 2);
      expected.push(`event ${seq + 1}`, `event ${seq + 2}`);
      seq += 2;
    }
    assert.deepEqual(places, expected);
  });
});
