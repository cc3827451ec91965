import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** An SMTP server that takes everything and remembers it (RFC 5321). */
export function smtp(mails: string[] = []): Promise<{ server: Server; port: number; mails: string[] }> {
  const server = createServer((socket: Socket) => {
    let text = '';
    let body = false;
    // Who hangs up without waiting for the goodbye has sent his mail all the same.
    socket.on('error', () => socket.destroy());
    socket.write('220 mail.test ESMTP\r\n');
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      for (let end = text.indexOf('\r\n'); !body && end >= 0; end = text.indexOf('\r\n')) {
        const line = text.slice(0, end);
        text = text.slice(end + 2);
        if (/^EHLO/i.test(line)) socket.write('250-mail.test\r\n250 SIZE 1000000\r\n');
        else if (/^DATA/i.test(line)) {
          body = true;
          socket.write('354 go on\r\n');
        } else if (/^QUIT/i.test(line)) socket.end('221 bye\r\n');
        else socket.write('250 ok\r\n');
      }
      if (body && text.endsWith('\r\n.\r\n')) {
        mails.push(text);
        body = false;
        text = '';
        socket.write('250 taken\r\n');
      }
    });
  });
  return new Promise((done) =>
    server.listen(0, '127.0.0.1', () => done({ server, port: (server.address() as AddressInfo).port, mails })),
  );
}
