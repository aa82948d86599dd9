//! What all pages share.

use palisade_model::FieldFault;

use super::inside::Inside;

/// What all pages share: whose site it is, how it looks and what went wrong.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// The application's name.
    pub app: &'a str,
    /// The page's own nonce, which its Content-Security-Policy names (HEAD-1).
    pub nonce: &'a str,
    /// The path of the style sheet.
    pub stylesheet: &'a str,
    /// The way back to the application: a path of this site.
    pub home: &'a str,
    /// The path of the application's logo; without one, the first letter of its name stands for it.
    pub logo: Option<&'a str>,
    /// Something that went well.
    pub notice: Option<&'static str>,
    /// The account that this is a page of.
    pub inside: Option<Inside<'a>>,
    /// When this breakglass session ends, if it is one: every page of it says so.
    pub boxed: Option<String>,
    /// The heading above the faults.
    pub faults_title: &'a str,
    /// What to correct. One without a field concerns the whole form.
    pub faults: Vec<FieldFault>,
}

impl<'a> Frame<'a> {
    /// A page on which nothing has happened yet.
    #[must_use]
    pub const fn new(app: &'a str, nonce: &'a str, stylesheet: &'a str) -> Self {
        Self {
            app,
            nonce,
            stylesheet,
            home: "/",
            logo: None,
            notice: None,
            inside: None,
            boxed: None,
            faults_title: "",
            faults: Vec::new(),
        }
    }

    /// The same with another way back to the application.
    #[must_use]
    pub const fn with_home(mut self, home: &'a str) -> Self {
        self.home = home;
        self
    }

    /// The same with the application's logo.
    #[must_use]
    pub const fn with_logo(mut self, logo: Option<&'a str>) -> Self {
        self.logo = logo;
        self
    }

    /// The same with something that went well.
    #[must_use]
    pub const fn with_notice(mut self, notice: Option<&'static str>) -> Self {
        self.notice = notice;
        self
    }

    /// The same with something newer that went well, if there is anything.
    #[must_use]
    pub const fn or_notice(mut self, notice: Option<&'static str>) -> Self {
        if notice.is_some() {
            self.notice = notice;
        }
        self
    }

    /// The same, in a breakglass session that ends then, or in none.
    #[must_use]
    pub fn boxed(mut self, until: Option<String>) -> Self {
        self.boxed = until;
        self
    }

    /// The same with what to correct.
    #[must_use]
    pub fn with_faults(mut self, title: &'a str, faults: Vec<FieldFault>) -> Self {
        self.faults_title = title;
        self.faults = faults;
        self
    }

    /// The same as a page of somebody's account.
    #[must_use]
    pub const fn inside(mut self, inside: Inside<'a>) -> Self {
        self.inside = Some(inside);
        self
    }

    /// The same as the only page of the account.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.inside = self.inside.map(Inside::alone);
        self
    }

    /// The letter that stands for the application.
    pub(super) fn initial(&self) -> String {
        self.app
            .chars()
            .find(|letter| letter.is_alphanumeric())
            .map_or_else(|| "P".to_owned(), |letter| letter.to_uppercase().collect())
    }

    /// Whether the summary can link to that field.
    pub(super) fn has_field(&self, field: &str) -> bool {
        matches!(
            field,
            "login"
                | "password"
                | "old_password"
                | "new_password"
                | "name"
                | "email"
                | "scopes"
                | "expires"
                | "token"
                | "code"
        )
    }

    /// Whether that field is to be corrected.
    pub(super) fn has_fault(&self, field: &str) -> bool {
        self.faults.iter().any(|fault| fault.field == field)
    }

    /// What is to be corrected in that field.
    pub(super) fn faults_of<'f>(&'f self, field: &'f str) -> impl Iterator<Item = &'f str> {
        self.faults.iter().filter(move |fault| fault.field == field).map(|fault| &*fault.message)
    }
}
