//! `palisade revoke`: everything ends that lets somebody in without a new proof (INC-2).

use palisade_model::TenantId;
use palisade_model::audit::Origin;
use palisade_store::{Reach, Revoked};

use super::args::Whose;
use super::context::{self, Context, find, refusal_failure};
use super::failure::{Failure, Outcome};
use super::terminal::{Terminal, line};

/// Does what the command says.
pub(super) fn run(context: &Context, whose: &Whose, terminal: &Terminal) -> Result<Outcome, Failure> {
    let (policy, world) = context.policy(terminal.colour_errors)?;
    context::block_on(async {
        let (access, store) = context::open_access(policy, world).await?;
        let reach = match (&whose.tenant, &whose.user) {
            (Some(tenant), _) => Reach::Tenant(TenantId::parse(tenant).ok_or_else(|| {
                Failure::usage("the tenant is not well formed")
                    .remedy("use letters, digits, '_' and '-', at most 64")
            })?),
            (None, Some(user)) => Reach::User(find(&store, user).await?.id),
            (None, None) => Reach::Everybody,
        };
        let revoked = access.revoke_access(&reach, &Origin::default()).await.map_err(refusal_failure)?;
        line(format_args!("Ended: {}.", counted(&revoked)));
        store.close().await;
        Ok(Outcome::Good)
    })
}

/// How much has ended, in words.
pub(super) fn counted(revoked: &Revoked) -> String {
    let Revoked { sessions, families, tokens, links } = revoked;
    format!("{sessions} sessions, {families} token families, {tokens} API tokens, {links} one-time links")
}
