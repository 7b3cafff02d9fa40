// Events that do not come as they should: gaps, repetitions, ranges, refusals, readers that fall behind.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LatchkeyError } from '@latchkey/client';
import { fake, HOME, kind, listen, resumed, resumes } from './support/scene.js';
import { eventually, within } from './support/wait.js';

describe('events that do not come as they should', () => {
  it('repetitions are dropped, a gap is resumed from the last event seen', async () => {
    const { hub, client } = await fake((asked, session, fakeHub) => {
      if (asked.cmd !== 'resume') return kind(asked, session, fakeHub);
      for (const seq of [12, 13, 14]) session.push(HOME, seq);
      resumed(asked, session, () => ({ resumed: { head: 14 } }));
    });
    const { until } = listen(client);
    await until('snapshot 10');
    for (const seq of [9, 10, 11, 11, 14]) hub.last.push(HOME, seq);
    await until('snapshot 10, event 11, event 12, event 13, event 14');
    hub.last.push(HOME, 15);
    await until('snapshot 10, event 11, event 12, event 13, event 14, event 15');
    assert.deepEqual(resumes(hub), [11]);
  });

  it('a frame that stands for a range is no gap, and says its range', async () => {
    const { hub, client } = await fake(kind);
    const { subscription, until } = listen(client);
    const ranges: unknown[] = [];
    subscription.on('availability.conflated', ({ fromSeq, seq, data }) => void ranges.push([fromSeq, seq, data.nights.length]));
    await until('snapshot 10');
    hub.last.push(HOME, 14, 11);
    hub.last.push(HOME, 18, 13);
    hub.last.push(HOME, 19);
    await until('snapshot 10, event 14, event 18, event 19');
    assert.deepEqual([ranges, resumes(hub)], [[[11, 14, 1], [13, 18, 1]], []]);
  });

  it('a heartbeat that knows more than was seen leads to a resume', async () => {
    const { hub, client } = await fake((asked, session, fakeHub) => {
      if (asked.cmd === 'resume') session.push(HOME, 11);
      kind(asked, session, fakeHub);
    });
    const { until } = listen(client);
    await until('snapshot 10');
    hub.last.send({ heartbeat: { now: 1, heads: { [HOME]: 10, 'property:other': 99 } } });
    hub.last.send({ heartbeat: { now: 1, heads: { [HOME]: 11 } } });
    await until('snapshot 10, event 11');
    assert.deepEqual(resumes(hub), [10]);
  });

  it('after a reconnect each topic goes on by its own answer: resumed, reset, refused for now, refused for good', async () => {
    const topics = ['property:a', 'property:b', 'property:c', 'property:d'] as const;
    let isBusy = true;
    const { hub, client } = await fake((asked, session, fakeHub) => {
      if (asked.cmd !== 'resume') return kind(asked, session, fakeHub);
      resumed(asked, session, (seen, topic) => {
        if (topic === 'property:b') return { reset: { topic, seq: 3, snapshot: { calendar: { seq: 3 } } } };
        if (topic === 'property:c' && isBusy) {
          isBusy = false;
          return { refused: { code: 'busy', message: 'busy', retryable: true, details: { retry_after_ms: 5 } } };
        }
        if (topic === 'property:d') return { refused: { code: 'not_found', message: 'gone', retryable: false } };
        return { resumed: { head: seen } };
      });
      for (const topic of ['property:a', 'property:c']) session.push(topic, 11);
      session.push('property:b', 4);
    });
    const heard: Record<string, string[]> = {};
    for (const topic of topics) {
      const list = (heard[topic] = [] as string[]);
      const subscription = client.subscribe(topic);
      subscription.on('message', (message) => void list.push(`${message.kind} ${message.seq}`));
      subscription.on('end', (error) => void list.push(`end ${error?.code}`));
    }
    await eventually('snapshots', () => topics.every((topic) => heard[topic]!.length === 1));
    hub.epoch = 'e2';
    hub.last.cut();
    await eventually('the answers', () => heard['property:c']!.length === 2);
    assert.deepEqual(heard, {
      'property:a': ['snapshot 10', 'event 11'],
      'property:b': ['snapshot 10', 'reset 3', 'event 4'],
      'property:c': ['snapshot 10', 'event 11'],
      'property:d': ['snapshot 10', 'end not_found'],
    });
    const epochs = hub.asked('resume').map((asked) => (asked.data as { epoch: string }).epoch);
    assert.equal(epochs[0], 'e1', 'the epoch of the connection that saw those events');
  });

  it('a resume that is refused as a whole for being too much is tried in parts', async () => {
    const { hub, client } = await fake((asked, session, fakeHub) => {
      if (asked.cmd !== 'resume') return kind(asked, session, fakeHub);
      const { topics } = asked.data as { topics: object };
      if (Object.keys(topics).length > 2) return session.refuse(asked, 'too_many_subscriptions');
      kind(asked, session, fakeHub);
    });
    const subscriptions = Array.from({ length: 7 }, (_, number) => client.subscribe(`property:${number}`));
    await eventually('snapshots', () => subscriptions.every(({ seq }) => seq === 10));
    hub.last.cut();
    const parts = () => hub.last.asked.filter(({ cmd }) => cmd === 'resume').map(({ data }) => Object.keys((data as { topics: object }).topics));
    await eventually('parts', () => parts().filter(({ length }) => length <= 2).flat().length === 7);
    assert.ok(subscriptions.every(({ isEnded }) => !isEnded));
  });

  it('a resume has at most 200 topics; one topic too many ends its own subscription alone', async () => {
    const { hub, client } = await fake((asked, session, fakeHub) => {
      if (asked.data?.['topic'] === HOME) return session.refuse(asked, 'too_many_subscriptions', false, { limit: 200 });
      kind(asked, session, fakeHub);
    });
    const subscriptions = Array.from({ length: 250 }, (_, number) => client.subscribe(`property:${number}`));
    const isRefused = (error: LatchkeyError) => error.code === 'too_many_subscriptions' && error.details['limit'] === 200;
    await assert.rejects(client.subscribe(HOME)[Symbol.asyncIterator]().next(), isRefused);
    await eventually('snapshots', () => subscriptions.every(({ seq }) => seq === 10));
    hub.last.cut();
    await eventually('resumes', () => hub.asked('resume').length === 2);
    const sizes = hub.asked('resume').map(({ data }) => Object.keys((data as { topics: object }).topics).length);
    assert.deepEqual([sizes, subscriptions.filter(({ isEnded }) => isEnded).length], [[200, 50], 0]);
  });

  it('a topic that ends, ends its subscription with the reason; it can be subscribed anew', async () => {
    const { hub, client } = await fake(kind);
    const subscription = client.subscribe(HOME);
    const reader = subscription[Symbol.asyncIterator]();
    await reader.next();
    hub.last.send({ ended: { topic: HOME, error: { code: 'not_found', message: 'no such property', retryable: false } } });
    await assert.rejects(reader.next(), (error: LatchkeyError) => error.code === 'not_found');
    const { until } = listen(client);
    await until('snapshot 10');
    assert.equal(hub.sessions.length, 1);
  });

  it('two subscriptions share a topic: one unsubscribe, after the last; a late one disturbs nobody', async () => {
    let head = 10;
    const { hub, client } = await fake((asked, session, fakeHub) => {
      if (asked.cmd === 'subscribe') return session.calendar(asked, head);
      kind(asked, session, fakeHub);
    });
    const [first, other] = [listen(client), listen(client)];
    await first.until('snapshot 10');
    await other.until('snapshot 10');
    hub.last.push(HOME, 11);
    await first.until('snapshot 10, event 11');
    head = 10;
    const late = listen(client);
    await late.until('snapshot 10');
    hub.last.push(HOME, 11);
    hub.last.push(HOME, 12);
    await late.until('snapshot 10, event 11, event 12');
    await first.until('snapshot 10, event 11, event 12');
    first.subscription.close();
    other.subscription.close();
    assert.equal(hub.asked('unsubscribe').length, 0);
    late.subscription.close();
    await eventually('the unsubscribe', () => hub.asked('unsubscribe').length === 1);
    assert.equal(hub.asked('subscribe').length, 2);
  });

  it('a reader that falls behind gets a reset with a fresh snapshot when it reads on', async () => {
    let head = 10;
    const { hub, client } = await fake(
      (asked, session, fakeHub) => {
        if (asked.cmd === 'subscribe') return session.calendar(asked, head);
        kind(asked, session, fakeHub);
      },
      { bufferLimit: 3 },
    );
    const reader = client.subscribe(HOME)[Symbol.asyncIterator]();
    await reader.next();
    for (let seq = 11; seq <= 20; seq += 1) hub.last.push(HOME, seq);
    head = 20;
    await client.command('ping');
    const { value } = await within('the reset', reader.next());
    assert.deepEqual([value?.kind, value?.seq, value?.kind === 'reset' && value.cause], ['reset', 20, 'overflow']);
    hub.last.push(HOME, 21);
    assert.equal((await reader.next()).value?.seq, 21);
  });
});
