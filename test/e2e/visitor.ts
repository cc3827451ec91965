import type { Stack } from './stack.js';

export interface Page {
  readonly status: number;
  readonly text: string;
  readonly location: string | null;
}

/** A browser that knows no JavaScript: keeps cookies, sends the forms of the page it is on. */
export class Visitor {
  private readonly cookies = new Map<string, string>();
  private page: Page = { status: 0, text: '', location: null };

  constructor(private readonly origin: string) {}

  /** Somebody whom his panel has signed in. */
  static async signedIn(
    stack: Stack,
    mailbox: string | null,
    options: { role?: string; domain?: string } = {},
  ): Promise<Visitor> {
    const visitor = new Visitor(stack.url);
    const token = await stack.token(mailbox, { ...options, audience: 'mailferry/sso' });
    const { status } = await visitor.send('/migrate/sign-in', { token });
    if (status !== 303) throw new Error(`signing in: ${status}`);
    return visitor;
  }

  async get(path: string): Promise<Page> {
    return (this.page = await this.ask(path, {}));
  }

  /** The form of the last page that goes to `action`, with these fields typed in. */
  async submit(action: string, typed: Readonly<Record<string, string>> = {}): Promise<Page> {
    const forms = [...this.page.text.matchAll(/<form[^>]*action="([^"]*)"[^>]*>([\s\S]*?)<\/form>/g)];
    const form = forms.find(([, to]) => to!.endsWith(action));
    if (!form) throw new Error(`no form to ${action}`);
    const hidden = [...form[2]!.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)];
    const fields = Object.fromEntries(hidden.map(([, name, value]) => [name!, value!]));
    return this.send(form[1]!, { ...fields, ...typed });
  }

  async send(path: string, fields: Readonly<Record<string, string>>): Promise<Page> {
    return (this.page = await this.ask(path, { method: 'POST', body: new URLSearchParams(fields) }));
  }

  private async ask(path: string, init: RequestInit): Promise<Page> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(`${this.origin}${path}`, { ...init, redirect: 'manual', headers: { cookie } });
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '') this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return { status: answer.status, text: await answer.text(), location: answer.headers.get('location') };
  }
}
