/** Engines in processes of their own: killed, stopped and continued like any, and never one twice at work. */
import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { StandAt } from './plan.js';
import type { TransferEnd, TransferOptions } from '../../src/transfer/contract.js';

export interface Endpoint {
  readonly port: number;
  readonly user: string;
  readonly password: string;
}
/** Calendars and address books on both sides in place of mail. */
export interface DavEndpoints {
  readonly from: { readonly url: string; readonly user: string; readonly password: string };
  readonly to: { readonly url: string; readonly user: string; readonly password: string };
}
export type EngineRun = ({ readonly from: Endpoint; readonly to: Endpoint } | { readonly dav: DavEndpoints }) &
  RunWishes;
interface RunWishes {
  readonly job: string;
  readonly options: TransferOptions;
  readonly retryFailed: boolean;
  readonly waitAt: StandAt | null;
  readonly batchItems: number;
  /** For bodies: all that are not tiny go there. */
  readonly stagingDir?: string;
}
export type EngineEnd =
  | {
      readonly is: 'end';
      readonly end: TransferEnd;
      readonly steps: number;
      readonly remarks: readonly { readonly code: string; readonly detail: string }[];
      readonly log: readonly string[];
      readonly rssMb: number;
    }
  /** Another engine has the mailbox, or a bug. */
  | { readonly is: 'lost'; readonly why: string }
  | { readonly is: 'died' };

/** Waits of the engine are divided by it: back-off, and the 30 s in which a cut APPEND may still land. */
export const SCALE = 20;
/** Grace and drain stay what they are to each other. */
const LEASE = { ttlMs: 6_000, graceMs: 30_000 / SCALE, marginMs: 1_000, renewMs: 1_000, pollMs: 50 };

type Told = { is: 'ready' } | { is: 'step'; step: string; nth: number } | EngineEnd;

export class EngineProcess {
  private readonly child: ChildProcess;
  private readonly ready: Promise<void>;
  private listener: (told: Told) => void = () => undefined;

  constructor(build: string, databaseUrl: string) {
    const job = JSON.stringify({ build, databaseUrl, scale: SCALE, lease: LEASE });
    this.child = fork(join(import.meta.dirname, 'engine.mjs'), [job], {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    this.ready = new Promise((done, fail) => {
      this.listener = (told) => (told.is === 'ready' ? done() : undefined);
      this.child.once('exit', (code) => fail(new Error(`the engine does not start: ${code}`)));
    });
    this.ready.catch(() => undefined);
    this.child.on('message', (told: Told) => this.listener(told));
    this.child.once('exit', () => this.listener({ is: 'died' }));
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** @param atStep called when it stands still; it goes on when the promise is done. */
  async run(run: EngineRun, atStep: (step: string) => Promise<void> = async () => undefined): Promise<EngineEnd> {
    await this.ready;
    return new Promise<EngineEnd>((done, fail) => {
      this.listener = (told) => {
        if (told.is === 'step') {
          atStep(told.step).then(() => this.alive && this.child.connected && this.child.send({ go: true }), fail);
        } else if (told.is !== 'ready') done(told);
      };
      this.child.send({ run });
    });
  }

  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.child.kill(signal);
  }

  async stop(): Promise<void> {
    if (!this.alive) return;
    const gone = new Promise((done) => this.child.once('exit', done));
    this.child.kill('SIGKILL');
    await gone;
  }
}

/** Engines that wait for work, so that the next one after a kill is there at once. */
export class EnginePool {
  private readonly idle: EngineProcess[] = [];
  private readonly all = new Set<EngineProcess>();

  constructor(
    private readonly build: string,
    private readonly databaseUrl: string,
  ) {}

  take(): EngineProcess {
    const engine = this.idle.find(({ alive }) => alive) ?? this.fresh();
    const at = this.idle.indexOf(engine);
    if (at >= 0) this.idle.splice(at, 1);
    return engine;
  }

  /** Starts one ahead. */
  warm(): void {
    if (this.idle.length === 0) this.idle.push(this.fresh());
  }

  give(engine: EngineProcess): void {
    if (engine.alive) this.idle.push(engine);
    else this.all.delete(engine);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.all].map((engine) => engine.stop()));
  }

  private fresh(): EngineProcess {
    const engine = new EngineProcess(this.build, this.databaseUrl);
    this.all.add(engine);
    return engine;
  }
}
