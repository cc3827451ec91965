import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What was read from an account in each hour: some providers let only so much be read in a day. */
export class ReadVolume1764000002100 implements MigrationInterface {
  name = 'ReadVolume1764000002100';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`CREATE TABLE mailferry.read_volume (
      account text NOT NULL,
      hour timestamptz NOT NULL,
      bytes bigint NOT NULL,
      PRIMARY KEY (account, hour)
    )`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`DROP TABLE mailferry.read_volume`);
  }
}
