/** One trial: a mailbox, an engine, what goes wrong, and what must hold afterwards. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TransferOptions } from '../../src/transfer/contract.js';
import { appendMessages, type TestAccount } from '../servers/dovecot.js';
import { imapProxy, type ImapProxy } from '../servers/imap-proxy.js';
import { outline, type SeenFolder, seeMailbox } from '../servers/mailbox-view.js';
import { audit, compare, readBooks, type Touched } from './check.js';
import { type EngineEnd, type EnginePool, type EngineProcess } from './engine-process.js';
import { fullDisk, type FullDisk } from './full-disk.js';
import { rebuild, receive, remove } from './people.js';
import { type Act, type Fault, type Plan, REBUILT, type Side } from './plan.js';
import { ruleOf } from './rules.js';
import type { FaultyServer, Servers } from './servers.js';

export interface Bench {
  readonly servers: Servers;
  readonly engines: EnginePool;
}
export interface Result {
  readonly plan: Plan;
  /** Empty: everything held. */
  readonly wrong: readonly string[];
  /** What went wrong on purpose. */
  readonly met: readonly string[];
  readonly runs: number;
  readonly steps: number;
  readonly rssMb: number;
  readonly log: readonly string[];
}

const OPTIONS: TransferOptions = {
  kinds: ['mail'],
  existing: 'keep',
  excludeFolders: [],
  since: null,
  maxItemBytes: null,
  repair: true,
  deepVerify: false,
  recoveryFolder: ['Before migration'],
};
/** Of the engine's process, its code included. */
export const MEMORY_CAP_MB = 256;
/** Runs after the one with the faults until everything must be there. */
const MOST_RUNS = 8;
const LIMIT_MS = 600_000;

export async function runTrial(plan: Plan, bench: Bench): Promise<Result> {
  const trial = new Trial(plan, bench);
  const limit = new AbortController();
  try {
    const late = sleep(LIMIT_MS, undefined, { signal: limit.signal }).then(() => {
      throw new Error(`it took longer than ${LIMIT_MS / 1_000} s`);
    });
    await Promise.race([trial.play(), late]);
  } catch (error) {
    trial.wrong.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    limit.abort();
    await trial.end();
  }
  const { wrong, runs, steps, rssMb, log } = trial;
  return { plan, wrong, met: trial.met, runs, steps, rssMb, log };
}

class Trial {
  readonly wrong: string[] = [];
  readonly log: string[] = [];
  runs = 0;
  steps = 0;
  rssMb = 0;
  private readonly job = randomUUID();
  private readonly acted: string[] = [];
  private readonly touched: Touched = { received: new Map(), loose: [] };
  private readonly engines = new Set<EngineProcess>();
  private readonly source: FaultyServer;
  private readonly destination: FaultyServer;
  private from!: TestAccount;
  private to!: TestAccount;
  private up!: ImapProxy;
  private down!: ImapProxy;
  private disk: FullDisk | null = null;
  private sourceTouched = false;

  constructor(
    readonly plan: Plan,
    private readonly bench: Bench,
  ) {
    this.source = bench.servers.source[plan.from]!;
    this.destination = bench.servers.destination[plan.to]!;
  }

  get met(): string[] {
    return [...(this.up?.happened ?? []), ...(this.down?.happened ?? []), ...this.acted];
  }

  async play(): Promise<void> {
    await this.prepare();
    const before = await this.see('source');
    await this.firstRun();
    this.calm();
    await this.untilComplete();
    await this.down.landed();
    await this.nothingLeft();
    const [source, destination] = [await this.see('source'), await this.see('destination')];
    if (!this.sourceTouched && JSON.stringify(outline(source)) !== JSON.stringify(outline(before))) {
      this.wrong.push('the source is not what it was');
    }
    this.wrong.push(...compare(source, destination, this.touched));
    const books = await readBooks(this.bench.servers.databaseUrl, this.job, this.to.user);
    this.wrong.push(...audit(books, source, destination, this.touched));
    if (this.rssMb > MEMORY_CAP_MB) this.wrong.push(`${this.rssMb.toFixed(0)} MB of memory`);
  }

