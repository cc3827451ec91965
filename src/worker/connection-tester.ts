import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { Attempts, type Reservation, signInSubjects } from '../jobs/attempts.js';
import type { Discovered } from '../jobs/contract.js';
import { ConnectionTestEntity } from '../jobs/entities.js';
import type { SourceSettings, TestResult } from '../jobs/job.js';
import { missingSecret } from '../jobs/job-gate.js';
import { wordsFor } from '../jobs/messages.js';
import { TransferError } from '../mailbox/transfer-error.js';
import type { DestinationGrant, HostPanel } from '../panel/host-panel.js';
import { HOST_PANEL, PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import { ConnectError } from '../protocols/connect-error.js';
import { EwsFailure } from '../protocols/ews/failure.js';
import { DestinationAccess } from './destination-access.js';
import { ENDPOINTS, type Endpoints } from './endpoints.js';
import { GuardedSource, isRefusedSignIn } from './guarded-source.js';
import { SameMailbox } from './same-mailbox.js';
import { Scrubber } from './scrubber.js';
import { notOpened } from './run-end.js';
import { type OpenedSecrets, SecretOpener } from './secret-opener.js';
import { TestRecord } from './test-record.js';
import { planOf, type Quota, testFolders, totalsOf, wanted } from './test-plan.js';

/** A whole test, the plan included (ms). */
const TEST_MS = 60_000;
const NOTHING_FOUND: Pick<TestResult, 'folders' | 'totals'> = {
  folders: [],
  totals: { folders: 0, items: 0, bytes: 0 },
};

/**
 * Carries out what the web process may not: connection tests, sign-ins at the destination, discovery. The answer is a
 * fixed code with fixed words, never earlier than the floor, and never holds what a server said but what a person has to
 * confirm: a certificate, the address of another server.
 */
@Injectable()
export class ConnectionTester {
  private readonly logger = new Logger('mailferry:test');

  constructor(
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    @Inject(HOST_PANEL) private readonly panel: HostPanel,
    @Inject(Attempts) private readonly attempts: Attempts,
    @Inject(SecretOpener) private readonly opener: SecretOpener,
    @Inject(DestinationAccess) private readonly accesses: DestinationAccess,
    @Inject(SameMailbox) private readonly sameMailbox: SameMailbox,
    @Inject(TestRecord) private readonly record: TestRecord,
    @Inject(ENDPOINTS) private readonly endpoints: Endpoints,
  ) {}

  /** @returns false when there was nothing to do. Never throws for what a server does. */
  async execute(id: string, shutdown: AbortSignal): Promise<boolean> {
    const test = await this.record.claim(id);
    if (test === null) return false;
    const scrubber = new Scrubber();
    const signal = AbortSignal.any([shutdown, AbortSignal.timeout(TEST_MS)]);
    const floor = sleep(this.options.limits.testFloorMs);
    let result: object;
    let secrets: OpenedSecrets | null = null;
    try {
      secrets =
        test.purpose === 'test' && test.job !== null
          ? await this.opener.openJob(test.tenant, test.job, test.source as SourceSettings)
          : await this.opener.openTest(test.tenant, test.id);
      result = await this.carryOut(test, secrets, scrubber, signal);
    } catch (error) {
      const code = signal.aborted && !(error instanceof TransferError) ? 'TIMEOUT' : codeOf(error);
      if (!(error instanceof TransferError) && code !== 'TIMEOUT')
        this.logger.error(scrubber.text(`test ${id}: ${(error as Error).stack ?? String(error)}`));
      result = failed(code);
    }
    await floor;
    try {
      await this.record.finish(test, result as Record<string, unknown>, secrets?.source ?? null);
    } catch (error) {
      // What cannot be written must not leave somebody waiting, nor the ciphertext where it is.
      this.logger.error(scrubber.text(`test ${id} cannot be recorded: ${(error as Error).message}`));
      await this.record.finish(test, { ...failed('INTERNAL') }, secrets?.source ?? null);
    }
    return true;
  }

  private carryOut(
    test: ConnectionTestEntity,
    secrets: OpenedSecrets,
    scrubber: Scrubber,
    signal: AbortSignal,
  ): Promise<object> {
    switch (test.purpose) {
      case 'test':
        return this.test(test as ConnectionTestEntity & { source: SourceSettings }, secrets, scrubber, signal);
      case 'sign-in':
        return this.signIn(test, secrets, scrubber, signal);
      case 'discover':
        return this.endpoints
          .discover(test.mailbox!, test.source.type === 'ews' ? 'ews' : 'imap', signal)
          .catch((): Discovered => ({ found: false }));
    }
  }

  private async test(
    test: ConnectionTestEntity & { source: SourceSettings },
    secrets: OpenedSecrets,
    scrubber: Scrubber,
    signal: AbortSignal,
  ): Promise<TestResult> {
    const settings = test.source;
    for (const secret of [secrets.source.password, secrets.source.token])
      if (secret !== undefined) scrubber.add(secret, settings.username);
    if (Object.keys(secrets.source).length === 0) return failed(missingSecret(settings));
    const source = new GuardedSource(
      this.endpoints.source(settings, secrets.source, undefined, {
        kinds: test.items,
        lookAtAll: true,
        ...(test.filters.excludeFolders === undefined ? {} : { excludeFolders: test.filters.excludeFolders }),
      }),
      settings,
      this.attempts,
      this.options.limits.lockMinutes,
    );
    const access =
      test.mailbox === null
        ? null
        : this.accesses.open({
            mailbox: { tenantId: test.tenant, address: test.mailbox },
            jobId: test.job ?? test.id,
            actor: test.requestedBy,
            kinds: test.items,
            own: secrets.destination,
            scrubber,
          });
    try {
      const grant = await access?.grant();
      if (grant !== undefined && (await this.sameMailbox.suspects(settings, grant, test.mailbox!)))
        return failed('SAME_MAILBOX');
      const { gives, serviceUrl } = await source.connect(signal);
      const all = await source.listFolders(signal);
      const folders = testFolders(all);
      const ok: TestResult = {
        ok: true,
        code: 'OK',
        ...wordsFor('OK'),
        gives,
        folders,
        totals: totalsOf(folders),
        ...(serviceUrl === undefined ? {} : { ews: { url: serviceUrl } }),
      };
      if (access === null) return ok;
      const destination = this.endpoints.destination(access.grant, undefined, test.items);
      try {
        const facts = await destination.connect(signal);
        const quota = await this.quota(test);
        const parts = { source, destination, facts, quota, filters: test.filters };
        return { ...ok, plan: await planOf(parts, wanted(all, test.items, test.filters), signal) };
      } finally {
        await destination.close().catch(() => undefined);
      }
    } catch (error) {
      if (!(error instanceof TransferError)) throw error;
      this.logger.log(scrubber.text(`test ${test.id}: ${error.side} ${error.code}`));
      const missing = error.code === 'DESTINATION_NOT_OPENED';
      const opened = missing && (await this.record.openedBefore(test));
      return failed(missing ? notOpened(opened) : this.codeFor(error, access?.kind() ?? null), error);
    } finally {
      await source.close().catch(() => undefined);
      await access?.release();
    }
  }

  /** With the new mailbox's own password, at the server the panel names. Nothing is kept. */
  private async signIn(
    test: ConnectionTestEntity,
    secrets: OpenedSecrets,
    scrubber: Scrubber,
    signal: AbortSignal,
  ): Promise<{ ok: boolean; code: string }> {
    const { tenant, requestedBy: ip } = test;
    const address = test.mailbox!;
    const own = secrets.destination;
    if (own === null) return { ok: false, code: 'CREDENTIALS_REQUIRED' };
    scrubber.add(own.password, address);
    const reserved: Reservation[] = [];
    for (const subject of signInSubjects(tenant, address, ip)) {
      const reservation = await this.attempts.reserve(subject);
      if (reservation === null) return { ok: false, code: 'RATE_LIMITED' };
      reserved.push(reservation);
    }
    const wish = { jobId: test.id, actor: address, kinds: ['mail'] as const, own, scrubber };
    const access = this.accesses.open({ ...wish, mailbox: { tenantId: tenant, address } });
    const destination = this.endpoints.destination(
      async () => asUser(await access.grant(), address, own.password),
      undefined,
      wish.kinds,
    );
    let code = 'OK';
    try {
      await destination.connect(signal);
    } catch (error) {
      if (!(error instanceof TransferError)) throw error;
      // An address that does not exist looks like one whose password is wrong.
      code = isRefusedSignIn(error) || error.code === 'DESTINATION_MISSING' ? 'AUTH_FAILED' : 'DESTINATION_UNAVAILABLE';
    } finally {
      await destination.close().catch(() => undefined);
      await access.release();
    }
    if (code !== 'AUTH_FAILED') for (const reservation of reserved) await this.attempts.release(reservation);
    return { ok: code === 'OK', code };
  }

  private async quota({ tenant, mailbox }: ConnectionTestEntity): Promise<Quota | null> {
    try {
      return await this.panel.quota({ tenantId: tenant, address: mailbox! });
    } catch {
      return null;
    }
  }

  private codeFor(error: TransferError, access: DestinationGrant['kind'] | null): string {
    if (error.side === 'source') return error.code;
    if (error.code === 'DESTINATION_MISSING' || error.code === 'CREDENTIALS_REQUIRED') return error.code;
    return isRefusedSignIn(error) && access === 'user-secret' ? 'DESTINATION_AUTH_FAILED' : 'DESTINATION_UNAVAILABLE';
  }
}

function asUser(grant: DestinationGrant, address: string, password: string): DestinationGrant {
  const { grantId, expiresAt, endpoint } = grant;
  const login = grant.kind === 'user-secret' ? grant.login : grant.kind === 'imap-authzid' ? grant.authzid : address;
  return {
    kind: 'user-secret',
    grantId,
    expiresAt,
    endpoint,
    login,
    secret: { reveal: () => Promise.resolve(password) },
  };
}

function failed(code: string, error?: TransferError): TestResult {
  const redirect = error?.cause instanceof EwsFailure ? error.cause.to : undefined;
  const certificate = error?.cause instanceof ConnectError ? error.cause.certificate : undefined;
  return {
    ok: false,
    code,
    ...wordsFor(code),
    ...NOTHING_FOUND,
    ...(code === 'TLS_UNTRUSTED' && certificate !== undefined ? { certificate } : {}),
    ...(code === 'EWS_REDIRECTED' && redirect !== undefined ? { redirect: { url: redirect.href } } : {}),
  };
}

function codeOf(error: unknown): string {
  return error instanceof TransferError ? error.code : 'INTERNAL';
}
