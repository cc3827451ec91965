import { readFile } from 'node:fs/promises';
import { createTransport, type Transporter } from 'nodemailer';
import type { SmtpSettings } from '../settings.js';
import type { Letter } from './notices.js';

/** For connecting, for the greeting, and for silence in between (ms). */
const WAIT_MS = 10_000;

/** Sends a notice by the operator's own mail server. The password is read again for each connection. */
export class Mailer {
  constructor(private readonly smtp: SmtpSettings) {}

  /** @throws when the server did not take it: it is sent again later. */
  async send(to: string, { subject, text }: Letter): Promise<void> {
    const transport = await this.transport();
    try {
      // An address and nothing else: no list, no name that could bring a header along.
      await transport.sendMail({ from: this.smtp.from, to: { name: '', address: to }, subject, text });
    } finally {
      transport.close();
    }
  }

  private async transport(): Promise<Transporter> {
    const { host, port, security = 'starttls', username } = this.smtp;
    return createTransport({
      host,
      port: port ?? (security === 'tls' ? 465 : 587),
      secure: security === 'tls',
      requireTLS: security === 'starttls',
      ignoreTLS: security === 'none',
      connectionTimeout: WAIT_MS,
      greetingTimeout: WAIT_MS,
      socketTimeout: WAIT_MS,
      disableFileAccess: true,
      disableUrlAccess: true,
      ...(username === undefined ? {} : { auth: { user: username, pass: await this.password() } }),
    });
  }

  private async password(): Promise<string> {
    const { secretFile, secretEnv } = this.smtp;
    if (secretFile) return (await readFile(secretFile, 'utf8')).replace(/\r?\n$/, '');
    const value = process.env[secretEnv ?? ''];
    if (!value) throw new Error(`the environment variable ${secretEnv} is not set`);
    return value;
  }
}
