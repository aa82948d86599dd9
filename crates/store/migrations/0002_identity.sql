-- Identity, whole: confirmed addresses, mail to send, other sign-in ways, second factors, tokens, lockouts.

-- Confirmed addresses.
ALTER TABLE users ADD COLUMN email_verified_at BIGINT;

-- What names look like: nobody registers under a name that reads as another's (UTS 39).
CREATE TABLE likenesses (
    likeness TEXT PRIMARY KEY,
    user_id BYTEA NOT NULL REFERENCES users (id)
) /*strict*/;

-- What a session was begun with: `ordinary`, `breakglass`, or `guest` for the bearer of a user token.
ALTER TABLE sessions ADD COLUMN kind TEXT NOT NULL DEFAULT 'ordinary';
-- When its user last proved who they are (step-up asks for a recent proof).
ALTER TABLE sessions ADD COLUMN proven_at BIGINT NOT NULL DEFAULT 0;
-- Whether a second factor was part of that proof.
ALTER TABLE sessions ADD COLUMN strong BIGINT NOT NULL DEFAULT 0 CHECK (strong IN (0, 1));

-- Whether a second factor was part of the sign-in that a family of tokens descends from.
ALTER TABLE families ADD COLUMN strong BIGINT NOT NULL DEFAULT 0 CHECK (strong IN (0, 1));

-- Whether the user's rights have changed since it got its id: it gets another at its next use. For a moment the former
-- one is still good, for requests that were under way.
ALTER TABLE sessions ADD COLUMN stale BIGINT NOT NULL DEFAULT 0 CHECK (stale IN (0, 1));
ALTER TABLE sessions ADD COLUMN former BYTEA;
ALTER TABLE sessions ADD COLUMN former_until BIGINT NOT NULL DEFAULT 0;
CREATE INDEX sessions_former ON sessions (former);

-- What may happen once only and was not kept elsewhere: callbacks, logout tokens.
CREATE TABLE spent (
    digest BYTEA PRIMARY KEY,
    expires_at BIGINT NOT NULL
) /*strict*/;
CREATE INDEX spent_expiry ON spent (expires_at);

-- Ceremonies of several steps: a sign-in that waits for its second factor, a passkey's challenge.
CREATE TABLE pending (
    digest BYTEA PRIMARY KEY,
    kind TEXT NOT NULL,
    user_id BYTEA REFERENCES users (id),
    state BYTEA NOT NULL,
    tries BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
) /*strict*/;
CREATE INDEX pending_user ON pending (user_id);
CREATE INDEX pending_expiry ON pending (expires_at);

-- Failed proofs by address, account and known device: keyed digests, never names. Times of failures and of
-- attempts whose end is not known yet are packed, eight bytes each.
CREATE TABLE lockouts (
    key BYTEA PRIMARY KEY,
    owner BYTEA,
    failures BYTEA NOT NULL,
    pending BYTEA NOT NULL,
    lockings BIGINT NOT NULL,
    locked_until BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
) /*strict*/;
CREATE INDEX lockouts_owner ON lockouts (owner);
CREATE INDEX lockouts_expiry ON lockouts (expires_at);

-- Mail that waits to be sent. Sealed: it may hold a link.
CREATE TABLE outbox (
    id BYTEA PRIMARY KEY,
    sealed BYTEA NOT NULL,
    tries BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
) /*strict*/;
CREATE INDEX outbox_next ON outbox (next_at);
CREATE INDEX outbox_expiry ON outbox (expires_at);

-- How many letters a recipient got that anybody may ask for: keyed digests, never addresses.
CREATE TABLE postings (
    recipient BYTEA PRIMARY KEY,
    letters BIGINT NOT NULL,
    ends BIGINT NOT NULL
) /*strict*/;
CREATE INDEX postings_end ON postings (ends);

-- Registrations that wait for their address to be confirmed. Sealed: name, address and the password's hash.
CREATE TABLE sign_ups (
    digest BYTEA PRIMARY KEY,
    sealed BYTEA NOT NULL,
    expires_at BIGINT NOT NULL
) /*strict*/;
CREATE INDEX sign_ups_expiry ON sign_ups (expires_at);

-- The address that a link was mailed to, or leads to.
ALTER TABLE links ADD COLUMN email TEXT;

-- Accounts elsewhere, by (issuer, subject).
CREATE TABLE identities (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id BYTEA NOT NULL REFERENCES users (id),
    provider TEXT NOT NULL,
    email TEXT,
    linked_at BIGINT NOT NULL,
    last_used BIGINT,
    -- Names of the roles that came by it: they go when the provider takes them away.
    roles TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (issuer, subject)
) /*strict*/;
CREATE INDEX identities_user ON identities (user_id);

-- Which sessions an issuer began, so that its back-channel logout ends them.
CREATE TABLE session_issuers (
    session_id BYTEA PRIMARY KEY,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    sid TEXT,
    -- The ID token by which the provider knows the session again at sign-out, sealed.
    hint BYTEA
) /*strict*/;
CREATE INDEX session_issuers_subject ON session_issuers (issuer, subject);

-- Second factors.
CREATE TABLE totp (
    user_id BYTEA PRIMARY KEY REFERENCES users (id),
    sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    last_step BIGINT NOT NULL
) /*strict*/;
CREATE TABLE recovery_codes (
    user_id BYTEA NOT NULL REFERENCES users (id),
    digest BYTEA NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (user_id, digest)
) /*strict*/;
CREATE TABLE passkeys (
    id BYTEA PRIMARY KEY,
    user_id BYTEA NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    credential TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used BIGINT
) /*strict*/;
CREATE INDEX passkeys_user ON passkeys (user_id);

-- Tokens of administrators, of users and of programs, and breakglass tokens: digests. A breakglass token that was
-- used is enabled until its session is over and its report is made.
CREATE TABLE api_tokens (
    id BYTEA PRIMARY KEY,
    digest BYTEA NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    user_id BYTEA NOT NULL REFERENCES users (id),
    scopes TEXT NOT NULL,
    networks TEXT NOT NULL,
    reason TEXT,
    enabled BIGINT NOT NULL CHECK (enabled IN (0, 1)),
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used BIGINT,
    used_at BIGINT,
    replaced_by BYTEA
) /*strict*/;
CREATE INDEX api_tokens_user ON api_tokens (user_id);
-- Which sessions a token began, so that they end with it.
CREATE TABLE session_tokens (
    session_id BYTEA PRIMARY KEY,
    token_id BYTEA NOT NULL
) /*strict*/;
CREATE INDEX session_tokens_token ON session_tokens (token_id);
CREATE INDEX api_tokens_used ON api_tokens (used_at) WHERE used_at IS NOT NULL;

-- Signing keys, with overlap while they rotate.
CREATE TABLE signing_keys (
    id TEXT PRIMARY KEY,
    purpose TEXT NOT NULL,
    kind TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    active_from BIGINT NOT NULL,
    retired_at BIGINT
) /*strict*/;
CREATE INDEX signing_keys_purpose ON signing_keys (purpose, active_from);
