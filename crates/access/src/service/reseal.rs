//! What rests under a former root secret, sealed anew, so that the former one can be dropped (ID-11).

use data_encoding::HEXLOWER;
use palisade_model::World;
use palisade_model::id::UserId;
use palisade_store::{Reseal, Sealed, StoreError};

use crate::access::Access;
use crate::error::AccessError;
use crate::keys::Sealer;

/// What sealing anew came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Secrets that are under the present root secret.
    pub present: u64,
    /// Of these, what a former one had sealed until now.
    pub anew: u64,
    /// Secrets that none of the root secrets opens: the one that they were sealed under is not listed.
    pub lost: u64,
}

impl Access {
    /// Seals authenticator secrets, letters that wait and registrations that wait anew where a former root secret had
    /// sealed them; signing keys are by [`Access::open`]. The server may run meanwhile.
    ///
    /// What stays under a former one for a few minutes more is in browsers and in ceremonies that have begun.
    ///
    /// # Errors
    /// When the store does not answer, or there is no randomness; what was done stays done.
    pub async fn reseal(&self) -> Result<Resealed, AccessError> {
        let mut all = Resealed::default();
        for of in Sealed::ALL {
            let mut after = Vec::new();
            loop {
                let rows = self.store().sealed_after(of, &after).await?;
                let Some((last, _)) = rows.last() else { break };
                after.clone_from(last);
                let sealer = if of == Sealed::Totp { &self.0.factors } else { &self.0.outbox };
                let anew = judge(of, rows, sealer, &self.0.world, &mut all)?;
                if !anew.is_empty() {
                    self.store().reseal(of, anew).await?;
                }
            }
        }
        Ok(all)
    }
}

/// What has to be sealed anew of these rows.
fn judge(
    of: Sealed,
    rows: Vec<(Vec<u8>, Vec<u8>)>,
    sealer: &Sealer,
    world: &World,
    all: &mut Resealed,
) -> Result<Vec<Reseal>, AccessError> {
    let mut anew = Vec::new();
    for (key, was) in rows {
        let name = name_of(of, &key)?;
        let Ok(opened) = sealer.open(&name, &was) else {
            all.lost = all.lost.saturating_add(1);
            continue;
        };
        all.present = all.present.saturating_add(1);
        if opened.stale {
            all.anew = all.anew.saturating_add(1);
            let becomes = sealer.seal(&name, &opened.secret, world)?;
            anew.push(Reseal { key, was, becomes });
        }
    }
    Ok(anew)
}

/// Under which name it was sealed.
fn name_of(of: Sealed, key: &[u8]) -> Result<String, StoreError> {
    match of {
        Sealed::SignUps => Ok(HEXLOWER.encode(key)),
        Sealed::Totp | Sealed::Letters => {
            let id =
                uuid::Uuid::from_slice(key).map_err(|_| StoreError::Corrupt("the key of a sealed secret"))?;
            Ok(UserId(id).to_string())
        }
    }
}
