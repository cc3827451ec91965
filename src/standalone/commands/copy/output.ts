import cliProgress from 'cli-progress';
import type { CopyEvent, Output } from './events.js';
import { endText, planText, size, span } from './words.js';

/** Without a terminal, progress is said at most this often (ms). */
const LINE_MS = 10_000;

/** One JSON object a line, on standard output. */
export function jsonOutput(write: (line: string) => void): Output {
  return { tell: (event) => write(JSON.stringify(event)), close: () => undefined };
}

/** For people: a bar where there is a terminal, else a line now and then; the result on standard output. */
export function humanOutput(write: (line: string) => void, screen: NodeJS.WriteStream = process.stderr): Output {
  const progress = screen.isTTY ? bar(screen) : lines(screen);
  return {
    tell: (event) => {
      if (event.event === 'progress') return progress.show(event);
      const text = textOf(event);
      if (text === null) return;
      progress.clear();
      if (event.event === 'end' || event.event === 'plan') write(text);
      else screen.write(`${text}\n`);
    },
    close: () => progress.clear(),
  };
}

type Shown = Extract<CopyEvent, { event: 'progress' }>;
interface Display {
  show(progress: Shown): void;
  clear(): void;
}

function bar(screen: NodeJS.WriteStream): Display {
  let running: cliProgress.SingleBar | null = null;
  return {
    show: (progress) => {
      const { done, total } = amounts(progress);
      if (total === 0) return;
      if (running === null) {
        running = new cliProgress.SingleBar({
          format: '{bar} {percentage}%  {value}/{total}  {moved}  {left}',
          barCompleteChar: '█',
          barIncompleteChar: '░',
          barsize: 24,
          hideCursor: true,
          clearOnComplete: true,
          stopOnComplete: false,
          // Ctrl-C is ours: a copy stops at a checkpoint.
          gracefulExit: false,
          stream: screen,
        });
        running.start(total, done, words(progress));
        return;
      }
      running.setTotal(total);
      running.update(done, words(progress));
    },
    clear: () => {
      running?.stop();
      running = null;
    },
  };
}

function lines(screen: NodeJS.WriteStream): Display {
  let saidAt = -Infinity;
  let said = '';
  return {
    show: (progress) => {
      const now = performance.now();
      const { done, total } = amounts(progress);
      const text = `${done} of ${total} messages, ${words(progress).moved}`;
      if (now - saidAt < LINE_MS || text === said || total === 0) return;
      [saidAt, said] = [now, text];
      screen.write(`${text}\n`);
    },
    clear: () => undefined,
  };
}

function amounts({ found, copied, alreadyThere, skipped, failed, expected }: Shown): { done: number; total: number } {
  return { done: copied + alreadyThere + skipped + failed, total: Math.max(found, expected) };
}

function words({ bytes, rate, etaSeconds }: Shown): { moved: string; left: string } {
  return {
    moved: rate === null ? size(bytes) : `${size(bytes)} at ${size(rate)}/s`,
    left: etaSeconds === null ? '' : `${span(etaSeconds)} left`,
  };
}

function textOf(event: Exclude<CopyEvent, { event: 'progress' }>): string | null {
  switch (event.event) {
    case 'start':
      return `${event.resumed ? 'going on with' : 'copying'} ${event.from} -> ${event.to}`;
    case 'log':
      return event.level === 'info'
        ? null
        : `${event.level}${where(event.detail)}: ${event.message}${said(event.detail)}`;
    case 'state':
      if (event.state !== 'waiting') return null;
      return `waiting until ${event.until ?? 'later'}: ${event.reason?.message ?? ''} Ctrl-C stops; the same command goes on.`;
    case 'plan':
      return planText(event);
    case 'end':
      return endText(event);
  }
}

/** Which of the two servers it is about. */
function where(detail: unknown): string {
  const { side } = (detail ?? {}) as { side?: unknown };
  return side === 'source' ? ' at the old server' : side === 'destination' ? ' at the new server' : '';
}

/** What the server said, where it did, and what an option can do about it. */
function said(detail: unknown): string {
  if (typeof detail !== 'object' || detail === null) return '';
  const { code, serverText, folder, side } = detail as Record<string, unknown>;
  const parts = [code, folder, serverText].filter((part) => typeof part === 'string');
  const end = side === 'destination' ? 'to' : 'from';
  const advice =
    code === 'TLS_UNTRUSTED' ? ` Name its authority by --${end}-ca, or the certificate by --${end}-fingerprint.` : '';
  return parts.length === 0 ? '' : ` (${parts.join(': ')})${advice}`;
}
