//! Breakglass: the way in when mail, second factor and identity provider fail (ID-13).
//!
//! Each token has a user of its own, without a role and without a password: whatever is done in its session carries
//! that user in the trail, by whichever path it was done, and outside of the session the user can do nothing. The
//! session has the policy's role of administrators, ends for good at its time, and when it is over its report is made once.

use std::time::Duration;

use palisade_model::audit::Origin;
use palisade_model::id::KeyId;
use palisade_model::{Action, Denial, Refusal};
use palisade_store::{ApiToken, AuditQuery, AuditRow, SessionKind, StoreError, Subject, TokenKind, User};

use crate::access::{Access, entry, unchanged, unknowable, unrandom};
use crate::principal::Principal;
use crate::service::api_key::done;
use crate::service::api_key::make::MadeKey;
use crate::service::session::{NewSession, Proof, left};
use crate::token::opaque::{self, Form};

/// The least and the longest time until a breakglass token is used.
const WAIT: std::ops::RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(24 * 60 * 60);

/// The longest reason, in characters.
const REASON_CHARS: usize = 500;

/// So many rows of the trail a report lists at most; it says when there are more.
const MOST: usize = 10_000;

/// The reason in a [`Refusal`] that says that somebody holds a breakglass token that was used before: an alert.
pub const BREAKGLASS_SPENT: &str = "breakglass token was used before, or is over";

/// What was done by a breakglass token.
#[derive(Clone, Debug)]
pub struct BreakglassReport {
    /// The token.
    pub token: ApiToken,
    /// What the trail says of its user, the oldest first.
    pub rows: Vec<AuditRow>,
    /// Whether there are more rows than are listed.
    pub more: bool,
}

impl BreakglassReport {
    /// What was changed: all but that its session began and ended.
    pub fn changes(&self) -> impl Iterator<Item = &AuditRow> {
        let frame = [Action::SignedOut, Action::BreakglassUsed, Action::BreakglassClosed];
        self.rows.iter().filter(move |row| !frame.iter().any(|action| action.name() == row.action))
    }
}

impl Access {
    /// Makes a breakglass token: for whoever has the host. It asks for no mail, no second factor and no provider.
    ///
    /// # Errors
    /// [`Denial::InvalidInput`] with the fields `reason`, `ttl`; the store's failures.
    pub async fn issue_breakglass(
        &self,
        reason: &str,
        ttl: Duration,
        origin: &Origin,
    ) -> Result<MadeKey, Refusal> {
        let reason = reason.trim();
        if !(1..=REASON_CHARS).contains(&reason.chars().count()) || reason.chars().any(char::is_control) {
            return Err(Refusal::field("reason", "Say why, in at most 500 characters."));
        }
        if !WAIT.contains(&ttl) {
            return Err(Refusal::field("ttl", "Choose a time between a minute and a day."));
        }
        let (now, entropy) = (self.now(), &*self.0.world.entropy);
        let token = opaque::make(TokenKind::Breakglass, entropy).map_err(unrandom)?;
        let id = KeyId::generate(now, entropy).map_err(unrandom)?;
        let user = self.breakglass_user().await?;
        let kept = ApiToken {
            id,
            digest: opaque::digest(token.expose()),
            kind: TokenKind::Breakglass,
            name: user.name.clone(),
            user: user.id,
            scopes: String::new(),
            networks: String::new(),
            reason: Some(reason.to_owned()),
            enabled: true,
            created_at: now,
            expires_at: Some(now.plus(ttl)),
            last_used: None,
            used_at: None,
            replaced_by: None,
        };
        let row = done(Action::BreakglassIssued, id, None, origin).change("reason", (), reason);
        self.store().create_api_token(&kept, None, vec![row]).await.map_err(unchanged)?;
        Ok(MadeKey { token, kept })
    }

    /// A user that is only there so that the trail has a name for what is done.
    async fn breakglass_user(&self) -> Result<User, Refusal> {
        let user = self.bearer_user(self.bearer_name("breakglass")?, Vec::new())?;
        let mut row = entry(Action::UserCreated, "user", &user.id, &user, &Origin::default());
        row.user = None;
        self.store().create_user(&user, vec![row]).await.map_err(unchanged)?;
        Ok(user)
    }

