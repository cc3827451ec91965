import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { Observable, Subscription } from 'rxjs';
import type { JobEventMessage } from '../../progress/contract.js';
import type { Request, Response } from '../http.js';
import { WebError } from '../web-error.js';

/** Streams one person may have open at once: some tabs, on some devices. */
const MAX_PER_PERSON = 12;
/** Less than the 60 s after which common proxies drop a silent connection (ms). */
const HEARTBEAT_MS = 15_000;
/** Then the browser asks again, and whether he may is decided anew (ms). */
const MAX_STREAM_MS = 10 * 60_000;
/** What the browser waits before it asks again (ms). */
const RETRY_MS = 2_000;

/** The open event streams of this process (WHATWG HTML, server-sent events). */
@Injectable()
export class EventStreams implements OnModuleDestroy {
  private readonly open = new Map<string, Set<() => void>>();

  /** Before any work: @throws WebError RATE_LIMITED */
  assertRoom(person: string): void {
    if ((this.open.get(person)?.size ?? 0) >= MAX_PER_PERSON)
      throw new WebError('RATE_LIMITED', 'Too many pages of yours are following migrations. Close some of them.');
  }

  count(): number {
    return [...this.open.values()].reduce((sum, streams) => sum + streams.size, 0);
  }

  /** Writes until the job ends, the client leaves, the time is over or the application stops. */
  send(person: string, req: Request, res: Response, events: Observable<JobEventMessage>): void {
    res.status(200);
    res.setHeader('Content-Type', 'text/event-stream; charset=utf-8');
    // no-transform: a compressing host would hold the events back.
    res.setHeader('Cache-Control', 'no-store, no-transform');
    res.setHeader('X-Accel-Buffering', 'no');
    if (req.method === 'HEAD') {
      res.end();
      return;
    }
    res.flushHeaders();
    res.write(`retry: ${RETRY_MS}\n\n`);

    const writer = new NewestWriter(res);
    const heartbeat = setInterval(() => writer.beat(), HEARTBEAT_MS);
    const limit = setTimeout(() => stop(), MAX_STREAM_MS);
    heartbeat.unref();
    limit.unref();
    let subscription: Subscription | null = null;
    let stopped = false;
    const stop = (): void => {
      if (stopped) return;
      stopped = true;
      clearInterval(heartbeat);
      clearTimeout(limit);
      subscription?.unsubscribe();
      this.forget(person, stop);
      writer.end();
    };
    this.remember(person, stop);
    req.on('close', stop);
    res.on('close', stop);
    res.on('error', stop);
    subscription = events.subscribe({ next: (message) => writer.write(message), complete: stop, error: stop });
    if (stopped) subscription.unsubscribe();
  }

  onModuleDestroy(): void {
    for (const streams of [...this.open.values()]) for (const stop of [...streams]) stop();
  }

  private remember(person: string, stop: () => void): void {
    const streams = this.open.get(person) ?? new Set();
    streams.add(stop);
    this.open.set(person, streams);
  }

  private forget(person: string, stop: () => void): void {
    const streams = this.open.get(person);
    streams?.delete(stop);
    if (streams?.size === 0) this.open.delete(person);
  }
}

/** Never holds more than one event back: a slow reader gets the newest state, and never goes back in time. */
class NewestWriter {
  private waiting: JobEventMessage | null = null;
  private blocked = false;
  private version = -1;

  constructor(private readonly res: Response) {
    res.on('drain', () => {
      this.blocked = false;
      const next = this.waiting;
      this.waiting = null;
      if (next !== null) this.put(next);
    });
  }

  write(message: JobEventMessage): void {
    if (message.job.version < this.version) return;
    if (!this.blocked) this.put(message);
    // An `end` or a change of state must not be hidden by progress that comes after it.
    else
      this.waiting =
        this.waiting !== null && rank(this.waiting) > rank(message) ? { ...this.waiting, job: message.job } : message;
  }

  beat(): void {
    if (!this.blocked && !this.res.writableEnded) this.blocked = !this.res.write(': \n\n');
  }

  end(): void {
    if (this.waiting !== null && !this.res.destroyed) this.put(this.waiting);
    this.waiting = null;
    this.res.end();
  }

  private put({ type, job }: JobEventMessage): void {
    if (this.res.writableEnded || this.res.destroyed) return;
    this.version = job.version;
    // JSON has no line breaks of its own, so one data line is enough.
    this.blocked = !this.res.write(`event: ${type}\nid: ${job.version}\ndata: ${JSON.stringify(job)}\n\n`);
  }
}

function rank({ type }: JobEventMessage): number {
  return { progress: 0, snapshot: 1, state: 2, end: 3 }[type];
}
