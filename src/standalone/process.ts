import { ConsoleLogger, type LogLevel } from '@nestjs/common';
import type { Settings } from './settings.js';
import { SettingsError } from './settings-check.js';

const LEVELS: Readonly<Record<Settings['logLevel'], LogLevel[]>> = {
  debug: ['fatal', 'error', 'warn', 'log', 'debug'],
  info: ['fatal', 'error', 'warn', 'log'],
  warn: ['fatal', 'error', 'warn'],
  error: ['fatal', 'error'],
  silent: [],
};

/** One JSON object a line. */
export function jsonLogger(level: Settings['logLevel']): ConsoleLogger {
  return new ConsoleLogger({ json: true, colors: false, logLevels: LEVELS[level] });
}

/** Ends the process with one line when its start fails. */
export async function exitOnError(start: () => Promise<void>): Promise<void> {
  try {
    await start();
  } catch (error) {
    const known = error instanceof SettingsError;
    console.error(`mailferry: ${known ? error.message : (error as Error).stack}`);
    process.exit(1);
  }
}

/** A child of `npm start` goes when its parent is gone, however that ended. On its own it runs until it is told to stop. */
export function stopWithParent(): void {
  if (process.send) process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
}
