import type { NotifyTemplate, SafeText } from '../../panel/host-panel.js';

export interface Letter {
  readonly subject: string;
  readonly text: string;
}

/** A notice as a plain mail. What a server said is quoted by our own codes only; a link is given where one is known. */
export function letterFor(template: NotifyTemplate, data: SafeText, pages: string | null): Letter {
  const { mailbox = '', message = '', action = '', jobId = '', domain = '', batchId = '' } = data;
  const page = pages === null || jobId === '' ? '' : `${pages}/jobs/${jobId}`;
  switch (template) {
    case 'started':
      return letter(`Your mail is being moved into ${mailbox}`, [
        'The migration has started. You need not do anything; your old mailbox is only read.',
        page,
      ]);
    case 'needs-action':
      return letter(`The migration into ${mailbox} needs you`, [message, action, page]);
    case 'finished':
      return letter(`The migration into ${mailbox} is finished`, [
        data['outcome'] === 'incomplete'
          ? 'Some items could not be copied. The report names each of them.'
          : 'Everything has arrived in the new mailbox.',
        page,
      ]);
    case 'failed':
      return letter(`The migration into ${mailbox} had to stop`, [
        message,
        action,
        'Everything that had arrived until then is kept.',
        page,
      ]);
    case 'invitation':
      return letter(`The password of your old account is needed`, [
        `To move your mail into ${mailbox}, please type the password of your old account on this page:`,
        data['link'] ?? '',
        'The link works once. Nobody who works here can see what you type.',
      ]);
    case 'batch-needs-action':
      return letter(`The migrations of ${domain} need you`, [message, action, batchPage(pages, domain, batchId)]);
    case 'batch-progress':
      return letter(`Migrations of ${domain}: news`, [
        `Started: ${data['started'] ?? 0}, finished: ${data['finished'] ?? 0}, failed: ${data['failed'] ?? 0}, waiting for somebody: ${data['needsAction'] ?? 0}.`,
        data['mailboxes'] ? `To be looked at: ${data['mailboxes']}` : '',
        batchPage(pages, domain, batchId),
      ]);
  }
}

function batchPage(pages: string | null, domain: string, batchId: string): string {
  return pages === null || batchId === '' ? '' : `${pages}/domains/${encodeURIComponent(domain)}/batches/${batchId}`;
}

function letter(subject: string, paragraphs: readonly string[]): Letter {
  return { subject, text: `${paragraphs.filter((text) => text !== '').join('\n\n')}\n` };
}
