// Reads a mailbox over IMAP by means of its own, and compares two of them message by message: bytes, flags and keywords, dates,
// folders, subscriptions. Nothing of the product is used here.
import { createHash } from 'node:crypto';
import { connect } from 'node:net';

/**
 * @returns {Promise<{ folders: Map<string, string[]>, subscribed: Set<string> }>} each message as one line: digest, date, flags.
 */
export async function readMailbox({ port, user, password }) {
  const imap = await open(port);
  await imap.run(`LOGIN "${user}" "${password}"`);
  const folders = new Map();
  for (const name of await imap.names('LIST')) {
    const messages = [];
    try {
      await imap.run(`EXAMINE ${name}`);
    } catch {
      continue;
    }
    folders.set(name, messages);
    await imap
      .run('FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[])', (line, digest) => {
        // Dovecot says "* OK Still here" when a command takes minutes.
        if (!/^\* \d+ FETCH /i.test(line)) return;
        const flags = /FLAGS \(([^)]*)\)/.exec(line)?.[1] ?? '';
        const date = /INTERNALDATE "([^"]*)"/.exec(line)?.[1] ?? '';
        const seconds = Date.parse(date.trim().replace(/^(\d+)-(\w+)-(\d+)/, '$1 $2 $3')) / 1000;
        const known = flags.split(' ').filter((flag) => flag !== '' && flag !== '\\Recent');
        messages.push(`${digest} ${seconds} ${known.sort().join(' ').toLowerCase()}`);
      })
      .catch((error) => {
        if (!/no messages|invalid messageset/i.test(error.message)) throw error;
      });
  }
  const subscribed = new Set(await imap.names('LSUB'));
  imap.end();
  return { folders, subscribed };
}

/** One line: 'exact', or what differs. */
export function compare(source, destination) {
  const found = { missing: 0, extra: 0, bytes: 0, flagsOrDates: 0, folders: 0, subscriptions: 0 };
  let messages = 0;
  for (const [name, sent] of source.folders) {
    const there = destination.folders.get(name);
    if (!there) found.folders++;
    messages += sent.length;
    const { left, right } = unmatched(sent, there ?? [], (line) => line);
    const bodies = unmatched(left, right, (line) => line.split(' ')[0]);
    found.flagsOrDates += left.length - bodies.left.length;
    // The same number under other digests: somebody added a header.
    const changed = Math.min(bodies.left.length, bodies.right.length);
    found.bytes += changed;
    found.missing += bodies.left.length - changed;
    found.extra += bodies.right.length - changed;
  }
  for (const [name, there] of destination.folders) if (!source.folders.has(name)) found.extra += there.length;
  for (const name of source.subscribed) if (!destination.subscribed.has(name)) found.subscriptions++;
  const wrong = Object.entries(found).filter(([, count]) => count > 0);
  return wrong.length === 0 ? `exact (${messages})` : wrong.map(([what, count]) => `${what} ${count}`).join(', ');
}

function unmatched(a, b, key) {
  const free = new Map();
  for (const one of b) free.set(key(one), [...(free.get(key(one)) ?? []), one]);
  const left = a.filter((one) => free.get(key(one))?.pop() === undefined);
  return { left, right: [...free.values()].flat() };
}

/** A client for one server that behaves: lines, counted literals that are hashed as they come, one command at a time. */
function open(port) {
  const socket = connect({ port, host: '127.0.0.1' });
  let line = '';
  let need = 0;
  let hash = null;
  let digest = null;
  let waiting = null;
  const rest = [];
  const end = (error) => waiting?.fail(error);
  const whole = (text) => {
    if (text.startsWith('A ') && waiting) {
      const { done, fail } = waiting;
      waiting = null;
      if (text.startsWith('A OK')) done();
      else fail(new Error(text));
    } else waiting?.each?.(text, digest);
    digest = null;
  };
  socket.on('data', (piece) => {
    for (let at = 0; at < piece.length;) {
      if (need > 0) {
        const part = piece.subarray(at, at + need);
        hash.update(part);
        need -= part.length;
        at += part.length;
        if (need === 0) digest = hash.digest('hex').slice(0, 32);
        continue;
      }
      const lf = piece.indexOf(10, at);
      if (lf < 0) {
        rest.push(piece.subarray(at));
        break;
      }
      rest.push(piece.subarray(at, lf));
      at = lf + 1;
      line += Buffer.concat(rest.splice(0)).toString('latin1').replace(/\r$/, '');
      const literal = /\{(\d+)\}$/.exec(line);
      if (literal) {
        need = Number(literal[1]);
        hash = createHash('sha256');
        line = line.slice(0, literal.index);
        continue;
      }
      whole(line);
      line = '';
    }
  });
  socket.on('error', end);
  socket.on('close', () => end(new Error('the connection was closed')));
  const run = (command, each) =>
    new Promise((done, fail) => {
      waiting = { done, fail, each };
      socket.write(`A ${command}\r\n`);
    });
  const names = async (verb) => {
    const found = [];
    await run(`${verb} "" "*"`, (text) => {
      const match = /^\* (?:LIST|LSUB) \(([^)]*)\) (?:"[^"]*"|NIL) (.*)$/.exec(text);
      if (match && !/\\(noselect|nonexistent)/i.test(match[1])) found.push(quoted(match[2]));
    });
    return found;
  };
  return new Promise((done, fail) => {
    socket.once('error', fail);
    socket.once('connect', () => done({ run, names, end: () => socket.destroy() }));
  });
}

function quoted(name) {
  return name.startsWith('"') ? name : `"${name}"`;
}
