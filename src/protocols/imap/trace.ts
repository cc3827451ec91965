import type { Response } from './parse.js';

/** Tells the protocol log, in short, what goes over a connection. */
export class Trace {
  private readonly data = new Map<string, number>();

  constructor(
    private readonly say: (line: string) => void,
    /** Masks secrets in what the server says. */
    private readonly scrub: (text: string) => string,
  ) {}

  sent(tag: string, said: string): void {
    this.say(`> ${tag} ${said}`);
  }

  /** Untagged data is counted and not shown: it may be what somebody wrote. */
  heard(response: Response): void {
    if (response.is === 'data') {
      this.data.set(response.name, (this.data.get(response.name) ?? 0) + 1);
      return;
    }
    if (response.is === 'continue') return;
    const data = [...this.data].map(([name, count]) => `${count} ${name}`).join(', ');
    this.data.clear();
    const code = response.code === null ? '' : `[${response.code.name} ${response.code.rest.slice(0, 80)}] `;
    const tag = response.is === 'tagged' ? response.tag : '*';
    this.say(`< ${tag} ${response.status} ${code}${this.scrub(response.text)}${data === '' ? '' : ` (${data})`}`);
  }

  ended(why: string): void {
    this.say(`- ended: ${why}`);
  }
}
