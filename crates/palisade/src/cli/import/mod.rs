//! `palisade import users`: another program's users, with the password hashes they have (ID-3).
//!
//! Everybody is let in by a transaction of their own, many at a time, or all by one. Whoever is here already stays as
//! they are, so that an import can be run again.

mod columns;
mod entry;
mod json;
mod report;
mod source;
mod text;
pub(super) mod tokens;

use std::collections::HashSet;

use futures_util::future::join_all;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use palisade_access::{Access, Judged};
use palisade_model::{FieldFault, Refusal};
use palisade_store::User;

use super::args::{Format, ImportUsers};
use super::context::{self, Context, refusal_failure};
use super::failure::{Failure, Outcome};
use super::terminal::Terminal;

use columns::Columns;
use entry::{Entry, Place, Rules};
use report::Report;
use source::Source;

/// So many are on their way to the store at once; it commits them together.
const AT_ONCE: usize = 256;

/// Reads the source, judges everybody, lets in who fits, and reports.
pub(super) fn run(context: &Context, asked: &ImportUsers, terminal: &Terminal) -> Result<Outcome, Failure> {
    let (policy, world) = context.policy(terminal.colour_errors)?;
    let columns = columns(asked)?;
    let rules = Rules { roles: role_pairs(asked)?, email_verified: asked.email_verified };
    let source = Source::find(asked, &columns, &world.environment)?;
    let (mut report, done) = context::block_on(async {
        let (entries, heads) = source.read(&columns, &rules).await?;
        let roles = policy.roles.names().to_vec();
        let (access, store) = context::open_access(policy, world).await?;
        let mut import = Import::new(&access, roles, entries.len(), asked);
        import.report.heads = heads;
        let mut done = import.all(entries).await;
        if !import.report.unwritten {
            done = done.and(access.record_import(source.word(), import.report.tally).await);
        }
        import.bar.finish_and_clear();
        let report = import.report;
        store.close().await;
        // What was written stays written; it is told before the failure is.
        Ok((report, done))
    })?;
    report.print(asked.format, *terminal);
    done.map_err(|refusal| {
        refusal_failure(refusal)
            .remedy("run it again when that is mended: whoever is here already is passed over")
    })?;
    Ok(if report.tally.refused == 0 { Outcome::Good } else { Outcome::Findings })
}

fn columns(asked: &ImportUsers) -> Result<Columns, Failure> {
    let mut columns = asked.preset.map(Columns::of).unwrap_or_default();
    for pair in &asked.columns {
        columns.set(pair).map_err(Failure::usage)?;
    }
    Ok(columns)
}

fn role_pairs(asked: &ImportUsers) -> Result<Vec<(String, String)>, Failure> {
    let pair = |text: &String| {
        let (there, here) = text.split_once('=')?;
        Some((there.trim().to_owned(), here.trim().to_owned()))
    };
    let pairs: Option<Vec<_>> = asked.roles.iter().map(pair).collect();
    pairs.ok_or_else(|| Failure::usage("a role is written as THERE=HERE, or THERE= to leave it out"))
}

/// An import under way.
struct Import<'a> {
    access: &'a Access,
    /// The policy's.
    roles: Vec<String>,
    whole: bool,
    dry: bool,
    bar: ProgressBar,
    /// Names and addresses that somebody in the source has, in lower case.
    claimed: HashSet<String>,
    /// Who waits until all are judged, where it is all or nobody.
    waiting: Vec<User>,
    report: Report,
}

