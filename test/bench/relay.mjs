// node relay.mjs <port to relay to> <round-trip time in ms>: prints its own port and hands every byte on half that time later.
//
// Bytes never wait for each other, so what is pipelined stays pipelined. No bandwidth, loss or slow start is modelled.
import { connect, createServer } from 'node:net';
import { performance } from 'node:perf_hooks';

const [to, rtt] = process.argv.slice(2).map(Number);
/** Held in one direction before the sender is made to wait: a large TCP window. */
const WINDOW = 64 * 1024 * 1024;

function hand(from, into) {
  const queue = [];
  let held = 0;
  let timer = null;
  const flush = () => {
    timer = null;
    const now = performance.now() + 0.3;
    into.cork();
    while (queue.length > 0 && queue[0].due <= now) {
      const { piece } = queue.shift();
      if (piece === null) into.end();
      else {
        held -= piece.length;
        into.write(piece);
      }
    }
    into.uncork();
    if (queue.length > 0) timer = setTimeout(flush, Math.max(1, queue[0].due - performance.now()));
    if (held + into.writableLength < WINDOW) from.resume();
  };
  const take = (piece) => {
    queue.push({ due: performance.now() + rtt / 2, piece });
    held += piece?.length ?? 0;
    timer ??= setTimeout(flush, rtt / 2);
    if (held + into.writableLength > WINDOW) from.pause();
  };
  from.on('data', take);
  from.on('end', () => take(null));
  from.on('error', () => into.destroy());
  from.on('close', () => from.readableEnded || into.destroy());
  into.on('drain', () => from.resume());
}

createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
  const server = connect({ port: to, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
  hand(client, server);
  hand(server, client);
}).listen(0, '127.0.0.1', function () {
  console.log(this.address().port);
});
process.on('SIGTERM', () => process.exit(0));
process.on('disconnect', () => process.exit(0));
