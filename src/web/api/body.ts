import type { z } from 'zod';
import type { DestinationSecret, SourceSecret } from '../../jobs/contract.js';
import type { SourceSettings } from '../../jobs/job.js';
import { NO_FILES } from '../../jobs/settings.js';
import type { DestinationAccess, FilesSource, Source } from './schemas.js';

/** Parts a source of the API into what is stored and what is sealed. */
export function partSource(source: z.output<typeof Source> | z.output<typeof FilesSource> | undefined): {
  source?: SourceSettings;
  secret?: SourceSecret;
} {
  if (source === undefined) return {};
  if (!('host' in source)) return { source: NO_FILES };
  const { password, token, ...rest } = source;
  const secret = secretOf(password, token);
  return { source: rest, ...(secret !== undefined && { secret }) };
}

export function secretOf(password: string | undefined, token: string | undefined): SourceSecret | undefined {
  if (password === undefined && token === undefined) return undefined;
  return { ...(password !== undefined && { password }), ...(token !== undefined && { token }) };
}

export function partDestination(destination: z.output<typeof DestinationAccess> | undefined): {
  destination?: DestinationSecret;
} {
  return destination === undefined ? {} : { destination };
}