impl<'a> Import<'a> {
    fn new(access: &'a Access, roles: Vec<String>, length: usize, asked: &ImportUsers) -> Self {
        // Shows nothing where standard error is no terminal.
        let target = match asked.format {
            Format::Text => ProgressDrawTarget::stderr(),
            Format::Json => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(length as u64), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} users, {eta} left") {
            bar.set_style(style);
        }
        let report = Report { unwritten: asked.dry_run || asked.all_or_nothing, ..Report::default() };
        Self {
            access,
            roles,
            whole: asked.all_or_nothing,
            dry: asked.dry_run,
            bar,
            claimed: HashSet::new(),
            waiting: Vec::new(),
            report,
        }
    }

    /// Everybody. After an error the report tells what was done before it.
    async fn all(&mut self, entries: Vec<Entry>) -> Result<(), Refusal> {
        for some in entries.chunks(AT_ONCE) {
            let fitting = self.judge(some).await?;
            if self.dry {
                self.count(fitting.iter().map(|(_, user)| user));
            } else if self.whole {
                self.waiting.extend(fitting.into_iter().map(|(_, user)| user));
            } else {
                self.admit(fitting).await?;
            }
            self.bar.inc(some.len() as u64);
        }
        if self.whole && !self.dry { self.admit_all().await } else { Ok(()) }
    }

    /// Who of these fits.
    async fn judge(&mut self, some: &[Entry]) -> Result<Vec<(Place, User)>, Refusal> {
        let access = self.access;
        let judging = some.iter().map(|entry| async move {
            match &entry.newcomer {
                Ok(newcomer) => access.judge_newcomer(newcomer).await,
                Err(message) => Ok(Judged::Faulty(vec![row_fault(message)])),
            }
        });
        let judged = join_all(judging).await;
        let mut fitting = Vec::with_capacity(some.len());
        for (entry, judged) in some.iter().zip(judged) {
            match judged? {
                Judged::Here => self.report.tally.here = self.report.tally.here.saturating_add(1),
                Judged::Faulty(faults) => {
                    let roles =
                        entry.newcomer.iter().filter_map(|newcomer| newcomer.roles.as_ref()).flatten();
                    for role in roles.filter(|role| !self.roles.contains(role)) {
                        self.report.unknown_role(role);
                    }
                    self.report.refuse(entry.place, faults);
                }
                Judged::Fits { user, spare } => {
                    let nameless = spare.is_some();
                    match self.claim(*user, spare) {
                        Some(user) => {
                            self.report.named = self.report.named.saturating_add(nameless.into());
                            fitting.push((entry.place, user));
                        }
                        None => {
                            let message = "Somebody before has the same name or address.";
                            self.report.refuse(entry.place, vec![row_fault(message)]);
                        }
                    }
                }
            }
        }
        Ok(fitting)
    }

    /// Takes the name and address for somebody, unless another has one of them in the same source.
    fn claim(&mut self, mut user: User, spare: Option<String>) -> Option<User> {
        let email = user.email.as_deref().map(str::to_lowercase);
        if email.as_ref().is_some_and(|email| self.claimed.contains(email)) {
            return None;
        }
        if self.claimed.contains(&user.name.to_lowercase()) {
            user.name = spare?;
        }
        if !self.claimed.insert(user.name.to_lowercase()) {
            return None;
        }
        self.claimed.extend(email);
        Some(user)
    }

    async fn admit(&mut self, fitting: Vec<(Place, User)>) -> Result<(), Refusal> {
        let admitted = join_all(fitting.iter().map(|(_, user)| self.access.admit(user))).await;
        let mut failed = Ok(());
        for ((place, user), admitted) in fitting.iter().zip(admitted) {
            match admitted {
                Ok(Ok(())) => self.count([user]),
                Ok(Err(fault)) => self.report.refuse(*place, vec![fault]),
                Err(refusal) => failed = Err(refusal),
            }
        }
        failed
    }

    async fn admit_all(&mut self) -> Result<(), Refusal> {
        let users = std::mem::take(&mut self.waiting);
        self.count(&users);
        if self.report.tally.refused == 0 {
            self.access.admit_all(users).await?;
            self.report.unwritten = false;
        }
        Ok(())
    }

    fn count<'u>(&mut self, users: impl IntoIterator<Item = &'u User>) {
        for user in users {
            self.report.tally.taken = self.report.tally.taken.saturating_add(1);
            let without = user.password.is_none().into();
            self.report.without_password = self.report.without_password.saturating_add(without);
        }
    }
}

fn row_fault(message: &'static str) -> FieldFault {
    FieldFault::new("row", message)
}
