//! One input of a form.

use palisade_access::Principal;

/// One labelled input. Its name is also its id, which faults refer to.
#[derive(Clone, Debug)]
pub struct Field<'a> {
    /// The name in the form.
    pub name: &'static str,
    /// What people read.
    pub label: &'static str,
    /// The input's type.
    pub kind: &'static str,
    /// What password managers go by (HTML, autofill).
    pub autocomplete: &'static str,
    /// Which keyboard suits it, where the type does not say.
    pub mode: &'static str,
    /// What was typed before; never a password.
    pub value: &'a str,
    /// What to know before typing.
    pub hint: &'a str,
    /// Whether it may not be left empty.
    pub required: bool,
}

impl<'a> Field<'a> {
    const fn new(
        name: &'static str,
        label: &'static str,
        kind: &'static str,
        autocomplete: &'static str,
    ) -> Self {
        Self { name, label, kind, autocomplete, mode: "", value: "", hint: "", required: true }
    }

    /// Name or e-mail, to sign in.
    #[must_use]
    pub const fn login() -> Self {
        Self::new("login", "Name or e-mail", "text", "username webauthn")
    }

    /// The password, to sign in.
    #[must_use]
    pub const fn password() -> Self {
        Self::new("password", "Password", "password", "current-password")
    }

    /// The present password, to change it.
    #[must_use]
    pub const fn current_password() -> Self {
        Self::new("old_password", "Current password", "password", "current-password")
    }

    /// A code of a second factor.
    #[must_use]
    pub const fn code(label: &'static str, hint: &'a str) -> Self {
        let mut field = Self::new("code", label, "text", "one-time-code");
        field.hint = hint;
        field
    }

    /// The first code of an authenticator application: digits alone.
    #[must_use]
    pub const fn digits() -> Self {
        let mut field = Self::code("Code", "The six digits that the app shows now.");
        field.mode = "numeric";
        field
    }

    /// What somebody calls a passkey.
    #[must_use]
    pub const fn passkey_name() -> Self {
        let mut field = Self::new("name", "Name of the passkey", "text", "off");
        field.hint = "So that you know it again, as: my phone.";
        field.value = "My device";
        field
    }

    /// A password to be, with the rules for it.
    #[must_use]
    pub const fn new_password(name: &'static str, label: &'static str, rules: &'a str) -> Self {
        let mut field = Self::new(name, label, "password", "new-password");
        field.hint = rules;
        field
    }

    /// What somebody calls an API key.
    #[must_use]
    pub const fn key_name() -> Self {
        let mut field = Self::new("name", "Name", "text", "off");
        field.hint = "So that you know it again, as: nightly report.";
        field
    }

    /// What an API key may be used for.
    #[must_use]
    pub const fn scopes() -> Self {
        let mut field = Self::new("scopes", "Scopes", "text", "off");
        field.hint = "What it may do: read, write, or either below a path, as read:/api/orders.";
        field.value = "read";
        field
    }

    /// How long an API key lives.
    #[must_use]
    pub const fn life() -> Self {
        let mut field = Self::new("expires", "Valid for", "text", "off");
        field.hint = "A time, as 12h or 90d.";
        field.value = "90d";
        field
    }

    /// A breakglass token.
    #[must_use]
    pub const fn breakglass_token() -> Self {
        Self::new("token", "Breakglass token", "password", "off")
    }

    /// A name to register.
    #[must_use]
    pub const fn name() -> Self {
        let mut field = Self::new("name", "Name", "text", "username");
        field.hint = "You sign in with it, and others may see it.";
        field
    }

    /// An e-mail address to register; it can be left empty.
    #[must_use]
    pub const fn email() -> Self {
        let mut field = Self::new("email", "E-mail (optional)", "email", "email");
        field.required = false;
        field
    }

    /// An e-mail address to register that a letter goes to.
    #[must_use]
    pub const fn needed_email() -> Self {
        let mut field = Self::new("email", "E-mail", "email", "email");
        field.hint = "A link to confirm it goes there.";
        field
    }

    /// Another address for an account, or the same to be confirmed.
    #[must_use]
    pub fn new_email(principal: &'a Principal) -> Self {
        let waits = principal.email().filter(|_| principal.confirmed_email().is_none());
        let label = if waits.is_some() || principal.email().is_none() { "Address" } else { "New address" };
        let mut field = Self::new("email", label, "email", "email").with_value(waits.unwrap_or_default());
        field.hint = "A link to confirm it goes there.";
        field
    }

    /// The same with what was typed before. A password is never written back into a page.
    #[must_use]
    pub fn with_value(mut self, value: &'a str) -> Self {
        if self.kind != "password" {
            self.value = value;
        }
        self
    }
}
