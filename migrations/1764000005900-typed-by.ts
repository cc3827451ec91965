import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Whoever typed a password may send it by another port: who that was is kept with it. Of older ones it is not known. */
export class TypedBy1764000005900 implements MigrationInterface {
  name = 'TypedBy1764000005900';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`ALTER TABLE mailferry.credentials ADD typed_by text`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`ALTER TABLE mailferry.credentials DROP typed_by`);
  }
}
