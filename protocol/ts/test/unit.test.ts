// The small parts by themselves, and the hand-written tables against the golden examples and the schema.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { EventType, EventTypeOf, LatchkeyError as ErrorType, PropertyTopic, Subscription, Topic, TopicMessage, wire } from '@latchkey/client';
import { LatchkeyClient, LatchkeyError } from '@latchkey/client';
import { fullJitterMs } from '../dist/backoff.js';
import { KEYED } from '../dist/commands.js';
import { ofCloseCode } from '../dist/errors.js';
import { freshKey } from '../dist/key.js';
import { browserNetwork } from '../dist/network.js';
import { TopicReader } from '../dist/subscription.js';
import { order } from '../dist/topics.js';
import { encodeCommand, parseFrame } from '../dist/wire.js';
import { seeded } from './support/random.js';

const read = (path: string) => JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')) as Record<string, unknown>;
const OF_THE_CONNECTION = ['authenticate', 'refresh', 'subscribe', 'unsubscribe', 'resume', 'search.watch', 'search.unwatch'];
const HOME = 'property:01890a5d-ac96-774b-bcce-b302099a8057' as const;

/** The compiler's part: every event type comes on some topic, and none on one where the protocol never sends it. */
type Homeless = Exclude<EventType, EventTypeOf<Topic>>;
type Misplaced = Extract<EventTypeOf<PropertyTopic>, `${'hold' | 'booking' | 'payment' | 'payout' | 'message' | 'account'}.${string}`>;
const NONE: [Homeless | Misplaced] extends [never] ? true : false = true;

describe('the tables', () => {
  const examples = read('examples.json');
  const commands = Object.keys(examples).filter((name) => name.startsWith('command.'));

  it('know every command of the golden examples, and which carry a key', () => {
    const names = commands.map((name) => name.slice('command.'.length)).filter((name) => !OF_THE_CONNECTION.includes(name));
    assert.deepEqual(Object.keys(KEYED).sort(), names.sort());
    for (const [name, isKeyed] of Object.entries(KEYED)) {
      assert.equal('key' in (examples[`command.${name}`] as object), isKeyed, name);
    }
  });

  it('write commands as the golden examples are written', () => {
    for (const name of commands) {
      const { id, cmd, key, data } = examples[name] as { id: number; cmd: string; key?: string; data?: unknown };
      const json = data === undefined ? undefined : JSON.stringify(data);
      assert.deepEqual(JSON.parse(encodeCommand(id, cmd, json, key)), examples[name], name);
    }
  });

  it('read every frame of the golden examples as what it is', () => {
    for (const [name, example] of Object.entries(examples)) {
      if (name.startsWith('command.')) continue;
      const kind = name.startsWith('event.') ? 'push' : name.startsWith('reply.') ? 'ok' : name;
      assert.equal(parseFrame(JSON.stringify(example)).kind, kind, name);
    }
    assert.equal(parseFrame('{"something":"new"}').kind, 'unknown');
    for (const broken of ['', '{', '7', 'null', '"topic"']) assert.throws(() => parseFrame(broken), SyntaxError, broken);
  });

  it('type replies as the golden examples are', () => {
    // Compiled against the generated types; the assertions say that the examples are what the types were made from.
    const hold = (examples['reply.hold'] as { ok: wire.Hold }).ok;
    assert.equal(typeof hold.seq, 'number');
    const error = (examples['error'] as { error: wire.WireError }).error;
    assert.equal(error.code, 'dates_unavailable' satisfies ErrorType['code']);
  });

  it('know an event type for each golden event', () => {
    const events = Object.keys(examples).filter((name) => name.startsWith('event.')).map((name) => name.slice('event.'.length));
    const { Event } = read('schema/latchkey.json')['$defs'] as { Event: { oneOf: { properties: { type: { enum?: string[]; const?: string } } }[] } };
    const types = Event.oneOf.map(({ properties: { type } }) => type.const ?? type.enum?.[0]);
    assert.deepEqual([types.sort(), NONE], [events.sort(), true]);
  });
});

