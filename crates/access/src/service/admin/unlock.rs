//! Lifting lockouts (LIMIT-3, LIMIT-8). It holds at once, for every node: lockouts live in the store.

use std::net::IpAddr;

use ipnet::IpNet;
use palisade_model::audit::Origin;
use palisade_model::{Action, AuditEvent, ClientAddress, Denial, Refusal};
use palisade_store::User;

use crate::access::{Access, unchanged, unknowable};
use crate::principal::Principal;

/// Addresses (or /64 networks) that are unlocked at once at most, as a power of two: keys are digests, so each has to
/// be made.
const MOST_BITS: u8 = 16;

/// Whose lockouts are lifted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locked {
    /// An account's, for strangers and for the devices that are known to it; by name or e-mail.
    User(String),
    /// An address's, or those of all addresses of a network.
    Network(IpNet),
    /// All.
    All,
}

impl Access {
    /// Lifts lockouts, and forgets the failures that have not led to one yet. How many counts were forgotten: none
    /// leaves no row. `by` is the administrator, `None` on the command line; one of a tenant unlocks its users alone.
    ///
    /// # Errors
    /// `InvalidInput` with the field `user` for somebody who is not there, or `address` for a network that is too
    /// large; [`Denial::Forbidden`] for an administrator of a tenant; the store's failures.
    pub async fn unlock(
        &self,
        whose: &Locked,
        by: Option<&Principal>,
        origin: &Origin,
    ) -> Result<u64, Refusal> {
        let mut row = AuditEvent::new(Action::LockoutLifted, "lockouts", "all").from(origin);
        row.user = by.map(Principal::user);
        let tenant = by.and_then(Principal::tenant);
        if tenant.is_some() && !matches!(whose, Locked::User(_)) {
            return Err(Refusal::new(Denial::Forbidden, "addresses belong to no tenant"));
        }
        match whose {
            Locked::User(login) => {
                let user = self.store().user_by_login(login.trim()).await.map_err(unknowable)?;
                let within = |user: &User| tenant.is_none_or(|tenant| user.tenant.as_ref() == Some(tenant));
                let user =
                    user.filter(within).ok_or_else(|| Refusal::field("user", "There is no such user."))?;
                (row.entity_type, row.entity_id) = ("user", user.id.to_string());
                row.tenant.clone_from(&user.tenant);
                self.store().unlock(self.0.lockouts.keys_of(&user), vec![row]).await
            }
            Locked::Network(network) => {
                let addresses = addresses(*network).ok_or_else(|| {
                    Refusal::field(
                        "address",
                        "The network is too large: name one of at most 65,536 addresses, or all.",
                    )
                })?;
                (row.entity_type, row.entity_id) = ("address", "network".to_owned());
                let row = row.change("network", network.to_string(), serde_json::Value::Null);
                let keys = addresses.map(|ip| self.0.lockouts.address_key(ClientAddress::known(ip)));
                self.store().unlock(keys.collect(), vec![row]).await
            }
            Locked::All => self.store().unlock_all(vec![row]).await,
        }
        .map_err(unchanged)
    }
}

/// One address for each that is counted by itself: IPv6 counts by /64.
fn addresses(network: IpNet) -> Option<impl Iterator<Item = IpAddr>> {
    let (first, bits, step): (u128, u8, u8) = match network.trunc() {
        IpNet::V4(net) => (u128::from(net.network().to_bits()), 32_u8.checked_sub(net.prefix_len())?, 0),
        IpNet::V6(net) => (net.network().to_bits(), 64_u8.saturating_sub(net.prefix_len()), 64),
    };
    let v4 = matches!(network, IpNet::V4(_));
    (bits <= MOST_BITS).then(|| {
        (0..1_u128 << bits).map(move |n| {
            let at = first + (n << step);
            if v4 { IpAddr::V4(u32::try_from(at).unwrap_or(0).into()) } else { IpAddr::V6(at.into()) }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: LIMIT-8
    #[test]
    fn a_network_is_taken_apart_into_what_counts_by_itself() {
        let list = |text: &str| {
            addresses(text.parse().unwrap()).map(|all| all.map(|ip| ip.to_string()).collect::<Vec<_>>())
        };
        assert_eq!(list("192.0.2.7/32").unwrap(), ["192.0.2.7"]);
        assert_eq!(list("192.0.2.7/31").unwrap(), ["192.0.2.6", "192.0.2.7"]);
        assert_eq!(list("2001:db8::1/128").unwrap(), ["2001:db8::1"]);
        assert_eq!(list("2001:db8:0:8::/63").unwrap(), ["2001:db8:0:8::", "2001:db8:0:9::"]);
        assert_eq!(list("10.0.0.0/16").unwrap().len(), 65_536);
        assert_eq!(list("255.255.0.0/16").unwrap().last().unwrap(), "255.255.255.255");
        for large in ["10.0.0.0/15", "0.0.0.0/0", "2001:db8::/47", "::/0"] {
            assert_eq!(list(large), None, "{large}");
        }
    }
}
