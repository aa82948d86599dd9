//! What checking has to say: code, place, reason and remedy.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

use crate::mask::mask_userinfo;

macro_rules! codes {
    ($($name:ident $text:literal $meaning:literal;)*) => {
        /// Which kind of mistake. The codes are stable: waivers and scripts may rely on them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = $meaning] $name,)* }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What the code stands for, in one sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

codes! {
    Syntax "P001" "The file is not TOML.";
    UnknownKey "P002" "A table or key that does not exist.";
    WrongType "P003" "A value of another type than the setting takes.";
    Malformed "P004" "A value that does not read as what the setting takes.";
    OutOfBounds "P005" "A value beyond its bounds.";
    Missing "P006" "A setting without which the policy means nothing.";
    SecretInline "P007" "A secret written into the file.";
    SecretUnreadable "P008" "A secret that is not where the policy says.";
    SecretTwice "P009" "A secret given both as NAME and as NAME_FILE.";
    UnknownName "P010" "A role, limit or upstream that is not defined.";
    RoleTable "P011" "Roles that include each other, are too many, or are named like a keyword.";
    RoutePath "P012" "A path that is not a route pattern.";
    RouteTwice "P013" "Two routes for the same requests.";
    RouteTaken "P014" "A route at an address that Palisade answers itself.";
    Contradiction "P015" "Settings that contradict each other.";
    UnknownVariable "P016" "An environment variable PALISADE_... that overrides nothing.";
    FileUnreadable "P017" "The policy file cannot be read.";
    AnyOrigin "P020" "Any origin, or none, may use people's credentials.";
    UnsafeOrigin "P021" "An origin that anybody on the way can pretend to be, in production.";
    CsrfOpen "P022" "CSRF protection is switched off in production.";
    LimitsOff "P023" "Rate limits are switched off in production.";
    PlainHttp "P024" "The public address is not https in production.";
    SecretMissing "P025" "A secret that has to be given is not.";
    SecretShort "P026" "A secret that is too short to be one.";
    HostsOpen "P027" "Requests for any host would be served in production.";
    CsrfOff "P028" "A route takes cookies and checks nothing.";
    ProxyAnybody "P029" "Anybody may say where a request comes from.";
    SignUpRole "P031" "Whoever comes by themselves gets more than the least role.";
    RouteNobody "P032" "A route that nobody may use.";
    PublicWrite "P033" "Anybody may change something without signing in.";
    CookieWeak "P034" "Cookies that are weaker than production should have them.";
    Verbose "P035" "A log level that tells too much in production.";
    Unused "P036" "Something that is defined and not used.";
    MetricsOpen "P037" "Metrics are open to the world.";
    EnvironmentUnsaid "P038" "The policy does not say which environment this is, and the server listens to the world.";
    StoreVolatile "P039" "Everything would be lost at the next restart.";
    HeaderWeak "P040" "A response header that is weaker than it should be.";
    LimitWeak "P041" "A limit on signing in that leaves time to guess passwords.";
    HashWeak "P042" "Password hashing that is too cheap for production.";
    RouteAlias "P043" "A page that a route guards, reached by another route that lets in more people.";
    RouteSpelling "P044" "Another spelling of a page that a route guards, open to more people.";
    DatabasePlain "P045" "The database is reached over a network without TLS.";
    ReferrerHidden "P046" "Browsers do not tell where a form comes from, and it is refused.";
    TokenShared "P047" "One token for all administrators.";
    TokenInAddress "P048" "Tokens that are taken from addresses.";
    NobodyAdministers "P049" "No role is that of administrators.";
    TestUser "P050" "A fixed user for automatic tests, outside of them.";
    PlainProvider "P051" "A sign-in provider that is spoken to without TLS.";
    SignUpWide "P052" "A provider at which anybody can get an account makes accounts here.";
    MailPlain "P053" "Letters, with the links in them, go over a network without TLS.";
    SignUpUnproven "P054" "Registration is open, and nobody asks whose an address is.";
    OutsideAdministrators "P055" "A group at another site makes administrators here.";
    ClientsAsOne "P056" "All clients behind a proxy would count as one.";
    AccentFaint "P057" "A colour that is too faint for text as it is written.";
}

/// Whether the policy can be used at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot: the server does not start.
    Error,
    /// It can, but somebody should look.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Where a value came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Nobody said it: the default, or a setting that is missing.
    #[default]
    Unsaid,
    /// These bytes of the policy file.
    Span(Range<usize>),
    /// This environment variable.
    Variable(String),
}

/// One thing that checking has to say. Holds no secret: whoever makes one sees to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Which kind of mistake.
    pub code: Code,
    /// Whether the policy can be used at all.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// Where.
    pub place: Place,
    /// A word at the caret; may be empty.
    pub label: String,
    /// Why it matters; may be empty.
    pub reason: String,
    /// What to write instead.
    pub help: String,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: Code, place: Place, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            place,
            label: String::new(),
            reason: String::new(),
            help: String::new(),
        }
    }

    /// A warning.
    pub fn warning(code: Code, place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, place, message) }
    }

    /// The same with a word at the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The same with the reason why it matters.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// The same with what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

