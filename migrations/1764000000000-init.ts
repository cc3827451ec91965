import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Hash partitions of the bindings, by destination mailbox: 10 million rows stay small index by index. */
const BINDING_PARTITIONS = 16;

export class Init1764000000000 implements MigrationInterface {
  name = 'Init1764000000000';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`CREATE SCHEMA IF NOT EXISTS mailferry`);

    await q.query(`CREATE TABLE mailferry.dest_mailboxes (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      tenant text NOT NULL,
      address text NOT NULL,
      epoch bigint NOT NULL DEFAULT 0,
      holder text,
      lease_until timestamptz,
      UNIQUE (tenant, address)
    )`);

    await q.query(`CREATE TABLE mailferry.links (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      dest_mailbox bigint NOT NULL REFERENCES mailferry.dest_mailboxes(id),
      source_kind text NOT NULL,
      account_hash text NOT NULL,
      snapshot_at timestamptz,
      created_at timestamptz NOT NULL DEFAULT now(),
      UNIQUE (dest_mailbox, source_kind, account_hash)
    )`);

    await q.query(`CREATE TABLE mailferry.jobs (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      tenant text NOT NULL,
      domain text NOT NULL,
      mailbox text NOT NULL,
      owner text NOT NULL,
      link uuid REFERENCES mailferry.links(id),
      batch uuid,
      state text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft','queued','running','waiting','paused','needs-action','cancelling','completed','failed','cancelled')),
      outcome text CHECK (outcome IN ('complete','incomplete')),
      reason jsonb,
      until timestamptz,
      source jsonb NOT NULL DEFAULT '{}',
      source_hash text,
      source_host text GENERATED ALWAYS AS (lower(source->>'host')) STORED,
      items text[] NOT NULL DEFAULT '{mail}',
      existing text NOT NULL DEFAULT 'keep' CHECK (existing IN ('keep','replace')),
      confirmed boolean NOT NULL DEFAULT false,
      filters jsonb NOT NULL DEFAULT '{}',
      options jsonb NOT NULL DEFAULT '{}',
      form jsonb NOT NULL DEFAULT '{}',
      next_run text NOT NULL DEFAULT 'first' CHECK (next_run IN ('first','resume','retry','sync')),
      attempts integer NOT NULL DEFAULT 0,
      found bigint NOT NULL DEFAULT 0,
      copied bigint NOT NULL DEFAULT 0,
      already_there bigint NOT NULL DEFAULT 0,
      skipped bigint NOT NULL DEFAULT 0,
      failed bigint NOT NULL DEFAULT 0,
      bytes bigint NOT NULL DEFAULT 0,
      total_bytes bigint NOT NULL DEFAULT 0,
      rate double precision,
      eta_seconds integer,
      tested_at timestamptz,
      tested_hash text,
      test_result jsonb,
      idempotency_key text,
      version bigint NOT NULL DEFAULT 1,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      queued_at timestamptz,
      started_at timestamptz,
      finished_at timestamptz
    )`);
    await q.query(`CREATE UNIQUE INDEX jobs_one_per_link ON mailferry.jobs (link)
      WHERE link IS NOT NULL AND state NOT IN ('draft','completed','failed','cancelled')`);
    await q.query(`CREATE UNIQUE INDEX jobs_idempotency ON mailferry.jobs (tenant, owner, idempotency_key)
      WHERE idempotency_key IS NOT NULL`);
    await q.query(`CREATE INDEX jobs_by_mailbox ON mailferry.jobs (tenant, mailbox, created_at DESC)`);
    await q.query(`CREATE INDEX jobs_by_domain ON mailferry.jobs (tenant, domain, created_at DESC)`);
    await q.query(`CREATE INDEX jobs_by_age ON mailferry.jobs (created_at DESC, id)`);
    await q.query(`CREATE INDEX jobs_at_work ON mailferry.jobs (state, until)
      WHERE state IN ('queued','running','waiting','cancelling')`);

    await q.query(`CREATE TABLE mailferry.runs (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      job uuid NOT NULL REFERENCES mailferry.jobs(id) ON DELETE CASCADE,
      kind text NOT NULL CHECK (kind IN ('first','resume','retry','sync')),
      state text NOT NULL DEFAULT 'running',
      reason jsonb,
      worker uuid,
      beat_at timestamptz NOT NULL DEFAULT now(),
      started_at timestamptz NOT NULL DEFAULT now(),
      finished_at timestamptz
    )`);
    await q.query(`CREATE INDEX runs_by_job ON mailferry.runs (job, started_at)`);
    await q.query(`CREATE UNIQUE INDEX runs_one_at_a_time ON mailferry.runs (job) WHERE state = 'running'`);

    await q.query(`CREATE TABLE mailferry.dest_folders (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      dest_mailbox bigint NOT NULL REFERENCES mailferry.dest_mailboxes(id),
      name text NOT NULL,
      path text[] NOT NULL,
      kind text NOT NULL,
      role text,
      object_id text,
      epoch text NOT NULL,
      pre_existing boolean NOT NULL,
      first_mark numeric NOT NULL,
      mark numeric NOT NULL,
      UNIQUE (dest_mailbox, name)
    )`);

    await q.query(`CREATE TABLE mailferry.folders (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      link uuid NOT NULL REFERENCES mailferry.links(id) ON DELETE CASCADE,
      source_id text NOT NULL,
      path text[] NOT NULL,
      kind text NOT NULL,
      role text,
      epoch text,
      key_scope text NOT NULL,
      selectable boolean NOT NULL,
      subscribed boolean NOT NULL,
      sync_state jsonb,
      dest_folder bigint REFERENCES mailferry.dest_folders(id),
      dest_path text[],
      UNIQUE (link, source_id)
    )`);

    await q.query(`CREATE TABLE mailferry.job_folders (
      job uuid NOT NULL REFERENCES mailferry.jobs(id) ON DELETE CASCADE,
      folder bigint NOT NULL REFERENCES mailferry.folders(id) ON DELETE CASCADE,
      found bigint NOT NULL DEFAULT 0,
      copied bigint NOT NULL DEFAULT 0,
      already_there bigint NOT NULL DEFAULT 0,
      skipped bigint NOT NULL DEFAULT 0,
      failed bigint NOT NULL DEFAULT 0,
      bytes bigint NOT NULL DEFAULT 0,
      total_bytes bigint NOT NULL DEFAULT 0,
      earlier bigint NOT NULL DEFAULT 0,
      earlier_bytes bigint NOT NULL DEFAULT 0,
      settled_bytes bigint NOT NULL DEFAULT 0,
      listed_at timestamptz,
      PRIMARY KEY (job, folder)
    )`);
    // The job's own counters follow its folders' in the same transaction, so no reader ever sees them apart.
    // The columns are named with their table: FOUND alone is a variable of PL/pgSQL.
    await q.query(`CREATE FUNCTION mailferry.add_folder_counts() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        UPDATE mailferry.jobs j SET
          found = j.found + COALESCE(NEW.found, 0) - COALESCE(OLD.found, 0),
          copied = j.copied + COALESCE(NEW.copied, 0) - COALESCE(OLD.copied, 0),
          already_there = j.already_there + COALESCE(NEW.already_there, 0) - COALESCE(OLD.already_there, 0),
          skipped = j.skipped + COALESCE(NEW.skipped, 0) - COALESCE(OLD.skipped, 0),
          failed = j.failed + COALESCE(NEW.failed, 0) - COALESCE(OLD.failed, 0),
          bytes = j.bytes + COALESCE(NEW.bytes, 0) - COALESCE(OLD.bytes, 0),
          total_bytes = j.total_bytes + COALESCE(NEW.total_bytes, 0) - COALESCE(OLD.total_bytes, 0),
          version = j.version + 1,
          updated_at = now()
        WHERE j.id = COALESCE(NEW.job, OLD.job);
        RETURN NULL;
      END $$`);
    await q.query(`CREATE TRIGGER job_folders_counts AFTER INSERT OR UPDATE ON mailferry.job_folders
      FOR EACH ROW EXECUTE FUNCTION mailferry.add_folder_counts()`);

    await q.query(`CREATE TABLE mailferry.intents (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      dest_folder bigint NOT NULL REFERENCES mailferry.dest_folders(id),
      link uuid NOT NULL REFERENCES mailferry.links(id) ON DELETE CASCADE,
      lease_epoch bigint NOT NULL,
      epoch text NOT NULL,
      mark numeric NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now()
    )`);
    await q.query(`CREATE INDEX intents_open ON mailferry.intents (dest_folder)`);
    await q.query(`CREATE INDEX intents_by_link ON mailferry.intents (link)`);
    await q.query(`CREATE TABLE mailferry.intent_items (
      intent bigint NOT NULL REFERENCES mailferry.intents(id) ON DELETE CASCADE,
      folder bigint NOT NULL REFERENCES mailferry.folders(id) ON DELETE CASCADE,
      key bytea NOT NULL CHECK (octet_length(key) <= 16),
      size bigint NOT NULL,
      digest bytea NOT NULL,
      header_digest bytea NOT NULL,
      message_id text,
      date_seconds bigint,
      date_offset smallint,
      flags text[] NOT NULL,
      href text,
      uid text,
      PRIMARY KEY (intent, folder, key)
    )`);

    await q.query(`CREATE TABLE mailferry.bindings (
      dest_mailbox bigint NOT NULL,
      folder bigint NOT NULL,
      key bytea NOT NULL CHECK (octet_length(key) <= 16),
      job uuid,
      dest_folder bigint NOT NULL,
      state text NOT NULL CHECK (state IN ('claimed','verified','existing','merged','removed')),
      epoch text,
      uid numeric,
      href text COLLATE "C",
      etag text,
      size bigint NOT NULL,
      digest bytea,
      flags text[] NOT NULL,
      date_seconds bigint,
      date_offset smallint,
      PRIMARY KEY (dest_mailbox, folder, key)
    ) PARTITION BY HASH (dest_mailbox)`);
    for (let i = 0; i < BINDING_PARTITIONS; i++)
      await q.query(`CREATE TABLE mailferry.bindings_${i} PARTITION OF mailferry.bindings
        FOR VALUES WITH (MODULUS ${BINDING_PARTITIONS}, REMAINDER ${i})`);
    await q.query(`CREATE UNIQUE INDEX bindings_claim_uid ON mailferry.bindings (dest_mailbox, dest_folder, epoch, uid)
      WHERE uid IS NOT NULL AND state <> 'merged'`);
    await q.query(`CREATE UNIQUE INDEX bindings_claim_href ON mailferry.bindings (dest_mailbox, dest_folder, href)
      WHERE href IS NOT NULL AND state <> 'merged'`);

    await q.query(`CREATE TABLE mailferry.refusals (
      job uuid NOT NULL REFERENCES mailferry.jobs(id) ON DELETE CASCADE,
      folder bigint NOT NULL REFERENCES mailferry.folders(id) ON DELETE CASCADE,
      key bytea NOT NULL CHECK (octet_length(key) <= 16),
      outcome text NOT NULL CHECK (outcome IN ('skipped','failed')),
      code text NOT NULL,
      message text NOT NULL,
      server_text text,
      described boolean NOT NULL DEFAULT false,
      subject text,
      sender text,
      date timestamptz,
      size bigint NOT NULL DEFAULT 0,
      at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (job, folder, key)
    )`);
    await q.query(`CREATE INDEX refusals_by_reason ON mailferry.refusals (job, outcome, code)`);

    await q.query(`CREATE TABLE mailferry.remarks (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      job uuid NOT NULL REFERENCES mailferry.jobs(id) ON DELETE CASCADE,
      folder bigint REFERENCES mailferry.folders(id) ON DELETE CASCADE,
      code text NOT NULL,
      detail text NOT NULL DEFAULT '',
      items bigint NOT NULL DEFAULT 1,
      UNIQUE NULLS NOT DISTINCT (job, folder, code, detail)
    )`);

    await q.query(`CREATE TABLE mailferry.credentials (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      tenant text NOT NULL,
      owner uuid NOT NULL,
      field text NOT NULL,
      key_id text NOT NULL,
      wrapped_key bytea NOT NULL,
      nonce bytea NOT NULL,
      ciphertext bytea NOT NULL,
      expires_at timestamptz,
      created_at timestamptz NOT NULL DEFAULT now(),
      UNIQUE (owner, field)
    )`);
    await q.query(`CREATE INDEX credentials_expiring ON mailferry.credentials (expires_at)`);

    await q.query(`CREATE TABLE mailferry.connection_tests (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      purpose text NOT NULL CHECK (purpose IN ('test','sign-in','discover')),
      tenant text NOT NULL,
      requested_by text NOT NULL,
      mailbox text,
      job uuid REFERENCES mailferry.jobs(id) ON DELETE CASCADE,
      source jsonb NOT NULL DEFAULT '{}',
      source_hash text,
      items text[] NOT NULL DEFAULT '{mail}',
      filters jsonb NOT NULL DEFAULT '{}',
      state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued','running','done')),
      result jsonb,
      created_at timestamptz NOT NULL DEFAULT now(),
      started_at timestamptz,
      finished_at timestamptz,
      expires_at timestamptz NOT NULL
    )`);
    await q.query(`CREATE INDEX connection_tests_expiring ON mailferry.connection_tests (expires_at)`);
    await q.query(`CREATE TABLE mailferry.passed_tests (
      source_hash text NOT NULL,
      tenant text NOT NULL,
      at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant, source_hash)
    )`);
    // Counts towards the limits on tests and sign-ins; subject is 'user:...', 'target:...', 'account:...'.
    await q.query(`CREATE TABLE mailferry.attempts (
      subject text NOT NULL,
      at timestamptz NOT NULL DEFAULT now(),
      failed boolean NOT NULL DEFAULT false
    )`);
    await q.query(`CREATE INDEX attempts_by_subject ON mailferry.attempts (subject, at)`);

    await q.query(`CREATE TABLE mailferry.batches (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      tenant text NOT NULL,
      domain text NOT NULL,
      owner text NOT NULL,
      source jsonb NOT NULL DEFAULT '{}',
      options jsonb NOT NULL DEFAULT '{}',
      created_at timestamptz NOT NULL DEFAULT now()
    )`);
    await q.query(`CREATE TABLE mailferry.batch_rows (
      batch uuid NOT NULL REFERENCES mailferry.batches(id) ON DELETE CASCADE,
      row integer NOT NULL,
      mailbox text NOT NULL,
      source_username text NOT NULL DEFAULT '',
      job uuid REFERENCES mailferry.jobs(id) ON DELETE SET NULL,
      code text,
      message text,
      PRIMARY KEY (batch, row)
    )`);
    await q.query(
      `ALTER TABLE mailferry.jobs ADD FOREIGN KEY (batch) REFERENCES mailferry.batches(id) ON DELETE SET NULL`,
    );

    await q.query(`CREATE TABLE mailferry.job_log (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      job uuid NOT NULL REFERENCES mailferry.jobs(id) ON DELETE CASCADE,
      run uuid,
      at timestamptz NOT NULL DEFAULT now(),
      level text NOT NULL,
      message text NOT NULL,
      detail jsonb
    )`);
    await q.query(`CREATE INDEX job_log_by_job ON mailferry.job_log (job, id)`);

    await q.query(`CREATE TABLE mailferry.audit (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      at timestamptz NOT NULL DEFAULT now(),
      tenant text NOT NULL,
      sub text NOT NULL,
      actor text,
      action text NOT NULL,
      job uuid,
      mailbox text,
      ip text,
      detail jsonb
    )`);
    await q.query(`CREATE INDEX audit_by_job ON mailferry.audit (job, id)`);
    await q.query(`CREATE FUNCTION mailferry.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END $$`);
    await q.query(`CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON mailferry.audit
      FOR EACH ROW EXECUTE FUNCTION mailferry.refuse_change()`);

    await q.query(`CREATE TABLE mailferry.workers (
      id uuid PRIMARY KEY,
      host text NOT NULL,
      pid integer NOT NULL,
      started_at timestamptz NOT NULL DEFAULT now(),
      beat_at timestamptz NOT NULL DEFAULT now(),
      jobs integer NOT NULL DEFAULT 0,
      rss_bytes bigint NOT NULL DEFAULT 0,
      draining boolean NOT NULL DEFAULT false
    )`);

    await q.query(`CREATE TABLE mailferry.sessions (
      id bytea PRIMARY KEY,
      principal jsonb NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL
    )`);
    await q.query(`CREATE TABLE mailferry.used_tokens (
      issuer text NOT NULL,
      jti text NOT NULL,
      expires_at timestamptz NOT NULL,
      PRIMARY KEY (issuer, jti)
    )`);
  }

  async down(q: QueryRunner): Promise<void> {
    // The schema stays: TypeORM's own table lies in it and is written after this.
    await q.query(`DO $$ DECLARE found record; BEGIN
      FOR found IN SELECT tablename FROM pg_tables
        WHERE schemaname = 'mailferry' AND tablename NOT IN ('migrations', 'typeorm_metadata')
      LOOP EXECUTE format('DROP TABLE IF EXISTS mailferry.%I CASCADE', found.tablename); END LOOP;
    END $$`);
    await q.query(`DROP FUNCTION mailferry.add_folder_counts()`);
    await q.query(`DROP FUNCTION mailferry.refuse_change()`);
  }
}
