//! Users who are nothing but the bearer of a token: visitors, breakglass, and tokens of other systems.

use data_encoding::BASE32_NOPAD;
use palisade_model::Refusal;
use palisade_store::User;

use crate::access::{Access, unrandom};

impl Access {
    /// A user without address and password. They are not kept yet.
    pub(crate) fn bearer_user(&self, name: String, roles: Vec<String>) -> Result<User, Refusal> {
        Ok(User {
            id: self.new_user_id().map_err(unrandom)?,
            name,
            email: None,
            email_verified_at: None,
            tenant: None,
            roles,
            password: None,
            password_at: None,
            enabled: true,
            created_at: self.now(),
        })
    }

    /// A name that nobody has: eighty random bits.
    pub(crate) fn bearer_name(&self, kind: &str) -> Result<String, Refusal> {
        let mut random = [0_u8; 10];
        self.0.world.entropy.fill(&mut random).map_err(unrandom)?;
        Ok(format!("{kind}-{}", BASE32_NOPAD.encode(&random).to_lowercase()))
    }

    /// The roles of visitors.
    pub(crate) fn guest_roles(&self) -> Vec<String> {
        self.policy().roles.names_of(self.policy().identify.guests.roles).map(str::to_owned).collect()
    }
}
