import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What all workers share: connections that are open to old servers, and whose turn it was last. */
export class Fairness1764000003510 implements MigrationInterface {
  name = 'Fairness1764000003510';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`CREATE TABLE mailferry.source_slots (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      host text NOT NULL,
      account text NOT NULL,
      holder uuid NOT NULL,
      until timestamptz NOT NULL
    )`);
    await q.query(`CREATE INDEX source_slots_by_host ON mailferry.source_slots (host)`);
    await q.query(`CREATE INDEX source_slots_by_holder ON mailferry.source_slots (holder)`);
    await q.query(`CREATE TABLE mailferry.turns (
      who text PRIMARY KEY,
      at timestamptz NOT NULL
    )`);
    await q.query(`CREATE INDEX jobs_queued ON mailferry.jobs (queued_at) WHERE state = 'queued'`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`DROP INDEX mailferry.jobs_queued`);
    await q.query(`DROP TABLE mailferry.turns`);
    await q.query(`DROP TABLE mailferry.source_slots`);
  }
}
