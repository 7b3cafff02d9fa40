// A bad network between client and hub: it delays, cuts after a random number of bytes, sends only a part of the last piece, or goes silent.
//
// It carries TCP, so what arrives is a beginning of what was sent; everything after a random point is lost. Seeded: `LATCHKEY_SEED`.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { between, type Random } from './random.js';

export interface Manners {
  /** Bytes a connection lives for, in both directions together: from, to. */
  readonly lifeBytes: readonly [number, number];
  /** Longest delay of a piece, in milliseconds. */
  readonly maxDelayMs: number;
  /** Of those that end: how many go silent for a moment instead of being cut at once, 0 to 1. */
  readonly silent: number;
}

export class Proxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #random: Random;
  #manners: Manners | undefined;
  targetPort: number;
  /** Connections that it broke. */
  broken = 0;

  private constructor(server: Server, targetPort: number, random: Random, manners: Manners | undefined) {
    this.#server = server;
    this.targetPort = targetPort;
    this.#random = random;
    this.#manners = manners;
  }

  static async start(targetPort: number, random: Random, manners?: Manners): Promise<Proxy> {
    const server = createServer();
    const proxy = new Proxy(server, targetPort, random, manners);
    server.on('connection', (client) => proxy.#carry(client));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/ws`;
  }

  /** From now on, for new connections. */
  behave(manners: Manners | undefined): void {
    this.#manners = manners;
  }

  /** Cuts everything that is open. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async end(): Promise<void> {
    this.cutAll();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #carry(client: Socket): void {
    const hub = connect(this.targetPort, '127.0.0.1');
    const manners = this.#manners;
    let left = manners === undefined ? Infinity : between(this.#random, ...manners.lifeBytes);
    let isBroken = false;
    const cut = () => {
      client.destroy();
      hub.destroy();
    };
    const breakOff = () => {
      if (isBroken) return;
      isBroken = true;
      this.broken += 1;
      if (manners !== undefined && this.#random() < manners.silent) setTimeout(cut, between(this.#random, 20, 150));
      else cut();
    };
    for (const [from, to] of [
      [client, hub],
      [hub, client],
    ] as const) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on('error', cut);
      from.on('close', () => {
        this.#sockets.delete(from);
        cut();
      });
      let pieces = Promise.resolve();
      from.on('data', (piece: Buffer) => {
        const delayMs = manners === undefined || this.#random() < 0.7 ? 0 : between(this.#random, 0, manners.maxDelayMs);
        pieces = pieces.then(async () => {
          if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
          if (isBroken || to.destroyed) return;
          const part = piece.subarray(0, Math.min(piece.length, left));
          left -= part.length;
          if (part.length < piece.length) {
            // The last part goes out, in the middle of a frame as a rule, before the connection breaks.
            to.write(part, breakOff);
          } else {
            to.write(part);
          }
        });
      });
    }
  }
}