    /// A boxed session for a breakglass token, which is used up by it: of all who show it, one gets in. `former` is whom
    /// the browser's cookie named before: that session ends.
    ///
    /// # Errors
    /// [`Denial::CredentialInvalid`] for a token that is unknown, over or used, with [`BREAKGLASS_SPENT`] as its reason
    /// where its form was right; the store's failures.
    pub async fn redeem_breakglass(
        &self,
        token: &str,
        origin: &Origin,
        former: Option<&Principal>,
    ) -> Result<NewSession, Refusal> {
        let Form::Ours(TokenKind::Breakglass, digest) = opaque::judge(token) else {
            return Err(Refusal::new(Denial::CredentialInvalid, "no breakglass token"));
        };
        let spent = || Refusal::new(Denial::CredentialInvalid, BREAKGLASS_SPENT);
        let found = self.store().live_api_token(&digest).await.map_err(unknowable)?;
        let (kept, user) = found.filter(|(kept, _)| kept.kind == TokenKind::Breakglass).ok_or_else(spent)?;
        let life = self.policy().identify.breakglass.session;
        let (cookie, session) = self.draft(user.id, SessionKind::Breakglass, Proof::NONE, life, origin)?;
        let row = entry(Action::BreakglassUsed, "api_key", &kept.id, &user, origin)
            .change("session", (), session.id.to_string())
            .change("reason", (), kept.reason.as_deref());
        let left = left(former, origin);
        let ended = left.as_ref().map(|(id, ..)| Subject::Session(*id));
        match self.store().use_breakglass(&digest, &session, left, vec![row]).await {
            Ok(true) => {}
            Ok(false) | Err(StoreError::Gone) => return Err(spent()),
            Err(error) => return Err(unchanged(error)),
        }
        self.revoke(ended.as_slice());
        self.handed(&user, &session, cookie, origin)
    }

    /// Closes the breakglass tokens whose session is over, on whichever node comes first, and reports of each once.
    ///
    /// # Errors
    /// The store's failures; what was not closed is there the next time.
    pub async fn close_breakglass(&self) -> Result<Vec<BreakglassReport>, Refusal> {
        let mut reports = Vec::new();
        for token in self.store().breakglass_over(self.now()).await.map_err(unknowable)? {
            let report = self.report_on(token).await?;
            let changes = report.changes().count();
            let token = &report.token;
            let row = done(Action::BreakglassClosed, token.id, Some(token.user), &Origin::default()).change(
                "changes",
                (),
                changes,
            );
            if self.store().close_breakglass(token, vec![row]).await.map_err(unchanged)? {
                self.revoke(&[Subject::User(token.user)]);
                reports.push(report);
            }
        }
        Ok(reports)
    }

    /// What was done by a breakglass token so far; `None` when there is none of that id.
    ///
    /// # Errors
    /// The store's failures.
    pub async fn breakglass_report(&self, id: KeyId) -> Result<Option<BreakglassReport>, Refusal> {
        let token = self.store().api_token(id).await.map_err(unknowable)?;
        match token.filter(|token| token.kind == TokenKind::Breakglass) {
            Some(token) => self.report_on(token).await.map(Some),
            None => Ok(None),
        }
    }

    async fn report_on(&self, token: ApiToken) -> Result<BreakglassReport, Refusal> {
        let mut rows: Vec<AuditRow> = Vec::new();
        loop {
            let query = AuditQuery {
                user: Some(token.user),
                after: rows.last().map(|row| row.seq),
                limit: 1000,
                ..AuditQuery::default()
            };
            let page = self.store().audit_rows(&query).await.map_err(unknowable)?;
            let last = page.len() < 1000;
            rows.extend(page);
            if last || rows.len() >= MOST {
                return Ok(BreakglassReport { token, more: !last, rows });
            }
        }
    }
}