describe('the types', () => {
  it('refuse what the hub would refuse', () => {
    // Compiled, never called: each line below `@ts-expect-error` must be an error.
    const never = (client: LatchkeyClient) => {
      // @ts-expect-error no such command
      void client.command('steal', {});
      // @ts-expect-error a field is missing
      void client.command('hold', { property: 'p', check_in: '2027-05-01', guests: 2 });
      // @ts-expect-error data are needed
      void client.command('quote');
      // @ts-expect-error no such topic
      client.subscribe('home:1');
      // @ts-expect-error the public is not told of bookings
      client.subscribe('property:1').on('booking.created', () => {});
      // @ts-expect-error an inbox has bookings, not nights
      client.subscribe('user:1').on('snapshot', ({ snapshot }) => snapshot.taken);
      // @ts-expect-error the client itself resumes
      void client.command('resume', { epoch: '', topics: {} });
      client.subscribe('property:1').on('availability.changed', ({ data }) => data.state satisfies wire.NightState);
      client.subscribe('user:1').on('event', (event) => event.type === 'hold.expired' && (event.data satisfies wire.HoldNotice));
    };
    assert.equal(typeof never, 'function');
  });
});

describe('full jitter', () => {
  it('is even from nothing to a bound that doubles up to the cap', () => {
    const backoff = { baseMs: 100, capMs: 1_000 };
    const random = seeded(7);
    for (const [attempt, bound] of [[0, 100], [1, 200], [3, 800], [4, 1_000], [99, 1_000]] as const) {
      const waits = Array.from({ length: 2_000 }, () => fullJitterMs(attempt, backoff, random));
      assert.ok(waits.every((wait) => wait >= 0 && wait < bound));
      const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length;
      assert.ok(Math.abs(mean - bound / 2) < bound * 0.05, `attempt ${attempt}: ${mean}`);
    }
  });
});

describe('the order of events', () => {
  it('is judged by the last one seen', () => {
    assert.equal(order(5, 6), 'next');
    assert.equal(order(5, 5), 'seen');
    assert.equal(order(5, 7), 'gap');
    assert.equal(order(5, 9, 6), 'next', 'a frame that stands for 6 to 9');
    assert.equal(order(5, 9, 3), 'next', 'one that begins with what was seen');
    assert.equal(order(5, 9, 7), 'gap');
    assert.equal(order(9, 9, 3), 'seen');
  });
});

describe('errors, keys, networks, options', () => {
  it('only codes 4500 to 4999 are final', () => {
    const codes = [1000, 1006, 4001, 4011, 4499, 4500, 4501, 4502, 4503, 4999, 5000].map((code) => ofCloseCode(code, '')?.code);
    const none = undefined;
    assert.deepEqual(codes, [none, none, none, none, none, 'bad_authentication', 'revoked', 'policy_violation', 'too_many_connections', 'refused', none]);
  });

  it('a key is a version 4 UUID, also where randomUUID is missing', () => {
    const form = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
    const { randomUUID } = crypto;
    assert.match(freshKey(), form);
    Object.defineProperty(crypto, 'randomUUID', { value: undefined, configurable: true, writable: true });
    try {
      assert.match(freshKey(), form);
      assert.notEqual(freshKey(), freshKey());
    } finally {
      Object.defineProperty(crypto, 'randomUUID', { value: randomUUID, configurable: true, writable: true });
    }
  });

  it('a browser says whether it is online, Node says nothing', () => {
    const target = new EventTarget() as EventTarget & { navigator: { onLine: boolean } };
    target.navigator = { onLine: true };
    const network = browserNetwork(target as never)!;
    let heard = 0;
    const listener = () => (heard += 1);
    network.addEventListener('offline', listener);
    target.navigator.onLine = false;
    target.dispatchEvent(new Event('offline'));
    network.removeEventListener('offline', listener);
    target.dispatchEvent(new Event('offline'));
    assert.deepEqual([network.onLine, heard], [false, 1]);
    assert.equal(browserNetwork({}), undefined);
    assert.equal(browserNetwork({ navigator: {} }), undefined);
  });

  it('refuses addresses and numbers that cannot be meant', () => {
    assert.throws(() => new LatchkeyClient({ url: 'http://127.0.0.1/ws' }), TypeError);
    assert.throws(() => new LatchkeyClient({ url: 'ws://127.0.0.1/ws', queueLimit: 0 }), RangeError);
    assert.throws(() => new LatchkeyClient({ url: 'ws://127.0.0.1/ws', backoffCapMs: 2 ** 31 }), RangeError);
    assert.throws(() => new LatchkeyClient({ url: 'ws://127.0.0.1/ws', commandTimeoutMs: Number.NaN }), RangeError);
  });
});

