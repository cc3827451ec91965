import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who carries a job out: the workers, or the one command in a shell that started it. */
export class ShellJobs1764000003500 implements MigrationInterface {
  name = 'ShellJobs1764000003500';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`ALTER TABLE mailferry.jobs ADD COLUMN runner text NOT NULL DEFAULT 'workers'
      CHECK (runner IN ('workers','shell'))`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`ALTER TABLE mailferry.jobs DROP COLUMN runner`);
  }
}
