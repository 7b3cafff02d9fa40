// The main test: a bad network between the clients and a real hub, and nothing of it to be seen in what the clients tell.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { LatchkeyClient, LatchkeyError, type TopicMessage } from '@latchkey/client';
import { Hub, type Login, NO_PROGRAM, stay } from './support/hub.js';
import { type Manners, Proxy } from './support/proxy.js';
import { between, chooseSeed, seeded } from './support/random.js';
import { eventually } from './support/wait.js';

const EVIL: Manners = { lifeBytes: [600, 9_000], maxDelayMs: 30, silent: 0.3 };
const QUICK = { backoffBaseMs: 20, backoffCapMs: 200, connectTimeoutMs: 3_000 };
const GUESTS = 4;
const ROUNDS = 40;

/** What a watcher saw, judged message by message: P4. */
class Witness {
  seq: number | undefined;
  events = 0;
  resets = 0;
  kinds: string[] = [];
  faults: string[] = [];

  take(message: TopicMessage<`property:${string}`>): void {
    if (message.kind === 'event') {
      this.events += 1;
      const first = message.fromSeq ?? message.seq;
      if (first !== (this.seq ?? NaN) + 1) this.faults.push(`event ${first} to ${message.seq} after ${this.seq}`);
      this.kinds.push(`${message.type} ${JSON.stringify(message.data)}`);
    } else {
      if (message.kind === 'reset') this.resets += 1;
      else if (this.seq !== undefined) this.faults.push(`a second snapshot after ${this.seq}`);
    }
    this.seq = message.seq;
  }
}

describe('a client behind a network that cuts, delays and truncates', { skip: NO_PROGRAM }, () => {
  const seed = chooseSeed();
  let hub: Hub;
  let host: Login;

  before(async () => {
    hub = await Hub.start();
    host = await hub.join('host');
  });
  after(() => hub.end());

  it(`sees every event once and in order, and has every command done exactly once (LATCHKEY_SEED=${seed})`, async (context) => {
    const random = seeded(seed);
    const homes = [await hub.home(host), await hub.home(host)];
    const proxy = await Proxy.start(hub.port, random, EVIL);
    const clients: LatchkeyClient[] = [];
    const connect = (token?: string, url = proxy.url) => {
      const client = new LatchkeyClient({ url, ...QUICK, ...(token === undefined ? {} : { token: () => token }) });
      clients.push(client);
      return client;
    };
    try {
      const watchers = homes.flatMap((home) =>
        [connect(), connect()].map((client) => {
          const witness = new Witness();
          client.subscribe(`property:${home}`).on('message', (message) => witness.take(message));
          return { home, witness };
        }),
      );
      const direct = homes.map((home) => {
        const witness = new Witness();
        connect(undefined, hub.url).subscribe(`property:${home}`).on('message', (message) => witness.take(message));
        return { home, witness };
      });
      await eventually('all snapshots', () => [...watchers, ...direct].every(({ witness }) => witness.seq !== undefined));

      let done = 0;
      const heads = new Map<string, number>();
      const acknowledged = new Set<number>();
      const guest = async (number: number) => {
        const client = connect((await hub.join(`guest${number}`)).access_token);
        const home = homes[number % homes.length]!;
        for (let round = 0; round < ROUNDS; round += 1) {
          // Each has nights of its own, so that a hold fails only if it was done twice.
          const hold = await client.command('hold', stay(home, 1 + number * 12 + between(random, 0, 8), 2));
          const released = await client.command('release_hold', { hold: hold.id, property: home });
          assert.equal(released.state, 'released');
          assert.ok(hold.seq < released.seq);
          for (const { seq } of [hold, released]) {
            assert.ok(!acknowledged.has(number % 2 === 0 ? seq : -seq), `seq ${seq} was told twice`);
            acknowledged.add(number % 2 === 0 ? seq : -seq);
            heads.set(home, Math.max(heads.get(home) ?? 0, seq));
          }
          done += 2;
        }
      };
      await Promise.all(Array.from({ length: GUESTS }, (_, number) => guest(number)));

      proxy.behave(undefined);
      for (const { home, witness } of [...watchers, ...direct]) {
        await eventually(`the last event of ${home}`, () => witness.seq === heads.get(home), 10_000);
      }
      for (const { home, witness } of watchers) {
        assert.deepEqual(witness.faults, [], `LATCHKEY_SEED=${seed}`);
        const whole = direct.find((other) => other.home === home)!.witness;
        assert.deepEqual(whole.faults, []);
        // Done exactly once: the home's listing is event 1, and then there are two events for each hold, no more.
        assert.equal(heads.get(home), 1 + (GUESTS / homes.length) * ROUNDS * 2, 'a command was done twice');
        if (witness.resets === 0) assert.deepEqual(witness.kinds, whole.kinds.slice(-witness.kinds.length));
      }
      assert.ok(proxy.broken >= 20, `only ${proxy.broken} connections were broken`);
      context.diagnostic(`${done} commands, ${proxy.broken} broken connections, seed ${seed}`);
    } finally {
      for (const client of clients) client.close();
      await proxy.end();
    }
  });

  it('tells each of many racers the truth: one winner a night, whatever the network does', async () => {
    const random = seeded(seed + 1);
    const home = await hub.home(host);
    const proxy = await Proxy.start(hub.port, random, EVIL);
    const racers = await Promise.all(
      Array.from({ length: 6 }, async (_, number) => {
        const { access_token } = await hub.join(`racer${number}`);
        return new LatchkeyClient({ url: proxy.url, token: () => access_token, ...QUICK });
      }),
    );
    try {
      for (let round = 0; round < 8; round += 1) {
        const outcomes = await Promise.allSettled(racers.map((racer) => racer.command('hold', stay(home, 2 + round * 3, 2))));
        const won = outcomes.filter((outcome) => outcome.status === 'fulfilled');
        assert.equal(won.length, 1, `round ${round}: ${JSON.stringify(outcomes)}`);
        for (const outcome of outcomes) {
          if (outcome.status === 'fulfilled') continue;
          assert.ok(outcome.reason instanceof LatchkeyError);
          assert.equal(outcome.reason.code, 'dates_unavailable');
          assert.equal(outcome.reason.details['seq'], won[0]!.value.seq, 'P5: losers hear what beat them');
        }
      }
    } finally {
      for (const racer of racers) racer.close();
      await proxy.end();
    }
  });
});
