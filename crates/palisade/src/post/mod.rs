//! Mail leaves: letters are taken from the store, put into words and handed to a mail server.
//!
//! A letter is claimed for as long as sending may take, so that of several nodes one sends it. What fails is tried
//! again, ever more rarely, until the letter runs out; log lines name neither address nor link.

mod carrier;
mod message;
mod words;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use palisade_access::{Access, ClaimedMail};
use palisade_gate::Metrics;
use palisade_model::{Timestamp, World};
use palisade_policy::Policy;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use carrier::{Carrier, Failure};

/// How often the store is asked for letters that other nodes queued, and for those that are due again.
const LOOK: Duration = Duration::from_secs(1);

/// So long a letter is ours; sending gives up well before.
const LEASE: Duration = Duration::from_secs(120);

/// The pause after a first failure; it doubles up to [`LONGEST`].
const PAUSE: Duration = Duration::from_secs(15);

const LONGEST: Duration = Duration::from_secs(3600);

/// So many letters are on their way at once.
const AT_ONCE: usize = 4;

/// So long a letter that is on its way is waited for at the end.
const GRACE: Duration = Duration::from_secs(5);

/// The post office.
pub struct Post {
    policy: Arc<Policy>,
    access: Access,
    world: World,
    carrier: Carrier,
    state: Arc<State>,
    counted: Counted,
}

/// How mail is doing, for the checks of readiness.
#[derive(Debug, Default)]
pub struct State {
    failing: AtomicBool,
}

impl State {
    /// Whether the last letter could not be handed over.
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
struct Counted {
    waiting: Gauge,
    sent: Counter,
    failed: Counter,
    given_up: Counter,
}

impl Post {
    /// The post office of this policy; `None` where no mail is sent.
    ///
    /// # Errors
    /// When the folder cannot be made or the certificates cannot be read.
    pub fn open(
        policy: &Arc<Policy>,
        access: &Access,
        world: &World,
        metrics: &Metrics,
    ) -> anyhow::Result<Option<Self>> {
        let Some(carrier) = Carrier::open(&policy.mail, &policy.app)? else { return Ok(None) };
        let counted = Counted::default();
        metrics.register(|registry| {
            registry.register("mail_waiting", "Letters that wait to be sent", counted.waiting.clone());
            registry.register("mail_sent", "Letters that were handed over", counted.sent.clone());
            registry.register(
                "mail_failed",
                "Tries to hand a letter over that failed",
                counted.failed.clone(),
            );
            registry.register("mail_given_up", "Letters that were never sent", counted.given_up.clone());
        });
        Ok(Some(Self {
            policy: Arc::clone(policy),
            access: access.clone(),
            world: world.clone(),
            carrier,
            state: Arc::default(),
            counted,
        }))
    }

    /// How mail is doing.
    #[must_use]
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.state)
    }

    /// Sends what is due until `stop` is ready.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            let round = self.send_due();
            tokio::pin!(round);
            tokio::select! {
                () = &mut round => {}
                () = &mut stop => {
                    // What is cut off here is sent by somebody else once the claim has run out.
                    let _ = tokio::time::timeout(GRACE, round).await;
                    return;
                }
            }
            tokio::select! {
                () = self.access.mail_queued() => {}
                () = tokio::time::sleep(LOOK) => {}
                () = &mut stop => return,
            }
        }
    }

    async fn send_due(&self) {
        loop {
            let outlook = match self.access.mail_outlook().await {
                Ok(outlook) => outlook,
                Err(error) => return tracing::warn!(%error, "the store does not say whether mail is due"),
            };
            self.counted.waiting.set(i64::try_from(outlook.waiting).unwrap_or(i64::MAX));
            if outlook.next_at.is_none_or(|at| at > self.world.now()) {
                return;
            }
            let claimed = match self.access.claim_mail(LEASE, 4 * AT_ONCE as u32).await {
                Ok(claimed) if claimed.is_empty() => return,
                Ok(claimed) => claimed,
                Err(error) => return tracing::warn!(%error, "mail that is due cannot be claimed"),
            };
            futures_util::stream::iter(claimed)
                .for_each_concurrent(AT_ONCE, |claimed| self.send(claimed))
                .await;
        }
    }

    async fn send(&self, claimed: ClaimedMail) {
        let id = claimed.id;
        let written = match &claimed.letter {
            Some(letter) => message::write(letter, id, &self.policy),
            None => Err(anyhow::anyhow!("it was sealed under another SECRET_KEY")),
        };
        let done = match written {
            Err(error) => {
                tracing::error!(%id, %error, "a letter cannot be written, and is given up");
                self.counted.given_up.inc();
                self.access.forget_mail(id).await
            }
            Ok(message) => match self.carrier.hand_over(&message, id).await {
                Ok(()) => {
                    self.counted.sent.inc();
                    if self.state.failing.swap(false, Ordering::Relaxed) {
                        tracing::info!("mail is sent again");
                    }
                    self.access.forget_mail(id).await
                }
                Err(Failure::Never(why)) => {
                    tracing::error!(%id, why, "the mail server refused a letter for good: it is given up");
                    self.counted.given_up.inc();
                    self.access.forget_mail(id).await
                }
                Err(Failure::Later(why)) => self.later(&claimed, &why).await,
            },
        };
        if let Err(error) = done {
            tracing::warn!(%id, %error, "what became of a letter cannot be written down: it may be sent twice");
        }
    }

    async fn later(&self, claimed: &ClaimedMail, why: &str) -> Result<(), palisade_store::StoreError> {
        self.counted.failed.inc();
        self.state.failing.store(true, Ordering::Relaxed);
        let id = claimed.id;
        let again = self.world.now().plus(self.pause(claimed.tries));
        if again >= claimed.expires_at {
            tracing::error!(%id, why, tries = claimed.tries, "a letter could not be sent for a day: it is given up");
            self.counted.given_up.inc();
            return self.access.forget_mail(id).await;
        }
        tracing::warn!(%id, why, tries = claimed.tries, again = %again, "a letter could not be sent yet");
        self.access.put_off_mail(id, again).await
    }

    /// Twice as long after each failure, and up to a quarter more, so that many letters do not come back at once.
    fn pause(&self, tries: u32) -> Duration {
        let doubled = PAUSE.saturating_mul(1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX));
        let pause = doubled.min(LONGEST);
        let mut dice = [0_u8; 1];
        // Without randomness there is no jitter, and the letter is tried all the same.
        let _ = self.world.entropy.fill(&mut dice);
        pause + pause * u32::from(dice[0]) / 1024
    }
}

/// `22 Nov 2026, 15:40 UTC`.
fn readable(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.as_micros())
        .map_or_else(|_| at.to_string(), |time| time.strftime("%-d %b %Y, %H:%M UTC").to_string())
}