/// Everything that checking one policy has to say, with the text that it speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    file: String,
    /// The policy with everything that may be secret masked, byte for byte as long as the original.
    source: String,
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// About `source`, in which secrets are masked already, out of the file of that name.
    pub(crate) fn new(file: &str, source: String, mut list: Vec<Diagnostic>) -> Self {
        for one in &mut list {
            for text in [&mut one.message, &mut one.label, &mut one.reason, &mut one.help] {
                *text = printable(&mask_userinfo(text));
            }
        }
        let mut all = Self { file: file.to_owned(), source, list };
        all.list.sort_by_key(|one| (one.severity, start_of(&one.place)));
        all.list.dedup();
        all
    }

    /// Each of them: errors first, then in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether one of them keeps the policy from being used.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|one| one.severity == Severity::Error)
    }

    /// The errors and the rest, apart.
    pub(crate) fn split(self) -> (Self, Self) {
        let (errors, warnings) = self.list.into_iter().partition(|one| one.severity == Severity::Error);
        let with = |list| Self { file: self.file.clone(), source: self.source.clone(), list };
        (with(errors), with(warnings))
    }

    /// Both together, as one list about one file.
    pub(crate) fn joined(self, other: Self) -> Self {
        let list = self.list.into_iter().chain(other.list).collect();
        Self::new(&self.file, self.source, list)
    }

    /// For people, with carets under the place; with colours for a terminal.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for one in &self.list {
            text.push_str(&renderer.render(&[self.group(one)]));
            text.push_str("\n\n");
        }
        text
    }

    fn group<'a>(&'a self, one: &'a Diagnostic) -> Group<'a> {
        let level = match one.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(one.message.as_str()).id(one.code.name()));
        match &one.place {
            Place::Span(span) => {
                let label = Some(one.label.as_str()).filter(|label| !label.is_empty());
                let caret = AnnotationKind::Primary.span(self.within(span)).label(label);
                group = group.element(
                    Snippet::source(self.source.as_str()).path(self.file.as_str()).annotation(caret),
                );
            }
            Place::Variable(name) => {
                group = group.element(Level::NOTE.message(format!("in the environment variable {name}")));
            }
            Place::Unsaid if !self.file.is_empty() => {
                group = group.element(Level::NOTE.message(format!("in {}", self.file)));
            }
            Place::Unsaid => {}
        }
        if !one.reason.is_empty() {
            group = group.element(Level::NOTE.message(one.reason.as_str()));
        }
        if !one.help.is_empty() {
            group = group.element(Level::HELP.message(one.help.as_str()));
        }
        group
    }

    /// The span, kept within the source and on character boundaries: a caret must never end in a panic.
    fn within(&self, span: &Range<usize>) -> Range<usize> {
        let floor = |at: usize| {
            let at = at.min(self.source.len());
            (0..=at).rev().find(|at| self.source.is_char_boundary(*at)).unwrap_or(0)
        };
        let start = floor(span.start);
        start..floor(span.end).max(start)
    }

    /// The line of a place, from 1; 0 where there is none.
    #[must_use]
    pub fn line_of(&self, place: &Place) -> usize {
        match place {
            Place::Span(span) => line_at(&self.source, span.start),
            _ => 0,
        }
    }

    /// For programs: an array with one object for each.
    #[must_use]
    pub fn to_json(&self) -> Value {
        self.list.iter().map(|one| self.object(one)).collect()
    }

    fn object(&self, one: &Diagnostic) -> Value {
        let (line, column, variable) = self.whereabouts(&one.place);
        json!({
            "code": one.code.name(),
            "severity": one.severity.name(),
            "message": one.message,
            "reason": one.reason,
            "help": one.help,
            "file": self.file,
            "line": line,
            "column": column,
            "variable": variable,
        })
    }

    /// Line, column and variable of a place, each where it has one.
    fn whereabouts<'a>(&self, place: &'a Place) -> (Option<usize>, Option<usize>, Option<&'a str>) {
        match place {
            Place::Span(span) => {
                let start = self.within(span).start;
                let before = self.source.get(..start).unwrap_or_default();
                let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
                (Some(line_at(&self.source, start)), Some(column), None)
            }
            Place::Variable(name) => (None, None, Some(name)),
            Place::Unsaid => (None, None, None),
        }
    }
}

/// Keys and values may hold escapes that a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn start_of(place: &Place) -> usize {
    match place {
        Place::Span(span) => span.start,
        _ => usize::MAX,
    }
}

/// The line of a byte, from 1.
pub(crate) fn line_at(source: &str, at: usize) -> usize {
    source.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
