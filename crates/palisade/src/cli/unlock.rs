//! `palisade unlock`: lifts lockouts (LIMIT-8). It holds at once, also for a server that runs.

use palisade_access::Locked;
use palisade_model::audit::Origin;

use super::args::Unlock;
use super::context::{self, Context, refusal_failure};
use super::failure::{Failure, Outcome};
use super::terminal::{Terminal, line, visible};
use crate::locked;

/// Does what the command says.
pub(super) fn run(context: &Context, command: Unlock, terminal: &Terminal) -> Result<Outcome, Failure> {
    let (policy, world) = context.policy(terminal.colour_errors)?;
    let (whose, shown) = match (command.user, command.address) {
        (Some(user), _) => (Locked::User(user.clone()), visible(&user)),
        (None, Some(text)) => {
            let network = locked::network(&text).ok_or_else(|| {
                Failure::usage(format_args!("'{}' is no address", visible(&text))).remedy(locked::NETWORK)
            })?;
            (Locked::Network(network), network.to_string())
        }
        (None, None) => (Locked::All, "anybody".to_owned()),
    };
    context::block_on(async {
        let (access, store) = context::open_access(policy, world).await?;
        let forgotten = access.unlock(&whose, None, &Origin::default()).await.map_err(refusal_failure)?;
        if let Locked::User(_) = &whose {
            let now = if forgotten == 0 { "Nothing was counted" } else { "Nothing is counted any more" };
            line(format_args!("{now} against {shown}'s account."));
            line("If they are still refused, it is their address: palisade unlock --address ADDRESS");
        } else if forgotten == 0 {
            line(format_args!("Nothing was counted against {shown}."));
        } else {
            line(format_args!("Nothing is counted against {shown} any more, and no lockout holds."));
        }
        store.close().await;
        Ok(Outcome::Good)
    })
}
