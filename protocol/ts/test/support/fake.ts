// A hub that does what a test tells it to, where the real one would take too long or cannot be made to.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

export interface Asked {
  id: number;
  cmd: string;
  key?: string;
  data?: Record<string, unknown>;
}

/** One client's connection to a fake hub. */
export class FakeSession {
  /** Everything that the client sent. */
  readonly asked: Asked[] = [];
  readonly #socket: WebSocket;

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  send(message: unknown): void {
    this.#socket.send(JSON.stringify(message));
  }

  sendText(text: string): void {
    this.#socket.send(text);
  }

  ok(asked: Asked, ok: unknown): void {
    this.send({ id: asked.id, ok });
  }

  refuse(asked: Asked, code: string, retryable = false, details = {}): void {
    this.send({ id: asked.id, error: { code, message: code, retryable, details } });
  }

  /** A snapshot of a home without taken nights. */
  calendar(asked: Asked, seq: number): void {
    const { topic } = asked.data as { topic: string };
    this.ok(asked, { topic, seq, snapshot: { calendar: { property: topic.slice(9), seq, from: '2027-01-01', to: '2029-01-01', taken: [] } } });
  }

  /** A change of availability. */
  push(topic: string, seq: number, fromSeq?: number): void {
    const night = { from: '2027-05-01', to: '2027-05-02', state: 'held' };
    const common = { topic, seq, at: 1_790_000_000_000 };
    if (fromSeq === undefined) this.send({ ...common, type: 'availability.changed', data: night });
    else this.send({ ...common, from_seq: fromSeq, type: 'availability.conflated', data: { nights: [night] } });
  }

  close(code: number): void {
    this.#socket.close(code);
  }

  cut(): void {
    this.#socket.terminate();
  }
}

export type Behaviour = (asked: Asked, session: FakeSession, hub: FakeHub) => void;

export class FakeHub {
  readonly sessions: FakeSession[] = [];
  epoch = 'e1';
  heartbeatMs = 60_000;
  /** Answers `authenticate` if the behaviour is not to. */
  authenticates = true;
  readonly #server: WebSocketServer;
  readonly #behaviour: Behaviour;

  private constructor(server: WebSocketServer, behaviour: Behaviour) {
    this.#server = server;
    this.#behaviour = behaviour;
  }

  static async start(behaviour: Behaviour): Promise<FakeHub> {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'latchkey.v1.json' });
    const hub = new FakeHub(server, behaviour);
    server.on('connection', (socket) => hub.#greet(socket));
    await once(server, 'listening');
    return hub;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/ws`;
  }

  /** The newest connection. */
  get last(): FakeSession {
    return this.sessions[this.sessions.length - 1]!;
  }

  /** Every command of that name on any connection, in order. */
  asked(cmd: string): Asked[] {
    return this.sessions.flatMap((session) => session.asked.filter((asked) => asked.cmd === cmd));
  }

  end(): void {
    for (const socket of this.#server.clients) socket.terminate();
    this.#server.close();
  }

  #greet(socket: WebSocket): void {
    const session = new FakeSession(socket);
    this.sessions.push(session);
    session.send({ hello: { epoch: this.epoch, heartbeat_ms: this.heartbeatMs, now: Date.now() + 1_000_000 } });
    socket.on('message', (data) => {
      const asked = JSON.parse(String(data)) as Asked;
      session.asked.push(asked);
      if (asked.cmd === 'authenticate' && this.authenticates) {
        session.ok(asked, { user: 'u', session: 's', expires_at: Date.now() + 2_000_000 });
      } else {
        this.#behaviour(asked, session, this);
      }
    });
  }
}
