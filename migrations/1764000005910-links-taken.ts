import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A link that a worker is about to have mailed is nobody else's for a while; one that the panel refused waits its turn. */
export class LinksTaken1764000005910 implements MigrationInterface {
  name = 'LinksTaken1764000005910';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`ALTER TABLE mailferry.password_links ADD send_after timestamptz`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`ALTER TABLE mailferry.password_links DROP send_after`);
  }
}
