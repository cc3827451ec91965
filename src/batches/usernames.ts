import type { UsernameRule } from './batch.js';

/** The user name at the old server. What a row says itself goes before any rule. */
export function usernameFor(rule: UsernameRule, mailbox: string, given: string): string {
  if (given !== '') return given;
  const at = mailbox.lastIndexOf('@');
  const local = mailbox.slice(0, at);
  const domain = mailbox.slice(at + 1);
  switch (rule.rule) {
    case 'address':
      return mailbox;
    case 'local-part':
      return local;
    case 'old-domain':
      return `${local}@${rule.domain ?? domain}`;
    case 'template':
      return (rule.template ?? '{address}').replace(
        /\{(local|domain|address)\}/g,
        (_, part: 'local' | 'domain' | 'address') => ({ local, domain, address: mailbox })[part],
      );
  }
}
