-- Users, sessions, refresh families, one-time links, kept secrets, counters, the feed and the trail.

CREATE TABLE users (
    id BYTEA PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT,
    tenant TEXT,
    roles TEXT NOT NULL,
    password TEXT,
    password_at BIGINT,
    enabled BIGINT NOT NULL CHECK (enabled IN (0, 1)),
    created_at BIGINT NOT NULL
) /*strict*/;

-- Names and e-mails in lower case share one key, so that nobody can take a name that is another's e-mail.
CREATE TABLE logins (
    login TEXT PRIMARY KEY,
    user_id BYTEA NOT NULL REFERENCES users (id)
) /*strict*/;
CREATE INDEX logins_user ON logins (user_id);

-- Former passwords, the latest with the highest number.
CREATE TABLE password_history (
    user_id BYTEA NOT NULL REFERENCES users (id),
    number BIGINT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (user_id, number)
) /*strict*/;

CREATE TABLE sessions (
    digest BYTEA PRIMARY KEY,
    id BYTEA NOT NULL UNIQUE,
    user_id BYTEA NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    address TEXT,
    agent TEXT
) /*strict*/;
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE families (
    id BYTEA PRIMARY KEY,
    user_id BYTEA NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
) /*strict*/;
CREATE INDEX families_user ON families (user_id);

CREATE TABLE refresh_tokens (
    digest BYTEA PRIMARY KEY,
    family_id BYTEA NOT NULL REFERENCES families (id),
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    successor BYTEA
) /*strict*/;
CREATE INDEX refresh_tokens_family ON refresh_tokens (family_id);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);

CREATE TABLE links (
    digest BYTEA PRIMARY KEY,
    user_id BYTEA NOT NULL REFERENCES users (id),
    purpose TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
) /*strict*/;
CREATE INDEX links_user ON links (user_id);
CREATE INDEX links_expiry ON links (expires_at);

CREATE TABLE kept_secrets (
    name TEXT PRIMARY KEY,
    sealed BYTEA NOT NULL
) /*strict*/;

CREATE TABLE counters (
    key BYTEA NOT NULL,
    slot BIGINT NOT NULL,
    count BIGINT NOT NULL,
    span BIGINT NOT NULL,
    hits BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (key, slot)
) /*strict*/;
CREATE INDEX counters_expiry ON counters (expires_at);

-- One row. Whoever locks it may append to the trail and to the feed, so both are in the order of commits.
CREATE TABLE head (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    store_id TEXT NOT NULL,
    audit_seq BIGINT NOT NULL,
    audit_hash BYTEA NOT NULL CHECK (length(audit_hash) = 32),
    feed_seq BIGINT NOT NULL,
    feed_floor BIGINT NOT NULL
) /*strict*/;

-- What caches of other nodes have to forget.
CREATE TABLE feed (
    seq BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    id BYTEA NOT NULL
) /*strict*/;

CREATE TABLE audit (
    seq BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    action TEXT NOT NULL,
    user_id BYTEA,
    tenant TEXT,
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    request_id TEXT,
    personal BYTEA NOT NULL CHECK (length(personal) = 32),
    hash BYTEA NOT NULL CHECK (length(hash) = 32)
) /*strict*/;
CREATE INDEX audit_user ON audit (user_id, seq);
CREATE INDEX audit_entity ON audit (entity_type, entity_id, seq);
CREATE INDEX audit_tenant ON audit (tenant, seq);

-- What can name a person, apart from the rest, so that it can be erased without breaking the chain.
CREATE TABLE audit_personal (
    seq BIGINT PRIMARY KEY REFERENCES audit (seq),
    salt BYTEA NOT NULL CHECK (length(salt) = 16),
    body TEXT NOT NULL
) /*strict*/;

-- The trail is append-only: the next row and nothing else.

--only sqlite
CREATE TRIGGER audit_next BEFORE INSERT ON audit
WHEN NEW.seq IS NOT (SELECT COALESCE(MAX(seq), 0) + 1 FROM audit)
BEGIN SELECT RAISE(ABORT, 'the trail is append-only'); END;
CREATE TRIGGER audit_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the trail is append-only'); END;
CREATE TRIGGER audit_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the trail is append-only'); END;
-- INSERT OR REPLACE deletes without firing the delete trigger, hence the look before an insert.
CREATE TRIGGER audit_personal_next BEFORE INSERT ON audit_personal
WHEN EXISTS (SELECT 1 FROM audit_personal WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the trail is append-only'); END;
CREATE TRIGGER audit_personal_update BEFORE UPDATE ON audit_personal
BEGIN SELECT RAISE(ABORT, 'the trail is append-only'); END;
CREATE TRIGGER audit_personal_delete BEFORE DELETE ON audit_personal
BEGIN SELECT RAISE(ABORT, 'the trail is append-only'); END;
CREATE TRIGGER head_once BEFORE INSERT ON head
WHEN EXISTS (SELECT 1 FROM head)
BEGIN SELECT RAISE(ABORT, 'the head cannot be replaced'); END;
CREATE TRIGGER head_forward BEFORE UPDATE ON head
WHEN NEW.id IS NOT OLD.id OR NEW.store_id IS NOT OLD.store_id
  OR NEW.audit_seq < OLD.audit_seq OR NEW.feed_seq < OLD.feed_seq
  OR (NEW.audit_seq = OLD.audit_seq AND NEW.audit_hash IS NOT OLD.audit_hash)
BEGIN SELECT RAISE(ABORT, 'the head moves forward only'); END;
CREATE TRIGGER head_stays BEFORE DELETE ON head
BEGIN SELECT RAISE(ABORT, 'the head cannot be removed'); END;

--only postgres
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = palisade, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE FUNCTION audit_next() RETURNS trigger LANGUAGE plpgsql SET search_path = palisade, pg_temp AS $$
BEGIN
    IF NEW.seq IS DISTINCT FROM (SELECT COALESCE(MAX(seq), 0) + 1 FROM audit) THEN
        RAISE EXCEPTION 'audit is append-only';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION head_forward() RETURNS trigger LANGUAGE plpgsql SET search_path = palisade, pg_temp AS $$
BEGIN
    IF NEW.id <> OLD.id OR NEW.store_id <> OLD.store_id
        OR NEW.audit_seq < OLD.audit_seq OR NEW.feed_seq < OLD.feed_seq
        OR (NEW.audit_seq = OLD.audit_seq AND NEW.audit_hash <> OLD.audit_hash) THEN
        RAISE EXCEPTION 'the head moves forward only';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_next BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_next();
CREATE TRIGGER audit_change BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_truncate BEFORE TRUNCATE ON audit EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_personal_change BEFORE UPDATE OR DELETE ON audit_personal
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_personal_truncate BEFORE TRUNCATE ON audit_personal EXECUTE FUNCTION refuse_change();
CREATE TRIGGER head_forward BEFORE UPDATE ON head FOR EACH ROW EXECUTE FUNCTION head_forward();
CREATE TRIGGER head_stays BEFORE DELETE ON head FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER head_truncate BEFORE TRUNCATE ON head EXECUTE FUNCTION refuse_change();
-- Also in a session that calls itself a replica.
ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_next;
ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_change;
ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_truncate;
ALTER TABLE audit_personal ENABLE ALWAYS TRIGGER audit_personal_change;
ALTER TABLE audit_personal ENABLE ALWAYS TRIGGER audit_personal_truncate;
ALTER TABLE head ENABLE ALWAYS TRIGGER head_forward;
ALTER TABLE head ENABLE ALWAYS TRIGGER head_stays;
ALTER TABLE head ENABLE ALWAYS TRIGGER head_truncate;
