//! Registration by oneself.

use palisade_model::audit::Origin;
use palisade_model::id::UserId;
use palisade_model::{Action, Denial, FieldFault, Refusal, Secret};
use palisade_store::{StoreError, User};

use crate::access::{Access, entry, unchanged, unrandom};
use crate::name;
use crate::password::Subject;

/// What a visitor writes to register.
#[derive(Clone, Debug)]
pub struct SignUp {
    /// The sign-in name.
    pub name: String,
    /// The e-mail address.
    pub email: Option<String>,
    /// The password.
    pub password: Secret,
}

impl Access {
    /// Registers a user with the policy's default roles.
    ///
    /// Whether the name or the address is the one that is taken is not told, and finding out takes the same
    /// time and work as registering.
    ///
    /// # Errors
    /// [`Denial::SignUpClosed`]; [`Denial::InvalidInput`] with the fields `name`, `email`, `password`;
    /// [`Denial::HashingBusy`]; the store's failures.
    pub async fn sign_up(&self, form: SignUp, origin: &Origin) -> Result<UserId, Refusal> {
        if !self.policy().identify.sign_up {
            return Err(Denial::SignUpClosed.into());
        }
        let (name, email) = name::judge(&form.name, form.email.as_deref())?;
        let subject = Subject { name: &name, email: email.as_deref() };
        self.0.passwords.judge("password", &form.password, &subject, Vec::new()).await?;
        let hash = self.0.passwords.hash(&form.password).await?;
        let now = self.now();
        let user = User {
            id: self.new_user_id().map_err(unrandom)?,
            name,
            email,
            email_verified_at: None,
            tenant: None,
            roles: self.default_roles(),
            password: Some(hash),
            password_at: Some(now),
            enabled: true,
            created_at: now,
        };
        let row = entry(Action::UserCreated, "user", &user.id, &user, origin);
        match self.store().create_user(&user, vec![row]).await {
            Ok(()) => Ok(user.id),
            Err(StoreError::Taken { .. }) => Err(taken()),
            Err(error) => Err(unchanged(error)),
        }
    }

    /// The policy's roles for newcomers.
    pub(crate) fn default_roles(&self) -> Vec<String> {
        self.policy().roles.names_of(self.policy().identify.default_roles).map(str::to_owned).collect()
    }
}

fn taken() -> Refusal {
    let message = "This name or e-mail address cannot be used. Choose another, or sign in if it is yours.";
    Refusal::fields(vec![FieldFault { field: "name".into(), message: message.into() }])
}
