import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { alive, endProcess } from './infra/process.js';

/** Pause before a child that died is started again (ms): doubled each time, back to the first after a good minute. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
const GOOD_MS = 60_000;
/** A worker brings its runs to a checkpoint first. */
const STOP_MS = 25_000;

export interface ChildOptions {
  /** What people call it: 'web', 'worker'. */
  readonly name: string;
  readonly script: string;
  /** For node itself. */
  readonly flags?: readonly string[];
  readonly logFile: string;
  readonly env: NodeJS.ProcessEnv;
  readonly say: (line: string) => void;
}

/** A process that is started again when it dies, until it is stopped. */
export class Child {
  private process: ChildProcess | null = null;
  private stopping = false;
  private pause = FIRST_PAUSE_MS;
  private timer: NodeJS.Timeout | null = null;
  /** How often it died. */
  deaths = 0;

  constructor(private readonly options: ChildOptions) {}

  get pid(): number {
    return this.process?.pid ?? 0;
  }

  start(): void {
    const { script, flags = [], logFile, env } = this.options;
    const log = openSync(logFile, 'a', 0o600);
    const since = Date.now();
    // A session of its own: Ctrl-C reaches only us, and we stop things in order. The channel tells it when we die.
    const child = spawn(process.execPath, [...flags, script], {
      env,
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    this.process = child;
    child.once('error', (error) =>
      this.options.say(`the ${this.options.name} process cannot be started: ${error.message}`),
    );
    child.once('exit', (code, signal) => this.died(code ?? signal, Date.now() - since));
  }

  async stop(): Promise<void> {
    this.stopping = true;
    if (this.timer) clearTimeout(this.timer);
    if (this.pid && alive(this.pid)) await endProcess(this.pid, 'SIGTERM', STOP_MS);
  }

  /** At once, for the impatient. */
  kill(): void {
    this.stopping = true;
    this.process?.kill('SIGKILL');
  }

  private died(why: number | string | null, livedMs: number): void {
    if (this.stopping) return;
    this.deaths++;
    this.pause = livedMs > GOOD_MS ? FIRST_PAUSE_MS : this.pause;
    this.options.say(
      `the ${this.options.name} process ended (${why}) and is started again; see ${this.options.logFile}`,
    );
    this.timer = setTimeout(() => this.start(), this.pause);
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE_MS);
  }
}