  async end(): Promise<void> {
    for (const engine of this.engines) await engine.stop();
    await Promise.all([this.up?.close(), this.down?.close()]);
    this.disk?.remove();
  }

  private async prepare(): Promise<void> {
    const { plan } = this;
    [this.from, this.to] = await Promise.all([this.source.account(), this.destination.account()]);
    await appendMessages(this.from, plan.messages);
    const quota = this.fault('quota');
    if (quota !== null) await this.destination.setQuota(this.to, quota.kb);
    const full = this.fault('disk-full');
    if (full !== null) {
      this.disk = fullDisk(full.kb, full.where === 'worker' ? null : this.destination.homeOf(this.to));
      if (this.disk !== null)
        this.acted.push(`a disk of ${full.kb} KB for the ${this.disk.forWorker ? 'worker' : full.where}`);
    }
    this.up = await imapProxy(this.from.imapPort);
    this.down = await imapProxy(this.to.imapPort, { hide: plan.hide });
    for (const [side, proxy] of [
      ['source', this.up],
      ['destination', this.down],
    ] as const) {
      proxy.rule = ruleOf(plan.faults, side);
      proxy.wire.push(
        ...plan.faults.flatMap((fault) => (fault.is === 'wire' && fault.side === side ? [fault.wire] : [])),
      );
    }
  }

  private fault<K extends Fault['is']>(kind: K): Extract<Fault, { is: K }> | null {
    return (this.plan.faults.find(({ is }) => is === kind) as Extract<Fault, { is: K }> | undefined) ?? null;
  }

  private async firstRun(): Promise<void> {
    const stops = this.plan.faults.filter((fault) => fault.is === 'at-step');
    const inAppend = this.fault('stop-in-append');
    if (inAppend !== null) return this.stopInAppend(inAppend.nth);
    // Each in a run of its own: what a first one did not live to see the second one meets.
    for (const stop of stops.length > 0 ? stops : [null]) {
      const engine = this.take();
      const end = await this.run(engine, stop?.step ?? null, () => this.act(stop!.act, engine));
      this.note(end, stop);
      if (stop?.act.do === 'rebuild' && stop.act.side === 'destination' && end.is === 'died') {
        await rebuild(this.to, REBUILT).catch((error: Error) => this.log.push(`not rebuilt: ${error.message}`));
      }
    }
  }

  private async act(act: Act, engine: EngineProcess): Promise<void> {
    const { servers } = this.bench;
    this.acted.push(act.do);
    switch (act.do) {
      case 'kill-engine':
        return engine.stop();
      case 'stop-engine':
        return this.whileStopped(engine);
      case 'crash-database':
        return servers.crashDatabase();
      case 'crash-server':
        return (act.side === 'source' ? this.source : this.destination).crash();
      case 'rebuild':
        if (act.side === 'destination') return engine.stop();
        this.sourceTouched = true;
        return rebuild(this.from, REBUILT);
      case 'receive-equal':
        return this.receives('destination', act.folder, this.plan.messages[act.message]!.message);
      case 'deliver':
        return this.receives(
          act.side,
          act.folder,
          `Subject: came in between\r\nMessage-ID: <${randomUUID()}@people.test>\r\n\r\nHello\r\n`,
        );
      case 'expunge':
      case 'move': {
        const account = act.side === 'source' ? this.from : this.to;
        if (act.side === 'source') this.sourceTouched = true;
        this.touched.loose.push(
          ...(await remove(account, act.folder, act.nth, act.do === 'move' ? 'Moved' : undefined)),
        );
      }
    }
  }

  private async receives(side: Side, folder: string, message: string | Buffer): Promise<void> {
    if (side === 'source') {
      this.sourceTouched = true;
      await receive(this.from, folder, message);
      return;
    }
    const came = await receive(this.to, folder, message).catch(() => []);
    this.touched.received.set(folder, [...(this.touched.received.get(folder) ?? []), ...came]);
  }

  /** Longer than its lease: another engine takes the mailbox and finishes. */
  private async whileStopped(engine: EngineProcess): Promise<void> {
    engine.signal('SIGSTOP');
    const other = this.take();
    this.note(await this.run(other, null), null);
    engine.signal('SIGCONT');
  }

