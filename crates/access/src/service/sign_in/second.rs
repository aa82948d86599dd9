//! The second step of a sign-in: a ticket, and a factor shown for it (ID-17).

use palisade_model::audit::Origin;
use palisade_model::{Denial, Refusal, Timestamp, Token};
use palisade_store::{FactorPurpose, Pending, User};

use crate::access::{Access, unchanged, unknowable};
use crate::lockout::{Subjects, Trial};
use crate::principal::Principal;
use crate::service::session::{NewSession, Proof};
use crate::service::sign_in::enter::{First, Method, SECOND, Waiting};
use crate::service::sign_in::show::{Challenge, Shown};
use crate::service::sign_in::tokens::Tokens;

/// How often a second factor may be tried with one ticket.
const TRIES: u32 = 5;

/// What a second step led to.
#[derive(Debug)]
pub enum Completed {
    /// A session.
    Session(NewSession),
    /// Tokens, as they were asked for in the first step.
    Tokens(Tokens),
}

impl Access {
    /// What can be shown for a ticket, until when, and whose it is. Looking changes nothing.
    ///
    /// # Errors
    /// [`Denial::TicketInvalid`] for one that is over, was tried too often, or never was.
    pub async fn waiting(&self, ticket: &str) -> Result<(Vec<Method>, Timestamp), Refusal> {
        let digest = Token::digest_of(ticket).ok_or(Denial::TicketInvalid)?;
        let pending = self.store().pending(&digest, SECOND).await.map_err(unknowable)?;
        let pending = pending.filter(|pending| pending.tries < TRIES).ok_or(Denial::TicketInvalid)?;
        let user = pending.user.ok_or(Denial::TicketInvalid)?;
        let factors = self.store().factors(user).await.map_err(unknowable)?;
        Ok((Method::of(factors), pending.expires_at))
    }

    /// A challenge for a passkey of whoever holds this ticket.
    ///
    /// # Errors
    /// [`Denial::TicketInvalid`]; [`Denial::RouteUnknown`] where there are no passkeys; the store's failures.
    pub async fn second_challenge(&self, ticket: &str) -> Result<Challenge, Refusal> {
        let digest = Token::digest_of(ticket).ok_or(Denial::TicketInvalid)?;
        let pending = self.store().pending(&digest, SECOND).await.map_err(unknowable)?;
        let user = pending.and_then(|pending| pending.user).ok_or(Denial::TicketInvalid)?;
        self.challenge_of(user).await
    }

    /// Signs in whoever holds this ticket and shows their second factor. Each try counts, whatever becomes of it.
    ///
    /// # Errors
    /// [`Denial::FactorWrong`]; [`Denial::TicketInvalid`]; the store's failures.
    pub async fn second(
        &self,
        ticket: &str,
        shown: &Shown,
        origin: &Origin,
        former: Option<&Principal>,
    ) -> Result<Completed, Refusal> {
        let over = |why: &'static str| Refusal::new(Denial::TicketInvalid, why);
        let digest = Token::digest_of(ticket).ok_or_else(|| over("the ticket is malformed"))?;
        let pending = self.store().try_pending(&digest, SECOND, TRIES).await.map_err(unchanged)?;
        let pending = pending.ok_or_else(|| over("the ticket is unknown, over, or was tried too often"))?;
        let waiting: Waiting = serde_json::from_slice(&pending.state)
            .map_err(|_| Refusal::new(Denial::Internal, "a waiting sign-in could not be read"))?;
        let user = self.user_of(&pending).await?.ok_or_else(|| over("the ticket of nobody"))?;
        let purpose = FactorPurpose::Second { kind: SECOND, digest };
        let subjects = Subjects::user(Trial::Factor, &user);
        self.show(subjects, &user, shown, purpose, Vec::new(), origin).await?;
        if waiting.tokens {
            let tokens = self.begin_family(&user, true, origin).await?;
            self.tell_of_device(&user, true, origin).await;
            return Ok(Completed::Tokens(tokens));
        }
        let proof = Proof { at: self.now(), strong: true };
        let session = self.begin_from(&user, proof, waiting.first.source(), origin).await?;
        self.leave(former, origin).await?;
        if waiting.first != First::Link {
            self.tell_of_device(&user, false, origin).await;
        }
        Ok(Completed::Session(session))
    }

    async fn user_of(&self, pending: &Pending) -> Result<Option<User>, Refusal> {
        let Some(id) = pending.user else { return Ok(None) };
        let user = self.store().user(id).await.map_err(unknowable)?;
        Ok(user.filter(|user| user.enabled))
    }
}
