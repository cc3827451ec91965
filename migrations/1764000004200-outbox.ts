import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What people and other programs are to be told: written with the change itself, sent by a worker. */
export class Outbox1764000004200 implements MigrationInterface {
  name = 'Outbox1764000004200';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`CREATE TABLE mailferry.outbox (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      tenant text NOT NULL,
      channel text NOT NULL CHECK (channel IN ('notify', 'webhook')),
      target text NOT NULL,
      template text NOT NULL,
      job uuid NOT NULL,
      batch uuid,
      data jsonb NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      due_at timestamptz NOT NULL DEFAULT now(),
      attempts integer NOT NULL DEFAULT 0,
      sent_at timestamptz,
      failed_at timestamptz,
      error text
    )`);
    await q.query(`CREATE INDEX outbox_due ON mailferry.outbox (due_at) WHERE sent_at IS NULL AND failed_at IS NULL`);
    await q.query(`CREATE INDEX outbox_by_batch ON mailferry.outbox (batch)
      WHERE batch IS NOT NULL AND sent_at IS NULL AND failed_at IS NULL`);
    await q.query(`CREATE INDEX outbox_old ON mailferry.outbox (created_at)`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`DROP TABLE mailferry.outbox`);
  }
}
