/**
 * Somebody would be told: the server's own agent speaks for a property that does not say otherwise (RFC 6638 section 7.1). Whom an alarm writes to is
 * nobody's guest.
 */
export function hasGuests(body: Uint8Array): boolean {
  const lines = Buffer.from(body)
    .toString('latin1')
    .replace(/\r?\n[ \t]/g, '')
    .split(/\r?\n/);
  let inAlarm = false;
  return lines.some((line) => {
    const edge = /^(BEGIN|END):VALARM\s*$/i.exec(line);
    if (edge !== null) inAlarm = edge[1]!.toUpperCase() === 'BEGIN';
    // What stands in quotes is somebody's name, unless it is the value itself.
    const plain = line.replace(/"(NONE|CLIENT)"/gi, '$1').replace(/"[^"]*"/g, '');
    return (
      !inAlarm && /^(ATTENDEE|ORGANIZER)[;:]/i.test(line) && !/^[^:]*;SCHEDULE-AGENT=(NONE|CLIENT)[;:]/i.test(plain)
    );
  });
}