describe('a subscription', () => {
  const event = (seq: number) => ({ kind: 'event', topic: HOME, seq, at: 0, type: 'availability.changed', data: {} }) as never;
  const make = (limit: number) => {
    const calls = { wants: 0, closed: 0 };
    const owner = { wants: () => void (calls.wants += 1), closed: () => void (calls.closed += 1) };
    return { calls, subscription: new TopicReader(HOME, limit, owner) as Subscription<typeof HOME> & TopicReader<typeof HOME> };
  };
  const seqs = (messages: TopicMessage<typeof HOME>[]) => messages.map(({ kind, seq }) => `${kind} ${seq}`);

  it('keeps what comes before anybody reads, and gives it to the first listener in order', async () => {
    const { subscription } = make(10);
    subscription.begin(3, {}, false);
    subscription.event(event(4));
    const heard: TopicMessage<typeof HOME>[] = [];
    subscription.on('message', (message) => void heard.push(message));
    subscription.event(event(5));
    assert.deepEqual(heard, []);
    await Promise.resolve();
    subscription.event(event(6));
    assert.deepEqual(seqs(heard), ['snapshot 3', 'event 4', 'event 5', 'event 6']);
  });

  it('drops a full buffer and begins anew with a reset once it is read on', async () => {
    const { subscription, calls } = make(2);
    const reader = subscription[Symbol.asyncIterator]();
    subscription.begin(1, {}, false);
    assert.equal((await reader.next()).value?.kind, 'snapshot');
    for (const seq of [2, 3, 4, 5]) subscription.event(event(seq));
    assert.deepEqual([subscription.seq, subscription.needsSnapshot, calls.wants], [undefined, false, 0], 'nothing is asked for nobody');
    subscription.begin(5, {}, true);
    assert.equal(subscription.seq, undefined, 'a snapshot for others is not buffered');
    const next = reader.next();
    assert.deepEqual([subscription.needsSnapshot, calls.wants], [true, 1]);
    subscription.begin(5, {}, false);
    subscription.event(event(6));
    const reset = (await next).value!;
    assert.deepEqual([reset.kind, reset.seq, reset.kind === 'reset' && reset.cause], ['reset', 5, 'overflow']);
    assert.equal((await reader.next()).value?.seq, 6);
  });

  it('ends once: readers finish or throw, listeners are told, late ones as well', async () => {
    const { subscription, calls } = make(2);
    const told: unknown[] = [];
    subscription.on('end', (error) => void told.push(error?.code));
    subscription.begin(1, {}, false);
    await Promise.resolve();
    const reader = subscription[Symbol.asyncIterator]();
    subscription.event(event(2));
    const error = new LatchkeyError({ code: 'not_found', message: 'gone' });
    subscription.end(error);
    subscription.end(undefined);
    assert.equal((await reader.next()).value?.seq, 2, 'what came before the end is read before it');
    await assert.rejects(reader.next(), error);
    assert.deepEqual(await reader.next(), { done: true, value: undefined });
    subscription.on('end', (late) => void told.push(late?.code));
    await Promise.resolve();
    assert.deepEqual([told, calls.closed, subscription.isEnded], [['not_found', 'not_found'], 1, true]);
  });

  it('finishes its readers when it is closed, and closes when a loop is left', async () => {
    const { subscription, calls } = make(2);
    const pending = subscription[Symbol.asyncIterator]().next();
    subscription.close();
    assert.deepEqual(await pending, { done: true, value: undefined });
    const other = make(2);
    other.subscription.begin(1, {}, false);
    for await (const message of other.subscription) {
      assert.equal(message.kind, 'snapshot');
      break;
    }
    assert.deepEqual([calls.closed, other.calls.closed], [1, 1]);
  });
});
