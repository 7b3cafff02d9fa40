// A client and a fake hub that know each other; both are gone after the test.

import assert from 'node:assert/strict';
import { afterEach } from 'node:test';
import { type ClientOptions, LatchkeyClient, type TopicMessage } from '@latchkey/client';
import { type Asked, type Behaviour, FakeHub, type FakeSession } from './fake.js';
import { eventually } from './wait.js';

export const HOME = 'property:01890a5d-ac96-774b-bcce-b302099a8057' as const;
export const INBOX = 'user:01890a5d-ac96-774b-bcce-b302099a8058' as const;
export const STAY = { property: HOME.slice(9), check_in: '2027-05-01', check_out: '2027-05-04', guests: 2 };
export const HOLD = { hold: '1', property: '2' };
const opened: { end?: () => void; close?: () => void }[] = [];

afterEach(() => {
  for (const thing of opened.splice(0).reverse()) (thing.close ?? thing.end)?.call(thing);
});

export async function fake(behaviour: Behaviour, options: Partial<ClientOptions> = {}, settle: (hub: FakeHub) => void = () => {}) {
  const hub = await FakeHub.start(behaviour);
  settle(hub);
  opened.push({ end: () => hub.end() });
  const client = new LatchkeyClient({ url: hub.url, backoffBaseMs: 5, backoffCapMs: 20, token: () => 't', ...options });
  opened.push(client);
  return { hub, client };
}

/** Gives snapshots at 10, resumes up to what is asked for, answers pings. */
export const kind: Behaviour = (asked, session) => {
  if (asked.cmd === 'subscribe') session.calendar(asked, 10);
  if (asked.cmd === 'ping') session.ok(asked, { now: 1 });
  if (asked.cmd === 'resume') resumed(asked, session, (seen) => ({ resumed: { head: seen } }));
};

export function resumed(asked: Asked, session: FakeSession, answer: (seen: number, topic: string) => unknown): void {
  const { topics } = asked.data as { topics: Record<string, number> };
  session.ok(asked, { topics: Object.fromEntries(Object.entries(topics).map(([topic, seen]) => [topic, answer(seen, topic)])) });
}

export function listen(client: LatchkeyClient) {
  const heard: TopicMessage<typeof HOME>[] = [];
  const subscription = client.subscribe(HOME);
  subscription.on('message', (message) => void heard.push(message));
  const told = () => heard.map(({ kind, seq }) => `${kind} ${seq}`).join(', ');
  return { subscription, told, until: (text: string) => eventually(text, () => told() === text).catch(() => assert.equal(told(), text)) };
}

export const resumes = (hub: FakeHub) => hub.asked('resume').map((asked) => (asked.data as { topics: Record<string, number> }).topics[HOME]);