  /** The fence's own case: everything but the last bytes is through when the engine falls asleep. */
  private async stopInAppend(nth: number): Promise<void> {
    const engine = this.take();
    let release = (): void => undefined;
    const until = new Promise<void>((done) => (release = done));
    const reached = new Promise<void>((done) => {
      this.down.rule = ({ name, nth: which }) => {
        if (name !== 'APPEND' || which !== nth) return null;
        done();
        return { do: 'hold', what: 'go-ahead', until };
      };
    });
    const running = this.run(engine, null);
    await reached;
    this.acted.push('stop-in-append');
    await this.whileStopped(engine);
    // It wakes up and finds the server's word to go on.
    release();
    this.note(await running, null);
  }

  private take(): EngineProcess {
    const engine = this.bench.engines.take();
    this.engines.add(engine);
    return engine;
  }

  private async run(
    engine: EngineProcess,
    waitAt: EngineRunAt,
    atStep: () => Promise<void> = async () => undefined,
  ): Promise<EngineEnd> {
    this.runs++;
    const end = await engine.run(
      {
        from: { ...this.from, port: this.up.port },
        to: { ...this.to, port: this.down.port },
        ...{ job: this.job, options: OPTIONS, retryFailed: this.runs > 1, waitAt },
        batchItems: this.plan.batchItems,
        ...(this.disk?.forWorker ? { stagingDir: this.disk.dir } : {}),
      },
      atStep,
    );
    this.engines.delete(engine);
    this.bench.engines.give(engine);
    return end;
  }

  /** An end that the faults do not explain is one that is wrong. */
  private note(end: EngineEnd, stop: Extract<Fault, { is: 'at-step' }> | null): void {
    if (end.is === 'died') {
      this.log.push('the engine died');
      if (stop === null) this.wrong.push('the engine died by itself');
      return;
    }
    if (end.is === 'lost') {
      this.log.push(end.why);
      if (!/LeaseLost|holds this mailbox/.test(end.why)) this.wrong.push(end.why);
      return;
    }
    this.steps = Math.max(this.steps, end.steps);
    this.rssMb = Math.max(this.rssMb, end.rssMb);
    this.log.push(JSON.stringify(end.end), ...end.log);
    if (end.end.is !== 'broken') return;
    const { code, retry } = end.end.error;
    const room = this.plan.faults.some(({ is }) => is === 'quota' || is === 'disk-full');
    if (code === 'QUOTA_EXCEEDED') this.acted.push('the new mailbox is full');
    if (retry === 'never' || (retry === 'user' && !room)) this.wrong.push(`it gave up with ${code} (${retry})`);
  }

  private calm(): void {
    this.up.calm();
    this.down.calm();
  }

  private async untilComplete(): Promise<void> {
    if (this.fault('quota') !== null) await this.destination.setQuota(this.to, null);
    this.disk?.makeRoom();
    for (let n = 0; n < MOST_RUNS; n++) {
      const end = await this.run(this.take(), null);
      this.note(end, null);
      if (end.is !== 'end') continue;
      const { end: how, remarks } = end;
      if (how.is === 'completed' && (how.outcome === 'complete' || (this.sourceTouched && n > 0))) {
        const again = remarks.filter(({ code }) => code === 'STORED_AGAIN' || code === 'SURPLUS_COPY');
        const { loose, received } = this.touched;
        const explained = loose.length > 0 || received.size > 0 || this.disk !== null;
        if (again.length > 0 && !explained) this.wrong.push(`it says ${again[0]!.code}`);
        return;
      }
      await sleep(300);
    }
    this.wrong.push(`not complete after ${this.runs} runs`);
  }

  private async nothingLeft(): Promise<void> {
    const before = this.down.appended;
    this.note(await this.run(this.take(), null), null);
    if (this.down.appended !== before) this.wrong.push(`one more run sent ${this.down.appended - before} messages`);
  }

  private see(side: Side): Promise<Map<string, SeenFolder>> {
    return side === 'source' ? seeMailbox(this.source, this.from) : seeMailbox(this.destination, this.to);
  }
}

type EngineRunAt = Parameters<EngineProcess['run']>[0]['waitAt'];
