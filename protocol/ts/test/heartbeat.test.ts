// A quiet connection to a real hub stays, and hears how far its topics are. It waits for a whole heartbeat: half a minute.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { LatchkeyClient, type wire } from '@latchkey/client';
import { WebSocket } from 'ws';
import { Hub, NO_PROGRAM } from './support/hub.js';
import { eventually } from './support/wait.js';

it('a quiet connection stays, and its heartbeats tell the heads of its topics', { skip: NO_PROGRAM }, async (context) => {
  const hub = await Hub.start();
  let connections = 0;
  let heartbeatMs = 0;
  let asked = 0;
  const heartbeats: wire.Heartbeat[] = [];
  class Overheard extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      connections += 1;
      this.on('message', (data) => {
        const frame = JSON.parse(String(data)) as { hello?: wire.Hello; heartbeat?: wire.Heartbeat };
        heartbeatMs = frame.hello?.heartbeat_ms ?? heartbeatMs;
        if (frame.heartbeat !== undefined) heartbeats.push(frame.heartbeat);
      });
    }
    override send(data: never): void {
      if (String(data).includes('"ping"')) asked += 1;
      super.send(data);
    }
  }
  const client = new LatchkeyClient({ url: hub.url, webSocket: Overheard });
  try {
    const host = await hub.join('host');
    const home = await hub.home(host);
    const subscription = client.subscribe(`property:${home}`);
    await eventually('the snapshot', () => subscription.seq === 1);
    // The client asks by itself after a heartbeat and a half.
    await eventually('a sign of life', () => heartbeats.length > 0 || asked > 0, heartbeatMs * 1.5 + 5_000);
    assert.deepEqual([client.state, connections, subscription.seq], ['ready', 1, 1]);
    if (heartbeats.length === 0) context.skip('the hub sends no heartbeat: it is older than this client, which asked by itself');
    else assert.deepEqual(heartbeats[0]!.heads, { [`property:${home}`]: 1 });
  } finally {
    client.close();
    await hub.end();
  }
});
