// The real program: on a free port of the loopback, in a folder of its own; and the REST calls that tests need.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const TARGET = process.env['CARGO_TARGET_DIR'] ?? join(homedir(), '.cache', 'latchkey-target');
export const PROGRAM = process.env['LATCHKEY_PROGRAM'] ?? join(TARGET, 'debug', 'latchkey');
export const NO_PROGRAM = existsSync(PROGRAM) ? false : `there is no hub to test against: cargo build, or set LATCHKEY_PROGRAM (${PROGRAM})`;
const PASSWORD = 'correct horse battery';
const OPTIONS = ['--hold-seconds', '60', '--hold-cooldown-seconds', '0', '--min-free-bytes', '0', '--drain-seconds', '1', '--max-active-holds', '50'];

/** A session of somebody who is registered. */
export interface Login {
  user: string;
  access_token: string;
  refresh_token: string;
  expires_at: number;
}

export class Hub {
  #process: ChildProcess;
  readonly #folder: string;
  readonly #options: readonly string[];
  port: number;

  private constructor(process: ChildProcess, folder: string, port: number, options: readonly string[]) {
    this.#options = options;
    this.#process = process;
    this.#folder = folder;
    this.port = port;
  }

  /** With options of the command line besides the usual ones. */
  static async start(options: readonly string[] = []): Promise<Hub> {
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-ts-'));
    const { process, port } = await launch(folder, 0, options);
    const hub = new Hub(process, folder, port, options);
    await hub.#ready();
    return hub;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/ws`;
  }

  get rest(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Ends the program, politely (SIGTERM) or not (SIGKILL). */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGKILL'): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, 'exit');
    this.#process.kill(signal);
    await exit;
  }

  /** Starts again on the same port and folder. */
  async startAgain(): Promise<void> {
    this.#process = (await launch(this.#folder, this.port, this.#options)).process;
    await this.#ready();
  }

  /** Ends it and forgets its data. */
  async end(): Promise<void> {
    await this.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #ready(): Promise<void> {
    for (let tries = 0; tries < 500; tries += 1) {
      const answer = await fetch(`${this.rest}/readyz`).catch(() => undefined);
      if (answer?.ok) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error('the hub is not ready');
  }

  /** A REST call that must succeed. */
  async call<R>(method: string, path: string, token?: string, body?: unknown): Promise<R> {
    const headers: Record<string, string> = { 'content-type': 'application/json', 'idempotency-key': randomUUID() };
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
    const answer = await fetch(this.rest + path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as R;
  }

  /** Registers somebody and logs them in. */
  async join(name: string): Promise<Login> {
    const email = `${name}-${randomUUID()}@example.test`;
    await this.call('POST', '/auth/register/', undefined, { email, password: PASSWORD, name });
    return this.call('POST', '/auth/login/', undefined, { email, password: PASSWORD });
  }

  refresh(login: Login): Promise<Login> {
    return this.call('POST', '/auth/refresh/', undefined, { refresh_token: login.refresh_token });
  }

  /** A home of that host's; its id. */
  async home(host: Login): Promise<string> {
    await this.call('POST', '/users/me/host/', host.access_token);
    const home = await this.call<{ id: string }>('POST', '/properties/', host.access_token, {
      title: 'Cottage by the vineyard',
      city: 'Vienna',
      country: 'AT',
      address: 'Kahlenberger Straße 1',
      time_zone: 'Europe/Vienna',
      max_guests: 4,
      currency: 'EUR',
      nightly_minor: 10_000,
      max_nights: 28,
      location: { latitude: 48.26, longitude: 16.35 },
      publish: true,
    });
    return home.id;
  }
}

async function launch(folder: string, port: number, options: readonly string[]): Promise<{ process: ChildProcess; port: number }> {
  const args = ['serve', '--listen', `127.0.0.1:${port}`, '--data', folder, ...OPTIONS, ...options];
  const child = spawn(PROGRAM, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, RUST_LOG: 'error' } });
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) {
    const address = /^latchkey listens on http:\/\/127\.0\.0\.1:(\d+) /.exec(line);
    if (address === null) continue;
    child.stdout.resume();
    return { process: child, port: Number(address[1]) };
  }
  throw new Error('the hub ended before it listened');
}

/** A day so many days from today (UTC), as the wire writes it. */
export function day(offset: number): string {
  return new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);
}

/** A stay of so many nights. */
export function stay(property: string, first: number, nights: number) {
  return { property, check_in: day(first), check_out: day(first + nights), guests: 2 };
}
